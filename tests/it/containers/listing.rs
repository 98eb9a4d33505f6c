//! `ps`, `inspect` and `container prune`, as scripts read them.

use super::Containers;

#[test]
fn columns_and_filters() {
    let it = Containers::new();
    it.start("up", &["--label", "app=shop", "-l", "bare"], "sleep 1000");
    it.rbuild(&["run", "--name", "down", "busybox:local", "sh", "-c", "exit 4"])
        .exits(4);
    let listed = it.out(&["ps"]);
    let mut lines = listed.lines();
    let heading: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(
        heading.join(" "),
        "CONTAINER ID IMAGE COMMAND CREATED STATUS PORTS NAMES"
    );
    let row = lines.next().unwrap();
    assert!(
        row.contains("busybox:local") && row.contains("\"sh -c sleep 1000\"") && row.contains("Up "),
        "{row}"
    );
    assert!(row.ends_with("up") && lines.next().is_none(), "{listed}");
    let all = it.out(&["ps", "-a"]);
    assert!(all.lines().nth(1).unwrap().contains("Exited (4) "), "{all}");
    let ids = |flags: &[&str]| {
        let mut words = vec!["ps", "-q"];
        words.extend(flags);
        it.out(&words).lines().count()
    };
    for (flags, count) in [
        (&["-a"][..], 2),
        (&["-f", "status=exited"], 1),
        (&["-f", "status=exited", "-f", "status=running"], 2),
        (&["-f", "label=app"], 1),
        (&["-f", "label=app=other"], 0),
        (&["-f", "label=app", "-f", "label=bare"], 1),
        (&["-af", "name=down"], 1),
        (&["-af", "name=^dow$"], 0),
        (&["-af", "exited=4"], 1),
        (&["-af", "ancestor=busybox:local"], 2),
        (&["-l"], 1),
        (&["-n", "5"], 2),
    ] {
        assert_eq!(ids(flags), count, "{flags:?}");
    }
    it.rbuild(&["ps", "-f", "stat=exited"]).exits(125).says("status");
    let whole = it.out(&["ps", "-q", "--no-trunc"]);
    assert_eq!(whole.len(), 64);
    let json: serde_json::Value = serde_json::from_str(&it.out(&["ps", "--format", "json"])).unwrap();
    assert_eq!(
        (json["Names"].as_str(), json["State"].as_str()),
        (Some("up"), Some("running"))
    );
    assert_eq!(json["Labels"], "app=shop,bare=");
}

#[test]
fn what_inspect_says() {
    let it = Containers::new();
    let data = it.env.path("data");
    std::fs::create_dir(&data).unwrap();
    let volume = format!("{}:/data:ro", data.display());
    it.start(
        "all",
        &[
            "-v", &volume, "-e", "A=b", "-w", "/tmp", "-u", "daemon", "-h", "box",
        ],
        "sleep 1000",
    );
    for (place, expected) in [
        ("/Name", "/all"),
        ("/Path", "sh"),
        ("/Args/0", "-c"),
        ("/State/Status", "running"),
        ("/Config/Hostname", "box"),
        ("/Config/User", "daemon"),
        ("/Config/WorkingDir", "/tmp"),
        ("/Config/Image", "busybox:local"),
        ("/Config/StopSignal", "SIGTERM"),
        ("/Mounts/0/Destination", "/data"),
        ("/Mounts/0/Type", "bind"),
        ("/HostConfig/RestartPolicy/Name", "no"),
    ] {
        assert_eq!(it.inspect("all", place), expected, "{place}");
    }
    assert_eq!(it.inspect("all", "/State/Running"), true);
    assert_eq!(it.inspect("all", "/Mounts/0/RW"), false);
    let env = it.inspect("all", "/Config/Env");
    assert!(
        env.as_array().unwrap().iter().any(|variable| variable == "A=b"),
        "{env}"
    );
    let pid = it.inspect("all", "/State/Pid").as_i64().unwrap();
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(
        line.starts_with(b"sh\0-c\0") || line.starts_with(b"sleep"),
        "{line:?}"
    );
    // A container is found before an image of its name.
    it.rbuild(&["tag", "busybox:local", "all"]).success();
    assert_eq!(it.inspect("all", "/Name"), "/all");
    let image = it.out(&["inspect", "--type", "image", "all"]);
    assert!(image.contains("RepoTags"), "{image}");
}

#[test]
fn a_prune_takes_what_does_not_run() {
    let it = Containers::new();
    it.start("up", &[], "sleep 1000");
    it.rbuild(&["create", "--name", "made", "-l", "keep", "busybox:local"])
        .success();
    it.rbuild(&["run", "--name", "down", "busybox:local", "true"])
        .success();
    it.rbuild(&["container", "prune"]).exits(125).says("no terminal");
    it.rbuild(&["container", "prune", "-f", "--filter", "until=10h"])
        .success();
    assert_eq!(it.out(&["ps", "-aq"]).lines().count(), 3);
    let said = it.out(&["container", "prune", "-f", "--filter", "label!=keep"]);
    assert!(
        said.starts_with("Deleted Containers:\n") && said.contains("Total reclaimed space"),
        "{said}"
    );
    assert_eq!(it.out(&["ps", "-aq"]).lines().count(), 2);
    it.rbuild(&["container", "prune", "-f"]).success();
    assert_eq!(it.out(&["container", "ls", "-aq"]).lines().count(), 1);
}
