//! [`Preimage`]: the named fields that a [`CacheKey`] is made from, kept beside the record so that a later miss can
//! be explained. Here are the fields and their key; comparing two of them is in [`crate::miss`], storing them is for who
//! has a disk.
//!
//! A pre-image is stored in the clear: no secret may ever be put into one.

use crate::key::{CacheKey, KeyHasher};
use sha2::{Digest as _, Sha256};

/// What shaped a key: work of a `kind`, and its fields in the order in which they were added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preimage {
    kind: String,
    revision: u32,
    fields: Vec<(String, Value)>,
}

/// The value of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text that counts as it is: a command line, a mode, an environment variable.
    Text(String),
    /// The identity of what another vertex made (a `ContentId`).
    Input(String),
    /// Files with their fingerprints.
    Tree(Fingerprints),
}

/// Files and their fingerprints, sorted by path, in one piece of memory: it may hold 100,000 of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fingerprints {
    bytes: Vec<u8>,
    /// Where each path and each fingerprint ends in `bytes`.
    ends: Vec<(u32, u32)>,
}

impl Preimage {
    /// Starts the pre-image of work of this `kind`, whose own rules have this `revision`.
    pub fn new(kind: &str, revision: u32) -> Self {
        Self {
            kind: kind.to_owned(),
            revision,
            fields: Vec::new(),
        }
    }

    /// Adds a text field.
    #[must_use]
    pub fn text(self, name: &str, value: impl Into<String>) -> Self {
        self.with(name, Value::Text(value.into()))
    }

    /// Adds the identity of what another vertex made.
    #[must_use]
    pub fn input(self, name: &str, identity: impl Into<String>) -> Self {
        self.with(name, Value::Input(identity.into()))
    }

    /// Adds a list of files.
    #[must_use]
    pub fn tree(self, name: &str, tree: Fingerprints) -> Self {
        self.with(name, Value::Tree(tree))
    }

    /// Adds a field. A name may be used more than once; the order counts.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.fields.push((name.to_owned(), value));
        self
    }

    /// The same with names of fields and texts changed: what must not be stored in the clear is taken out so.
    #[must_use]
    pub fn map_text(mut self, change: impl Fn(&str) -> String) -> Self {
        for (name, value) in &mut self.fields {
            *name = change(name);
            if let Value::Text(text) = value {
                *text = change(text);
            }
        }
        self
    }

    /// What sort of work this is.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The revision of that sort's rules.
    pub fn revision(&self) -> u32 {
        self.revision
    }

    /// The fields in order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The key of this work.
    pub fn key(&self) -> CacheKey {
        let mut hasher = KeyHasher::new(&self.kind, self.revision);
        for (name, value) in &self.fields {
            match value {
                Value::Text(text) => hasher.text(name, text.as_bytes()),
                Value::Input(identity) => hasher.input(name, identity.as_bytes()),
                Value::Tree(tree) => hasher.tree(name, &tree.digest()),
            };
        }
        hasher.finish()
    }
}

impl Fingerprints {
    /// How many files.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Paths and fingerprints in the order of the paths' bytes.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// The digest by which the tree enters a key.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(b"rbuild tree\0");
        hasher.update((self.ends.len() as u64).to_le_bytes());
        for (path, fingerprint) in self.iter() {
            hasher.update((path.len() as u32).to_le_bytes());
            hasher.update((fingerprint.len() as u32).to_le_bytes());
            hasher.update(path);
            hasher.update(fingerprint);
        }
        hasher.finalize().into()
    }

    fn get(&self, index: usize) -> (&[u8], &[u8]) {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before].1) as usize;
        let (middle, end) = self.ends[index];
        (
            &self.bytes[start..middle as usize],
            &self.bytes[middle as usize..end as usize],
        )
    }
}

/// Paths and fingerprints in any order; of the same path twice the last one counts. A fingerprint holds all that counts
/// about a file, as words separated by spaces (`file 0644 0:0 sha256:...`): a changed word is what `why` shows.
impl<P: AsRef<[u8]>, F: AsRef<[u8]>> FromIterator<(P, F)> for Fingerprints {
    fn from_iter<I: IntoIterator<Item = (P, F)>>(files: I) -> Self {
        let mut files: Vec<(P, F)> = files.into_iter().collect();
        files.sort_by(|one, other| one.0.as_ref().cmp(other.0.as_ref()));
        let mut tree = Self {
            bytes: Vec::with_capacity(files.len() * 96),
            ends: Vec::with_capacity(files.len()),
        };
        for same_path in files.chunk_by(|one, other| one.0.as_ref() == other.0.as_ref()) {
            // The sort is stable: the last one came last.
            if let Some((path, fingerprint)) = same_path.last() {
                tree.bytes.extend_from_slice(path.as_ref());
                let middle = tree.bytes.len() as u32;
                tree.bytes.extend_from_slice(fingerprint.as_ref());
                tree.ends.push((middle, tree.bytes.len() as u32));
            }
        }
        tree
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Preimage {
        Preimage::new("copy", 3)
            .text("dest", "/app/")
            .input("base", "sha256:aa")
            .tree(
                "source",
                [("src/b.c", "file 0644 0:0 x"), ("src/a.c", "file 0644 0:0 y")]
                    .into_iter()
                    .collect(),
            )
    }

    #[test]
    fn literal_keys_are_pinned() {
        assert_eq!(
            sample().key().to_string(),
            "1724cdb2707865ea59818bc736f616b4f2274f515adfdb032b56f41d717792a5"
        );
        assert_eq!(
            Preimage::new("copy", 3)
                .tree("source", Fingerprints::default())
                .key()
                .to_string(),
            "56bde97336246602fa234f300b2b996976e9640b013e46965b29061ddffd7955"
        );
    }

    #[test]
    fn order_of_fields_counts_and_order_of_files_does_not() {
        let ab = Preimage::new("x", 1).text("a", "1").text("b", "2");
        let ba = Preimage::new("x", 1).text("b", "2").text("a", "1");
        assert_ne!(ab.key(), ba.key());

        let backwards: Fingerprints = [("c", "3"), ("a", "0"), ("b", "2"), ("a", "1")]
            .into_iter()
            .collect();
        let sorted: Fingerprints = [("a", "1"), ("b", "2"), ("c", "3")].into_iter().collect();
        assert_eq!(backwards, sorted);
        assert_eq!(sorted.len(), 3);
        assert_eq!(sorted.iter().next(), Some((&b"a"[..], &b"1"[..])));
    }

    #[test]
    fn a_renamed_file_makes_another_key() {
        let of = |path: &str| {
            Preimage::new("copy", 1)
                .tree("source", [(path, "same")].into_iter().collect())
                .key()
        };
        assert_ne!(of("a"), of("b"));
        let boundary =
            |path: &str, print: &str| [(path, print)].into_iter().collect::<Fingerprints>().digest();
        assert_ne!(boundary("ab", "c"), boundary("a", "bc"));
    }
}
