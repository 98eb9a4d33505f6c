//! The hashes that only this store knows, one type each. Plain hex, because they become file names.

use rbuild_oci::hash_type;

hash_type! {
    /// Names what a snapshot contains, without times.
    ContentId, ""
}
hash_type! {
    /// Names one committed snapshot on disk, times included.
    SnapshotId, ""
}
hash_type! {
    /// The SHA-256 of a file's content.
    FileHash, ""
}

impl FileHash {
    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        FileHash(rbuild_oci::hash::sha256(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_without_an_algorithm() {
        let text = FileHash::of(b"").to_string();
        assert_eq!(
            text,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(text.parse(), Ok(FileHash::of(b"")));
        assert!(format!("sha256:{text}").parse::<SnapshotId>().is_err());
    }
}
