//! Prints a tree for the goldens: one line per thing, with line and column. Included by `golden.rs`.

use std::fmt::Write as _;

use dockerfile_parser::instruction::{
    Command, CommandForm, HealthCheckTest, InstructionKind, KeyValue, RunScript, Source,
};
use dockerfile_parser::{Dockerfile, Heredoc, Instruction, Line, LineIndex, Span, Word};

/// Everything that matters of a tree, as text.
pub(crate) fn dump(source: &str, dockerfile: &Dockerfile) -> String {
    let mut dump = Dump {
        index: LineIndex::new(source),
        out: String::new(),
    };
    let directives = &dockerfile.directives;
    for (name, directive) in [
        ("syntax", &directives.syntax),
        ("escape", &directives.escape),
        ("check", &directives.check),
    ] {
        if let Some(directive) = directive {
            dump.line(
                0,
                &format!("# {name} = {:?} {}", directive.value, dump.at(directive.span)),
            );
        }
    }
    for arg in &dockerfile.global_args {
        dump.head(0, "global ARG", &arg.line);
        dump.kind(1, &InstructionKind::Arg(arg.arg.clone()));
    }
    for stage in &dockerfile.stages {
        dump.head(0, &format!("stage {} FROM", stage.index), &stage.line);
        dump.option(1, "platform", stage.from.platform.as_ref());
        dump.word(1, "base", &stage.from.base);
        if let Some(name) = &stage.from.name {
            dump.line(1, &format!("name {:?} {}", name.value, dump.at(name.span)));
        }
        for instruction in &stage.instructions {
            dump.instruction(1, instruction);
        }
    }
    dump.out
}

struct Dump<'a> {
    index: LineIndex<'a>,
    out: String,
}

impl Dump<'_> {
    fn at(&self, span: Span) -> String {
        let (start, end) = (self.index.position(span.start), self.index.position(span.end));
        if start.line == end.line {
            format!("@{}:{}-{}", start.line, start.column, end.column)
        } else {
            format!("@{}:{}-{}:{}", start.line, start.column, end.line, end.column)
        }
    }

    fn line(&mut self, depth: usize, text: &str) {
        let _ = writeln!(self.out, "{}{text}", "  ".repeat(depth));
    }

    fn head(&mut self, depth: usize, keyword: &str, line: &Line) {
        let lines = match line.end_line {
            end if end == line.start_line => format!("line {end}"),
            end => format!("lines {}-{end}", line.start_line),
        };
        self.line(depth, &format!("{keyword} {lines}"));
        for comment in &line.comments {
            self.line(depth + 1, &format!("comment {:?}", comment.text));
        }
    }

    fn word(&mut self, depth: usize, name: &str, word: &Word) {
        self.line(depth, &format!("{name} {:?} {}", word.text, self.at(word.span)));
    }

    fn option(&mut self, depth: usize, name: &str, word: Option<&Word>) {
        if let Some(word) = word {
            self.word(depth, name, word);
        }
    }

    fn flag(&mut self, depth: usize, name: &str, given: bool) {
        if given {
            self.line(depth, name);
        }
    }

    fn instruction(&mut self, depth: usize, instruction: &Instruction) {
        self.head(depth, instruction.keyword(), &instruction.line);
        self.kind(depth + 1, &instruction.kind);
    }

    fn command(&mut self, depth: usize, command: &Command) {
        match &command.form {
            CommandForm::Exec(args) => self.line(depth, &format!("exec {args:?} {}", self.at(command.span))),
            CommandForm::Shell { text, heredocs } => {
                self.line(depth, &format!("shell {text:?} {}", self.at(command.span)));
                for heredoc in heredocs {
                    self.heredoc(depth, heredoc);
                }
            }
        }
    }

    fn heredoc(&mut self, depth: usize, heredoc: &Heredoc) {
        let expand = if heredoc.expand { "" } else { " raw" };
        let strip = if heredoc.strip_tabs { " strip" } else { "" };
        let fd = if heredoc.fd == 0 {
            String::new()
        } else {
            format!(" fd {}", heredoc.fd)
        };
        let marker = self.at(heredoc.marker);
        self.line(
            depth,
            &format!(
                "heredoc {:?}{fd}{expand}{strip} {marker} {:?}",
                heredoc.name,
                heredoc.content()
            ),
        );
    }

    fn sources(&mut self, depth: usize, sources: &[Source], dest: &Word) {
        for source in sources {
            match source {
                Source::Path(word) => self.word(depth, "source", word),
                Source::Heredoc(heredoc) => self.heredoc(depth, heredoc),
            }
        }
        self.word(depth, "dest", dest);
    }

    fn pairs(&mut self, depth: usize, pairs: &[KeyValue]) {
        for pair in pairs {
            let legacy = if pair.legacy { " legacy" } else { "" };
            let (key, value) = (self.at(pair.key.span), self.at(pair.value.span));
            self.line(
                depth,
                &format!(
                    "{:?} {key} = {:?} {value}{legacy}",
                    pair.key.text, pair.value.text
                ),
            );
        }
    }

    fn kind(&mut self, depth: usize, kind: &InstructionKind) {
        match kind {
            InstructionKind::Add(add) => {
                self.option(depth, "chown", add.chown.as_ref());
                self.option(depth, "chmod", add.chmod.as_ref());
                self.option(depth, "checksum", add.checksum.as_ref());
                self.flag(depth, "link", add.link);
                self.flag(depth, "keep-git-dir", add.keep_git_dir);
                if let Some(unpack) = add.unpack {
                    self.line(depth, &format!("unpack {unpack}"));
                }
                add.excludes
                    .iter()
                    .for_each(|exclude| self.word(depth, "exclude", exclude));
                self.sources(depth, &add.sources, &add.dest);
            }
            InstructionKind::Copy(copy) => {
                self.option(depth, "from", copy.from.as_ref());
                self.option(depth, "chown", copy.chown.as_ref());
                self.option(depth, "chmod", copy.chmod.as_ref());
                self.flag(depth, "link", copy.link);
                self.flag(depth, "parents", copy.parents);
                copy.excludes
                    .iter()
                    .for_each(|exclude| self.word(depth, "exclude", exclude));
                self.sources(depth, &copy.sources, &copy.dest);
            }
            InstructionKind::Arg(arg) => {
                for declaration in &arg.declarations {
                    self.word(depth, "name", &declaration.name);
                    self.option(depth + 1, "default", declaration.default.as_ref());
                }
            }
            InstructionKind::Env(env) => self.pairs(depth, &env.pairs),
            InstructionKind::Label(label) => self.pairs(depth, &label.pairs),
            InstructionKind::Cmd(cmd) => self.command(depth, &cmd.command),
            InstructionKind::Entrypoint(entrypoint) => self.command(depth, &entrypoint.command),
            InstructionKind::Expose(expose) => expose
                .ports
                .iter()
                .for_each(|port| self.word(depth, "port", port)),
            InstructionKind::HealthCheck(check) => {
                for (name, duration) in [
                    ("interval", check.interval),
                    ("timeout", check.timeout),
                    ("start-period", check.start_period),
                    ("start-interval", check.start_interval),
                ] {
                    if let Some(duration) = duration {
                        self.line(depth, &format!("{name} {duration:?}"));
                    }
                }
                if let Some(retries) = check.retries {
                    self.line(depth, &format!("retries {retries}"));
                }
                match &check.test {
                    HealthCheckTest::None => self.line(depth, "none"),
                    HealthCheckTest::Command(command) => self.command(depth, command),
                }
            }
            InstructionKind::Maintainer(maintainer) => self.word(depth, "name", &maintainer.name),
            InstructionKind::OnBuild(onbuild) => {
                self.line(depth, &format!("text {:?}", onbuild.text));
                self.instruction(depth, &onbuild.instruction);
            }
            InstructionKind::Run(run) => {
                for mount in &run.mounts {
                    self.line(depth, &format!("mount {}", self.at(mount.span)));
                    for option in &mount.options {
                        let value = option
                            .value
                            .as_ref()
                            .map_or(String::new(), |word| format!(" = {:?}", word.text));
                        self.line(
                            depth + 1,
                            &format!("{}{value} {}", option.key, self.at(option.span)),
                        );
                    }
                }
                if run.network != Default::default() {
                    self.line(depth, &format!("network {:?}", run.network));
                }
                if run.security != Default::default() {
                    self.line(depth, &format!("security {:?}", run.security));
                }
                for device in &run.devices {
                    let required = if device.required { " required" } else { "" };
                    self.line(depth, &format!("device {:?}{required}", device.name.text));
                }
                self.command(depth, &run.command);
                match run.script() {
                    RunScript::Shell(text) if text.contains('\n') => {
                        self.line(depth, &format!("given to shell {text:?}"))
                    }
                    RunScript::Script { name, content } => {
                        self.line(depth, &format!("script {name:?} {content:?}"))
                    }
                    _ => {}
                }
            }
            InstructionKind::Shell(shell) => self.line(depth, &format!("{:?}", shell.args)),
            InstructionKind::StopSignal(stop) => self.word(depth, "signal", &stop.signal),
            InstructionKind::User(user) => self.word(depth, "user", &user.user),
            InstructionKind::Volume(volume) => volume
                .paths
                .iter()
                .for_each(|path| self.word(depth, "path", path)),
            InstructionKind::Workdir(workdir) => self.word(depth, "path", &workdir.path),
        }
    }
}
