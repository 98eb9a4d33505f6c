//! `COPY` and `ADD` to vertices.

use super::fault::Fault;
use super::finding::Finding;
use super::stage::{StageLowering, without_stage};
use super::{From, expanding};
use crate::address::Remote;
use crate::address::{commit_prefix, file_name, redacted, scheme};
use crate::ops::spec::{Chmod, CopySource, CopySpec, StepSpec};
use crate::ops::{FetchSpec, UNNAMED};
use dockerfile_parser::instruction::{Add, Copy, Source};
use dockerfile_parser::{Instruction, Span, Word};
use rbuild_rootfs::{path, users};
use rbuild_solver::VertexId;

impl StageLowering<'_, '_> {
    pub(super) fn copy(
        &mut self,
        copy: &Copy,
        instruction: &Instruction,
        at: Option<Span>,
    ) -> Result<(), Finding> {
        let mut more = Vec::new();
        let from = copy.from.as_ref().map(|word| self.from(word)).transpose()?;
        let mut sources = Vec::new();
        let mut texts = Vec::new();
        for source in &copy.sources {
            match source {
                Source::Heredoc(heredoc) => sources.push(self.inline(heredoc, &mut texts)?),
                Source::Path(word) => {
                    let pattern = self.source_path(word)?;
                    if scheme(&pattern).is_some() {
                        return Err(Finding::error(Fault::CopyOfUrl, word.span));
                    }
                    texts.push(pattern.clone());
                    sources.push(match &from {
                        None => {
                            let context = self.stages.input().context.clone();
                            CopySource::Context {
                                context,
                                pattern,
                                literal: false,
                            }
                        }
                        Some(From::Context(context)) => CopySource::Context {
                            context: context.clone(),
                            pattern,
                            literal: false,
                        },
                        Some(From::Vertex(vertex)) => CopySource::Snapshot {
                            input: input(&mut more, *vertex),
                            pattern,
                        },
                    });
                }
            }
        }
        let excludes = copy.excludes.iter().map(|word| word.text.clone()).collect();
        let spec = CopySpec {
            keyword: "COPY",
            sources,
            dest: self.destination(&copy.dest, &mut texts)?,
            chown: self.chown(copy.chown.as_ref(), copy.link)?,
            chmod: self.chmod(copy.chmod.as_ref())?,
            link: copy.link,
            parents: copy.parents,
            excludes,
            unpack: false,
            unpack_remote: false,
        };
        let created_by = format!("COPY {}{} # buildkit", flags(&spec), texts.join(" "));
        self.step(StepSpec::Copy(spec), &more, instruction, at, created_by);
        Ok(())
    }

    pub(super) fn add(
        &mut self,
        add: &Add,
        instruction: &Instruction,
        at: Option<Span>,
    ) -> Result<(), Finding> {
        let mut more = Vec::new();
        let mut sources = Vec::new();
        let mut texts = Vec::new();
        for source in &add.sources {
            match source {
                Source::Heredoc(heredoc) => sources.push(self.inline(heredoc, &mut texts)?),
                Source::Path(word) => {
                    let pattern = self.source_path(word)?;
                    let remote = Remote::parse(&pattern);
                    let remote = remote.map_err(|why| Finding::error(Fault::Address(why), word.span))?;
                    if let Some(remote) = remote {
                        texts.push(redacted(&pattern));
                        sources.push(self.remote(remote, add, word.span, &mut more)?);
                        continue;
                    }
                    if let Some(scheme) = scheme(&pattern) {
                        return Err(Finding::error(Fault::Scheme(scheme.to_owned()), word.span));
                    }
                    texts.push(pattern.clone());
                    let context = self.stages.input().context.clone();
                    sources.push(CopySource::Context {
                        context,
                        pattern,
                        literal: false,
                    });
                }
            }
        }
        let has_remote = sources
            .iter()
            .any(|source| matches!(source, CopySource::Snapshot { .. }));
        if let Some(checksum) = &add.checksum {
            if !has_remote {
                return Err(Finding::error(Fault::ChecksumOfLocal, checksum.span));
            }
            if sources.len() > 1 {
                return Err(Finding::error(Fault::ChecksumOfSeveral, checksum.span));
            }
        }
        if add.keep_git_dir && !has_remote {
            return Err(Finding::error(Fault::KeepGitDir, instruction.line.span));
        }
        let unnamed = |source: &CopySource| matches!(source, CopySource::Snapshot { pattern, .. } if pattern == UNNAMED);
        let excludes = add.excludes.iter().map(|word| word.text.clone()).collect();
        let spec = CopySpec {
            keyword: "ADD",
            sources,
            dest: self.destination(&add.dest, &mut texts)?,
            chown: self.chown(add.chown.as_ref(), add.link)?,
            chmod: self.chmod(add.chmod.as_ref())?,
            link: add.link,
            parents: false,
            excludes,
            unpack: add.unpack.unwrap_or(true),
            unpack_remote: add.unpack.unwrap_or(false),
        };
        let into_directory = spec.dest.ends_with('/') || spec.sources.len() > 1;
        if into_directory && spec.sources.iter().any(unnamed) {
            return Err(Finding::error(Fault::UrlWithoutName, instruction.line.span));
        }
        let created_by = format!("ADD {}{} # buildkit", flags(&spec), texts.join(" "));
        self.step(StepSpec::Copy(spec), &more, instruction, at, created_by);
        Ok(())
    }

    /// A vertex that fetches, and the source that takes from it.
    fn remote(
        &mut self,
        remote: Remote,
        add: &Add,
        span: Span,
        more: &mut Vec<VertexId>,
    ) -> Result<CopySource, Finding> {
        let checksum = add
            .checksum
            .as_ref()
            .map(|word| Ok((self.expand(word)?, word.span)))
            .transpose()?;
        let (spec, pattern, title) = match remote {
            Remote::Http(address) => {
                let checksum = checksum
                    .map(|(text, span)| {
                        text.parse()
                            .map_err(|why| Finding::error(Fault::Checksum { text, why }, span))
                    })
                    .transpose()?;
                let pattern = file_name(&address.url).unwrap_or_else(|| UNNAMED.to_owned());
                let title = address.url.clone();
                (FetchSpec::Http { address, checksum }, pattern, title)
            }
            Remote::Git(mut address) => {
                address.keep_git_dir |= add.keep_git_dir;
                if let Some((text, span)) = checksum {
                    let commit = commit_prefix(&text)
                        .map_err(|why| Finding::error(Fault::CommitChecksum(why), span))?;
                    address.checksum = Some(commit);
                }
                let title = address.shown();
                (FetchSpec::Git(address), "/".to_owned(), title)
            }
        };
        let spec = StepSpec::Fetch(spec);
        let step = without_stage(self.stages, ("fetch", &title), span, &self.secrets, spec);
        let vertex = self.stages.add(step, &[]);
        Ok(CopySource::Snapshot {
            input: input(more, vertex),
            pattern: escape(&pattern),
        })
    }

    fn inline(
        &self,
        heredoc: &dockerfile_parser::Heredoc,
        texts: &mut Vec<String>,
    ) -> Result<CopySource, Finding> {
        let content = if heredoc.expand {
            heredoc.expand(&self.state.scope).map_err(expanding)?.value
        } else {
            heredoc.content()
        };
        texts.push(format!("<<{}", heredoc.name));
        Ok(CopySource::Inline {
            name: heredoc.name.clone(),
            content,
        })
    }

    fn source_path(&mut self, word: &Word) -> Result<String, Finding> {
        let path = self.expand(word)?;
        if !path.is_empty() {
            return Ok(path);
        }
        let what = format!("the source `{}`", word.text).into();
        self.warn_of_empty(what, "all of the context, or of what `--from` names", word);
        Ok(".".to_owned())
    }

    fn destination(&self, dest: &Word, texts: &mut Vec<String>) -> Result<String, Finding> {
        let mut text = self.expand(dest)?;
        if text.is_empty() {
            // As BuildKit has it: into the WORKDIR.
            text.push_str("./");
        }
        texts.push(text.clone());
        Ok(path::join_destination(&self.cwd(), &text))
    }

    fn chown(&self, word: Option<&Word>, link: bool) -> Result<Option<String>, Finding> {
        let Some(word) = word else { return Ok(None) };
        let text = self.expand(word)?;
        if text.is_empty() {
            // `--chown=$OWNER` without an OWNER, as BuildKit takes it.
            return Ok(None);
        }
        // A group alone is of root, as in USER.
        let text = match text.strip_prefix(':') {
            Some("") => {
                return Err(Finding::error(Fault::ChownNobody, word.span));
            }
            Some(group) => format!("0:{group}"),
            None => text,
        };
        if link && users::numeric(&text).is_none() {
            return Err(Finding::error(Fault::ChownByName(text), word.span));
        }
        Ok(Some(text))
    }

    fn chmod(&self, word: Option<&Word>) -> Result<Option<Chmod>, Finding> {
        let Some(word) = word else { return Ok(None) };
        let text = self.expand(word)?;
        if text.is_empty() {
            return Ok(None);
        }
        match dockerfile_parser::chmod::Chmod::parse(&text) {
            Some(rules) => Ok(Some(Chmod { text, rules })),
            None => Err(Finding::error(Fault::Chmod(text), word.span)),
        }
    }
}

/// The place of a vertex among a step's further inputs; input 0 is the snapshot below.
pub(super) fn input(more: &mut Vec<VertexId>, vertex: VertexId) -> usize {
    match more.iter().position(|other| *other == vertex) {
        Some(at) => at + 1,
        None => {
            more.push(vertex);
            more.len()
        }
    }
}

fn flags(spec: &CopySpec) -> String {
    let mut text = String::new();
    if spec.parents {
        text.push_str("--parents ");
    }
    if let Some(chown) = &spec.chown {
        text.push_str(&format!("--chown={chown} "));
    }
    if let Some(chmod) = &spec.chmod {
        text.push_str(&format!("--chmod={} ", chmod.text));
    }
    for exclude in &spec.excludes {
        text.push_str(&format!("--exclude={exclude} "));
    }
    text
}

/// A name that is no pattern.
fn escape(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for c in name.chars() {
        if matches!(c, '*' | '?' | '[' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
