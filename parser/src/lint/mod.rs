//! The checks: one rule per file, each with its documentation, a good and a bad example.
//!
//! Rules see the tree and what the caller knows (platforms, base images, the ignore file); they open nothing.

mod checker;
mod config;
mod credentials;
mod json_attempt;
mod policy;
mod secrets;
mod variables;

pub use checker::{BaseOwner, ContextMatches, ContextText, LintInput, check};
pub use config::CheckOptions;
pub use policy::Policy;

use checker::Checker;

/// What a rule is.
pub struct Definition {
    /// What it finds and why that matters, in a few sentences of Markdown.
    pub docs: &'static str,
    /// A Dockerfile in which it finds something.
    pub bad: &'static str,
    /// The same without the fault.
    pub good: &'static str,
    /// Whether it is asked without being named in `experimental=`.
    pub default: bool,
    /// Whether BuildKit has the rule too, so that its page explains it.
    pub buildkit: bool,
    /// Looks for it.
    check: fn(&mut Checker<'_>),
}

macro_rules! rules {
    ($($module:ident $rule:ident,)*) => {
        $(mod $module;)*

        /// The rules by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "each rule documents itself")]
        pub enum Rule {
            $($rule,)*
        }

        impl Rule {
            /// Every rule, in order of name.
            pub const ALL: &[Rule] = &[$(Rule::$rule,)*];

            /// The name as `# check=skip=` takes it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Rule::$rule => stringify!($rule),)*
                }
            }

            /// Documentation and examples.
            pub fn definition(self) -> &'static Definition {
                match self {
                    $(Rule::$rule => &$module::DEFINITION,)*
                }
            }
        }
    };
}

rules! {
    cache_mount_invalidates_nothing CacheMountInvalidatesNothing,
    chown_unknown_name ChownUnknownName,
    consistent_instruction_casing ConsistentInstructionCasing,
    copy_dot_before_install CopyDotBeforeInstall,
    copy_ignored_file CopyIgnoredFile,
    duplicate_stage_name DuplicateStageName,
    exec_form_malformed ExecFormMalformed,
    expose_invalid_format ExposeInvalidFormat,
    expose_proto_casing ExposeProtoCasing,
    from_as_casing FromAsCasing,
    from_platform_flag_const_disallowed FromPlatformFlagConstDisallowed,
    invalid_base_image_platform InvalidBaseImagePlatform,
    invalid_default_arg_in_from InvalidDefaultArgInFrom,
    invalid_definition_description InvalidDefinitionDescription,
    json_args_recommended JSONArgsRecommended,
    legacy_key_value_format LegacyKeyValueFormat,
    maintainer_deprecated MaintainerDeprecated,
    multiple_instructions_disallowed MultipleInstructionsDisallowed,
    no_empty_continuation NoEmptyContinuation,
    non_deterministic_run NonDeterministicRun,
    redundant_target_platform RedundantTargetPlatform,
    reserved_stage_name ReservedStageName,
    secret_in_layer SecretInLayer,
    secrets_used_in_arg_or_env SecretsUsedInArgOrEnv,
    several_sources_one_name SeveralSourcesOneName,
    stage_name_casing StageNameCasing,
    undefined_arg_in_from UndefinedArgInFrom,
    undefined_var UndefinedVar,
    wildcard_matched_nothing WildcardMatchedNothing,
    workdir_relative_path WorkdirRelativePath,
}

impl Rule {
    /// The rule of that name, in any case.
    pub fn from_name(name: &str) -> Option<Rule> {
        Rule::ALL
            .iter()
            .copied()
            .find(|rule| rule.name().eq_ignore_ascii_case(name))
    }

    /// The page that explains the rule: BuildKit's where it has the rule, else a path in the project's documentation.
    pub fn url(self) -> String {
        if !self.definition().buildkit {
            return format!("docs/rules.md#{}", self.name().to_lowercase());
        }
        // BuildKit's pages are named in kebab case: `JSONArgsRecommended` is `json-args-recommended`.
        let name: Vec<char> = self.name().chars().collect();
        let mut page = String::new();
        for (at, ch) in name.iter().enumerate() {
            let before_is_lower = at > 0 && name.get(at - 1).is_some_and(|ch| ch.is_lowercase());
            let after_is_lower = name.get(at + 1).is_some_and(|ch| ch.is_lowercase());
            let before_is_upper = at > 0 && !before_is_lower;
            if ch.is_uppercase() && (before_is_lower || before_is_upper && after_is_lower) {
                page.push('-');
            }
            page.extend(ch.to_lowercase());
        }
        format!("https://docs.docker.com/go/dockerfile/rule/{page}/")
    }

    /// A warning of this rule, for rules that only the build can decide.
    pub fn warning(self, span: crate::Span, message: impl Into<String>) -> crate::Diagnostic {
        crate::Diagnostic::warning(
            crate::Kind::Check {
                rule: self,
                message: message.into(),
            },
            span,
        )
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
