//! What the flags of `rbuild run` mean.

use super::RunArgs;
use crate::cli::containers::create::KeptOptions;
use crate::error::Failure;
use crate::options::{add_host, choice, env_file, network, no_new_privs, pull_policy, sandbox, size};
use rbuild_build::request::PullPolicy;
use rbuild_container::{Request, RequestedMount};
use rbuild_rootfs::path;
use rbuild_sandbox::{Caller, MountFlags, MountKind, Wanted, default_network};
use std::path::{Path, PathBuf};

/// A container, and how we are connected with it.
pub struct RunOptions {
    /// Whether its standard input is kept open.
    pub interactive: bool,
    /// Whether it has a terminal.
    pub tty: bool,
    /// When a registry is asked for its image.
    pub pull: PullPolicy,
    /// Which way it is run.
    pub sandbox: Wanted,
    /// Else it is the host's choice.
    pub network_is_asked_for: bool,
    /// What shapes its command.
    pub request: Request,
    /// What else it is to have if it is kept.
    pub kept: KeptOptions,
}

impl RunOptions {
    /// Gives the flags their meaning.
    ///
    /// # Errors
    /// One of them has none.
    pub fn from_args(args: &RunArgs, host: &Caller) -> Result<Self, Failure> {
        let env = variables(&args.env_files, &args.env)?;
        if let Some(workdir) = &args.workdir
            && !workdir.starts_with('/')
        {
            return Err(Failure::usage(format!("-w `{workdir}` is not an absolute path")));
        }
        if let Some(name) = args.hostname.as_deref() {
            check_name(name)?;
        }
        let kept = KeptOptions::from_args(args)?;
        let tmpfs = args.tmpfs.iter().map(|text| tmpfs(text));
        let volumes = args.volumes.iter().map(|text| volume(text));
        let name = args.name.as_ref().filter(|name| name.len() <= 64);
        let hostname = args.hostname.as_ref().or(name);
        let mut limits = args.limits.limits()?;
        args.container_limits.add_to(&mut limits)?;
        let defaults = Request::default();
        let request = Request {
            entrypoint: args.entrypoint.clone(),
            command: args.image_and_command().1.to_vec(),
            env,
            workdir: args.workdir.clone(),
            user: args.user.clone(),
            hostname: hostname.cloned().unwrap_or(defaults.hostname),
            add_hosts: args
                .add_hosts
                .iter()
                .map(|text| add_host(text))
                .collect::<Result<_, _>>()?,
            mounts: tmpfs.chain(volumes).collect::<Result<_, _>>()?,
            read_only: args.read_only,
            network: network(&args.network)?.unwrap_or_else(|| default_network(host)),
            no_new_privs: no_new_privs(&args.security_opts)?,
            limits,
            rlimits: args.limits.rlimits()?,
            oom_score_adj: args.container_limits.oom_score_adj()?,
        };
        Ok(Self {
            interactive: args.interactive,
            tty: args.tty,
            pull: pull_policy(&args.pull)?,
            sandbox: sandbox(&args.sandbox)?,
            network_is_asked_for: network(&args.network)?.is_some(),
            request,
            kept,
        })
    }
}

/// `--env-file` and `-e`, which wins.
///
/// # Errors
/// A file cannot be read, or a variable has no name.
pub fn variables(files: &[PathBuf], texts: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let caller = |name: &str| std::env::var(name).ok();
    let mut env = Vec::new();
    for file in files {
        env.extend(env_file::read(file, caller)?);
    }
    for text in texts {
        match text.split_once('=') {
            Some(("", _)) => return Err(Failure::usage("-e: there is no variable name before `=`")),
            Some((name, value)) => env.push((name.to_owned(), value.to_owned())),
            None => env.extend(caller(text).map(|value| (text.clone(), value))),
        }
    }
    Ok(env)
}

fn check_name(name: &str) -> Result<(), Failure> {
    let good = !name.is_empty()
        && name.len() <= 64
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
        && name.as_bytes()[0].is_ascii_alphanumeric();
    if good {
        Ok(())
    } else {
        Err(Failure::usage(format!("`{name}` is no host name"))
            .hint("letters, digits, `_`, `.` and `-`, at most 64, starting with a letter or digit"))
    }
}

/// `-v HOST:CONTAINER[:OPTIONS]`.
#[expect(clippy::disallowed_methods, reason = "the caller names this path")]
fn volume(text: &str) -> Result<RequestedMount, Failure> {
    let wrong = |why: String| Failure::usage(format!("-v `{text}`: {why}"));
    let mut parts = text.split(':');
    let (Some(source), Some(target)) = (parts.next(), parts.next()) else {
        return Err(wrong("is not of the form HOST:CONTAINER[:ro]".to_owned()));
    };
    if !target.starts_with('/') || path::clean(target) == "/" {
        return Err(wrong(format!("`{target}` is not an absolute path below `/`")));
    }
    if !(source.starts_with('/') || source.starts_with('.') || source.starts_with('~')) {
        return Err(wrong(format!(
            "named volumes are not supported yet; write `./{source}` for a directory here"
        )));
    }
    let mut read_only = false;
    for option in parts
        .next()
        .unwrap_or_default()
        .split(',')
        .filter(|option| !option.is_empty())
    {
        match option {
            "ro" => read_only = true,
            "rw" | "z" | "Z" => {}
            other => return Err(choice(&format!("-v `{text}`"), other, &["ro", "rw", "z", "Z"])),
        }
    }
    if parts.next().is_some() {
        return Err(wrong("has too many colons".to_owned()));
    }
    let source = match source.strip_prefix("~/") {
        Some(rest) => std::env::var_os("HOME")
            .map(PathBuf::from)
            .unwrap_or_default()
            .join(rest),
        None => PathBuf::from(source),
    };
    let source = Path::new(&source)
        .canonicalize()
        .map_err(|error| wrong(format!("the host path cannot be opened: {error}")))?;
    Ok(RequestedMount {
        target: path::clean(target),
        kind: MountKind::Bind {
            source,
            source_root: None,
            recursive: true,
            lent: false,
            flags: MountFlags {
                read_only,
                ..MountFlags::default()
            },
        },
    })
}

/// `--tmpfs CONTAINER[:OPTIONS]`: nosuid, nodev, noexec unless said otherwise.
fn tmpfs(text: &str) -> Result<RequestedMount, Failure> {
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    if !target.starts_with('/') || path::clean(target) == "/" {
        return Err(Failure::usage(format!(
            "--tmpfs `{text}`: `{target}` is not an absolute path below `/`"
        )));
    }
    let mut flags = MountFlags {
        nosuid: true,
        nodev: true,
        noexec: true,
        read_only: false,
    };
    let (mut bytes, mut mode) = (None, 0o1777);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("size", value)) => bytes = Some(size("--tmpfs size", value)?),
            Some(("mode", value)) => {
                mode = u32::from_str_radix(value, 8)
                    .ok()
                    .filter(|mode| *mode <= 0o7777)
                    .ok_or_else(|| {
                        Failure::usage(format!("--tmpfs `{text}`: `{value}` is not an octal mode"))
                    })?;
            }
            None if option == "ro" => flags.read_only = true,
            None if option == "rw" => flags.read_only = false,
            None if option == "exec" => flags.noexec = false,
            None if option == "noexec" => flags.noexec = true,
            None if option == "suid" => flags.nosuid = false,
            None if option == "nosuid" => flags.nosuid = true,
            None if option == "dev" => flags.nodev = false,
            None if option == "nodev" => flags.nodev = true,
            _ => {
                return Err(choice(
                    &format!("--tmpfs `{text}`"),
                    option,
                    &[
                        "size=", "mode=", "ro", "rw", "exec", "noexec", "suid", "nosuid", "dev", "nodev",
                    ],
                ));
            }
        }
    }
    Ok(RequestedMount {
        target: path::clean(target),
        kind: MountKind::Tmpfs {
            size: bytes,
            mode,
            flags,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes() {
        let ours = volume("/tmp:/data:ro").unwrap();
        assert_eq!(ours.target, "/data");
        assert!(matches!(ours.kind, MountKind::Bind { flags, .. } if flags.read_only));
        for (wrong, why) in [
            ("/tmp", "HOST:CONTAINER"),
            ("/tmp:data", "absolute"),
            ("/tmp:/", "absolute"),
            ("name:/data", "named volumes"),
            ("/nowhere-at-all:/data", "cannot be opened"),
            ("/tmp:/data:rq", "did you mean"),
            ("/tmp:/a:ro:x", "too many colons"),
        ] {
            let text = volume(wrong).unwrap_err().text();
            assert!(text.contains(why), "{wrong}: {text}");
        }
    }

    #[test]
    fn tmpfs_options() {
        let ours = tmpfs("/t:size=1m,mode=700,exec").unwrap();
        let MountKind::Tmpfs { size, mode, flags } = ours.kind else {
            panic!("{:?}", ours.kind);
        };
        assert_eq!(
            (size, mode, flags.noexec, flags.nosuid),
            (Some(1 << 20), 0o700, false, true)
        );
        assert!(tmpfs("t").is_err());
        assert!(tmpfs("/t:sise=1").is_err());
    }
}
