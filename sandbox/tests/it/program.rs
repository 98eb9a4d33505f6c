//! How the program is found, and what is said when it is not.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use rbuild_sandbox::Credentials;

use crate::support::{Place, copy, everybody};

#[test]
fn path_is_searched_in_the_container() {
    for who in everybody() {
        let place = Place::new(who);
        let mut spec = place.spec(&["echo", "found"]);
        spec.env = vec!["PATH=/absent:/tmp:/bin".into()];
        assert_eq!(place.run(&spec).succeeded().stdout, "found\n");
        spec.env = vec![];
        assert_eq!(
            place.run(&place.spec(&["echo", "by default"])).succeeded().stdout,
            "by default\n"
        );
    }
}

#[test]
fn what_cannot_be_executed_is_told_apart() {
    for who in everybody() {
        let place = Place::new(who);
        let base = place.path("base");
        fs::write(base.join("work/plain"), "text").unwrap();
        fs::write(base.join("work/no-loader"), "#!/absent/interpreter\n").unwrap();
        fs::write(base.join("work/other-machine"), "\x7fELF garbage").unwrap();
        for name in ["no-loader", "other-machine"] {
            fs::set_permissions(base.join("work").join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        symlink("loop", base.join("work/loop")).unwrap();
        place.give(&base);
        for (program, code, words) in [
            ("absent", 127, "cannot execute absent: not found"),
            ("/absent", 127, "cannot execute /absent: not found"),
            ("/etc/hosts/x", 127, "/etc/hosts/x: not found"),
            ("/work/no-loader", 127, "interpreter or loader"),
            ("/work/plain", 126, "/work/plain: not executable"),
            ("/work/other-machine", 126, "architecture"),
            ("/tmp", 126, "not a regular file"),
            ("/work/loop", 126, "link"),
        ] {
            let outcome = place.run(&place.spec(&[program]));
            assert!(outcome.message.contains(words), "{program}: {outcome:?}");
            assert_eq!(outcome.docker_code, Some(code), "{program}: {outcome:?}");
        }
    }
}

#[test]
fn permission_is_judged_as_the_user() {
    for who in everybody() {
        let place = Place::new(who);
        let tool = place.path("base/work/tool");
        copy(&place.path("base/bin/inside"), &tool);
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o700)).unwrap();
        place.give(&tool);
        let mut spec = place.spec(&["/work/tool"]);
        place.run(&spec).succeeded();
        spec = place.spec(&["/work/tool"]);
        spec.user = Credentials {
            uid: 1000,
            gid: 1000,
            groups: vec![],
        };
        let outcome = place.run(&spec);
        assert_eq!(outcome.docker_code, Some(126), "{outcome:?}");
    }
}

#[test]
fn scripts_run() {
    for who in everybody() {
        let place = Place::new(who);
        let script = place.path("base/work/script");
        fs::write(&script, "#!/bin/sh\necho from a script $1\n").unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        place.give(&script);
        let outcome = place.run(&place.spec(&["/work/script", "arg"])).succeeded();
        assert_eq!(outcome.stdout, "from a script arg\n");
    }
}

#[test]
fn a_working_directory_must_be_a_directory_inside() {
    for who in everybody() {
        let place = Place::new(who);
        symlink("/work/dir", place.path("base/link")).unwrap();
        place.give(&place.path("base"));
        let mut spec = place.spec(&["/bin/busybox", "pwd"]);
        spec.cwd = "/link".into();
        assert_eq!(place.run(&spec).succeeded().stdout, "/work/dir\n");
        for (cwd, words) in [
            ("/absent", "/absent: No such file"),
            ("/etc/hosts", "/etc/hosts: Not a directory"),
        ] {
            let mut spec = place.spec(&["true"]);
            spec.cwd = cwd.into();
            place.run(&spec).failed_at("WorkingDirectory", words);
        }
    }
}

#[test]
fn a_spec_that_makes_no_sense_is_refused_before_anything_happens() {
    for who in everybody() {
        let place = Place::new(who);
        let outcome = place.run(&place.spec(&[]));
        outcome.failed_at("Validate", "there is no command to run");
        assert_eq!(outcome.docker_code, Some(125));
    }
}
