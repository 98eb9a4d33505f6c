//! History entries of the image config (FEATURES 1.10): one per instruction, in BuildKit's shape, with our comment.

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
    let quoted: Vec<String> = args.iter().map(|arg| format!("{arg:?}")).collect();
    format!("[{}]", quoted.join(" "))
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
        assert_eq!(plain_list(&["80/tcp".into(), "81/udp".into()]), "[80/tcp 81/udp]");
    }
}
