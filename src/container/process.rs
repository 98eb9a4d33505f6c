//! The container's process in the foreground: terminal or streams, signals, its exit code.

use super::options::RunOptions;
use crate::error::{Failure, Kind};
use rbuild_sandbox::signals::{SigSet, Signal};
use rbuild_sandbox::{
    ExitStatus, RawMode, Running, SandboxSpec, SpawnError, Stdio, Zygote, resize, window_size,
};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// Signals that are handed on to the command.
const FORWARDED: [Signal; 9] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGCONT,
    Signal::SIGWINCH,
    Signal::SIGTSTP,
];

/// Starts the command and waits for it.
pub(super) fn run(zygote: &Zygote, spec: &SandboxSpec, options: &RunOptions) -> Result<u8, Failure> {
    if options.tty && options.interactive && !io::stdin().is_terminal() {
        return Err(
            Failure::usage("-t and -i need a terminal on standard input, which this is not")
                .hint("leave out -t when input comes from a file or pipe"),
        );
    }
    let mut signals = SigSet::empty();
    for signal in FORWARDED {
        signals.add(signal);
    }
    // Blocked before any thread starts, so that only the waiting thread sees them.
    signals
        .thread_block()
        .map_err(|errno| Failure::host(format!("blocking signals: {errno}")))?;
    if options.tty {
        terminal(zygote, spec, options, signals)
    } else {
        streams(zygote, spec, options, signals)
    }
}

fn streams(
    zygote: &Zygote,
    spec: &SandboxSpec,
    options: &RunOptions,
    signals: SigSet,
) -> Result<u8, Failure> {
    let duplicate = |fd: &dyn AsFd| -> Result<OwnedFd, Failure> {
        fd.as_fd()
            .try_clone_to_owned()
            .map_err(|error| Failure::host(format!("duplicating a descriptor: {error}")))
    };
    let stdin = if options.interactive {
        duplicate(&io::stdin())?
    } else {
        rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| Failure::host(format!("opening /dev/null: {errno}")))?
    };
    let stdio = Stdio::Streams {
        stdin,
        stdout: duplicate(&io::stdout())?,
        stderr: duplicate(&io::stderr())?,
    };
    let running = Arc::new(zygote.spawn(spec, stdio).map_err(spawn_failure)?);
    forward(&running, signals, None)?;
    finish(&running)
}

fn terminal(
    zygote: &Zygote,
    spec: &SandboxSpec,
    options: &RunOptions,
    signals: SigSet,
) -> Result<u8, Failure> {
    let stdin = io::stdin();
    let size = window_size(io::stdout()).or_else(|_| window_size(&stdin));
    let size = size.unwrap_or(rbuild_sandbox::Winsize {
        ws_row: 24,
        ws_col: 80,
        ws_xpixel: 0,
        ws_ypixel: 0,
    });
    let mut running = zygote.spawn(spec, Stdio::Pty { size }).map_err(spawn_failure)?;
    let pty = running
        .take_pty()
        .ok_or_else(|| Failure::host("internal error: the container has no terminal"))?;
    let clone = |fd: &OwnedFd| {
        fd.try_clone()
            .map_err(|error| Failure::host(format!("duplicating a descriptor: {error}")))
    };
    let (to_pty, for_resize) = (clone(&pty)?, clone(&pty)?);
    let running = Arc::new(running);
    // Raw only now: an error before this is printed on a terminal in order.
    let raw = if options.interactive {
        RawMode::enter(&stdin)
            .map_err(|errno| Failure::host(format!("setting the terminal to raw: {errno}")))?
    } else {
        None
    };
    forward(&running, signals, Some(for_resize))?;
    if options.interactive {
        // Ends with the process: nothing can interrupt a read from a terminal.
        std::thread::spawn(move || carry(&mut io::stdin().lock(), &mut File::from(to_pty)));
    }
    let output = std::thread::spawn(move || carry(&mut File::from(pty), &mut io::stdout().lock()));
    let code = finish(&running);
    // The terminal's other side is closed with the container: all that it printed arrives first.
    let _ = output.join();
    drop(raw);
    code
}

/// Copies until the end, at once and unbuffered. A terminal whose other side is gone gives EIO: that is its end.
fn carry(from: &mut dyn Read, to: &mut dyn Write) {
    let mut buffer = [0; 16 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => {
                if to.write_all(&buffer[..read]).and_then(|()| to.flush()).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

fn forward(running: &Arc<Running>, signals: SigSet, pty: Option<OwnedFd>) -> Result<(), Failure> {
    let running = Arc::clone(running);
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            while let Ok(signal) = signals.wait() {
                match (&pty, signal) {
                    (Some(pty), Signal::SIGWINCH) => {
                        if let Ok(size) = window_size(io::stdout()) {
                            let _ = resize(pty, size);
                        }
                    }
                    (None, Signal::SIGWINCH) => {}
                    (_, signal) => {
                        // A command that has ended needs no signal.
                        let _ = running.signal(signal as i32);
                    }
                }
            }
        })
        .map_err(|error| Failure::host(format!("starting a thread: {error}")))?;
    Ok(())
}

fn finish(running: &Running) -> Result<u8, Failure> {
    let exit = running.wait().map_err(Failure::from_host)?;
    let code = match exit.status {
        ExitStatus::Code(code) => code,
        ExitStatus::Signal(signal) => 128 + signal,
    };
    Ok(u8::try_from(code & 0xff).unwrap_or(125))
}

fn spawn_failure(error: SpawnError) -> Failure {
    let kind = match error.exit_code() {
        126 => Kind::NotExecutable,
        127 => Kind::NotFound,
        _ => Kind::Host,
    };
    Failure::from_error(kind, &error)
}
