//! Which variables a word sees: global ARGs for FROM, ENV over ARG inside a stage.

use super::variables::Variables;
use dockerfile_parser::secrets::is_secret_name;
use dockerfile_parser::{Platform, Scope, Word};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// Build arguments that need no ARG: usable everywhere, and in neither history nor key unless declared.
pub const PREDEFINED: [&str; 10] = [
    "ALL_PROXY",
    "FTP_PROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "all_proxy",
    "ftp_proxy",
    "https_proxy",
    "http_proxy",
    "no_proxy",
];

/// Build arguments that steer BuildKit: recognised, so never "not consumed".
const BUILDKIT: [&str; 11] = [
    "BUILDKIT_BUILD_NAME",
    "BUILDKIT_CACHE_MOUNT_NS",
    "BUILDKIT_CONTEXT_KEEP_GIT_DIR",
    "BUILDKIT_DOCKERFILE_CHECK",
    "BUILDKIT_INLINE_CACHE",
    "BUILDKIT_MULTI_PLATFORM",
    HOSTNAME_ARG,
    "BUILDKIT_SBOM_SCAN_CONTEXT",
    "BUILDKIT_SBOM_SCAN_STAGE",
    "BUILDKIT_SYNTAX",
    "SOURCE_DATE_EPOCH",
];

/// The build argument that names the host of steps.
pub const HOSTNAME_ARG: &str = "BUILDKIT_SANDBOX_HOSTNAME";

/// The `--build-arg`s, and which of them something asked for.
#[derive(Debug, Default)]
pub struct BuildArgs {
    values: BTreeMap<String, String>,
    consumed: RefCell<BTreeSet<String>>,
}

impl BuildArgs {
    /// Of the values given on the command line.
    #[must_use]
    pub fn new(values: BTreeMap<String, String>) -> Self {
        Self {
            values,
            consumed: RefCell::default(),
        }
    }

    /// Whether the command line gives it: then the default is not even looked at.
    #[must_use]
    pub fn is_given(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The value.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The value, which counts as consumed from now on.
    pub fn take(&self, name: &str) -> Option<&str> {
        let value = self.values.get(name)?;
        self.consumed.borrow_mut().insert(name.to_owned());
        Some(value)
    }

    /// The value of an argument that steers the build, unless it is empty.
    #[must_use]
    pub fn steering(&self, name: &str) -> Option<&str> {
        self.values
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Predefined arguments, in order of name. One that was given in one case alone has that value in the other too:
    /// programs look for either.
    pub fn predefined(&self) -> impl Iterator<Item = (&str, &str)> {
        PREDEFINED.iter().filter_map(|name| {
            let given = |other: &&String| other.eq_ignore_ascii_case(name);
            let value = self
                .values
                .get(*name)
                .or_else(|| self.values.get(self.values.keys().find(given)?))?;
            Some((*name, value.as_str()))
        })
    }

    /// Those that nothing asked for, in order of name.
    pub fn unconsumed(&self) -> Vec<&str> {
        let consumed = self.consumed.borrow();
        self.values
            .keys()
            .map(String::as_str)
            .filter(|name| {
                !consumed.contains(*name) && !PREDEFINED.contains(name) && !BUILDKIT.contains(name)
            })
            .collect()
    }
}

/// The arguments that describe platforms and target: global always, in a stage after `ARG NAME`.
#[must_use]
pub(super) fn platform_args(build: &Platform, target: &Platform, stage: &str) -> BTreeMap<String, String> {
    let mut args = BTreeMap::new();
    for (prefix, platform) in [("BUILD", build), ("TARGET", target)] {
        args.insert(format!("{prefix}PLATFORM"), platform.to_string());
        args.insert(format!("{prefix}OS"), platform.os.clone());
        args.insert(format!("{prefix}OSVERSION"), String::new());
        args.insert(format!("{prefix}ARCH"), platform.architecture.clone());
        args.insert(format!("{prefix}VARIANT"), platform.variant.clone());
    }
    args.insert("TARGETSTAGE".to_owned(), stage.to_owned());
    args
}

/// What FROM lines see: platform arguments and ARGs before the first FROM.
#[derive(Debug, Clone, Default)]
pub struct GlobalScope {
    values: BTreeMap<String, Option<String>>,
}

impl GlobalScope {
    /// With the platform arguments alone.
    #[must_use]
    pub fn new(platform: BTreeMap<String, String>) -> Self {
        Self {
            values: platform
                .into_iter()
                .map(|(name, value)| (name, Some(value)))
                .collect(),
        }
    }

    /// Declares an ARG: the build argument, else the default, else what a platform argument says.
    pub fn declare(&mut self, name: &str, default: Option<String>, args: &BuildArgs) {
        let value = args
            .take(name)
            .map(str::to_owned)
            .or(default)
            .or_else(|| self.value(name).map(str::to_owned));
        self.values.insert(name.to_owned(), value);
    }

    /// The value, when there is one.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.as_deref()
    }

    /// All names, for suggestions.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }
}

impl Scope for GlobalScope {
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        self.value(name).map(Cow::Borrowed)
    }
}

/// The values of secrets that these words use.
#[must_use]
pub(super) fn secrets_in(scope: &impl Scope, words: &[&Word]) -> Vec<String> {
    let words = words.iter().filter(|word| word.has_variables());
    let used = words
        .filter_map(|word| word.expand(scope).ok())
        .flat_map(|word| word.used);
    let secret = used.filter(|name| is_secret_name(name));
    secret
        .filter_map(|name| scope.get(&name).map(Cow::into_owned))
        .collect()
}

/// What instructions of a stage see.
#[derive(Debug, Clone, Default)]
pub struct StageScope {
    /// ENV, the base image's included, in order of first appearance.
    pub env: Variables<String>,
    /// Declared ARGs in order of declaration, with their values.
    pub args: Variables<Option<String>>,
    /// Whether any name says that its value is secret.
    has_secrets: bool,
    /// Those of `env` that the file sets itself.
    own_env: BTreeSet<String>,
    /// Predefined arguments that were given.
    predefined: BTreeMap<String, String>,
}

impl StageScope {
    /// With the base image's `KEY=value` environment.
    #[must_use]
    pub fn new(env: &[String], args: &BuildArgs) -> Self {
        let mut scope = Self {
            predefined: args
                .predefined()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            ..Self::default()
        };
        for variable in env {
            let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
            scope.set_env(name, value);
        }
        scope
    }

    /// Sets an ENV variable in its old place, or at the end.
    pub fn set_env(&mut self, name: &str, value: &str) {
        self.env.set(name, value.to_owned());
        self.has_secrets |= is_secret_name(name);
    }

    /// Sets the variable of an ENV in the file.
    pub fn set_own_env(&mut self, name: &str, value: &str) {
        self.set_env(name, value);
        self.own_env.insert(name.to_owned());
    }

    /// The variable of an ENV in the file.
    #[must_use]
    pub fn own_env(&self, name: &str) -> Option<&str> {
        self.own_env.get(name).and(self.env.get(name)).map(String::as_str)
    }

    /// Declares an ARG: the build argument, else the default here, else the global value, else the one that it had.
    pub fn declare(&mut self, name: &str, default: Option<String>, global: &GlobalScope, args: &BuildArgs) {
        let value = args
            .take(name)
            .map(str::to_owned)
            .or(default)
            .or_else(|| global.value(name).map(str::to_owned))
            .or_else(|| self.args.get(name).cloned().flatten());
        self.args.set(name, value);
        self.has_secrets |= is_secret_name(name);
    }

    /// Whether any name says that its value is secret.
    #[must_use]
    pub fn has_secrets(&self) -> bool {
        self.has_secrets
    }

    /// Declared ARGs with a value that no ENV hides: what RUN sees besides ENV.
    #[must_use]
    pub fn visible_args(&self) -> Vec<(String, String)> {
        self.args
            .iter()
            .filter(|(name, _)| self.env.get(name).is_none())
            .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
            .collect()
    }

    /// Predefined arguments that were given and are neither ENV nor declared: RUN sees them, the key does not.
    #[must_use]
    pub fn undeclared_predefined(&self) -> Vec<(String, String)> {
        let known = |name: &str| self.env.get(name).is_some() || self.args.get(name).is_some();
        self.predefined
            .iter()
            .filter(|(name, _)| !known(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// All names, for suggestions.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let args = self.args.iter().map(|(name, _)| name);
        self.env.iter().map(|(name, _)| name).chain(args)
    }
}

impl Scope for StageScope {
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        if let Some(value) = self.env.get(name) {
            return Some(Cow::Borrowed(value));
        }
        if let Some(value) = self.args.get(name) {
            return value.as_deref().map(Cow::Borrowed);
        }
        self.predefined
            .get(name)
            .map(|value| Cow::Borrowed(value.as_str()))
    }
}

/// What `--from=` sees: the ARGs of the stage, else those before the first FROM. No ENV: which stages need which must
/// not depend on what an image sets.
pub(super) struct FromScope<'a> {
    /// The stage's.
    pub stage: &'a StageScope,
    /// Those before the first FROM.
    pub global: &'a GlobalScope,
}

impl Scope for FromScope<'_> {
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        let own = self.stage.args.get(name).and_then(Option::as_deref);
        own.or_else(|| self.global.value(name)).map(Cow::Borrowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(pairs: &[(&str, &str)]) -> BuildArgs {
        BuildArgs::new(
            pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn build_arg_beats_default_beats_global() {
        let given = args(&[("A", "given")]);
        let mut global = GlobalScope::default();
        for name in ["A", "B", "C"] {
            global.declare(name, Some("global".into()), &given);
        }
        let mut stage = StageScope::new(&[], &given);
        stage.declare("A", Some("here".into()), &global, &given);
        stage.declare("B", Some("here".into()), &global, &given);
        stage.declare("C", None, &global, &given);
        stage.declare("D", None, &global, &given);
        assert_eq!(stage.get("A").as_deref(), Some("given"));
        assert_eq!(stage.get("B").as_deref(), Some("here"));
        assert_eq!(stage.get("C").as_deref(), Some("global"));
        assert_eq!(stage.get("D"), None);
    }

    #[test]
    fn what_is_declared_again_without_a_value_keeps_its_own() {
        let none = args(&[]);
        let mut global = GlobalScope::default();
        global.declare("G", Some("global".into()), &none);
        global.declare("G", None, &none);
        let mut stage = StageScope::default();
        for name in ["A", "G"] {
            stage.declare(name, Some("here".into()), &global, &none);
            stage.declare(name, None, &global, &none);
        }
        assert_eq!(stage.get("A").as_deref(), Some("here"));
        // As for BuildKit: the global value is asked for first.
        assert_eq!(stage.get("G").as_deref(), Some("global"));
    }

    #[test]
    fn from_sees_the_nearest_argument() {
        let none = args(&[]);
        let mut global = GlobalScope::default();
        for name in ["A", "B", "C"] {
            global.declare(name, Some("global".into()), &none);
        }
        let mut stage = StageScope::new(&["B=base".into()], &none);
        stage.declare("A", Some("here".into()), &global, &none);
        stage.declare("D", None, &global, &none);
        stage.set_own_env("C", "env");
        let from = FromScope {
            stage: &stage,
            global: &global,
        };
        let values = ["A", "B", "C", "D"].map(|name| from.get(name).map(Cow::into_owned));
        assert_eq!(
            values,
            [Some("here"), Some("global"), Some("global"), None].map(|value| value.map(str::to_owned))
        );
        assert_eq!((stage.own_env("B"), stage.own_env("C")), (None, Some("env")));
    }

    #[test]
    fn env_beats_arg_and_hides_it_from_run() {
        let given = args(&[("A", "arg")]);
        let mut stage = StageScope::new(&["A=base".into()], &given);
        stage.declare("A", None, &GlobalScope::default(), &given);
        assert_eq!(stage.get("A").as_deref(), Some("base"));
        assert!(stage.visible_args().is_empty());
    }

    #[test]
    fn a_global_arg_is_invisible_until_declared() {
        let mut global = GlobalScope::new(BTreeMap::from([("TARGETARCH".into(), "arm64".into())]));
        global.declare("X", Some("1".into()), &args(&[]));
        let mut stage = StageScope::new(&[], &args(&[]));
        assert_eq!(stage.get("X"), None);
        stage.declare("TARGETARCH", None, &global, &args(&[]));
        assert_eq!(stage.get("TARGETARCH").as_deref(), Some("arm64"));
    }

    #[test]
    fn unconsumed_leaves_out_predefined_and_buildkit() {
        let given = args(&[
            ("HTTP_PROXY", "p"),
            ("BUILDKIT_SYNTAX", "s"),
            ("X", "1"),
            ("Y", "2"),
        ]);
        assert_eq!(given.take("Y"), Some("2"));
        assert_eq!(given.unconsumed(), ["X"]);
        assert_eq!(
            StageScope::new(&[], &given).undeclared_predefined(),
            [
                ("HTTP_PROXY".into(), "p".into()),
                ("http_proxy".into(), "p".into())
            ]
        );
    }
}
