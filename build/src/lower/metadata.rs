//! Instructions that only change the image config: they fold into it and make no vertex.

use super::fault::Fault;
use super::finding::Finding;
use super::history;
use super::stage::StageLowering;
use dockerfile_parser::instruction::{
    Cmd, Command, CommandForm, Entrypoint, Env, Expose, HealthCheck, HealthCheckTest, Label, OnBuild, Shell,
    StopSignal, User, Volume,
};
use dockerfile_parser::port::Ports;
use rbuild_oci::{Empty, Healthcheck};
use rbuild_rootfs::path;
use std::collections::BTreeSet;
use std::time::Duration;

/// The shell when neither SHELL nor the base image says another.
pub(super) const DEFAULT_SHELL: [&str; 2] = ["/bin/sh", "-c"];

impl StageLowering<'_, '_> {
    pub(super) fn env(&mut self, env: &Env) -> Result<String, Finding> {
        // The whole instruction sees the environment before it.
        let mut pairs = Vec::new();
        for pair in &env.pairs {
            pairs.push((self.expand(&pair.key)?, self.expand(&pair.value)?));
        }
        let mut texts = Vec::new();
        for (key, value) in pairs {
            if key.is_empty() {
                return Err(Finding::error(Fault::NoVariableName, env.pairs[0].key.span));
            }
            texts.push(format!("{key}={value}"));
            self.state.scope.set_own_env(&key, &value);
        }
        Ok(format!("ENV {}", texts.join(" ")))
    }

    pub(super) fn label(&mut self, label: &Label) -> Result<String, Finding> {
        let mut texts = Vec::new();
        for pair in &label.pairs {
            let (key, value) = (self.expand(&pair.key)?, self.expand(&pair.value)?);
            if key.is_empty() {
                return Err(Finding::error(Fault::NoLabelName, pair.key.span));
            }
            texts.push(format!("{key}={value}"));
            self.state.config.config.labels.insert(key, value);
        }
        Ok(format!("LABEL {}", texts.join(" ")))
    }

    pub(super) fn cmd(&mut self, cmd: &Cmd) -> String {
        let args = self.command(&cmd.command);
        self.state.cmd_set_here = true;
        let text = format!("CMD {}", history::list(&args));
        self.state.config.config.cmd = Some(args);
        text
    }

    pub(super) fn entrypoint(&mut self, entrypoint: &Entrypoint) -> String {
        let args = self.command(&entrypoint.command);
        let text = format!("ENTRYPOINT {}", history::list(&args));
        self.state.config.config.entrypoint = Some(args);
        if !self.state.cmd_set_here {
            // An inherited CMD belongs to the inherited ENTRYPOINT.
            self.state.config.config.cmd = None;
        }
        text
    }

    /// Arguments as they are stored: the shell form has the shell in front. Empty stays empty.
    fn command(&self, command: &Command) -> Vec<String> {
        match &command.form {
            CommandForm::Exec(args) => args.clone(),
            CommandForm::Shell { text, .. } if text.is_empty() => Vec::new(),
            CommandForm::Shell { text, .. } => {
                let mut args = self.shell();
                args.push(text.clone());
                args
            }
        }
    }

    /// The SHELL in force.
    pub(super) fn shell(&self) -> Vec<String> {
        self.state
            .config
            .config
            .shell
            .clone()
            .filter(|shell| !shell.is_empty())
            .unwrap_or_else(|| DEFAULT_SHELL.map(str::to_owned).to_vec())
    }

    pub(super) fn set_shell(&mut self, shell: &Shell) -> String {
        self.state.config.config.shell = Some(shell.args.clone());
        format!("SHELL {}", history::plain_list(&shell.args))
    }

    pub(super) fn expose(&mut self, expose: &Expose) -> Result<String, Finding> {
        /// All there are, of three protocols.
        const PORTS: usize = 3 * 65_536;
        let mut texts = BTreeSet::new();
        let mut named = 0;
        for word in &expose.ports {
            let is_unknown = self.base_is_unknown() && word.has_variables();
            for text in self.expand_list(word)? {
                let ports = match Ports::parse(&text) {
                    Some(ports) => ports,
                    None if is_unknown => continue,
                    None => return Err(Finding::error(Fault::Port(text), word.span)),
                };
                named += usize::from(ports.last - ports.first) + 1;
                if named > PORTS {
                    return Err(Finding::error(Fault::TooManyPorts, word.span));
                }
                for number in ports.first..=ports.last {
                    let port = format!("{number}/{}", ports.protocol);
                    texts.insert(port.clone());
                    self.state.config.config.exposed_ports.insert(port, Empty {});
                }
            }
        }
        let texts: Vec<String> = texts.into_iter().collect();
        Ok(format!("EXPOSE {}", history::plain_list(&texts)))
    }

    pub(super) fn volume(&mut self, volume: &Volume) -> Result<String, Finding> {
        let mut texts = Vec::new();
        for word in &volume.paths {
            let path = self.expand(word)?;
            if path.trim().is_empty() {
                return Err(Finding::error(Fault::NoVolume, word.span));
            }
            texts.push(path.clone());
            self.state.config.config.volumes.insert(path, Empty {});
        }
        Ok(format!("VOLUME {}", history::plain_list(&texts)))
    }

    pub(super) fn user(&mut self, user: &User) -> Result<String, Finding> {
        let text = self.expand(&user.user)?;
        if text.is_empty() {
            self.warn_of_empty("USER".into(), "steps run as root", &user.user);
        } else if text == ":" {
            return Err(Finding::error(Fault::NoUser, user.user.span));
        }
        self.state.config.config.user.clone_from(&text);
        Ok(format!("USER {text}"))
    }

    pub(super) fn stop_signal(&mut self, stop: &StopSignal) -> Result<String, Finding> {
        let text = self.expand(&stop.signal)?;
        let is_unknown = self.base_is_unknown() && stop.signal.has_variables();
        if dockerfile_parser::signal::parse(&text).is_none() && !is_unknown {
            return Err(Finding::error(Fault::Signal(text), stop.signal.span));
        }
        self.state.config.config.stop_signal = Some(text.clone());
        Ok(format!("STOPSIGNAL {text}"))
    }

    pub(super) fn healthcheck(&mut self, check: &HealthCheck) -> String {
        let nanos = |duration: Option<Duration>| {
            duration
                .filter(|d| !d.is_zero())
                .and_then(|d| i64::try_from(d.as_nanos()).ok())
        };
        let test = match &check.test {
            HealthCheckTest::None => vec!["NONE".to_owned()],
            HealthCheckTest::Command(command) => match &command.form {
                CommandForm::Exec(args) => std::iter::once("CMD".to_owned())
                    .chain(args.iter().cloned())
                    .collect(),
                CommandForm::Shell { text, .. } => vec!["CMD-SHELL".to_owned(), text.clone()],
            },
        };
        let text = format!("HEALTHCHECK {}", history::list(&test));
        self.state.config.config.healthcheck = Some(Healthcheck {
            test,
            interval: nanos(check.interval),
            timeout: nanos(check.timeout),
            start_period: nanos(check.start_period),
            start_interval: nanos(check.start_interval),
            retries: check.retries.filter(|n| *n > 0).map(i64::from),
            ..Healthcheck::default()
        });
        text
    }

    pub(super) fn on_build(&mut self, on_build: &OnBuild) -> String {
        self.state.config.config.on_build.push(on_build.text.clone());
        format!("ONBUILD {}", on_build.text)
    }

    /// The working directory in force, absolute.
    pub(super) fn cwd(&self) -> String {
        path::clean(&self.state.config.config.working_dir)
    }
}
