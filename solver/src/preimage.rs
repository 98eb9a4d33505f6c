//! [`Preimage`]: the named fields that a [`CacheKey`] is made from, kept beside the record so that a later miss can
//! be explained. Here are the fields, their key and their bytes on disk; comparing two of them is in [`crate::miss`].
//!
//! A pre-image is stored in the clear: no secret may ever be put into one.

use crate::key::{CacheKey, DefinitionDigest, KeyHasher};
use sha2::{Digest as _, Sha256};

const MAGIC: &[u8; 8] = b"rbpre\0\0\x01";

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
    Tree(Tree),
}

/// Files and their fingerprints, sorted by path, in one piece of memory: it may hold 100,000 of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    bytes: Vec<u8>,
    /// Where each path and each fingerprint ends in `bytes`.
    ends: Vec<(u32, u32)>,
}

/// Bytes that are not a stored pre-image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PreimageError {
    /// It does not start as one, or was written by another version.
    #[error("not a key pre-image of this version")]
    Magic,
    /// It ends too early, or a length in it points behind its end.
    #[error("key pre-image is damaged at byte {0}")]
    Damaged(usize),
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
    pub fn tree(self, name: &str, tree: Tree) -> Self {
        self.with(name, Value::Tree(tree))
    }

    /// Adds a field. A name may be used more than once; the order counts.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.fields.push((name.to_owned(), value));
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
        self.hash().finish()
    }

    /// The same fields as the definition of a vertex, for merging.
    pub fn definition(&self) -> DefinitionDigest {
        self.hash().finish_definition()
    }

    fn hash(&self) -> KeyHasher {
        let mut hasher = KeyHasher::new(&self.kind, self.revision);
        for (name, value) in &self.fields {
            match value {
                Value::Text(text) => hasher.text(name, text.as_bytes()),
                Value::Input(identity) => hasher.input(name, identity.as_bytes()),
                Value::Tree(tree) => hasher.tree(name, &tree.digest()),
            };
        }
        hasher
    }

    /// The bytes to store. Equal pre-images give equal bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        put(&mut out, self.kind.as_bytes());
        out.extend(self.revision.to_le_bytes());
        out.extend((self.fields.len() as u32).to_le_bytes());
        for (name, value) in &self.fields {
            put(&mut out, name.as_bytes());
            match value {
                Value::Text(text) => {
                    out.push(b't');
                    put(&mut out, text.as_bytes());
                }
                Value::Input(identity) => {
                    out.push(b'i');
                    put(&mut out, identity.as_bytes());
                }
                Value::Tree(tree) => {
                    out.push(b'f');
                    out.extend((tree.len() as u32).to_le_bytes());
                    for (path, fingerprint) in tree.iter() {
                        put(&mut out, path);
                        put(&mut out, fingerprint);
                    }
                }
            }
        }
        out
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// [`PreimageError`] when the bytes are anything else. Lengths are checked before memory is taken.
    pub fn decode(bytes: &[u8]) -> Result<Self, PreimageError> {
        let mut reader = Reader { bytes, at: 0 };
        if reader.take(MAGIC.len()).ok() != Some(MAGIC) {
            return Err(PreimageError::Magic);
        }
        let kind = reader.string()?;
        let revision = reader.number()?;
        let count = reader.number()?;
        let mut fields = Vec::new();
        for _ in 0..count {
            let name = reader.string()?;
            let at = reader.at;
            let value = match reader.take(1)? {
                b"t" => Value::Text(reader.string()?),
                b"i" => Value::Input(reader.string()?),
                b"f" => {
                    let count = reader.number()?;
                    let file = |_| Ok((reader.part()?, reader.part()?));
                    Value::Tree((0..count).map(file).collect::<Result<_, PreimageError>>()?)
                }
                _ => return Err(PreimageError::Damaged(at)),
            };
            fields.push((name, value));
        }
        if reader.at != bytes.len() {
            return Err(PreimageError::Damaged(reader.at));
        }
        Ok(Self {
            kind,
            revision,
            fields,
        })
    }
}

impl Tree {
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
impl<P: AsRef<[u8]>, F: AsRef<[u8]>> FromIterator<(P, F)> for Tree {
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

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], PreimageError> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.get(..length));
        let taken = taken.ok_or(PreimageError::Damaged(self.at))?;
        self.at += length;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, PreimageError> {
        let at = self.at;
        let bytes = self.take(4)?.try_into().map_err(|_| PreimageError::Damaged(at))?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn part(&mut self) -> Result<&'a [u8], PreimageError> {
        let length = self.number()?;
        self.take(length as usize)
    }

    fn string(&mut self) -> Result<String, PreimageError> {
        let at = self.at;
        String::from_utf8(self.part()?.to_vec()).map_err(|_| PreimageError::Damaged(at))
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
                .tree("source", Tree::default())
                .key()
                .to_string(),
            "56bde97336246602fa234f300b2b996976e9640b013e46965b29061ddffd7955"
        );
    }

    #[test]
    fn stored_bytes_give_the_same_key_back() {
        let read = Preimage::decode(&sample().encode()).unwrap();
        assert_eq!(read, sample());
        assert_eq!(read.key(), sample().key());
        assert_eq!(
            (read.kind(), read.revision(), read.fields().count()),
            ("copy", 3, 3)
        );
    }

    #[test]
    fn damaged_bytes_are_refused_and_take_no_memory() {
        let bytes = sample().encode();
        for cut in 0..bytes.len() {
            assert!(Preimage::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(
            Preimage::decode(&longer),
            Err(PreimageError::Damaged(bytes.len()))
        );
        let mut huge = MAGIC.to_vec();
        huge.extend(u32::MAX.to_le_bytes());
        assert_eq!(Preimage::decode(&huge), Err(PreimageError::Damaged(12)));
        assert_eq!(Preimage::decode(b"rbpre\0\0\x02rest"), Err(PreimageError::Magic));
    }

    #[test]
    fn order_of_fields_counts_and_order_of_files_does_not() {
        let ab = Preimage::new("x", 1).text("a", "1").text("b", "2");
        let ba = Preimage::new("x", 1).text("b", "2").text("a", "1");
        assert_ne!(ab.key(), ba.key());

        let backwards: Tree = [("c", "3"), ("a", "0"), ("b", "2"), ("a", "1")]
            .into_iter()
            .collect();
        let sorted: Tree = [("a", "1"), ("b", "2"), ("c", "3")].into_iter().collect();
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
        let boundary = |path: &str, print: &str| [(path, print)].into_iter().collect::<Tree>().digest();
        assert_ne!(boundary("ab", "c"), boundary("a", "bc"));
    }
}
