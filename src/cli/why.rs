//! `rbuild why`: why steps of a build did not come from the cache.

mod shown;

use super::stored::{self, ago};
use super::streams::{print, print_json, stdout_columns, stdout_style};
use crate::error::Failure;
use crate::ui::amount;
use crate::ui::lines::clean;
use clap::Args;
use dockerfile_parser::suggest;
use rbuild_build::clock;
use rbuild_store::Store;
use rbuild_store::buildlog::{Again, BuildRecord, BuildStep, Latest};
use serde::Serialize;
use shown::{COLUMNS, Shown};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What was typed.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// Show the steps from the cache too
    #[arg(short, long)]
    pub all: bool,

    /// The Dockerfile of the build
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// The target stage of the build
    #[arg(long, value_name = "STAGE")]
    pub target: Option<String>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,

    /// Step: its line (`:7`), its place (`2/5`), or a part of its title; and the build context. A directory alone is
    /// the context
    #[arg(value_names = ["STEP", "CONTEXT"], num_args = 0..=2)]
    pub words: Vec<String>,
}

/// Tells.
///
/// # Errors
/// There is no record of such a build, or no such step in it.
#[expect(clippy::disallowed_methods, reason = "the caller names this path")]
pub fn run(args: &WhyArgs, root: Option<&Path>) -> Result<u8, Failure> {
    let (step, context) = match args.words.as_slice() {
        [] => (None, None),
        [only] if Path::new(only).is_dir() => (None, Some(only.as_str())),
        [step] => (Some(step.as_str()), None),
        [step, context, ..] => (Some(step.as_str()), Some(context.as_str())),
    };
    let wanted = Wanted {
        context: context.map(canonical).transpose()?,
        dockerfile: args.file.as_deref().map(absolute),
        target: args.target.as_deref(),
    };
    let Some(store) = stored::readable(root)? else {
        return Err(no_record(&wanted, None));
    };
    let (record, again) = newest(&store, &wanted)?;
    let steps: Vec<&BuildStep> = match step {
        None => record.steps.iter().collect(),
        Some(step) => steps(&record, step)?,
    };
    if args.json {
        if step.is_some() {
            print_json(&steps)?;
        } else {
            print_json(&Whole {
                record: &record,
                again: again.as_ref(),
            })?;
        }
        return Ok(0);
    }
    let style = stdout_style();
    let now = clock::now();
    let mut text = headline(&record, again.as_ref(), now);
    let shown = Shown {
        store: &store,
        record: &record,
        all: args.all || step.is_some(),
        // Who asks for a step wants to see all of it.
        columns: match step {
            None => stdout_columns().unwrap_or(COLUMNS),
            Some(_) => usize::MAX,
        },
        style: &style,
    };
    text += &shown.body(&steps);
    print(&text)?;
    Ok(0)
}

/// Which build is meant.
struct Wanted<'a> {
    context: Option<String>,
    dockerfile: Option<String>,
    target: Option<&'a str>,
}

impl Wanted<'_> {
    #[expect(clippy::disallowed_methods, reason = "named in an earlier build")]
    fn is(&self, record: &BuildRecord) -> bool {
        let subject = &record.subject;
        self.context
            .as_ref()
            .is_none_or(|context| *context == subject.context)
            && self.dockerfile.as_ref().is_none_or(|file| {
                *file == subject.dockerfile
                    || std::fs::canonicalize(&subject.dockerfile).is_ok_and(|path| path == Path::new(file))
            })
            && self
                .target
                .is_none_or(|target| subject.target.as_deref() == Some(target))
    }
}

#[expect(clippy::disallowed_methods, reason = "the caller names this path")]
fn canonical(context: &str) -> Result<String, Failure> {
    Path::new(context)
        .canonicalize()
        .map(|path| path.display().to_string())
        .map_err(|error| Failure::usage(format!("the context `{context}` cannot be opened: {error}")))
}

#[expect(clippy::disallowed_methods, reason = "the caller names this path")]
fn absolute(path: &Path) -> String {
    path.canonicalize()
        .or_else(|_| std::path::absolute(path))
        .unwrap_or_else(|_| path.to_owned())
        .display()
        .to_string()
}

/// A record with what is known beside it.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    record: &'a BuildRecord,
    #[serde(skip_serializing_if = "Option::is_none")]
    again: Option<&'a Again>,
}

/// The record of what was built last, and when it was built again out of the cache.
fn newest(store: &Store, wanted: &Wanted<'_>) -> Result<(BuildRecord, Option<Again>), Failure> {
    let builds = store.builds();
    let mut known = builds.all_latest().map_err(Failure::from_host)?;
    // The builds behind the latest of their subject, too: a pointer may be lost.
    for number in builds.numbers().map_err(Failure::from_host)? {
        if !known.iter().any(|latest| latest.number == number) {
            known.push(Latest { number, again: None });
        }
    }
    let mut other = None;
    let mut found: Option<(BuildRecord, Option<Again>)> = None;
    known.sort_by_key(|latest| std::cmp::Reverse(latest.number));
    let last = |(record, again): &(BuildRecord, Option<Again>)| {
        again.as_ref().map_or(record.started, |again| again.started)
    };
    for Latest { number, again } in known {
        // What was not built again since is older than a later number.
        if found.is_some() && again.is_none() {
            continue;
        }
        let Some(record) = builds.get(number).map_err(Failure::from_host)? else {
            continue;
        };
        if !wanted.is(&record) {
            other = other.or(Some(record));
            continue;
        }
        let this = (record, again);
        if found.as_ref().is_none_or(|found| last(found) < last(&this)) {
            found = Some(this);
        }
    }
    found.ok_or_else(|| no_record(wanted, other.as_ref()))
}

fn no_record(wanted: &Wanted<'_>, other: Option<&BuildRecord>) -> Failure {
    let mut what = String::new();
    if let Some(context) = &wanted.context {
        what += &format!(" of `{context}`");
    }
    if let Some(file) = &wanted.dockerfile {
        what += &format!(" with `{file}`");
    }
    if let Some(target) = wanted.target {
        what += &format!(" up to stage `{target}`");
    }
    let failure = Failure::host(format!("no build{what} is on record"));
    match other {
        Some(other) => failure.hint(format!("the newest on record is of `{}`", other.subject.context)),
        None => failure.hint("a build that ran steps leaves one; `rbuild .` builds the current directory"),
    }
}

/// The steps that a word means.
fn steps<'a>(record: &'a BuildRecord, word: &str) -> Result<Vec<&'a BuildStep>, Failure> {
    let line = word.strip_prefix(':').and_then(|line| line.parse::<u32>().ok());
    let lower = word.to_lowercase();
    let place = word
        .split_once('/')
        .and_then(|(ordinal, of)| Some((ordinal.parse::<u32>().ok()?, of.parse::<u32>().ok()?)));
    let stands = |step: &BuildStep| step.place.as_ref().map(|place| (place.ordinal, place.of));
    let found: Vec<&BuildStep> = record
        .steps
        .iter()
        .filter(|step| match line {
            Some(line) => step.line == Some(line),
            None if place.is_some() => stands(step) == place,
            None => step.name.to_lowercase().contains(&lower),
        })
        .collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let failure = Failure::usage(format!("build {} has no step `{word}`", record.number));
    Err(
        match suggest::nearest(word, record.steps.iter().map(BuildStep::words)) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint("`rbuild why --all` lists the steps"),
        },
    )
}

fn headline(record: &BuildRecord, again: Option<&Again>, now: u64) -> String {
    let as_time = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
    let age = |started: u64| ago(as_time(started), as_time(now));
    let time = |millis: u64| match millis {
        0 => "less than 1 ms".to_owned(),
        1..1000 => format!("{millis} ms"),
        _ => amount::duration(Duration::from_millis(millis)),
    };
    let subject = &record.subject;
    let mut text = String::new();
    if let Some(again) = again {
        text += &format!(
            "last built {}, took {}: every step came from the cache\nimage {}\n\nbefore that ",
            age(again.started),
            time(again.millis),
            clean(again.image.as_bytes()),
        );
    }
    text += &format!(
        "build {} of {}, {}, took {}\n",
        record.number,
        clean(subject.context.as_bytes()),
        age(record.started),
        time(record.millis),
    );
    if subject.dockerfile != format!("{}/Dockerfile", subject.context) {
        text += &format!("Dockerfile {}\n", clean(subject.dockerfile.as_bytes()));
    }
    if let Some(target) = &subject.target {
        text += &format!("target {target}\n");
    }
    match (&record.image, &record.error) {
        (_, Some(error)) => {
            text += &format!(
                "failed: {}\n",
                clean(error.lines().next().unwrap_or_default().as_bytes())
            )
        }
        (Some(image), None) => text += &format!("image {image}\n"),
        (None, None) => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::Style;
    use rbuild_store::buildlog::{BuildSubject, StepOutcome, StepPlace};

    fn record() -> BuildRecord {
        let step = |name: &str, (ordinal, of): (u32, u32), line, outcome, miss: &str| BuildStep {
            name: name.to_owned(),
            place: Some(StepPlace {
                platform: "linux/amd64".into(),
                stage: "build".into(),
                ordinal,
                of,
                words_at: u32::try_from(name.find("] ").unwrap() + 2).unwrap(),
            }),
            line: Some(line),
            key: None,
            preimage: None,
            earlier: None,
            outcome,
            millis: 1200,
            used: None,
            miss: if miss.is_empty() {
                serde_json::Value::Null
            } else {
                miss.into()
            },
            because: Vec::new(),
            is_image: false,
            log: None,
        };
        BuildRecord {
            version: 1,
            number: 7,
            subject: BuildSubject {
                context: "/c".into(),
                dockerfile: "/c/Dockerfile".into(),
                target: None,
            },
            started: 1000,
            millis: 2500,
            image: Some("sha256:ab".to_owned()),
            error: None,
            steps: vec![
                BuildStep {
                    is_image: true,
                    ..step("[build 1/3] FROM busybox", (1, 3), 1, StepOutcome::Cached, "")
                },
                step("[build 2/3] WORKDIR /src", (2, 3), 2, StepOutcome::Cached, ""),
                step(
                    "[build 3/3] RUN make",
                    (3, 3),
                    3,
                    StepOutcome::Ran,
                    "`a.c` changed: x -> y",
                ),
                step("[2/2] COPY --from=build / /", (2, 2), 5, StepOutcome::Cached, ""),
            ],
        }
    }

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "boot", rbuild_store::Need::Writing).unwrap();
        (dir, store)
    }

    fn shown<'a>(store: &'a Store, record: &'a BuildRecord, all: bool, columns: usize) -> Shown<'a> {
        Shown {
            store,
            record,
            all,
            columns,
            style: &Style::PLAIN,
        }
    }

    #[test]
    fn what_ran_because_of_another_step_is_told_with_it() {
        let (_dir, store) = store();
        let mut record = record();
        let long = format!("[2/4] RUN {}", "make ".repeat(40).trim());
        let follows = |name: &str, line| BuildStep {
            name: name.to_owned(),
            line: Some(line),
            outcome: StepOutcome::Ran,
            miss: "what it builds on has other content: `base` was a, is b".into(),
            because: vec!["[build 3/3] RUN make".to_owned()],
            ..record.steps[2].clone()
        };
        let (one, two) = (follows(&long, 6), follows("[3/4] COPY b /b", 7));
        let mut failed = follows("[4/4] RUN test", 8);
        failed.outcome = StepOutcome::Failed;
        let text = |record: &BuildRecord, all, columns| {
            shown(&store, record, all, columns).body(&record.steps.iter().collect::<Vec<_>>())
        };
        record.steps.push(one);
        assert_eq!(
            text(&record, false, 80),
            "\n+ [build 3/3] RUN make (line 3): ran, 1.2s\n    `a.c` changed: x -> y\n    \
             because of it [2/4] RUN make make make make make mak… (line 6) ran too, 1.2s\n2 of 4 steps came from the cache\n"
        );
        record.steps.extend([two, failed]);
        let folded = text(&record, false, 80);
        assert!(
            folded.contains("    because of it 2 later steps ran too, 2.4s\n"),
            "{folded}"
        );
        assert!(
            folded.contains(
                "[4/4] RUN test (line 8): failed after 1.2s\n    \
                 what it builds on has other content, because of [build 3/3] RUN make (line 3)\n"
            ),
            "{folded}"
        );
        let all = text(&record, true, usize::MAX);
        assert!(
            all.contains(&format!("{long} (line 6): ran")) && !all.contains("because of it"),
            "{all}"
        );
    }

    #[test]
    fn what_ran_has_its_reason() {
        let (_dir, store) = store();
        let record = record();
        let all: Vec<&BuildStep> = record.steps.iter().collect();
        let text = headline(&record, None, 4600) + &shown(&store, &record, false, 100).body(&all);
        assert_eq!(
            text,
            "build 7 of /c, 1 hour ago, took 2.5s\nimage sha256:ab\n\n\
             + [build 3/3] RUN make (line 3): ran, 1.2s\n    `a.c` changed: x -> y\n\
             2 of 3 steps came from the cache\n"
        );
        let again = Again {
            started: 4597,
            millis: 2,
            image: "sha256:cd".to_owned(),
        };
        assert_eq!(
            headline(&record, Some(&again), 4600),
            "last built 3 seconds ago, took 2 ms: every step came from the cache\nimage sha256:cd\n\n\
             before that build 7 of /c, 1 hour ago, took 2.5s\nimage sha256:ab\n"
        );
    }

    #[test]
    fn steps_are_found_by_line_place_and_title() {
        let record = record();
        let names = |word: &str| -> Vec<String> {
            steps(&record, word)
                .map(|steps| steps.iter().map(|step| step.name.clone()).collect())
                .unwrap_or_default()
        };
        assert_eq!(names(":3"), ["[build 3/3] RUN make"]);
        assert_eq!(names("2/2"), ["[2/2] COPY --from=build / /"]);
        assert_eq!(names("run make"), ["[build 3/3] RUN make"]);
        assert_eq!(names("build").len(), 4);
        let failure = steps(&record, "RUN mkae").unwrap_err();
        assert!(
            failure.text().contains("did you mean `RUN make`?"),
            "{}",
            failure.text()
        );
    }
}
