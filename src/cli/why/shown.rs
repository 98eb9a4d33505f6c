//! [`Shown`]: the steps of a build, each with its reason, and what ran because of it.

use crate::cli::table::cut;
use crate::ui::lines::clean;
use crate::ui::{Paint, Sign, Style, amount};
use rbuild_store::Store;
use rbuild_store::buildlog::{BuildRecord, BuildStep, StepOutcome};
use std::time::Duration;

/// How the steps of a build are shown.
pub(super) struct Shown<'a> {
    pub(super) store: &'a Store,
    pub(super) record: &'a BuildRecord,
    /// Those from the cache too, and each one that ran by itself.
    pub(super) all: bool,
    /// Longest line of a step.
    pub(super) columns: usize,
    pub(super) style: &'a Style,
}

impl Shown<'_> {
    pub(super) fn body(&self, steps: &[&BuildStep]) -> String {
        let mut text = "\n".to_owned();
        for step in steps {
            let is_shown = step.outcome != StepOutcome::Cached && !self.is_folded(step);
            if self.all || is_shown {
                text += &self.step(step);
            }
        }
        let counted = steps.iter().filter(|step| !step.is_image);
        let (cached, ran): (Vec<&BuildStep>, Vec<&BuildStep>) =
            counted.partition(|step| step.outcome == StepOutcome::Cached);
        let all = cached.len() + ran.len();
        text += &match (all, cached.len()) {
            (0, _) => "the build has no steps\n".to_owned(),
            (1, 1) => "it came from the cache\n".to_owned(),
            (all, cached) if cached == all => "every step came from the cache\n".to_owned(),
            (_, 0) => String::new(),
            _ if self.all => String::new(),
            (all, cached) => format!("{cached} of {all} steps came from the cache\n"),
        };
        text
    }

    /// Whether a step is told with the one that made it run.
    fn is_folded(&self, step: &BuildStep) -> bool {
        !self.all && step.outcome == StepOutcome::Ran && self.told_with(step).is_some()
    }

    /// The step whose change made this one run, the last one where there are several.
    fn told_with(&self, step: &BuildStep) -> Option<&BuildStep> {
        let mut steps = self.record.steps.iter();
        steps.rfind(|cause| step.because.contains(&cause.name))
    }

    fn step(&self, step: &BuildStep) -> String {
        let time = amount::duration(Duration::from_millis(step.millis));
        let (sign, word) = match step.outcome {
            StepOutcome::Cached => (Sign::Cached, "cached".to_owned()),
            StepOutcome::Ran => (Sign::Done, format!("ran, {time}{}", used(step))),
            StepOutcome::Failed => (Sign::Failed, format!("failed after {time}{}", used(step))),
            StepOutcome::Cancelled => (Sign::Stopped, "not run".to_owned()),
        };
        let word = format!("{}: {word}", line_of(step));
        let room = self.columns.saturating_sub(word.chars().count() + SIGN_WIDTH);
        let name = cut(&name_of(step), room.max(SHORTEST_NAME));
        let mut text = format!(
            "{} {}{word}\n",
            self.style.sign(sign),
            self.style.paint(Paint::Strong, &name),
        );
        match step.because.is_empty() {
            true => {
                for line in step.miss.as_str().unwrap_or_default().lines() {
                    text += &format!("    {}\n", clean(line.as_bytes()));
                }
            }
            false => {
                let causes = self.record.steps.iter();
                for cause in causes.filter(|cause| step.because.contains(&cause.name)) {
                    text += &self.named("what it builds on has other content, because of ", cause, "");
                }
            }
        }
        text += &self.followers(step);
        if step.outcome == StepOutcome::Failed
            && let Some(log) = step.log.as_deref()
            && let Some(log) = self.store.builds().log_path(self.record.number, log)
        {
            text += &format!("    its output is in {}\n", log.display());
        }
        text
    }

    /// The steps that ran because this one had changed.
    fn followers(&self, cause: &BuildStep) -> String {
        let steps = self.record.steps.iter();
        let folded = steps.filter(|step| {
            self.is_folded(step) && self.told_with(step).is_some_and(|told| told.name == cause.name)
        });
        let folded: Vec<&BuildStep> = folded.collect();
        let millis = folded.iter().map(|step| step.millis).sum();
        let time = amount::duration(Duration::from_millis(millis));
        match folded.as_slice() {
            [] => String::new(),
            [only] => self.named("because of it ", only, &format!(" ran too, {time}")),
            several => format!(
                "    because of it {} later steps ran too, {time}\n",
                several.len()
            ),
        }
    }

    /// A line that names a step.
    fn named(&self, before: &str, step: &BuildStep, behind: &str) -> String {
        let behind = format!("{}{behind}", line_of(step));
        let room = self
            .columns
            .saturating_sub(before.len() + behind.len() + SIGN_WIDTH);
        format!(
            "    {before}{}{behind}\n",
            cut(&name_of(step), room.max(SHORTEST_NAME))
        )
    }
}

/// What a step used that took a while.
fn used(step: &BuildStep) -> String {
    const A_WHILE: u64 = 1000;
    match &step.used {
        Some(used) if step.millis >= A_WHILE || used.cpu_millis >= A_WHILE => format!(
            ", {} of processor time, {}",
            amount::duration(Duration::from_millis(used.cpu_millis)),
            amount::bytes(used.memory_peak)
        ),
        _ => String::new(),
    }
}

/// What stands before a line: a sign, or the same room.
const SIGN_WIDTH: usize = 4;
/// A name is not cut shorter than this, however narrow the terminal.
const SHORTEST_NAME: usize = 30;
/// How long lines are where there is no terminal.
pub(super) const COLUMNS: usize = 100;

fn name_of(step: &BuildStep) -> String {
    clean(step.name.replace('\n', " ").as_bytes())
}

fn line_of(step: &BuildStep) -> String {
    step.line.map_or(String::new(), |line| format!(" (line {line})"))
}
