//! `RUN --mount=type=ssh`: a socket in the container that speaks to an agent outside.
//!
//! Between the two stands a filter: the container may list keys and ask for signatures, and nothing else
//! (draft-ietf-sshm-ssh-agent: message = u32 length, u8 type, body). It cannot add, remove or lock keys.

use super::OpError;
use crate::request::{Environment, SshSource};
use rbuild_sandbox::child;
use rbuild_store::TmpDir;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const SIGN_REQUEST: u8 = 13;
/// Largest message, as OpenSSH has it.
const MAX_MESSAGE: u32 = 256 * 1024;

/// A socket for one step. Dropping it ends the forwarding, and the agent if it is ours.
pub(crate) struct ForwardedAgent {
    socket: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    _agent: Option<OwnAgent>,
    _tmp: TmpDir,
}

impl ForwardedAgent {
    /// Makes the socket, with owner and mode as the mount says.
    pub(crate) fn start(
        source: &SshSource,
        environment: &Environment,
        tmp: TmpDir,
        (mode, uid, gid): (u32, u32, u32),
    ) -> Result<Self, OpError> {
        let io = |attempt: &str| {
            let attempt = attempt.to_owned();
            move |error| OpError::io(attempt, error)
        };
        let (target, agent) = match source {
            SshSource::Socket(path) => (path.clone(), None),
            SshSource::Keys(keys) => {
                let agent = OwnAgent::start(keys, environment, tmp.path())?;
                (agent.socket.clone(), Some(agent))
            }
        };
        let socket = tmp.path().join("agent");
        let listener = UnixListener::bind(&socket).map_err(io("making a socket for the ssh agent"))?;
        let root = rbuild_rootdir::Root::open(tmp.path())?;
        root.chown(b"agent", uid, gid)?;
        root.chmod(b"agent", u16::try_from(mode & 0o777).unwrap_or(0o600))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("ssh-agent".to_owned())
            .spawn(move || {
                for client in listener.incoming() {
                    if stopped.load(Ordering::Relaxed) {
                        return;
                    }
                    let Ok(client) = client else { return };
                    let target = target.clone();
                    // A connection ends with the step's process that holds it.
                    let _ = std::thread::Builder::new().spawn(move || {
                        let _ = forward(client, &target);
                    });
                }
            })
            .map_err(OpError::Thread)?;
        Ok(Self {
            socket,
            stop,
            thread: Some(thread),
            _agent: agent,
            _tmp: tmp,
        })
    }

    /// The socket's path on the host.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for ForwardedAgent {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for a connection.
        let _ = UnixStream::connect(&self.socket);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Carries requests that are allowed, answers the others itself.
fn forward(mut client: UnixStream, target: &Path) -> io::Result<()> {
    let mut agent = UnixStream::connect(target)?;
    while let Some(request) = message(&mut client)? {
        let answer = match request.first() {
            Some(&(REQUEST_IDENTITIES | SIGN_REQUEST)) => {
                send(&mut agent, &request)?;
                message(&mut agent)?.ok_or(io::ErrorKind::UnexpectedEof)?
            }
            _ => vec![FAILURE],
        };
        send(&mut client, &answer)?;
    }
    Ok(())
}

/// The next message; `None` at the end of the stream.
fn message(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_be_bytes(length);
    if length == 0 || length > MAX_MESSAGE {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut body = vec![0; length as usize];
    from.read_exact(&mut body)?;
    Ok(Some(body))
}

fn send(to: &mut impl Write, body: &[u8]) -> io::Result<()> {
    let mut bytes = u32::try_from(body.len())
        .map_err(io::Error::other)?
        .to_be_bytes()
        .to_vec();
    bytes.extend_from_slice(body);
    to.write_all(&bytes)
}

/// An ssh-agent that holds keys and lives as long as the step.
///
/// It is started as `ssh-agent COMMAND`, which makes it end with its command, and the command ends with our side of
/// its standard input: so nobody is left with the keys when we are killed.
struct OwnAgent {
    socket: PathBuf,
    command: Child,
    pid: Option<Pid>,
}

impl OwnAgent {
    fn start(keys: &[PathBuf], environment: &Environment, dir: &Path) -> Result<Self, OpError> {
        let socket = dir.join("keys");
        let mut agent = Command::new("ssh-agent");
        child::with_limits_of_caller(&mut agent);
        let mut command = agent
            .env_clear()
            .envs(environment.iter())
            .arg("-a")
            .arg(&socket)
            .args(["sh", "-c", "echo \"$SSH_AGENT_PID\"; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(OpError::RunAgent)?;
        // The line comes when the agent listens; nothing comes when it does not start.
        let mut line = String::new();
        if let Some(stdout) = command.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut line)
                .map_err(|error| OpError::io("starting ssh-agent", error))?;
        }
        let pid = line.trim().parse().ok().and_then(Pid::from_raw);
        let agent = Self { socket, command, pid };
        if pid.is_none() {
            return Err(OpError::NoAgent);
        }
        let mut add = Command::new("ssh-add");
        child::with_limits_of_caller(&mut add);
        add.env_clear()
            .envs(environment.iter())
            .arg("-q")
            .args(keys)
            .env("SSH_AUTH_SOCK", &agent.socket)
            .env("SSH_ASKPASS_REQUIRE", "never")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        added_to(&mut add)?;
        Ok(agent)
    }
}

impl Drop for OwnAgent {
    fn drop(&mut self) {
        if let Some(pid) = self.pid {
            // It has inherited that our threads block SIGTERM.
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = self.command.kill();
        let _ = self.command.wait();
    }
}

fn added_to(command: &mut Command) -> Result<(), OpError> {
    let output = command
        .output()
        .map_err(|error| OpError::io("running ssh-add", error))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let said = words
        .lines()
        .next()
        .unwrap_or("no reason was given")
        .trim()
        .to_owned();
    Err(OpError::KeysRefused { said })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An agent that answers with the type it was asked, plus 1.
    fn echo_agent(socket: &Path) -> JoinHandle<Vec<u8>> {
        let listener = UnixListener::bind(socket).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            while let Some(request) = message(&mut stream).unwrap() {
                asked.push(request[0]);
                send(&mut stream, &[request[0] + 1]).unwrap();
            }
            asked
        })
    }

    #[test]
    fn only_listing_and_signing_reach_the_agent() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("real");
        let agent = echo_agent(&socket);
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let forwarding = std::thread::spawn(move || forward(theirs, &socket));
        let mut ask = |kind: u8| {
            send(&mut ours, &[kind, 9, 9]).unwrap();
            message(&mut ours).unwrap().unwrap()
        };
        assert_eq!(ask(REQUEST_IDENTITIES), [12]);
        assert_eq!(ask(SIGN_REQUEST), [14]);
        // Add identity, remove all identities, lock, extension.
        for kind in [17, 19, 22, 27] {
            assert_eq!(ask(kind), [FAILURE], "{kind}");
        }
        drop(ours);
        forwarding.join().unwrap().unwrap();
        assert_eq!(agent.join().unwrap(), [REQUEST_IDENTITIES, SIGN_REQUEST]);
    }

    #[test]
    fn a_message_that_is_too_long_ends_the_connection() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        ours.write_all(&u32::MAX.to_be_bytes()).unwrap();
        assert!(message(&mut theirs).is_err());
    }
}
