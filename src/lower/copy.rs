//! `COPY` and `ADD` to vertices (FEATURES 1.6).

use super::finding::Finding;
use super::path;
use super::stage::StageLowering;
use super::From;
use crate::ops::spec::{Chmod, CopySource, CopySpec, StepSpec};
use dockerfile_parser::instruction::{Add, Copy, Source};
use dockerfile_parser::{Instruction, Span, Word};
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
                    texts.push(pattern.clone());
                    sources.push(match &from {
                        None => {
                            let context = self.stages.input().context.clone();
                            CopySource::Context { context, pattern, literal: false }
                        }
                        Some(From::Context(context)) => {
                            CopySource::Context { context: context.clone(), pattern, literal: false }
                        }
                        Some(From::Vertex(vertex)) => {
                            CopySource::Snapshot { input: input(&mut more, *vertex), pattern }
                        }
                    });
                }
            }
        }
        let excludes = copy.excludes.iter().map(|word| word.text.clone()).collect();
        let spec = CopySpec {
            keyword: "COPY",
            sources,
            dest: self.destination(&copy.dest, copy.sources.len(), &mut texts)?,
            chown: self.chown(copy.chown.as_ref())?,
            chmod: self.chmod(copy.chmod.as_ref())?,
            parents: copy.parents,
            excludes,
            unpack: false,
            default_mtime: self.stages.input().default_mtime,
        };
        let created_by = format!("COPY {}{} # buildkit", flags(&spec), texts.join(" "));
        self.step(StepSpec::Copy(spec), &more, instruction, at, created_by);
        Ok(())
    }

    pub(super) fn add(&mut self, add: &Add, instruction: &Instruction, at: Option<Span>) -> Result<(), Finding> {
        let mut sources = Vec::new();
        let mut texts = Vec::new();
        for source in &add.sources {
            match source {
                Source::Heredoc(heredoc) => sources.push(self.inline(heredoc, &mut texts)?),
                Source::Path(word) => {
                    let pattern = self.source_path(word)?;
                    if let Some(kind) = remote_kind(&pattern) {
                        return Err(Finding::error(format!("ADD of {kind} is not supported yet"), word.span)
                            .label("remote source")
                            .help("fetch it in a RUN step, or before the build"));
                    }
                    texts.push(pattern.clone());
                    let context = self.stages.input().context.clone();
                    sources.push(CopySource::Context { context, pattern, literal: false });
                }
            }
        }
        if let Some(checksum) = &add.checksum {
            return Err(Finding::error("`--checksum` is for remote sources", checksum.span));
        }
        if add.keep_git_dir {
            return Err(Finding::error("`--keep-git-dir` is for git sources", instruction.line.span));
        }
        let excludes = add.excludes.iter().map(|word| word.text.clone()).collect();
        let spec = CopySpec {
            keyword: "ADD",
            sources,
            dest: self.destination(&add.dest, add.sources.len(), &mut texts)?,
            chown: self.chown(add.chown.as_ref())?,
            chmod: self.chmod(add.chmod.as_ref())?,
            parents: false,
            excludes,
            unpack: add.unpack.unwrap_or(true),
            default_mtime: self.stages.input().default_mtime,
        };
        let created_by = format!("ADD {}{} # buildkit", flags(&spec), texts.join(" "));
        self.step(StepSpec::Copy(spec), &[], instruction, at, created_by);
        Ok(())
    }

    fn inline(
        &self,
        heredoc: &dockerfile_parser::Heredoc,
        texts: &mut Vec<String>,
    ) -> Result<CopySource, Finding> {
        let content = if heredoc.expand {
            heredoc
                .expand(&self.state.scope)
                .map_err(|error| Finding::error(error.to_string(), error.span))?
                .value
        } else {
            heredoc.content()
        };
        texts.push(format!("<<{}", heredoc.name));
        Ok(CopySource::Inline { name: heredoc.name.clone(), content })
    }

    fn source_path(&self, word: &Word) -> Result<String, Finding> {
        let path = self.expand(word)?;
        if path.is_empty() {
            return Err(Finding::error(format!("the source `{}` is empty after expansion", word.text), word.span));
        }
        Ok(path)
    }

    fn destination(&self, dest: &Word, sources: usize, texts: &mut Vec<String>) -> Result<String, Finding> {
        let text = self.expand(dest)?;
        if text.is_empty() {
            return Err(Finding::error(format!("the destination `{}` is empty after expansion", dest.text), dest.span));
        }
        texts.push(text.clone());
        let joined = path::join_destination(&self.cwd(), &text);
        if sources > 1 && !joined.ends_with('/') {
            return Err(Finding::error("with more than one source the destination must be a directory", dest.span)
                .label("no `/` at the end")
                .help(format!("write `{text}/`")));
        }
        Ok(joined)
    }

    fn chown(&self, word: Option<&Word>) -> Result<Option<String>, Finding> {
        let Some(word) = word else { return Ok(None) };
        let text = self.expand(word)?;
        if text.is_empty() || text.starts_with(':') {
            return Err(Finding::error(format!("--chown: `{text}` names no user"), word.span));
        }
        Ok(Some(text))
    }

    fn chmod(&self, word: Option<&Word>) -> Result<Option<Chmod>, Finding> {
        let Some(word) = word else { return Ok(None) };
        let text = self.expand(word)?;
        let rules = dockerfile_parser::chmod::Chmod::parse(&text).ok_or_else(|| {
            Finding::error(format!("--chmod: `{text}` is no mode"), word.span)
                .help("an octal mode like 0755, or a symbolic one like u=rwX,go=rX")
        })?;
        Ok(Some(Chmod { text, rules }))
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
    if let Some(chown) = &spec.chown {
        text.push_str(&format!("--chown={chown} "));
    }
    if let Some(chmod) = &spec.chmod {
        text.push_str(&format!("--chmod={} ", chmod.text));
    }
    text
}

fn remote_kind(source: &str) -> Option<&'static str> {
    if source.starts_with("git@") || source.starts_with("git://") || source.starts_with("ssh://") {
        return Some("a git repository");
    }
    let is_http = source.starts_with("http://") || source.starts_with("https://");
    let path = source.split(['#', '?']).next().unwrap_or(source);
    match (is_http, path.ends_with(".git")) {
        (true, true) => Some("a git repository"),
        (true, false) => Some("a URL"),
        _ => None,
    }
}
