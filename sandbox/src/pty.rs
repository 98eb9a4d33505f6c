//! The caller's side of a terminal: raw mode that is always undone, and sizes.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr,
    tcsetwinsize,
};

use crate::signals::Signal;

pub use rustix::termios::Winsize;

/// Puts a terminal into raw mode, in which every key goes to the command, until it is dropped (also by a panic that
/// unwinds).
#[derive(Debug)]
pub struct RawMode {
    terminal: OwnedFd,
    before: Termios,
}

impl RawMode {
    /// Switches raw mode on. `None` when the descriptor is no terminal.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn enter(terminal: impl AsFd) -> Result<Option<Self>, Errno> {
        if !isatty(&terminal) {
            return Ok(None);
        }
        let before = tcgetattr(&terminal)?;
        let terminal = rustix::io::fcntl_dupfd_cloexec(&terminal, 3)?;
        let mut raw = before.clone();
        raw.make_raw();
        // What was typed ahead is not lost.
        tcsetattr(&terminal, OptionalActions::Now, &raw)?;
        Ok(Some(Self { terminal, before }))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // The terminal may be gone; then there is nothing to restore.
        let _ = tcsetattr(&self.terminal, OptionalActions::Drain, &self.before);
    }
}

/// The size of a terminal.
///
/// # Errors
/// `ENOTTY` when it is none.
pub fn window_size(terminal: impl AsFd) -> Result<Winsize, Errno> {
    tcgetwinsize(terminal)
}

/// The signal that a terminal makes of this byte when it is typed: Ctrl-C and Ctrl-\\.
pub fn signal_of_key(terminal: impl AsFd, byte: u8) -> Option<Signal> {
    let settings = tcgetattr(terminal).ok()?;
    if !settings.local_modes.contains(LocalModes::ISIG) {
        return None;
    }
    // 0 is how a key is switched off: termios(3), _POSIX_VDISABLE.
    [
        (SpecialCodeIndex::VINTR, Signal::SIGINT),
        (SpecialCodeIndex::VQUIT, Signal::SIGQUIT),
    ]
    .into_iter()
    .find(|(key, _)| byte != 0 && settings.special_codes[*key] == byte)
    .map(|(_, signal)| signal)
}

/// Gives a pty the size of the caller's terminal; the command gets `SIGWINCH`.
///
/// # Errors
/// What the kernel says.
pub fn resize(pty: impl AsFd, size: Winsize) -> Result<(), Errno> {
    tcsetwinsize(pty, size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};

    #[test]
    fn raw_mode_is_undone() {
        let outer = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        unlockpt(&outer).unwrap();
        let inner = ioctl_tiocgptpeer(&outer, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        let echoes = || {
            tcgetattr(&inner)
                .unwrap()
                .local_modes
                .contains(LocalModes::ECHO | LocalModes::ICANON)
        };
        assert!(echoes());
        let raw = RawMode::enter(&inner).unwrap().unwrap();
        assert!(!echoes());
        assert_eq!(signal_of_key(&inner, 3), None);
        drop(raw);
        assert!(echoes());
        assert_eq!(signal_of_key(&inner, 3), Some(Signal::SIGINT));
        assert_eq!(signal_of_key(&inner, 28), Some(Signal::SIGQUIT));
        assert_eq!(signal_of_key(&inner, b'c'), None);
        let size = Winsize {
            ws_row: 31,
            ws_col: 77,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        resize(&outer, size).unwrap();
        assert_eq!(window_size(&inner).unwrap().ws_col, 77);
    }

    #[test]
    fn what_is_no_terminal_is_left_alone() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(RawMode::enter(&file).unwrap().is_none());
        assert_eq!(window_size(&file).unwrap_err(), Errno::NOTTY);
    }
}
