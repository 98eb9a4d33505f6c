//! What is said when a host does not allow what a sandbox needs. Each host is simulated with a namespace around the
//! driver, by `unshare(1)`.

use std::process::{Command, Output};

use serde_json::json;

use crate::support::{Place, Who, everybody, run_of};

/// Runs the driver under another program.
fn under(place: &Place, wrapper: &[&str], task: &serde_json::Value) -> Output {
    let mut command = Command::new(wrapper[0]);
    command
        .args(&wrapper[1..])
        .arg(place.path("driver"))
        .current_dir("/");
    place.feed(command, task)
}

fn users() -> Vec<Who> {
    let users: Vec<Who> = everybody().into_iter().filter(|who| *who != Who::Root).collect();
    assert!(!users.is_empty());
    users
}

#[test]
fn a_host_without_user_namespaces_is_told_with_its_fix() {
    for who in users() {
        let place = Place::new(who);
        let task = json!({ "Each": [run_of(&place.spec(&["true"]), json!({}))] });
        // The limit belongs to a user namespace, so that one can be made which has none.
        let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\"";
        let namespace = [
            "unshare",
            "--user",
            "--map-auto",
            "--map-root-user",
            "sh",
            "-c",
            script,
        ];
        let wrapper = place.as_user(&namespace);
        let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
        let output = under(&place, &wrapper, &task);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{stderr}");
        assert!(stderr.contains("the kernel refuses a user namespace"), "{stderr}");
        assert!(stderr.contains("fix: Some(UserNamespaces)"), "{stderr}");
    }
}

#[test]
fn root_of_a_namespace_with_one_id_is_told() {
    for who in users() {
        let place = Place::new(who);
        let task = json!({ "Each": [run_of(&place.spec(&["true"]), json!({}))] });
        let wrapper = place.as_user(&["unshare", "--user", "--map-root-user"]);
        let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
        let output = under(&place, &wrapper, &task);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{stderr}");
        assert!(
            stderr.contains("has only 1 ids, but images need 65536\nfix: WiderNamespace"),
            "{stderr}"
        );
    }
}

/// Root inside a container that has its ids from a user namespace: its own ids are mapped once more.
#[test]
fn root_of_a_namespace_with_many_ids_nests_them() {
    for who in users() {
        let place = Place::new(who);
        let mut spec = place.shell("id -u; touch /tmp/f; chown 65535:65535 /tmp/f; stat -c %u:%g /tmp/f");
        spec.user.gid = 0;
        let task = json!({ "Each": [run_of(&spec, json!({}))] });
        let wrapper = place.as_user(&["unshare", "--user", "--map-auto", "--map-root-user"]);
        let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
        let output = under(&place, &wrapper, &task);
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(
            stdout.contains("0\\n65535:65535\\n"),
            "{stdout} {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn a_covered_proc_is_told_as_such() {
    for who in everybody() {
        let place = Place::new(who);
        let task = json!({ "Each": [run_of(&place.spec(&["true"]), json!({}))] });
        if who == Who::Myself {
            eprintln!("skipped: only root can cover a part of /proc for another process");
            continue;
        }
        let mut script = vec![
            "mount --bind /dev/null /proc/version && exec \"$@\"".to_owned(),
            "sh".to_owned(),
        ];
        script.extend(place.as_user(&[]));
        let mut wrapper = vec!["unshare".to_owned(), "--mount".into(), "sh".into(), "-c".into()];
        wrapper.extend(script);
        let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
        let output = under(&place, &wrapper, &task);
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(
            stdout.contains("parts of this one are covered"),
            "{who:?} {stdout} {output:?}"
        );
    }
}

/// On most hosts `/` is shared: mounts made later on the host must not show up inside, nor the other way round.
#[test]
fn a_shared_host_is_left_behind() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can share the mounts of another process");
        return;
    }
    for who in everybody() {
        let place = Place::new(who);
        let mut spec = place.spec(&["cat", "/proc/self/mountinfo"]);
        spec.mounts = vec![crate::mounts::bind(
            &place.path("base"),
            "/work",
            Default::default(),
        )];
        let task = json!({ "Each": [run_of(&spec, json!({}))] });
        let wrapper = [
            vec![
                "unshare".to_owned(),
                "--mount".into(),
                "--propagation".into(),
                "shared".into(),
            ],
            place.as_user(&[]),
        ]
        .concat();
        let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
        let output = under(&place, &wrapper, &task);
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(stdout.contains(" /work "), "{stdout} {output:?}");
        assert!(
            !stdout.contains("shared:") && !stdout.contains("master:"),
            "{who:?} {stdout}"
        );
    }
}
