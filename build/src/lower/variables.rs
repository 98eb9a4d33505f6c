//! [`Variables`]: in order of first appearance, and found by name. Generated files have thousands of them.

use std::collections::HashMap;

/// Names and values; each name once.
#[derive(Debug, Clone)]
pub struct Variables<V> {
    list: Vec<(String, V)>,
    by_name: HashMap<String, usize>,
}

impl<V> Default for Variables<V> {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            by_name: HashMap::new(),
        }
    }
}

impl<V> Variables<V> {
    /// Sets one in its old place, or at the end.
    pub fn set(&mut self, name: &str, value: V) {
        match self.by_name.get(name) {
            Some(at) => self.list[*at].1 = value,
            None => {
                self.by_name.insert(name.to_owned(), self.list.len());
                self.list.push((name.to_owned(), value));
            }
        }
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&V> {
        self.by_name.get(name).map(|at| &self.list[*at].1)
    }

    /// The value of a name, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        let at = self.by_name.get(name)?;
        self.list.get_mut(*at).map(|(_, value)| value)
    }

    /// The values, in order.
    pub fn into_values(self) -> impl Iterator<Item = V> {
        self.list.into_iter().map(|(_, value)| value)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.list.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|(name, _)| name.as_str())
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.list.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_place() {
        let mut variables = Variables::default();
        for (name, value) in [("b", 1), ("a", 2), ("b", 3)] {
            variables.set(name, value);
        }
        assert_eq!(variables.iter().collect::<Vec<_>>(), [("b", &3), ("a", &2)]);
        assert_eq!(
            (variables.get("a"), variables.get("c"), variables.count()),
            (Some(&2), None, 2)
        );
    }
}
