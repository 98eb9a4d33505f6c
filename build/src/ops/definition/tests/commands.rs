//! The fields of a `RUN`, its mounts and its devices.

use super::super::*;
use super::differ;
use crate::ops::spec::ExecNetwork;
use dockerfile_parser::mount::Sharing;
use std::collections::BTreeSet;

fn plain_exec() -> ExecSpec {
    ExecSpec {
        argv: vec!["a".into()],
        env: vec![("A".into(), "b".into())],
        redacted: BTreeSet::new(),
        hidden_env: Vec::new(),
        cwd: "/".into(),
        user: String::new(),
        network: ExecNetwork::Default,
        mounts: Vec::new(),
        devices: ExecDevices::default(),
        hostname: None,
        add_hosts: Vec::new(),
        no_new_privs: false,
        insecure: false,
        shm_size: None,
        platform: Platform {
            os: "linux".into(),
            architecture: "amd64".into(),
            variant: String::new(),
        },
        script: None,
        is_shell_form: false,
        base_name: "a".into(),
    }
}

#[test]
fn commands() {
    let pair = |left: &str, right: &str| (left.to_owned(), right.to_owned());
    let base = plain_exec();
    let platforms = flips!(base.platform => Platform {
        os: "windows".into(), architecture: "arm64".into(), variant: "v8".into(),
    });
    let mut flipped = flips!(base => ExecSpec {
        argv: vec!["a".into(), String::new()], env: vec![pair("A", "c")],
        redacted: BTreeSet::from(["A".to_owned()]), hidden_env: vec![pair("A", "b")], cwd: "/a".into(),
        user: "u".into(), network: ExecNetwork::Host,
        mounts: vec![ExecMount::Tmpfs { target: "/t".into(), size: None, read_only: false }],
        devices: ExecDevices { names: vec!["a".into()], ..ExecDevices::default() },
        hostname: Some(String::new()), add_hosts: vec![pair("A", "b")], no_new_privs: true,
        insecure: true, shm_size: Some(1), platform: platforms[0].1.clone(),
        script: Some(pair("A", "b")), is_shell_form: true, base_name: "b".into(),
    });
    flipped.extend(platforms.into_iter().skip(1).map(|(field, platform)| {
        let spec = ExecSpec {
            platform,
            ..base.clone()
        };
        (field, spec)
    }));
    differ(&base, flipped, &[], |spec| StepSpec::Exec(Box::new(spec)));
}

fn mounts(base: &ExecMount, flipped: Vec<(&'static str, ExecMount)>) {
    differ(base, flipped, &[], |mount| {
        StepSpec::Exec(Box::new(ExecSpec {
            mounts: vec![mount],
            ..plain_exec()
        }))
    });
}

#[test]
fn mounts_of_commands() {
    let bind = ExecMount::Bind {
        target: "/a".into(),
        input: 1,
        source: "/".into(),
        writable: false,
    };
    let flipped = flips!(bind => ExecMount::Bind {
        target: "/b".into(), input: 2, source: "/b".into(), writable: true,
    });
    mounts(&bind, flipped);
    let cache = ExecMount::Cache {
        target: "/a".into(),
        id: "a".into(),
        sharing: Sharing::Shared,
        read_only: false,
        mode: 0o755,
        uid: 0,
        gid: 0,
        seed: None,
    };
    let mut flipped = flips!(cache => ExecMount::Cache {
        target: "/b".into(), id: "b".into(), sharing: Sharing::Locked, read_only: true, mode: 0,
        uid: 1, gid: 1, seed: Some((1, "/".into())),
    });
    flipped.extend(
        flips!(cache => ExecMount::Cache {
            target: "/c".into(), id: "c".into(), sharing: Sharing::Private, read_only: true, mode: 1,
            uid: 2, gid: 2, seed: Some((2, "/".into())),
        })
        .into_iter()
        .filter(|(field, _)| *field != "read_only"),
    );
    mounts(&cache, flipped);
    let tmpfs = ExecMount::Tmpfs {
        target: "/a".into(),
        size: None,
        read_only: false,
    };
    mounts(
        &tmpfs,
        flips!(tmpfs => ExecMount::Tmpfs {
            target: "/b".into(), size: Some(0), read_only: true,
        }),
    );
    let secret = ExecMount::Secret {
        id: "a".into(),
        target: None,
        env: None,
        required: false,
        mode: 0o400,
        uid: 0,
        gid: 0,
    };
    let flipped = flips!(secret => ExecMount::Secret {
        id: "b".into(), target: Some("/a".into()), env: Some("/a".into()), required: true, mode: 0,
        uid: 1, gid: 1,
    });
    mounts(&secret, flipped);
    let ssh = ExecMount::Ssh {
        id: "a".into(),
        target: "/a".into(),
        required: false,
        mode: 0o600,
        uid: 0,
        gid: 0,
    };
    let flipped = flips!(ssh => ExecMount::Ssh {
        id: "b".into(), target: "/b".into(), required: true, mode: 0, uid: 1, gid: 1,
    });
    mounts(&ssh, flipped);
}

#[test]
fn devices_of_commands() {
    let node = DeviceNode {
        path: "/a".into(),
        host_path: "/a".into(),
        is_block: None,
        major: None,
        minor: None,
    };
    let mount = HostMount {
        source: "/a".into(),
        target: "/a".into(),
        recursive: false,
        flags: MountFlags::default(),
    };
    let base = ExecDevices {
        names: Vec::new(),
        edits: Edits {
            nodes: vec![node.clone()],
            mounts: vec![mount.clone()],
            ..Edits::default()
        },
    };
    let nodes = flips!(node => DeviceNode {
        path: "/b".into(), host_path: "/b".into(), is_block: Some(false), major: Some(0),
        minor: Some(0),
    });
    let flags = flips!(mount.flags => MountFlags {
        read_only: true, nosuid: true, nodev: true, noexec: true,
    });
    let mut host_mounts = flips!(mount => HostMount {
        source: "/b".into(), target: "/b".into(), recursive: true, flags: flags[0].1,
    });
    host_mounts.extend(flags.into_iter().skip(1).map(|(field, flags)| {
        let mount = HostMount {
            flags,
            ..mount.clone()
        };
        (field, mount)
    }));
    let edits = flips!(base.edits => Edits {
        env: vec![("A".into(), "b".into())], nodes: Vec::new(), mounts: Vec::new(), groups: vec![1],
        kept_modes: vec!["/a".into()],
    });
    let with = |edits: Edits| ExecDevices {
        edits,
        ..base.clone()
    };
    let mut flipped = flips!(base => ExecDevices {
        names: vec!["a".into()], edits: edits[0].1.clone(),
    });
    flipped.extend(
        edits
            .into_iter()
            .skip(1)
            .map(|(field, edits)| (field, with(edits))),
    );
    flipped.extend(nodes.into_iter().map(|(field, node)| {
        let edits = Edits {
            nodes: vec![node],
            ..base.edits.clone()
        };
        (field, with(edits))
    }));
    flipped.extend(host_mounts.into_iter().map(|(field, mount)| {
        let edits = Edits {
            mounts: vec![mount],
            ..base.edits.clone()
        };
        (field, with(edits))
    }));
    differ(&base, flipped, &[], |devices| {
        StepSpec::Exec(Box::new(ExecSpec {
            devices,
            ..plain_exec()
        }))
    });
}
