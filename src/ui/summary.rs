//! [`Summary`]: what a finished build says last.

use super::amount::{bytes, duration};
use super::style::{Paint, Sign, Style};
use std::time::Duration;

/// What was built. Counts of steps are the printer's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// The image id (`sha256:...`), if an image was made.
    pub image: Option<String>,
    /// The names it was given.
    pub tags: Vec<String>,
    /// The sum of its layers, in bytes.
    pub size: Option<u64>,
    /// How much of that is new in the store.
    pub added: Option<u64>,
    /// What else was written, one line each: `out.tar (oci)`.
    pub outputs: Vec<String>,
    /// From start to end.
    pub took: Duration,
    /// The most memory that a step had, where that was limited.
    pub memory: Option<u64>,
}

/// How many steps there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Found in the cache.
    pub cached: usize,
    /// Found or run.
    pub total: usize,
}

impl Summary {
    /// The lines, without line ends.
    pub fn lines(&self, counts: Counts, style: &Style) -> Vec<String> {
        let mut first = style.sign(Sign::Done);
        if self.tags.is_empty() {
            first += if self.image.is_some() { " image" } else { " done" };
        }
        for (index, tag) in self.tags.iter().enumerate() {
            first += if index == 0 { " " } else { ", " };
            first += &style.paint(Paint::Strong, tag);
        }
        if let Some(image) = &self.image {
            first = format!("{first} {}", short(image));
        }
        let mut facts = Vec::new();
        match (self.size, self.added) {
            (Some(size), Some(added)) => facts.push(format!("{}, {} new", bytes(size), bytes(added))),
            (Some(size), None) => facts.push(bytes(size)),
            (None, Some(added)) => facts.push(format!("{} new", bytes(added))),
            (None, None) => {}
        }
        let Counts { cached, total } = counts;
        if total > 0 {
            facts.push(format!(
                "{cached}/{total} step{} cached",
                if total == 1 { "" } else { "s" }
            ));
        }
        facts.push(if self.took < Duration::from_secs(1) {
            format!("{} ms", self.took.as_millis())
        } else {
            duration(self.took)
        });
        facts.extend(
            self.memory
                .map(|memory| format!("at most {} of memory", bytes(memory))),
        );
        let mut lines = vec![
            first,
            format!("  {}", style.paint(Paint::Faint, &facts.join(", "))),
        ];
        lines.extend(
            self.outputs
                .iter()
                .map(|output| format!("  {} {output}", style.sign(Sign::Arrow))),
        );
        lines
    }
}

/// An id as it is usually shown: algorithm and twelve digits.
fn short(id: &str) -> &str {
    let digits = id.find(':').map_or(0, |colon| colon + 1);
    id.get(..digits + 12).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_summed_up_in_a_few_lines() {
        let summary = Summary {
            image: Some(format!("sha256:{}", "0123456789abcdef".repeat(4))),
            tags: vec!["app:latest".to_owned(), "app:1".to_owned()],
            size: Some(12_345_678),
            added: Some(1_200),
            outputs: vec!["out.tar (oci)".to_owned()],
            took: Duration::from_millis(1234),
            memory: Some(64_000_000),
        };
        let counts = Counts { cached: 5, total: 7 };
        assert_eq!(
            summary.lines(counts, &Style::PLAIN).join("\n"),
            "+ app:latest, app:1 sha256:0123456789ab\n  12.3 MB, 1.2 kB new, 5/7 steps cached, 1.2s, at most 64.0 MB of memory\n  -> out.tar (oci)"
        );
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let took = Duration::from_millis(8);
        let nothing = Summary {
            took,
            ..Summary::default()
        };
        assert_eq!(
            nothing.lines(Counts::default(), &Style::PLAIN),
            ["+ done", "  8 ms"]
        );
        let untagged = Summary {
            image: Some("sha256:ab".to_owned()),
            took,
            ..Summary::default()
        };
        let lines = untagged.lines(Counts { cached: 1, total: 1 }, &Style::PLAIN);
        assert_eq!(lines, ["+ image sha256:ab", "  1/1 step cached, 8 ms"]);
    }
}
