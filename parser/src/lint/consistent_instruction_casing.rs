//! Keywords in different case.

use crate::lint::Definition;
use crate::lint::checker::Checker;

pub(super) const DEFINITION: Definition = Definition {
    docs: "Keywords are all in upper case, or all in lower case. The case that most lines have is taken as the wanted one.",
    bad: "FROM scratch\nRUN a\nrun b\n",
    good: "FROM scratch\nRUN a\nRUN b\n",
    default: true,
    buildkit: true,
    check,
};

fn check(cx: &mut Checker<'_>) {
    let upper = |text: &str| text.chars().all(char::is_uppercase);
    let lower = |text: &str| text.chars().all(char::is_lowercase);
    let lines = cx.lines();
    let uppers = lines.iter().filter(|line| upper(&line.keyword_text)).count();
    let lowers = lines.iter().filter(|line| lower(&line.keyword_text)).count();
    let (name, wanted_lower) = if lowers > uppers {
        ("lower", true)
    } else {
        ("upper", false)
    };
    for line in lines {
        let text = &line.keyword_text;
        if if wanted_lower { lower(text) } else { upper(text) } {
            continue;
        }
        let wanted = if wanted_lower {
            text.to_lowercase()
        } else {
            text.to_uppercase()
        };
        let message = format!("`{text}` is not in {name} case like the other keywords");
        let diagnostic = cx.report(line.keyword, message);
        *diagnostic = diagnostic.clone().with_suggestion(wanted);
    }
}
