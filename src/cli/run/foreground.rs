//! A container in the foreground: our terminal or streams, our signals, and its exit code.

use super::signals::{self, End};
use crate::cli::streams::note;
use crate::error::Failure;
use crate::report::out_of_memory;
use rbuild_build::outlet::Outlet;
use rbuild_container::log::{LogWriter, Stream};
use rbuild_container::time::now;
use rbuild_container::{Container, Executing, Process};
use rbuild_sandbox::signals::SigSet;
use rbuild_sandbox::{Exit, ExitStatus, RawMode, SpawnError, Stdio};
use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// How a container is connected with us.
pub struct Streams {
    /// Whether it has our standard input.
    pub interactive: bool,
    /// Whether it has a terminal.
    pub tty: bool,
    /// Where what it prints goes besides.
    pub log: Option<Log>,
}

/// A log that two streams are written to.
pub type Log = Arc<Mutex<LogWriter>>;

/// A command that is connected with us.
pub trait Connected {
    /// Its process, to be used from any thread.
    fn process(&self) -> Process;

    /// The outer side of its terminal, once, where one was asked for.
    fn take_terminal(&mut self) -> Option<OwnedFd>;

    /// Waits for its end.
    ///
    /// # Errors
    /// Whoever has started it is gone.
    fn wait(&self) -> Result<Exit, SpawnError>;
}

impl Connected for Container<'_> {
    fn process(&self) -> Process {
        Container::process(self)
    }

    fn take_terminal(&mut self) -> Option<OwnedFd> {
        Container::take_terminal(self)
    }

    fn wait(&self) -> Result<Exit, SpawnError> {
        Container::wait(self)
    }
}

impl Connected for Executing {
    fn process(&self) -> Process {
        Executing::process(self)
    }

    fn take_terminal(&mut self) -> Option<OwnedFd> {
        Executing::take_terminal(self)
    }

    fn wait(&self) -> Result<Exit, SpawnError> {
        Executing::wait(self)
    }
}

/// Starts a command and waits for it.
///
/// # Errors
/// It does not start, or its terminal is none.
pub fn run<C: Connected>(
    options: Streams,
    start: impl FnOnce(Stdio) -> Result<C, Failure>,
) -> Result<u8, Failure> {
    if options.tty && options.interactive && !io::stdin().is_terminal() {
        return Err(
            Failure::usage("-t and -i need a terminal on standard input, which this is not")
                .hint("leave out -t when input comes from a file or pipe"),
        );
    }
    let signals = signals::block()?;
    if options.tty {
        terminal(&options, start, signals)
    } else {
        streams(&options, start, signals)
    }
}

fn streams<C: Connected>(
    options: &Streams,
    start: impl FnOnce(Stdio) -> Result<C, Failure>,
    signals: SigSet,
) -> Result<u8, Failure> {
    #[expect(clippy::disallowed_methods, reason = "a device of the host")]
    let stdin = if options.interactive {
        duplicate(&io::stdin())?
    } else {
        rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| Failure::host(format!("opening /dev/null: {errno}")))?
    };
    let end = End::default();
    let (stdout, shown) = written(io::stdout(), options.log.clone(), Stream::Stdout, &end)?;
    let (stderr, told) = written(io::stderr(), options.log.clone(), Stream::Stderr, &end)?;
    let container = start(Stdio::Streams {
        stdin,
        stdout,
        stderr,
    })?;
    signals::forward(container.process(), signals, None, end.clone())?;
    let code = code(&container);
    end.has_come();
    // Their other sides are closed with the container: all that it wrote arrives first.
    for thread in [shown, told].into_iter().flatten() {
        let _ = thread.join();
    }
    code
}

/// Waits for the end: the exit code as shells count.
fn code(container: &impl Connected) -> Result<u8, Failure> {
    let exit = container.wait().map_err(Failure::from_host)?;
    if let Some(counted) = exit
        .out_of_memory()
        .filter(|_| exit.status != ExitStatus::Code(0))
    {
        note(&format!("error: {}", out_of_memory(&counted)));
    }
    Ok(u8::try_from(exit.status.shell_code() & 0xff).unwrap_or(125))
}

fn duplicate(fd: &impl AsFd) -> Result<OwnedFd, Failure> {
    fd.as_fd()
        .try_clone_to_owned()
        .map_err(|error| Failure::host(format!("duplicating a descriptor: {error}")))
}

/// What the command gets for one of our streams: a file or pipe as it is. Through a terminal it could read what is typed,
/// even where the descriptor is for writing, and it would take a container for one with `-t`; so it gets a pipe. So it does
/// where a log is kept.
fn written(
    ours: impl AsFd + IsTerminal + Send + 'static,
    log: Option<Log>,
    stream: Stream,
    end: &End,
) -> Result<(OwnedFd, Option<JoinHandle<()>>), Failure> {
    if log.is_none() && !ours.is_terminal() {
        return Ok((duplicate(&ours)?, None));
    }
    let (here, there) =
        pipe_with(PipeFlags::CLOEXEC).map_err(|errno| Failure::host(format!("making a pipe: {errno}")))?;
    let mut ours = Logged {
        out: outlet(ours, end),
        log,
        stream,
    };
    let thread = spawn(move || carry(&mut File::from(here), &mut ours))?;
    Ok((there, Some(thread)))
}

/// Once a signal has asked for the end, and the command has ended, nobody who does not read is waited for.
fn outlet<F: AsFd>(ours: F, end: &End) -> Outlet<F> {
    let end = end.clone();
    Outlet::new(ours, move || end.is_over())
}

fn terminal<C: Connected>(
    options: &Streams,
    start: impl FnOnce(Stdio) -> Result<C, Failure>,
    signals: SigSet,
) -> Result<u8, Failure> {
    let stdin = io::stdin();
    let size = signals::terminal_size().unwrap_or(rbuild_sandbox::Winsize {
        ws_row: 24,
        ws_col: 80,
        ws_xpixel: 0,
        ws_ypixel: 0,
    });
    let mut container = start(Stdio::Pty { size })?;
    let pty = container
        .take_terminal()
        .ok_or_else(|| Failure::host("internal error: the container has no terminal"))?;
    let clone = |fd: &OwnedFd| {
        fd.try_clone()
            .map_err(|error| Failure::host(format!("duplicating a descriptor: {error}")))
    };
    let (to_pty, for_resize) = (clone(&pty)?, clone(&pty)?);
    // Raw only now: an error before this is printed on a terminal in order.
    let raw = if options.interactive {
        RawMode::enter(&stdin)
            .map_err(|errno| Failure::host(format!("setting the terminal to raw: {errno}")))?
    } else {
        None
    };
    let end = End::default();
    signals::forward(container.process(), signals, Some(for_resize), end.clone())?;
    if options.interactive {
        let mut keys = Keys {
            pty: File::from(to_pty),
            process: container.process(),
        };
        // Ends with the process: nothing can interrupt a read from a terminal.
        spawn(move || carry(&mut io::stdin().lock(), &mut keys))?;
    }
    let mut stdout = Logged {
        out: outlet(io::stdout(), &end),
        log: options.log.clone(),
        stream: Stream::Stdout,
    };
    let output = spawn(move || carry(&mut File::from(pty), &mut stdout))?;
    let code = code(&container);
    end.has_come();
    // The terminal's other side is closed with the container: all that it printed arrives first.
    let _ = output.join();
    drop(raw);
    code
}

fn spawn(work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Failure> {
    std::thread::Builder::new()
        .spawn(work)
        .map_err(|error| Failure::thread(&error))
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

/// What is printed, on its way to us and to the log.
struct Logged<W> {
    out: W,
    log: Option<Log>,
    stream: Stream,
}

impl<W: Write> Write for Logged<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        if let Some(log) = &self.log {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.write(self.stream, &bytes[..written], now());
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// What is typed, on its way into the container's terminal.
struct Keys {
    pty: File,
    process: Process,
}

impl Write for Keys {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.pty.write(bytes)?;
        for byte in &bytes[..written] {
            // The keys for signals are control characters, whatever they are set to in practice.
            if byte.is_ascii_control() {
                self.process.typed(&self.pty, *byte);
            }
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
