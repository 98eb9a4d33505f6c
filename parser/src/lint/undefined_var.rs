//! A variable that is not set.

use crate::lint::Definition;
use crate::lint::checker::Checker;
use crate::lint::variables;
use crate::{InstructionKind, Span, Stage, Word};
use std::collections::BTreeSet;

pub(super) const DEFINITION: Definition = Definition {
    docs: "A variable that is not set expands to nothing: often a slip, or an `ARG` from before the first `FROM` that the stage does not declare again. `${NAME:-}` says that nothing is meant.",
    bad: "FROM scratch\nARG DIR=/src\nCOPY a $DRI\n",
    good: "FROM scratch\nARG DIR=/src\nCOPY a $DIR\n",
    default: true,
    buildkit: true,
    check,
};

fn check(cx: &mut Checker<'_>) {
    let globals = variables::global_names(cx.dockerfile);
    let stages = &cx.dockerfile.stages;
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); stages.len()];
    let mut roots = Vec::new();
    for stage in stages {
        match cx.parent(stage) {
            Some(parent) => children[parent].push(stage.index),
            None => roots.push(stage.index),
        }
    }
    // Stages are walked from base to child with one set of names: a copy for each would be quadratic.
    for root in roots {
        let mut known = Known::of_base(cx, &stages[root]);
        let mut steps = vec![Step::Enter(root)];
        while let Some(step) = steps.pop() {
            match step {
                Step::Enter(index) => {
                    let added = stage(cx, &stages[index], &mut known, &globals);
                    steps.push(Step::Leave(added));
                    steps.extend(children[index].iter().map(|child| Step::Enter(*child)));
                }
                Step::Leave(added) => added.iter().for_each(|name| {
                    known.own.remove(name);
                }),
            }
        }
    }
}

/// A step of the walk over the stages.
enum Step {
    Enter(usize),
    /// All children were seen: the names that the stage added go.
    Leave(Vec<String>),
}

/// Checks one stage; returns the names that it added.
fn stage(cx: &mut Checker<'_>, stage: &Stage, known: &mut Known, globals: &BTreeSet<String>) -> Vec<String> {
    let mut added = Vec::new();
    for instruction in &stage.instructions {
        for word in instruction.kind.words() {
            for (name, span) in variables::undefined(word, |name| known.contains(name)) {
                report(cx, known, globals, &name, span);
            }
        }
        let names: Vec<&Word> = match &instruction.kind {
            InstructionKind::Arg(arg) => arg
                .declarations
                .iter()
                .map(|declaration| &declaration.name)
                .collect(),
            InstructionKind::Env(env) => env.pairs.iter().map(|pair| &pair.key).collect(),
            _ => continue,
        };
        for name in names {
            if known.own.insert(name.text.clone()) {
                added.push(name.text.clone());
            }
        }
    }
    added
}

/// The names that a stage can use.
struct Known {
    base: BTreeSet<String>,
    own: BTreeSet<String>,
    /// The base image is not known, so it may set anything.
    open: bool,
}

impl Known {
    fn of_base(cx: &Checker<'_>, stage: &Stage) -> Known {
        let base = cx.input.base_env.and_then(|base_env| base_env(stage.index));
        let scratch = stage.from.base.text == "scratch";
        Known {
            open: base.is_none() && !scratch,
            base: base.unwrap_or_default(),
            own: BTreeSet::new(),
        }
    }

    fn contains(&self, name: &str) -> bool {
        // Every image has a PATH in the end, and proxies need no ARG.
        name == "PATH"
            || variables::is_predefined(name)
            || self.own.contains(name)
            || self.base.contains(name)
    }
}

fn report(cx: &mut Checker<'_>, known: &Known, globals: &BTreeSet<String>, name: &str, span: Span) {
    // `$1`, `$@` and the like are nothing by design.
    if !name.starts_with(|ch: char| ch.is_alphabetic() || ch == '_') {
        return;
    }
    let global = globals.contains(name);
    let names = known.own.iter().chain(known.base.iter()).map(String::as_str);
    let nearest = if global {
        None
    } else {
        cx.nearest(name, names).map(str::to_owned)
    };
    if known.open && !global && nearest.is_none() {
        return;
    }
    let diagnostic = cx.report(span, format!("the variable `{name}` is not set"));
    if global {
        *diagnostic = diagnostic
            .clone()
            .with_help(format!("declare it in this stage: `ARG {name}`"));
    } else if let Some(nearest) = nearest {
        *diagnostic = diagnostic.clone().with_help(format!("did you mean `{nearest}`?"));
    }
}
