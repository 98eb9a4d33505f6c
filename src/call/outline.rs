//! `--call=outline`: arguments, secrets, agents and cache mounts of a target and of the stages it needs. The JSON has
//! the names of BuildKit's `outline` subrequest.

use super::{description, location, source};
use crate::cli::streams::{print, print_json};
use crate::cli::table::Table;
use crate::error::Failure;
use crate::options::BuildOptions;
use dockerfile_parser::instruction::{Arg, Env};
use dockerfile_parser::mount::{Mount, MountType};
use dockerfile_parser::secrets::is_secret_name;
use dockerfile_parser::stage::{NearestArgs, StageIndex};
use dockerfile_parser::{Dockerfile, InstructionKind, Line, LineIndex, Span, Word, suggest};
use rbuild_build::dockerfile::SourceFile;
use rbuild_build::lower::Variables;
use rbuild_build::ops::spec::without;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The stages that a target needs, itself included, as far as `name_of` knows what FROM and `from` name.
#[must_use]
pub fn needed_stages(
    dockerfile: &Dockerfile,
    target: usize,
    name_of: &dyn Fn(usize, &Word) -> String,
) -> BTreeSet<usize> {
    let index = StageIndex::new(dockerfile);
    let mut needed = BTreeSet::new();
    let mut open = vec![target];
    while let Some(at) = open.pop() {
        let Some(stage) = dockerfile.stages.get(at) else {
            continue;
        };
        if !needed.insert(at) {
            continue;
        }
        open.extend(index.stage_by_ref(&name_of(at, stage.base()), Some(at)));
        open.extend(
            stage
                .sources()
                .filter_map(|(_, word)| index.stage_for_copy(&name_of(at, word), at)),
        );
    }
    needed
}

struct Argument {
    name: String,
    value: Option<String>,
    description: Option<String>,
    span: Span,
}

/// A secret, agent or cache mount.
struct Wanted {
    required: bool,
    span: Span,
}

#[derive(Default)]
struct Outline {
    arguments: Vec<Argument>,
    secrets: BTreeMap<String, Wanted>,
    agents: BTreeMap<String, Wanted>,
    caches: BTreeMap<String, Wanted>,
}

/// What the words of a stage see, as far as it is known without its base image.
#[derive(Clone, Default)]
struct Seen {
    /// ENV over ARG.
    values: BTreeMap<String, String>,
    env: BTreeSet<String>,
}

impl Seen {
    /// What an `ENV` sets: all of its values are expanded before one of them counts.
    fn set(&mut self, env: &Env) {
        let pairs: Vec<(String, String)> = env
            .pairs
            .iter()
            .map(|pair| (expanded(&pair.key, self), expanded(&pair.value, self)))
            .collect();
        for (name, value) in pairs {
            self.env.insert(name.clone());
            self.values.insert(name, value);
        }
    }
}

pub(super) fn run(options: &BuildOptions, file: &SourceFile, parsed: &Dockerfile) -> Result<u8, Failure> {
    let target = target(options, parsed)?;
    let Some(stage) = parsed.stages.get(target) else {
        return Ok(0);
    };
    let outline = collect(options, parsed, target);
    let name = stage.name().map_or_else(|| target.to_string(), str::to_owned);
    let about = description(&stage.line, &name);
    if options.call_json {
        let lines = LineIndex::new(&file.text);
        let mut value = as_json(&outline, &lines);
        value["name"] = json!(name);
        value["description"] = json!(about);
        value["sources"] = json!([source(file)]);
        print_json(&value)?;
    } else {
        print(&text(&outline, &name, about.as_deref()))?;
    }
    Ok(0)
}

fn target(options: &BuildOptions, parsed: &Dockerfile) -> Result<usize, Failure> {
    let Some(name) = &options.request.target else {
        return Ok(parsed.stages.len().saturating_sub(1));
    };
    parsed.stage_by_ref(name, None).ok_or_else(|| {
        let failure = Failure::usage(format!("there is no stage `{name}` (--target)"));
        match suggest::nearest(name, parsed.stage_names()) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint("`--call=targets` lists the stages"),
        }
    })
}

/// How many values stages may inherit from each other in all; what is more is not known here.
const MAX_INHERITED: usize = 1_000_000;

fn collect(options: &BuildOptions, parsed: &Dockerfile, target: usize) -> Outline {
    let index = StageIndex::new(parsed);
    let mut outline = Outline::default();
    let mut list = Variables::default();
    let mut globals = Seen::default();
    // Which global arguments the default of a global argument uses.
    let mut uses: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for global in &parsed.global_args {
        for declaration in &global.arg.declarations {
            let used = declaration.default.iter().flat_map(|word| used(word, &globals));
            uses.entry(&declaration.name.text).or_default().extend(used);
        }
        arguments(&global.arg, &global.line, options, None, &mut globals, &mut list);
    }
    let global_names = list.count();
    let mut inherited = 0;
    let mut wanted_globals: Vec<String> = Vec::new();
    let mut stages: BTreeMap<usize, Seen> = BTreeMap::new();
    let name_of = |word: &Word| expanded(word, &globals);
    let parent_of = |at: usize| index.stage_by_ref(&name_of(parsed.stages.get(at)?.base()), Some(at));
    let nearest = NearestArgs {
        dockerfile: parsed,
        parent: &parent_of,
        global: &globals.values,
        given: &|name| options.request.build_args.get(name).cloned(),
    };
    let name_in = |at: usize, word: &Word| match parsed.stages.get(at) {
        Some(stage) if stage.base().span == word.span => name_of(word),
        _ => nearest.name(at, word).unwrap_or_else(|| word.text.clone()),
    };
    for at in needed_stages(parsed, target, &name_in) {
        let Some(stage) = parsed.stages.get(at) else {
            continue;
        };
        let words = stage.from.platform.iter().chain([stage.base()]);
        let sources = stage.sources().map(|(_, word)| word);
        wanted_globals.extend(words.chain(sources).flat_map(|word| used(word, &globals)));
        let parent = parent_of(at)
            .and_then(|parent| stages.get(&parent))
            .filter(|parent| {
                inherited += parent.values.len() + parent.env.len();
                inherited <= MAX_INHERITED
            });
        let mut seen = parent.cloned().unwrap_or_default();
        for instruction in &stage.instructions {
            match &instruction.kind {
                InstructionKind::Arg(arg) => {
                    let names = arg.declarations.iter().map(|declared| &declared.name.text);
                    wanted_globals.extend(names.cloned());
                    let line = &instruction.line;
                    arguments(arg, line, options, Some(&globals), &mut seen, &mut list);
                }
                InstructionKind::Env(env) => seen.set(env),
                InstructionKind::Run(run) => {
                    for mount in &run.mounts {
                        wanted(mount, &seen, &mut outline);
                    }
                }
                _ => {}
            }
        }
        stages.insert(at, seen);
    }
    let needed = with_uses(wanted_globals, uses);
    let is_needed = |(position, argument): (usize, Argument)| {
        (position >= global_names || needed.contains(&argument.name)).then_some(argument)
    };
    outline.arguments = list.into_values().enumerate().filter_map(is_needed).collect();
    outline.without_secrets()
}

/// The names, and what their defaults use in turn.
fn with_uses(mut wanted: Vec<String>, mut uses: BTreeMap<&str, Vec<String>>) -> BTreeSet<String> {
    let mut needed = BTreeSet::new();
    while let Some(name) = wanted.pop() {
        wanted.extend(uses.remove(name.as_str()).into_iter().flatten());
        needed.insert(name);
    }
    needed
}

impl Outline {
    /// Whoever prints it is told what there is, not what it holds.
    fn without_secrets(mut self) -> Self {
        let is_secret = |argument: &&mut Argument| is_secret_name(&argument.name);
        let secrets: Vec<String> = self
            .arguments
            .iter_mut()
            .filter(is_secret)
            .filter_map(|argument| argument.value.as_mut())
            .filter(|value| !value.is_empty())
            .map(|value| std::mem::replace(value, "***".to_owned()))
            .collect();
        for value in self
            .arguments
            .iter_mut()
            .filter_map(|argument| argument.value.as_mut())
        {
            *value = without(&secrets, value);
        }
        for wanted in [&mut self.secrets, &mut self.agents, &mut self.caches] {
            let shown = std::mem::take(wanted).into_iter();
            *wanted = shown
                .map(|(id, wanted)| (without(&secrets, &id), wanted))
                .collect();
        }
        self
    }
}

/// The names that a word uses.
fn used(word: &Word, seen: &Seen) -> Vec<String> {
    word.expand(&seen.values).map_or_else(
        |_| Vec::new(),
        |expanded| {
            expanded
                .used
                .into_iter()
                .chain(expanded.undefined.into_iter().map(|(name, _)| name))
                .collect()
        },
    )
}

/// Declarations of one ARG. What is declared again is one argument, with the value that it has in the end.
fn arguments(
    arg: &Arg,
    line: &Line,
    options: &BuildOptions,
    globals: Option<&Seen>,
    seen: &mut Seen,
    list: &mut Variables<Argument>,
) {
    for declaration in &arg.declarations {
        let name = &declaration.name.text;
        let value = options
            .request
            .build_args
            .get(name)
            .cloned()
            .or_else(|| declaration.default.as_ref().map(|word| expanded(word, seen)))
            .or_else(|| globals?.values.get(name).cloned());
        if let Some(value) = &value
            && !seen.env.contains(name)
        {
            seen.values.insert(name.clone(), value.clone());
        }
        let about = description(line, name);
        match list.get_mut(name) {
            Some(known) => {
                known.value = value.or(known.value.take());
                known.description = about.or(known.description.take());
            }
            None => {
                let argument = Argument {
                    name: name.clone(),
                    value,
                    description: about,
                    span: declaration.name.span,
                };
                list.set(name, argument);
            }
        }
    }
}

/// The value as far as it is known here; as written where it is not.
fn expanded(word: &Word, seen: &Seen) -> String {
    word.expand(&seen.values)
        .map_or_else(|_| word.text.clone(), |expanded| expanded.value)
}

fn wanted(mount: &Mount, seen: &Seen, outline: &mut Outline) {
    let option = |keys: &[&str]| {
        let found = mount
            .options
            .iter()
            .rev()
            .find(|option| keys.contains(&option.key.as_str()));
        found.map(|option| {
            let value = option.value.as_ref();
            value.map_or_else(String::new, |word| expanded(word, seen))
        })
    };
    let required =
        option(&["required"]).is_some_and(|value| value.is_empty() || value == "true" || value == "1");
    let target = || option(&["target", "dst", "destination"]);
    let (map, id) = match mount.mount_type() {
        Some(MountType::Secret) => {
            let base = target().and_then(|path| path.rsplit('/').next().map(str::to_owned));
            (&mut outline.secrets, option(&["id"]).or(base))
        }
        Some(MountType::Ssh) => (
            &mut outline.agents,
            Some(option(&["id"]).unwrap_or_else(|| "default".to_owned())),
        ),
        Some(MountType::Cache) => (&mut outline.caches, option(&["id"]).or_else(target)),
        _ => return,
    };
    if let Some(id) = id {
        let entry = map.entry(id).or_insert(Wanted {
            required: false,
            span: mount.span,
        });
        entry.required |= required;
    }
}

fn text(outline: &Outline, name: &str, about: Option<&str>) -> String {
    let mut text = format!("target: {name}\n");
    if let Some(about) = about {
        text += &format!("description: {about}\n");
    }
    if !outline.arguments.is_empty() {
        let mut table = Table::new(&["BUILD ARG", "VALUE", "DESCRIPTION"]);
        for argument in &outline.arguments {
            table.row([
                argument.name.clone(),
                argument.value.clone().unwrap_or_default(),
                argument.description.clone().unwrap_or_default(),
            ]);
        }
        text += &format!("\n{}", table.render());
    }
    for (heading, wanted) in [("SECRET", &outline.secrets), ("SSH", &outline.agents)] {
        if wanted.is_empty() {
            continue;
        }
        let mut table = Table::new(&[heading, "REQUIRED"]);
        for (id, wanted) in wanted {
            table.row([id.clone(), wanted.required.to_string()]);
        }
        text += &format!("\n{}", table.render());
    }
    if !outline.caches.is_empty() {
        let mut table = Table::new(&["CACHE MOUNT"]);
        for id in outline.caches.keys() {
            table.row([id.clone()]);
        }
        text += &format!("\n{}", table.render());
    }
    text
}

fn as_json(outline: &Outline, lines: &LineIndex<'_>) -> Value {
    let mounts = |map: &BTreeMap<String, Wanted>, key: &str| -> Vec<Value> {
        map.iter()
            .map(|(id, wanted)| {
                json!({ key: id, "required": wanted.required, "location": location(lines, wanted.span) })
            })
            .collect()
    };
    let arguments: Vec<Value> = outline
        .arguments
        .iter()
        .map(|argument| {
            json!({
                "name": argument.name,
                "description": argument.description,
                "value": argument.value,
                "location": location(lines, argument.span),
            })
        })
        .collect();
    json!({
        "args": arguments,
        "secrets": mounts(&outline.secrets, "name"),
        "ssh": mounts(&outline.agents, "name"),
        "cacheMounts": mounts(&outline.caches, "id"),
    })
}
