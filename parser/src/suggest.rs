//! The nearest name: "did you mean".

/// The candidate that is nearest to `word`, when it is near enough to be a slip of the fingers. Case does not
/// count; of equally near ones the first wins.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Long garbage has no nearest name, and the table below is quadratic.
    if word.is_empty() || word.len() > 64 {
        return None;
    }
    let word: Vec<char> = word.to_lowercase().chars().collect();
    let cutoff = match word.len() {
        0..=2 => 1,
        3..=5 => 2,
        6..=8 => 3,
        n => n / 3,
    };
    candidates
        .into_iter()
        .filter(|c| c.len() <= 128)
        .map(|c| (c.to_lowercase().chars().collect::<Vec<_>>(), c))
        // The distance is no smaller than the difference of the lengths.
        .filter(|(lower, _)| lower.len().abs_diff(word.len()) <= cutoff)
        .map(|(lower, c)| (distance(&word, &lower), c))
        .filter(|(d, c)| *d <= cutoff && *d < word.len().max(c.chars().count()))
        .min_by_key(|(d, _)| *d)
        .map(|(_, c)| c)
}

/// Damerau and Levenshtein's distance with adjacent swaps (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let width = b.len() + 1;
    let mut table = vec![0; (a.len() + 1) * width];
    for (j, cell) in table.iter_mut().take(width).enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        table[i * width] = i;
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (table[(i - 1) * width + j] + 1)
                .min(table[i * width + j - 1] + 1)
                .min(table[(i - 1) * width + j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(table[(i - 2) * width + j - 2] + 1);
            }
            table[i * width + j] = best;
        }
    }
    table[a.len() * width + b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_only() {
        let names = ["RUN", "COPY", "ENTRYPOINT", "build", "builder"];
        assert_eq!(nearest("RNU", names), Some("RUN"));
        assert_eq!(nearest("copi", names), Some("COPY"));
        assert_eq!(nearest("ENTRPOINT", names), Some("ENTRYPOINT"));
        assert_eq!(nearest("biuld", names), Some("build"));
        assert_eq!(nearest("x", names), None);
        assert_eq!(nearest("", names), None);
        assert_eq!(nearest("completely", names), None);
        assert_eq!(nearest(&"r".repeat(1_000_000), names), None);
    }

    #[test]
    fn swaps_count_once() {
        let d = |a: &str, b: &str| distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
        assert_eq!(d("ab", "ba"), 1);
        assert_eq!(d("kitten", "sitting"), 3);
        assert_eq!(d("", "abc"), 3);
    }
}
