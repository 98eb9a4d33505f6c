//! A variable that is not set.

use crate::lint::Definition;
use crate::lint::checker::Checker;
use crate::lint::variables;
use crate::{InstructionKind, Span, Stage, Word};
use std::cell::LazyCell;
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
        let mut known = KnownNames::of_base(cx, &stages[root]);
        let mut steps = vec![Visit::Enter(root)];
        while let Some(step) = steps.pop() {
            match step {
                Visit::Enter(index) => {
                    let triggers = cx.parent(&stages[index]).map(|parent| &stages[parent]);
                    let mut added = known.add(triggers.into_iter().flat_map(triggered));
                    added.extend(stage(cx, &stages[index], &mut known, &globals));
                    steps.push(Visit::Leave(added));
                    steps.extend(children[index].iter().map(|child| Visit::Enter(*child)));
                }
                Visit::Leave(added) => added.iter().for_each(|name| {
                    known.own.remove(name);
                    known.open -= usize::from(name.contains('$'));
                }),
            }
        }
    }
}

/// A step of the walk over the stages.
enum Visit {
    Enter(usize),
    /// All children were seen: the names that the stage added go.
    Leave(Vec<String>),
}

/// What the ONBUILD triggers of a stage set in those that begin with it.
fn triggered(stage: &Stage) -> impl Iterator<Item = &str> {
    let triggers = stage
        .instructions
        .iter()
        .filter_map(|instruction| match &instruction.kind {
            InstructionKind::OnBuild(on_build) => Some(&on_build.instruction.kind),
            _ => None,
        });
    triggers.flat_map(InstructionKind::sets)
}

/// Checks one stage; returns the names that it added.
fn stage(
    cx: &mut Checker<'_>,
    stage: &Stage,
    known: &mut KnownNames<'_>,
    globals: &BTreeSet<String>,
) -> Vec<String> {
    let mut added = Vec::new();
    for instruction in &stage.instructions {
        if let InstructionKind::Arg(arg) = &instruction.kind {
            // Each sees those before it, on the same line too.
            for declaration in &arg.declarations {
                let words = std::iter::once(&declaration.name).chain(&declaration.default);
                words.for_each(|word| report_undefined(cx, known, globals, word));
                added.extend(known.add([declaration.name.text.as_str()]));
            }
            continue;
        }
        for word in instruction.kind.words() {
            report_undefined(cx, known, globals, word);
        }
        added.extend(known.add(instruction.kind.sets()));
    }
    added
}

/// Looks the names of a base image up.
type OfBase<'a> = Box<dyn FnOnce() -> Option<BTreeSet<String>> + 'a>;

/// The names that a stage can use.
struct KnownNames<'a> {
    /// Those of the base image, which is looked at only for a name that nothing else sets: it may be far away. `None`
    /// when it is not known, so that it may set anything.
    base: LazyCell<Option<BTreeSet<String>>, OfBase<'a>>,
    own: BTreeSet<String>,
    /// How many of them are made of variables, as in `ARG ${NAME}=x`: what they set is known to a build only.
    open: usize,
}

impl<'a> KnownNames<'a> {
    fn of_base(cx: &Checker<'a>, stage: &'a Stage) -> Self {
        let base_env = cx.input.base_env;
        let base = move || {
            base_env
                .and_then(|base_env| base_env(stage.index))
                .or_else(|| (stage.from.base.text == "scratch").then(BTreeSet::new))
        };
        KnownNames {
            base: LazyCell::new(Box::new(base)),
            own: BTreeSet::new(),
            open: 0,
        }
    }

    /// Adds names; returns those that are new.
    fn add<'n>(&mut self, names: impl IntoIterator<Item = &'n str>) -> Vec<String> {
        let names = names.into_iter();
        let added: Vec<String> = names
            .filter(|name| self.own.insert((*name).to_owned()))
            .map(str::to_owned)
            .collect();
        self.open += added.iter().filter(|name| name.contains('$')).count();
        added
    }

    fn contains(&self, name: &str) -> bool {
        // Every image has a PATH in the end, and proxies need no ARG.
        name == "PATH"
            || self.open > 0
            || variables::is_predefined(name)
            || self.own.contains(name)
            || self.base.as_ref().is_some_and(|base| base.contains(name))
    }
}

fn report_undefined(cx: &mut Checker<'_>, known: &KnownNames<'_>, globals: &BTreeSet<String>, word: &Word) {
    for (name, span) in variables::undefined(word, |name| known.contains(name)) {
        report(cx, known, globals, &name, span);
    }
}

fn report(
    cx: &mut Checker<'_>,
    known: &KnownNames<'_>,
    globals: &BTreeSet<String>,
    name: &str,
    span: Span,
) {
    // `$1`, `$@` and the like are nothing by design.
    if !name.starts_with(|ch: char| ch.is_alphabetic() || ch == '_') {
        return;
    }
    let global = globals.contains(name);
    let names = known.own.iter().chain(known.base.iter().flatten()).map(String::as_str);
    let nearest = if global {
        None
    } else {
        cx.nearest(name, names).map(str::to_owned)
    };
    if known.base.is_none() && !global && nearest.is_none() {
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
