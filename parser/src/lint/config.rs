//! `# check=skip=A,B;error=true`: which rules are asked, and whether they fail the build.

use std::collections::BTreeSet;

use crate::diagnostic::Diagnostic;
use crate::kind::Kind;
use crate::lint::Rule;
use crate::{Span, suggest};

/// The names of the options.
const OPTIONS: [&str; 3] = ["skip", "experimental", "error"];

/// Options of the checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckOptions {
    /// Rules that are not asked.
    pub skip: BTreeSet<Rule>,
    /// No rule is asked.
    pub skip_all: bool,
    /// Rules that are asked though they are off by default.
    pub experimental: BTreeSet<Rule>,
    /// All rules that are off by default are asked.
    pub experimental_all: bool,
    /// A warning fails the build.
    pub error: bool,
}

impl CheckOptions {
    /// Parses the value of the directive, which stands at `span`. Wrong parts are reported and left out; what follows
    /// ` //` says why it is there.
    pub fn parse(text: &str, span: Span) -> (CheckOptions, Vec<Diagnostic>) {
        let text = match text.find("//") {
            Some(at) if at == 0 || text[..at].ends_with(char::is_whitespace) => &text[..at],
            _ => text,
        };
        let mut options = CheckOptions::default();
        let mut diagnostics = Vec::new();
        // Nearest names are the costly part, and nobody reads thousands.
        let mut suggestions = 20;
        let mut offset = 0;
        for part in text.split(';') {
            let start = offset;
            offset += part.len() + 1;
            let place = |from: usize, text: &str| {
                let trimmed = text.trim_start();
                let begin = span.start + from + (text.len() - trimmed.len());
                Span::new(begin, begin + trimmed.trim_end().len())
            };
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let value_start = start + key.len() + 1;
            match key.trim() {
                "" if value.is_empty() => {}
                "skip" | "experimental" => {
                    let is_skip = key.trim() == "skip";
                    let mut at = value_start;
                    for name in value.split(',') {
                        let here = place(at, name);
                        at += name.len() + 1;
                        match name.trim() {
                            "" => {}
                            name if name.eq_ignore_ascii_case("all") && is_skip => options.skip_all = true,
                            name if name.eq_ignore_ascii_case("all") => options.experimental_all = true,
                            name => match Rule::from_name(name) {
                                Some(rule) if is_skip => _ = options.skip.insert(rule),
                                Some(rule) => _ = options.experimental.insert(rule),
                                None => {
                                    diagnostics.push(unknown_rule(name, here, suggestions > 0));
                                    suggestions -= usize::from(suggestions > 0);
                                }
                            },
                        }
                    }
                }
                "error" if value.trim().eq_ignore_ascii_case("true") => options.error = true,
                "error" if value.trim().eq_ignore_ascii_case("false") => options.error = false,
                key => {
                    diagnostics.push(unknown_option(key, value, place(start, part), suggestions > 0));
                    suggestions -= usize::from(suggestions > 0);
                }
            }
        }
        (options, diagnostics)
    }

    /// Whether the rule is asked.
    pub fn allows(&self, rule: Rule) -> bool {
        let wanted = rule.definition().default || self.experimental_all || self.experimental.contains(&rule);
        wanted && !self.skips(rule)
    }

    /// Whether nothing of the rule is wanted.
    pub(super) fn skips(&self, rule: Rule) -> bool {
        self.skip_all || self.skip.contains(&rule)
    }

    /// Takes the other's options too.
    pub(super) fn merge(&mut self, other: &CheckOptions) {
        self.skip.extend(&other.skip);
        self.experimental.extend(&other.experimental);
        self.skip_all |= other.skip_all;
        self.experimental_all |= other.experimental_all;
        self.error |= other.error;
    }
}

fn unknown_option(key: &str, value: &str, span: Span, suggest: bool) -> Diagnostic {
    let value = value.trim();
    let option = if key == "error" {
        format!("{key}={value}")
    } else {
        key.to_owned()
    };
    let diagnostic = Diagnostic::error(Kind::InvalidCheckDirective { option }, span);
    match suggest::nearest(key, OPTIONS.into_iter().filter(|_| suggest)) {
        Some(nearest) if nearest != key && !value.is_empty() && value.len() < 64 => {
            diagnostic.with_suggestion(format!("{nearest}={value}"))
        }
        _ => diagnostic.with_help(
            "write `skip=Rule,...`, `skip=all`, `experimental=Rule,...` or `error=true`, separated by `;`",
        ),
    }
}

fn unknown_rule(name: &str, span: Span, suggest: bool) -> Diagnostic {
    let diagnostic = Diagnostic::warning(
        Kind::UnknownRule {
            name: name.to_owned(),
        },
        span,
    );
    if let Some((key, _)) = name.split_once('=')
        && OPTIONS.contains(&key.trim())
    {
        return diagnostic.with_help(format!("options are separated by `;`: write `;{name}`"));
    }
    let names = Rule::ALL.iter().map(|rule| rule.name()).filter(|_| suggest);
    match suggest::nearest(name, names) {
        Some(nearest) => diagnostic.with_suggestion(nearest),
        None => diagnostic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant() {
        let help = |text: &str| -> Vec<String> {
            let (_, diagnostics) = CheckOptions::parse(text, Span::new(8, 8 + text.len()));
            diagnostics.into_iter().filter_map(|d| d.help).collect()
        };
        assert_eq!(
            help("skip=all,error=true"),
            ["options are separated by `;`: write `;error=true`"]
        );
        assert_eq!(help("skp=all"), ["did you mean `skip=all`?"]);
        assert_eq!(help("Error=true"), ["did you mean `error=true`?"]);
        for listed in ["error=maybe", "foo=1", "skp", "skip=all;errors"] {
            assert!(help(listed)[0].starts_with("write `skip=Rule"), "{listed}");
        }
        assert_eq!(help("skip=Nope,a=b"), Vec::<String>::new());
    }

    #[test]
    fn options_and_complaints() {
        let parse = |text: &str| {
            let (options, diagnostics) = CheckOptions::parse(text, Span::new(8, 8 + text.len()));
            (
                options,
                diagnostics
                    .iter()
                    .map(|d| (d.message(), d.span.start))
                    .collect::<Vec<_>>(),
            )
        };
        let (options, complaints) = parse("skip=StageNameCasing, ;error=true");
        assert_eq!(
            (options.skip, options.error, complaints),
            (BTreeSet::from([Rule::StageNameCasing]), true, vec![])
        );
        assert!(parse("skip=all").0.skip_all);
        let (options, complaints) = parse("skip=StageNameCasing // as the others have it; error=true");
        assert_eq!(
            (options.skip, options.error, complaints),
            (BTreeSet::from([Rule::StageNameCasing]), false, vec![])
        );
        assert_eq!(
            parse("skip=Nope").1,
            [("no check is named `Nope`".to_owned(), 13)]
        );
        assert_eq!(
            parse("error=maybe").1,
            [("unknown option `error=maybe` of `# check=`".to_owned(), 8)]
        );
        assert_eq!(
            parse("error=true; foo=1").1,
            [("unknown option `foo` of `# check=`".to_owned(), 20)]
        );
    }
}
