//! The system call filter of a step: docker's default policy and a little more, as a BPF program (`seccomp(2)`).
//!
//! `table.rs` knows numbers, `policy.rs` what is answered, `bpf.rs` how that becomes a program.

mod bpf;
mod policy;
mod table;

use rustix::io::Errno;

use crate::sys;

/// A compiled filter.
pub(crate) struct Filter {
    program: Vec<libc::sock_filter>,
}

impl Filter {
    /// Installs it on this process for good. Needs `CAP_SYS_ADMIN` in the user namespace, or `no_new_privs`.
    pub(crate) fn install(&self) -> Result<(), Errno> {
        sys::install_filter(&self.program)
    }
}

/// The filter for the architecture that this program was built for and the 32-bit one that goes with it; `None` for an
/// architecture without a table.
pub(crate) fn filter() -> Option<Filter> {
    use policy::Architecture::{Aarch64, Arm, I386, X86_64};
    let architectures = match std::env::consts::ARCH {
        "x86_64" => [X86_64, I386],
        "aarch64" => [Aarch64, Arm],
        _ => return None,
    };
    Some(Filter {
        program: bpf::program(&architectures),
    })
}
