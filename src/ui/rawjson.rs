//! `--progress rawjson`: one JSON object per line.
//!
//! The first line is `{"event":"steps","steps":[{"step":1,"title":"...","line":3},...]}`; `line` is null where a step
//! has no line of its own. What takes a while and is no step, such as an export, is added later as
//! `{"event":"step","step":4,"title":"...","line":null}`. Then, with `at` in seconds since the start and `step` one of these numbers:
//!
//! | `event` | further fields |
//! |---|---|
//! | `started`, `resolved`, `waiting`, `cancelled` | |
//! | `cached` | `key` |
//! | `missed` | `reason`: text |
//! | `log` | `stream`: `stdout` or `stderr`; `line`: text without its end, bytes that are not UTF-8 replaced |
//! | `progress` | `done`, `total` (null: unknown), `label` |
//! | `completed` | `cost`: seconds |
//! | `failed` | `message` |
//!
//! Without `at` and `step`: `{"event":"message","text":"..."}` and, last of a build that succeeded,
//! `{"event":"finished","image":...,"tags":[...],"size":...,"added":...,"outputs":[...],"took":...,"cached":1,"total":2}`.

use super::printer::{Display, ShownStep};
use super::summary::{Counts, Summary};
use rbuild_build::observer::{StepInfo, WorkEvent};
use rbuild_solver::{EventKind, Stream};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::time::Duration;

pub(super) struct RawJson {
    output: Box<dyn Write + Send>,
}

impl RawJson {
    pub(super) fn new(output: Box<dyn Write + Send>, steps: &[StepInfo]) -> Self {
        let mut display = Self { output };
        let steps = steps.iter().enumerate();
        let steps: Vec<Value> = steps
            .map(|(index, info)| json!({ "step": index + 1, "title": info.title, "line": info.line }))
            .collect();
        display.put(&json!({ "event": "steps", "steps": steps }));
        display
    }

    fn put(&mut self, value: &Value) {
        let _ = self.output.write_all(format!("{value}\n").as_bytes());
        let _ = self.output.flush();
    }

    fn tell(&mut self, step: &ShownStep, at: Duration, event: &str, fields: Value) {
        let mut object = Map::new();
        object.insert("at".to_owned(), json!(at.as_secs_f64()));
        object.insert("step".to_owned(), json!(step.number));
        object.insert("event".to_owned(), json!(event));
        if let Value::Object(fields) = fields {
            object.extend(fields);
        }
        self.put(&Value::Object(object));
    }
}

impl Display for RawJson {
    fn added(&mut self, step: &ShownStep) {
        self.put(&json!({
            "event": "step", "step": step.number, "title": step.title, "line": step.line,
        }));
    }

    fn event(&mut self, step: &ShownStep, event: &WorkEvent) {
        let (name, fields) = match &event.kind {
            EventKind::Started => ("started", Value::Null),
            EventKind::Resolved => ("resolved", Value::Null),
            EventKind::Waiting => ("waiting", Value::Null),
            EventKind::Cancelled => ("cancelled", Value::Null),
            EventKind::Cached { key } => ("cached", json!({ "key": key.to_string() })),
            EventKind::Missed(reason) => ("missed", json!({ "reason": reason.to_string() })),
            EventKind::Progress { done, total, label } => (
                "progress",
                json!({ "done": done, "total": total, "label": label }),
            ),
            EventKind::Completed { cost } => ("completed", json!({ "cost": cost.as_secs_f64() })),
            EventKind::Failed { message } => ("failed", json!({ "message": message })),
            // Told line by line.
            EventKind::Log { .. } => return,
        };
        self.tell(step, event.at, name, fields);
    }

    fn line(&mut self, step: &ShownStep, at: Duration, stream: Stream, line: &[u8]) {
        let stream = match stream {
            Stream::Out => "stdout",
            Stream::Err => "stderr",
        };
        self.tell(
            step,
            at,
            "log",
            json!({ "stream": stream, "line": String::from_utf8_lossy(line) }),
        );
    }

    fn rest(&mut self, _: &ShownStep, _: &[u8]) {}

    fn message(&mut self, text: &str) {
        self.put(&json!({ "event": "message", "text": text }));
    }

    fn finish(&mut self, summary: &Summary, counts: Counts) {
        self.put(&json!({
            "event": "finished",
            "image": summary.image,
            "tags": summary.tags,
            "size": summary.size,
            "added": summary.added,
            "outputs": summary.outputs,
            "took": summary.took.as_secs_f64(),
            "cached": counts.cached,
            "total": counts.total,
        }));
    }

    fn close(&mut self) {}
}
