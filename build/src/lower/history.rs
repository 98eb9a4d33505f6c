//! History entries of the image config: one per instruction, in BuildKit's shape, with our comment.

use rbuild_solver::VertexId;

/// Written beside every entry that rbuild makes.
pub const COMMENT: &str = "rbuild.dockerfile.v0";

/// One entry that is still to be dated: its layer's time is known once the layer is there.
#[derive(Debug, Clone)]
pub struct HistoryItem {
    /// The instruction.
    pub created_by: String,
    /// The vertex whose snapshot is the layer; `None` for an instruction that makes none.
    pub layer: Option<VertexId>,
}

/// `["a" "b"]`, as CMD and ENTRYPOINT write lists in history.
#[must_use]
pub(super) fn list(args: &[String]) -> String {
    let quoted: Vec<String> = args.iter().map(|arg| quoted(arg)).collect();
    format!("[{}]", quoted.join(" "))
}

/// A word as Go quotes it. It is part of the image, so it must not be what some version of a library makes of it.
fn quoted(word: &str) -> String {
    let mut text = String::from("\"");
    for ch in word.chars() {
        match ch {
            '"' | '\\' => text.extend(['\\', ch]),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\x07' => text.push_str("\\a"),
            '\x08' => text.push_str("\\b"),
            '\x0b' => text.push_str("\\v"),
            '\x0c' => text.push_str("\\f"),
            '\0'..='\x1f' | '\x7f' => text.push_str(&format!("\\x{:02x}", u32::from(ch))),
            _ if ch.is_control() || (ch.is_whitespace() && ch != ' ') => {
                text.push_str(&format!("\\u{:04x}", u32::from(ch)));
            }
            _ => text.push(ch),
        }
    }
    text + "\""
}

/// `[a b]`, as SHELL, EXPOSE and VOLUME write lists in history.
#[must_use]
pub(super) fn plain_list(items: &[String]) -> String {
    format!("[{}]", items.join(" "))
}

/// What stands for the value of a build argument that nobody is to read.
pub(super) const REDACTED: &str = "<redacted>";

/// `RUN |2 A=1 B=2 /bin/sh -c make # buildkit`: the arguments that the step saw, then the command.
#[must_use]
pub(super) fn run(args: &[(String, String)], argv: &[String], redact: bool) -> String {
    let mut text = String::from("RUN ");
    if !args.is_empty() {
        text.push_str(&format!("|{} ", args.len()));
        for (name, value) in args {
            let value = if redact { REDACTED } else { value };
            text.push_str(&format!("{name}={value} "));
        }
    }
    text.push_str(&argv.join(" "));
    text.push_str(" # buildkit");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        let args = [("A".into(), "1".into()), ("B".into(), "2 3".into())];
        let argv = ["/bin/sh", "-c", "make all"].map(str::to_owned);
        assert_eq!(run(&[], &argv, false), "RUN /bin/sh -c make all # buildkit");
        assert_eq!(
            run(&args, &argv, false),
            "RUN |2 A=1 B=2 3 /bin/sh -c make all # buildkit"
        );
        assert_eq!(
            run(&args, &argv, true),
            "RUN |2 A=<redacted> B=<redacted> /bin/sh -c make all # buildkit"
        );
        assert_eq!(list(&["a b".into(), "c".into()]), "[\"a b\" \"c\"]");
        assert_eq!(
            list(&["\"\\\n\u{1b}\u{7f}\u{85}\u{a0}e\u{301}".into()]),
            concat!(r#"["\"\\\n\x1b\x7f\u0085\u00a0e"#, "\u{301}\"]")
        );
        assert_eq!(plain_list(&["80/tcp".into(), "81/udp".into()]), "[80/tcp 81/udp]");
    }
}
