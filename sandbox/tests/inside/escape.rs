//! What a command with every capability of its namespace tries against the mounts that it was given, by system calls,
//! so that no program of an image decides what is tried. Each answer is an error number, 0 for success.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use nix::sched::{CloneFlags, unshare};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, OpenTreeFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive,
    mount_change, mount_move, mount_remount, open_tree, unmount,
};

const SETTING: &str = "sys/kernel/core_pattern";
const SYS_SETTING: &str = "kernel/mm/transparent_hugepage/enabled";

type Answers = BTreeMap<String, i32>;

/// Tries all; `bound` is a read-only bind of a directory with a `file` in it.
pub(crate) fn attempts(bound: &str) -> Answers {
    fs::create_dir_all("/tmp/m").unwrap();
    let mut answers = Answers::new();
    let mut note = |what: &str, outcome: Result<(), Errno>| {
        answers.insert(what.to_owned(), outcome.err().map_or(0, Errno::raw_os_error));
    };
    for covered in [
        "/proc/sys",
        "/proc/keys",
        "/proc/acpi",
        "/sys/firmware",
        "/sys",
        bound,
    ] {
        if fs::exists(covered).unwrap() {
            note(
                &format!("unmount {covered}"),
                unmount(covered, UnmountFlags::DETACH),
            );
            note(&format!("move {covered}"), mount_move(covered, "/tmp/m"));
        }
    }
    let writable = MountFlags::BIND;
    for read_only in ["/proc/sys", "/sys", bound] {
        note(
            &format!("remount {read_only}"),
            mount_remount(read_only, writable, ""),
        );
    }
    note("write a setting", writes(&format!("/proc/{SETTING}")));
    note("write a setting of /sys", writes(&format!("/sys/{SYS_SETTING}")));
    note("write into the bind", writes(&format!("{bound}/file")));
    note("bind /proc without its masks", mount_bind("/proc", "/tmp/m"));
    note("copy /proc without its masks", copies("/proc"));
    note("bind /proc with them", mount_bind_recursive("/proc", "/tmp/m"));
    note("unmount one there", unmount("/tmp/m/sys", UnmountFlags::DETACH));
    note("write a setting there", writes(&format!("/tmp/m/{SETTING}")));
    note("unmount that", unmount("/tmp/m", UnmountFlags::DETACH));
    new_namespaces(&mut note);
    answers
}

/// What namespaces of its own bring it.
fn new_namespaces(note: &mut impl FnMut(&str, Result<(), Errno>)) {
    note("mount a tmpfs", mount_new("tmpfs"));
    note("unmount the tmpfs", unmount("/tmp/m", UnmountFlags::DETACH));
    note("mount a cgroup hierarchy", mount_new("cgroup2"));
    note("mount an old cgroup hierarchy", mount_new("cgroup"));
    note(
        "make a cgroup namespace",
        become_owner(CloneFlags::CLONE_NEWCGROUP),
    );
    let deeper = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWCGROUP;
    note("make one in a user namespace", become_owner(deeper));
    note("make a pid namespace", become_owner(CloneFlags::CLONE_NEWPID));
    note("mount its /proc", mount_new("proc"));
    note("make a network namespace", become_owner(CloneFlags::CLONE_NEWNET));
    let own = mount_new("sysfs");
    let shows_more = own.is_ok() && {
        // Where nothing of /sys is hidden another one may be had, which is then as read-only as the first.
        let _ = mount_remount("/tmp/m", MountFlags::BIND, "");
        writes(&format!("/tmp/m/{SYS_SETTING}")).is_ok()
    };
    note(
        "write to its /sys",
        if shows_more { Ok(()) } else { Err(Errno::ROFS) },
    );
    note("make a uts namespace", become_owner(CloneFlags::CLONE_NEWUTS));
    note("set its name", rustix::system::sethostname(b"own"));
    note("make a mount namespace", become_owner(CloneFlags::CLONE_NEWNS));
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    note("make its mounts private", mount_change("/", private));
    note(
        "unmount /proc/sys in it",
        unmount("/proc/sys", UnmountFlags::DETACH),
    );
}

fn become_owner(of: CloneFlags) -> Result<(), Errno> {
    unshare(of).map_err(|errno| Errno::from_raw_os_error(errno as i32))
}

fn mount_new(kind: &str) -> Result<(), Errno> {
    mount(kind, "/tmp/m", kind, MountFlags::empty(), None)
}

fn copies(path: &str) -> Result<(), Errno> {
    open_tree(rustix::fs::CWD, path, OpenTreeFlags::OPEN_TREE_CLONE).map(|_| ())
}

/// Opens it for writing, and writes nothing.
fn writes(path: &str) -> Result<(), Errno> {
    fs::File::options()
        .append(true)
        .open(path)
        .map(|_| ())
        .map_err(|error: io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}
