//! Runs inside a sandbox and says as JSON what it sees there.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use serde_json::{Value, json};

mod abstract_sockets;
mod escape;

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    match (arguments.next(), arguments.next()) {
        (Some(what), Some(bound)) if what == "escape" => {
            println!("{}", json!(escape::attempts(bound.to_str().expect("text"))));
        }
        (Some(what), Some(name)) if what == "connect" => {
            println!(
                "{}",
                json!(abstract_sockets::connect(name.to_str().expect("text")))
            );
        }
        (Some(what), Some(name)) if what == "serve" => {
            println!("{}", json!(abstract_sockets::serve(name.to_str().expect("text"))));
        }
        _ => println!("{}", report()),
    }
}

fn report() -> Value {
    let status: BTreeMap<String, String> = fs::read_to_string("/proc/self/status")
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(key, value)| (key.to_owned(), value.trim().to_owned()))
        .collect();
    let namespaces: BTreeMap<String, String> = names("/proc/self/ns")
        .into_iter()
        .map(|name| (name.clone(), link(&format!("/proc/self/ns/{name}"))))
        .collect();
    let descriptors: BTreeMap<String, String> = names("/proc/self/fd")
        .into_iter()
        .map(|name| (name.clone(), link(&format!("/proc/self/fd/{name}"))))
        // The listing itself holds one open, which is gone by now.
        .filter(|(_, target)| !target.is_empty())
        .collect();
    let devices: BTreeMap<String, Value> = names("/dev")
        .into_iter()
        .map(|name| (name.clone(), describe(&Path::new("/dev").join(name))))
        .collect();
    let nofile = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    json!({
        "pid": std::process::id(),
        "sid": rustix::process::getsid(None).map(|pid| pid.as_raw_nonzero().get()).unwrap_or(-1),
        "status": status,
        "namespaces": namespaces,
        "descriptors": descriptors,
        "devices": devices,
        "environment": std::env::vars_os()
            .map(|(key, value)| (key.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .collect::<BTreeMap<_, _>>(),
        "arguments": std::env::args_os().map(|arg| arg.as_bytes().to_vec()).collect::<Vec<_>>(),
        "cwd": std::env::current_dir().unwrap_or_default(),
        "hostname": fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim(),
        "mountinfo": fs::read_to_string("/proc/self/mountinfo").unwrap_or_default(),
        "exe": link("/proc/1/exe"),
        "processes": names("/proc").into_iter().filter(|name| name.parse::<u32>().is_ok()).collect::<Vec<_>>(),
        "nofile": [nofile.current, nofile.maximum],
        "interfaces": names("/sys/class/net"),
        "masked": masked(),
    })
}

/// For each path that must tell nothing: what it still tells.
fn masked() -> BTreeMap<String, usize> {
    [
        "acpi",
        "asound",
        "interrupts",
        "kcore",
        "keys",
        "latency_stats",
        "sched_debug",
        "scsi",
        "timer_list",
    ]
    .map(|name| format!("/proc/{name}"))
    .into_iter()
    .chain(
        [
            "/sys/firmware",
            "/sys/devices/virtual/powercap",
            "/sys/fs/selinux",
        ]
        .map(str::to_owned),
    )
    .chain(
        [
            "/sys/kernel/debug",
            "/sys/kernel/tracing",
            "/sys/fs/bpf",
            "/sys/fs/pstore",
        ]
        .map(str::to_owned),
    )
    .filter(|path| fs::symlink_metadata(path).is_ok())
    .map(|path| {
        let size = match fs::read_dir(&path) {
            Ok(entries) => entries.count(),
            Err(_) => fs::read(&path).map_or(0, |bytes| bytes.len()),
        };
        (path, size)
    })
    .collect()
}

fn names(directory: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn link(path: &str) -> String {
    fs::read_link(path)
        .map(|target| target.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn describe(path: &Path) -> Value {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return json!("gone");
    };
    let kind = metadata.file_type();
    if kind.is_symlink() {
        return json!(link(&path.to_string_lossy()));
    }
    let number = metadata.rdev();
    if kind.is_char_device() {
        return json!([rustix::fs::major(number), rustix::fs::minor(number)]);
    }
    json!(format!("{:o}", metadata.mode()))
}
