//! [`Table`]: columns of text under headings, as docker's and podman's lists have them.

use crate::ui::lines::clean;
use console::measure_text_width;

/// Spaces between columns.
const GAP: usize = 3;

/// Rows under headings.
#[derive(Debug)]
pub struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new(headings: &[&'static str]) -> Self {
        Self {
            headings: headings.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; what could move the cursor is taken out of its cells.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows
            .push(cells.iter().map(|cell| clean(cell.as_bytes())).collect());
    }

    /// The lines, each with its line end; no spaces at the end of a line.
    #[must_use]
    pub fn render(&self) -> String {
        let mut widths: Vec<usize> = self.headings.iter().map(|heading| heading.len()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(measure_text_width(cell));
            }
        }
        let mut text = String::new();
        let headings: Vec<String> = self
            .headings
            .iter()
            .map(|heading| (*heading).to_owned())
            .collect();
        for row in std::iter::once(&headings).chain(&self.rows) {
            let mut line = String::new();
            for (width, cell) in widths.iter().zip(row) {
                line += cell;
                let pad = (width + GAP).saturating_sub(measure_text_width(cell));
                line.extend(std::iter::repeat_n(' ', pad));
            }
            text += line.trim_end();
            text.push('\n');
        }
        text
    }
}

/// The first `width` characters, the last one an ellipsis where something was cut.
#[must_use]
pub fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["NAME", "SIZE"]);
        table.row(["a-long-name".to_owned(), "1 B".to_owned()]);
        table.row(["ä".to_owned(), String::new()]);
        assert_eq!(table.render(), "NAME          SIZE\na-long-name   1 B\nä\n");
    }

    #[test]
    fn cells_cannot_move_the_cursor() {
        let mut table = Table::new(&["NAME"]);
        table.row(["a\x1b[2Jb".to_owned()]);
        assert!(!table.render().contains('\x1b'), "{:?}", table.render());
    }

    #[test]
    fn cutting_counts_characters() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äö…");
    }
}
