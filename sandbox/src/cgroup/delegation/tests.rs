//! Trees of plain files in place of the kernel's: what is looked at, and in which order. The kernel's own are entered by the
//! end-to-end tests.

use super::*;
use crate::remedy::Remedy;

fn group(dir: &Path, controllers: &str, enabled: &str) {
    std::fs::create_dir_all(dir).unwrap();
    std::fs::write(dir.join(CONTROLLERS), controllers).unwrap();
    std::fs::write(dir.join(SUBTREE), enabled).unwrap();
    std::fs::write(dir.join(PROCESSES), "").unwrap();
}

fn unified(top: &Path, own: &str) -> Hierarchies {
    Hierarchies {
        unified: Some(Hierarchy {
            top: top.to_owned(),
            own: top.join(own),
        }),
        ..Hierarchies::default()
    }
}

fn memory() -> Limits {
    Limits {
        memory: Some(64 << 20),
        ..Limits::default()
    }
}

#[test]
fn groups_of_version_2_are_made_beside_ours() {
    let top = tempfile::tempdir().unwrap();
    let own = top.path().join("a.scope");
    group(top.path(), "memory pids cpu", "memory pids");
    group(&own, "memory pids", "memory pids");
    // As it is when we have stepped aside already, and when not.
    for place in ["a.scope", "a.scope/rbuild.self"] {
        let found = Delegation::find_in(&unified(top.path(), place), &memory()).unwrap();
        let expected = Base {
            dir: own.clone(),
            unified: true,
            controllers: [Controller::Memory, Controller::CpuAccounting, Controller::Pids].into(),
        };
        assert_eq!(found.bases, [expected], "{place}");
    }
}

#[test]
fn a_controller_that_is_not_handed_down_is_named_with_the_group() {
    let top = tempfile::tempdir().unwrap();
    group(top.path(), "memory pids", "memory pids");
    let limits = Limits {
        cpu_quota: Some(1000),
        ..memory()
    };
    let error = Delegation::find_in(&unified(top.path(), ""), &limits).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("`cpu` is not delegated to") && text.contains(top.path().to_str().unwrap()),
        "{text}"
    );
    assert_eq!(error.remedy(), Some(Remedy::DelegatedControllers));
}

#[test]
fn a_group_that_is_not_ours_is_named() {
    let top = tempfile::tempdir().unwrap();
    std::fs::create_dir(top.path().join("session.scope")).unwrap();
    let error = Delegation::find_in(&unified(top.path(), "session.scope"), &memory()).unwrap_err();
    assert!(error.to_string().contains("session.scope"), "{error}");
    assert_eq!(error.remedy(), Some(Remedy::DelegatedCgroup));
}

#[test]
fn moving_takes_what_is_around_both_groups() {
    let around = common(
        Path::new("/a/b.slice/s.scope"),
        Path::new("/a/b.slice/u.service/x"),
    );
    assert_eq!(around, Path::new("/a/b.slice"));
    let top = tempfile::tempdir().unwrap();
    let (session, ours) = (top.path().join("session"), top.path().join("ours"));
    group(&session, "memory", "");
    group(&ours, "memory", "memory");
    let limits = Limits {
        parent: Some("/ours".into()),
        ..memory()
    };
    // The top has no file for processes here, so nobody can move one from `session` to `ours`.
    let refused = Delegation::find_in(&unified(top.path(), "session"), &limits).unwrap_err();
    assert_eq!(refused.remedy(), Some(Remedy::DelegatedCgroup));
    group(top.path(), "memory", "memory");
    assert!(Delegation::find_in(&unified(top.path(), "session"), &limits).is_ok());
}

#[test]
fn where_nothing_is_mounted_a_limit_is_an_error() {
    let error = Delegation::find_in(&Hierarchies::default(), &memory()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no cgroup hierarchy with the controller `memory`"),
        "{error}"
    );
    assert_eq!(error.remedy(), Some(Remedy::MountedCgroups));
    let parent = Limits {
        parent: Some("/a".into()),
        ..Limits::default()
    };
    assert!(Delegation::find_in(&Hierarchies::default(), &parent).is_err());
}

#[test]
fn each_hierarchy_of_version_1_has_its_own_group() {
    let top = tempfile::tempdir().unwrap();
    let hierarchy = |name: &str, own: &str| {
        let top = top.path().join(name);
        std::fs::create_dir_all(top.join(own)).unwrap();
        Hierarchy {
            own: top.join(own),
            top,
        }
    };
    let mut hierarchies = Hierarchies::default();
    hierarchies
        .legacy
        .insert(Controller::Memory, hierarchy("memory", "job"));
    for controller in [Controller::Cpu, Controller::CpuAccounting] {
        hierarchies
            .legacy
            .insert(controller, hierarchy("cpu,cpuacct", ""));
    }
    let limits = Limits {
        cpu_shares: Some(2),
        ..memory()
    };
    let dirs = |limits: &Limits| {
        let found = Delegation::find_in(&hierarchies, limits).unwrap();
        let dirs = found
            .bases
            .iter()
            .map(|base| base.dir.strip_prefix(top.path()).unwrap().to_owned());
        dirs.collect::<Vec<_>>()
    };
    assert_eq!(dirs(&limits), ["memory/job", "cpu,cpuacct"].map(PathBuf::from));
    let limits = Limits {
        parent: Some("/mine/deep".into()),
        ..limits
    };
    assert_eq!(
        dirs(&limits),
        ["memory/mine/deep", "cpu,cpuacct/mine/deep"].map(PathBuf::from)
    );
}

#[test]
fn parents_are_below_the_top() {
    for (given, path) in [
        ("/a/b", "a/b"),
        ("a/b", "a/b"),
        ("../../etc", "etc"),
        ("ci.slice", "ci.slice"),
        ("a-b.slice", "a.slice/a-b.slice"),
        ("/a-b.slice", "a-b.slice"),
    ] {
        assert_eq!(relative(Path::new(given)), Path::new(path), "{given}");
    }
}
