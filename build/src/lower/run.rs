//! `RUN` to a vertex.

use super::fault::Fault;
use super::finding::Finding;
use super::history;
use super::scope::HOSTNAME_ARG;
use super::stage::StageLowering;
use crate::ops::spec::{ExecNetwork, ExecSpec, StepSpec};
use dockerfile_parser::instruction::{CommandForm, Network, Run, RunScript, Security};
use dockerfile_parser::secrets::is_secret_name;
use dockerfile_parser::{Instruction, Span};
use std::collections::BTreeSet;

/// Whether several heredocs stand without any command: the shell reads them and does nothing.
fn only_heredocs(form: &CommandForm) -> bool {
    let CommandForm::Shell { text, heredocs } = form else {
        return false;
    };
    let is_marker = |word: &str| {
        word.trim_start_matches(|c: char| c.is_ascii_digit())
            .starts_with("<<")
    };
    heredocs.len() > 1 && text.split_whitespace().all(is_marker)
}

/// What is executed.
struct Command {
    argv: Vec<String>,
    /// A file that is executed, by its name, and its content.
    script: Option<(String, String)>,
}

impl StageLowering<'_, '_> {
    pub(super) fn run(
        &mut self,
        run: &Run,
        instruction: &Instruction,
        at: Option<Span>,
    ) -> Result<(), Finding> {
        let insecure = run.security == Security::Insecure;
        if insecure && !self.stages.input().entitlements.security_insecure {
            return Err(Finding::error(Fault::InsecureNotAllowed, instruction.line.span));
        }
        let network = self.network(run, instruction)?;
        let devices = self.devices(&run.devices)?;
        let mut more = Vec::new();
        let mounts = self.mounts(&run.mounts, &mut more)?;
        let Command { argv, script } = self.executed(run, instruction)?;
        let scope = &self.state.scope;
        self.stages
            .carry(scope.env.count() + scope.args.count(), instruction.line.keyword)?;
        let args = self.state.scope.visible_args();
        let redact = self.stages.input().redact_args;
        let created_by = history::run(&args, &argv, redact);
        let (env, redacted) = self.variables(args, redact);
        let input = self.stages.input();
        let spec = ExecSpec {
            argv,
            env,
            redacted,
            hidden_env: self.state.scope.undeclared_predefined(),
            cwd: self.cwd(),
            user: self.state.config.config.user.clone(),
            network,
            mounts,
            devices,
            hostname: input.build_args.steering(HOSTNAME_ARG).map(str::to_owned),
            add_hosts: input.add_hosts.clone(),
            no_new_privs: input.no_new_privs,
            insecure,
            shm_size: input.shm_size,
            platform: self.state.platform.clone(),
            script,
            is_shell_form: matches!(run.command.form, CommandForm::Shell { .. }),
            base_name: self.state.base_name.clone(),
        };
        self.step(StepSpec::Exec(Box::new(spec)), &more, instruction, at, created_by);
        Ok(())
    }

    fn executed(&mut self, run: &Run, instruction: &Instruction) -> Result<Command, Finding> {
        let (argv, script) = match run.script() {
            RunScript::Exec(args) if args.is_empty() => {
                return Err(Finding::error(Fault::NoCommand, instruction.line.span));
            }
            RunScript::Exec(args) => (args, None),
            RunScript::Shell(text) => {
                if only_heredocs(&run.command.form) {
                    self.report(Finding::warning(Fault::UnreadHeredocs, instruction.line.span));
                }
                let mut argv = self.shell();
                argv.push(text);
                (argv, None)
            }
            RunScript::Script { name, content } => {
                (vec![format!("/dev/pipes/{name}")], Some((name, content)))
            }
        };
        if argv.first().is_some_and(String::is_empty) {
            let of_shell = matches!(run.command.form, CommandForm::Shell { .. });
            return Err(Finding::error(
                Fault::NoCommandName { of_shell },
                instruction.line.span,
            ));
        }
        Ok(Command { argv, script })
    }

    /// What the command has in its environment, and the names of what is shown nowhere.
    fn variables(
        &self,
        args: Vec<(String, String)>,
        redact: bool,
    ) -> (Vec<(String, String)>, BTreeSet<String>) {
        let mut redacted: BTreeSet<String> = match redact {
            true => args.iter().map(|(name, _)| name.clone()).collect(),
            false => BTreeSet::new(),
        };
        let env = self.state.scope.env.iter();
        let mut env: Vec<_> = env
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .collect();
        env.extend(args);
        if self.state.scope.has_secrets() {
            let names = env.iter().map(|(name, _)| name);
            redacted.extend(names.filter(|name| is_secret_name(name)).cloned());
        }
        (env, redacted)
    }

    fn network(&self, run: &Run, instruction: &Instruction) -> Result<ExecNetwork, Finding> {
        match run.network {
            Network::Default => Ok(self.stages.input().network),
            Network::None => Ok(ExecNetwork::None),
            Network::Host if self.stages.input().entitlements.network_host => Ok(ExecNetwork::Host),
            Network::Host => Err(Finding::error(
                Fault::HostNetworkNotAllowed,
                instruction.line.span,
            )),
        }
    }
}
