//! Programs of other machines: qemu's emulators, which the kernel starts in the place of such a program.
//!
//! Since Linux 6.7 each user namespace may have registrations of its own (`binfmt_misc`), so nothing of the host changes
//! and no privilege is needed. They live as long as somebody holds the file system in which they were made. The program
//! is opened when it is registered (flag `F`), so it need not be in the root of a step.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, unshare};
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::{Errno, write};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

use crate::elf;

/// Where emulators are looked for.
const DIRECTORIES: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];
/// The host's registrations, where they are mounted.
const HOST: &str = "/proc/sys/fs/binfmt_misc";
/// Bytes of an ELF header up to its machine.
const HEAD: usize = 20;

/// A machine that qemu emulates.
#[derive(Debug)]
struct Emulated {
    /// In the words of platforms.
    architecture: &'static str,
    /// In qemu's.
    qemu: &'static str,
    /// `EI_CLASS`: 1 for 32 bits, 2 for 64.
    class: u8,
    /// `EI_DATA`: 1 for the low byte first, 2 for the high one.
    order: u8,
    /// `e_machine`.
    number: u16,
}

const fn machine(
    architecture: &'static str,
    qemu: &'static str,
    class: u8,
    order: u8,
    number: u16,
) -> Emulated {
    Emulated {
        architecture,
        qemu,
        class,
        order,
        number,
    }
}

const EMULATED: [Emulated; 12] = [
    machine("386", "i386", 1, 1, 3),
    machine("amd64", "x86_64", 2, 1, 62),
    machine("arm", "arm", 1, 1, 40),
    machine("arm64", "aarch64", 2, 1, 183),
    machine("loong64", "loongarch64", 2, 1, 258),
    machine("mips", "mips", 1, 2, 8),
    machine("mips64", "mips64", 2, 2, 8),
    machine("mips64le", "mips64el", 2, 1, 8),
    machine("mipsle", "mipsel", 1, 1, 8),
    machine("ppc64le", "ppc64le", 2, 1, 21),
    machine("riscv64", "riscv64", 2, 1, 243),
    machine("s390x", "s390x", 2, 2, 22),
];

/// Which machine, as it travels: its place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Machine(u8);

impl Machine {
    /// The machine that executes programs for `architecture`, unless this one does, or nobody does.
    pub(crate) fn emulated(architecture: &str) -> Option<Self> {
        let here = std::env::consts::ARCH;
        let native: &[&str] = match here {
            "x86_64" => &["amd64", "386"],
            // Many have it in the processor.
            "aarch64" => &["arm64", "arm"],
            "powerpc64" => &["ppc64le"],
            "loongarch64" => &["loong64"],
            other => &[other],
        };
        if native.contains(&architecture) {
            return None;
        }
        let place = EMULATED.iter().position(|one| one.architecture == architecture)?;
        u8::try_from(place).ok().map(Machine)
    }

    /// As it travels.
    pub(crate) fn byte(machine: Option<Self>) -> u8 {
        machine.map_or(u8::MAX, |machine| machine.0)
    }

    /// As it travelled.
    pub(crate) fn of_byte(byte: u8) -> Option<Self> {
        (usize::from(byte) < EMULATED.len()).then_some(Machine(byte))
    }

    fn row(self) -> &'static Emulated {
        &EMULATED[usize::from(self.0)]
    }
}

impl Emulated {
    /// The beginning of an executable for it, and which bits of that count.
    fn magic(&self) -> ([u8; HEAD], [u8; HEAD]) {
        let mut magic = [0; HEAD];
        magic[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', self.class, self.order, 1]);
        let mut mask = [0xff; HEAD];
        // The system that it is for: any.
        mask[7] = 0;
        // `ET_EXEC` is 2 and `ET_DYN` is 3.
        let (low, high) = match self.order {
            1 => (16, self.number.to_le_bytes()),
            _ => (17, self.number.to_be_bytes()),
        };
        magic[low] = 2;
        mask[low] = 0xfe;
        magic[18..].copy_from_slice(&high);
        (magic, mask)
    }

    /// What is written to `register`. `P` keeps the name under which the program was called.
    fn rule(&self, program: &Path) -> String {
        let (magic, mask) = self.magic();
        let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect() };
        format!(
            ":rbuild-{}:M::{}:{}:{}:PF",
            self.qemu,
            hex(&magic),
            hex(&mask),
            program.display()
        )
    }

    /// Whether the host has it registered so that it works in any root.
    fn is_registered(&self, host: &Path) -> bool {
        let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
        if read(host.join("status")).trim() != "enabled" {
            return false;
        }
        let (magic, _) = self.magic();
        let magic: String = magic.iter().map(|byte| format!("{byte:02x}")).collect();
        let entries = std::fs::read_dir(host).into_iter().flatten().flatten();
        entries.map(|entry| read(entry.path())).any(|text| {
            let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
            text.starts_with("enabled")
                && value("flags: ").is_some_and(|flags| flags.contains('F'))
                && value("magic ") == Some(&magic)
        })
    }
}

/// The registrations of a user namespace.
#[derive(Debug, Default)]
pub(crate) struct Emulators {
    /// The file system that holds them.
    own: Option<OwnedFd>,
    done: Vec<Machine>,
}

impl Emulators {
    /// Sees to it that programs for a machine are executed, if that is possible; where it is not, executing them says so.
    /// Call it in the user namespace of the steps, in a process with one thread.
    pub(crate) fn provide(&mut self, machine: Machine) {
        if self.done.contains(&machine) {
            return;
        }
        self.done.push(machine);
        let row = machine.row();
        // With registrations of our own those of the host are not asked any more.
        if self.own.is_none() && row.is_registered(Path::new(HOST)) {
            return;
        }
        if let Some(program) = program(row.qemu) {
            let _ = self.register(&row.rule(&program));
        }
    }

    fn register(&mut self, rule: &str) -> Result<(), Errno> {
        let own = match self.own.take() {
            Some(own) => own,
            None => mounted()?,
        };
        let own = self.own.insert(own);
        let file = openat(own, "register", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        write(&file, rule.as_bytes()).map(|_| ())
    }
}

/// A file system of registrations for the user namespace, which no path leads to.
fn mounted() -> Result<OwnedFd, Errno> {
    // Mounting takes a mount namespace of the user namespace.
    unshare(CloneFlags::CLONE_NEWNS).map_err(|errno| Errno::from_raw_os_error(errno as i32))?;
    let context = fsopen("binfmt_misc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
}

/// The emulator of this name: one without a loader, which would be looked for in the root of the step.
fn program(qemu: &str) -> Option<PathBuf> {
    let names = [format!("qemu-{qemu}-static"), format!("qemu-{qemu}")];
    let paths = names
        .iter()
        .flat_map(|name| DIRECTORIES.iter().map(move |dir| Path::new(dir).join(name)));
    let mut found = paths.filter(|path| is_static(path));
    found.next()
}

fn is_static(path: &Path) -> bool {
    let Ok(mut file) = File::open(path) else {
        return false;
    };
    let mut start = Vec::new();
    let read = (&mut file).take(4096).read_to_end(&mut start);
    read.is_ok() && start.starts_with(b"\x7fELF") && elf::loader(&file, &start).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_those_of_distributions() {
        let of = |architecture: &str| {
            EMULATED
                .iter()
                .find(|one| one.architecture == architecture)
                .unwrap()
        };
        // As Debian's qemu-user-static registers them.
        assert_eq!(
            of("arm64").rule(Path::new("/usr/bin/qemu-aarch64-static")),
            ":rbuild-aarch64:M::\
             \\x7f\\x45\\x4c\\x46\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00:\
             \\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff:\
             /usr/bin/qemu-aarch64-static:PF"
        );
        let rule = of("s390x").rule(Path::new("/q"));
        assert!(rule.contains("\\x00\\x02\\x00\\x16:"), "{rule}");
        assert!(rule.contains("\\xff\\xfe\\xff\\xff:"), "{rule}");
    }

    #[test]
    fn registrations_of_the_host_count_where_they_work_in_any_root() {
        let dir = tempfile::tempdir().unwrap();
        let arm64 = &EMULATED[3];
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        let entry = |state: &str, flags: &str| {
            format!(
                "{state}\ninterpreter /q\nflags: {flags}\noffset 0\nmagic 7f454c460201010000000000000000000200b700\n"
            )
        };
        write("qemu-aarch64", &entry("enabled", "POCF"));
        assert!(!arm64.is_registered(dir.path()), "there is no status");
        write("status", "enabled\n");
        assert!(arm64.is_registered(dir.path()));
        assert!(!EMULATED[10].is_registered(dir.path()));
        write("qemu-aarch64", &entry("enabled", "P"));
        assert!(!arm64.is_registered(dir.path()));
        write("qemu-aarch64", &entry("disabled", "F"));
        assert!(!arm64.is_registered(dir.path()));
    }

    #[test]
    fn what_this_machine_executes_needs_none() {
        for (architecture, needed) in [("amd64", false), ("386", false), ("arm64", true), ("wasm", false)] {
            if cfg!(target_arch = "x86_64") {
                let machine = Machine::emulated(architecture);
                assert_eq!(machine.is_some(), needed, "{architecture}");
                assert_eq!(Machine::of_byte(Machine::byte(machine)), machine);
            }
        }
    }
}
