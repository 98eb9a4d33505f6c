//! The tree as JSON, as `rbuild debug parse` prints it. Runs with `--features serde`.
#![cfg(feature = "serde")]

use serde_json::{Value, json, to_value};

/// The part of a value at a JSON pointer.
fn at(value: &Value, pointer: &str) -> Value {
    value.pointer(pointer).cloned().unwrap_or(Value::Null)
}

#[test]
fn trees_have_stable_fields() {
    let source = "# escape=`\nARG V=1\nFROM a:$V AS b\nRUN --mount=target=/x <<EOF\nhi\nEOF\nHEALTHCHECK --interval=1s CMD [\"x\"]\n";
    let tree = to_value(dockerfile_parser::parse(source).dockerfile).unwrap_or_default();
    assert_eq!(at(&tree, "/directives/escape_char"), json!("backtick"));
    assert_eq!(
        at(&tree, "/global_args/0/arg/declarations/0"),
        json!({
            "name": {"text": "V", "span": {"start": 15, "end": 16}},
            "default": {"text": "1", "span": {"start": 17, "end": 18}},
        })
    );
    assert_eq!(at(&tree, "/stages/0/from/name/value"), json!("b"));
    let run = at(&tree, "/stages/0/instructions/0");
    assert_eq!(at(&run, "/kind/instruction"), json!("Run"));
    assert_eq!(at(&run, "/kind/mounts/0/options/0/key"), json!("target"));
    assert_eq!(at(&run, "/kind/command/form/shell/heredocs/0/name"), json!("EOF"));
    assert_eq!(at(&run, "/line/start_line"), json!(4));
    assert_eq!(at(&run, "/line/end_line"), json!(6));
    let health = at(&tree, "/stages/0/instructions/1/kind");
    assert_eq!(at(&health, "/interval/secs"), json!(1));
    assert_eq!(at(&health, "/test/command/form/exec"), json!(["x"]));
}

#[test]
fn diagnostics_have_code_and_words() {
    let parsed = dockerfile_parser::parse("FROM a\nRNU x\n");
    assert_eq!(
        to_value(&parsed.diagnostics[0]).unwrap_or_default(),
        json!({
            "severity": "error",
            "code": "unknown-instruction",
            "message": "unknown instruction `RNU`",
            "span": {"start": 7, "end": 10},
            "label": null,
            "secondary": [],
            "help": "did you mean `RUN`?",
            "suggestion": {"span": {"start": 7, "end": 10}, "replacement": "RUN"},
        })
    );
}
