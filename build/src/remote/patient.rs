//! A program that is waited for as long as the build goes on. Without a thread: a build may not have one yet.

use crate::outlet::TICK;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use std::io::{self, PipeReader, Read};
use std::process::{Child, Command, ExitStatus, Output};
use std::time::{Duration, Instant};

/// As [`Command::output`], until `is_over`: then it is killed.
///
/// # Errors
/// It cannot be started or read; or all is over.
pub(super) fn output(command: &mut Command, is_over: &dyn Fn() -> bool) -> io::Result<Output> {
    let (stdout, to_stdout) = io::pipe()?;
    let (stderr, to_stderr) = io::pipe()?;
    let mut child = command.stdout(to_stdout).stderr(to_stderr).spawn()?;
    // The command has the other ends of the pipes, which would never be at their end.
    command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let output = listen(&mut child, [stdout, stderr], is_over);
    if output.is_err() {
        end(&mut child);
    }
    output
}

/// Lets it end those that it has started itself, as git does on a signal that can be caught.
fn end(child: &mut Child) {
    let _ = rustix::process::kill_process(Pid::from_child(child), Signal::TERM);
    let begin = Instant::now();
    if ended(child, &|| begin.elapsed() > Duration::from_secs(1)).is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn listen(child: &mut Child, mut pipes: [PipeReader; 2], is_over: &dyn Fn() -> bool) -> io::Result<Output> {
    let mut said = [Vec::new(), Vec::new()];
    let mut open = [true; 2];
    let mut chunk = [0; 1 << 14];
    while open != [false; 2] {
        go_on(is_over)?;
        let [stdout, stderr] = &pipes;
        let mut polled: Vec<PollFd<'_>> = [stdout, stderr]
            .into_iter()
            .zip(open)
            .filter(|(_, open)| *open)
            .map(|(pipe, _)| PollFd::new(pipe, PollFlags::IN))
            .collect();
        match poll(&mut polled, Some(&TICK)) {
            Ok(0) | Err(Errno::INTR) => continue,
            Ok(_) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut ready = polled.iter().map(|polled| !polled.revents().is_empty());
        let ready = open.map(|open| open && ready.next().unwrap_or(false));
        for (at, pipe) in pipes.iter_mut().enumerate().filter(|(at, _)| ready[*at]) {
            let count = pipe.read(&mut chunk)?;
            said[at].extend_from_slice(&chunk[..count]);
            open[at] = count > 0;
        }
    }
    let status = ended(child, is_over)?;
    let [stdout, stderr] = said;
    Ok(Output {
        status,
        stdout,
        stderr,
    })
}

/// Waits for its end, which is mostly near.
fn ended(child: &mut Child, is_over: &dyn Fn() -> bool) -> io::Result<ExitStatus> {
    let mut pause = Duration::from_micros(200);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        go_on(is_over)?;
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

fn go_on(is_over: &dyn Fn() -> bool) -> io::Result<()> {
    match is_over() {
        true => Err(io::Error::other("interrupted")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_said_arrives() {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "head -c 300000 /dev/zero; head -c 200000 /dev/zero >&2; exit 3",
        ]);
        let output = output(&mut command, &|| false).unwrap();
        assert_eq!(
            (output.stdout.len(), output.stderr.len(), output.status.code()),
            (300_000, 200_000, Some(3))
        );
    }

    #[test]
    fn one_that_hangs_is_ended() {
        // Neither what is silent nor what has closed its output and does not heed a signal.
        for script in [
            "exec sleep 1000",
            "trap '' TERM; exec >&- 2>&-; while :; do sleep 1; done",
        ] {
            let begin = Instant::now();
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            let is_over = || begin.elapsed() > Duration::from_millis(100);
            output(&mut command, &is_over).unwrap_err();
        }
    }
}
