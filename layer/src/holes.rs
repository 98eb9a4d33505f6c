//! Writing a file without the blocks of zeros in it: a file with holes stays small, whatever way it comes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// What may become a hole: less is not worth a call of its own.
const BLOCK: usize = 64 * 1024;

/// Fills a new file from front to back.
pub struct Holes<'f> {
    file: &'f File,
    len: u64,
    /// How much of it was written.
    written: u64,
}

impl<'f> Holes<'f> {
    /// For an empty file.
    pub fn new(file: &'f File) -> Self {
        Holes {
            file,
            len: 0,
            written: 0,
        }
    }

    /// Appends a piece.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn put(&mut self, piece: &[u8]) -> io::Result<()> {
        let mut rest = piece;
        while !rest.is_empty() {
            let zeros = leading_blocks(rest, true);
            self.len += zeros as u64;
            rest = &rest[zeros..];
            let data = leading_blocks(rest, false);
            if data > 0 {
                self.file.write_all_at(&rest[..data], self.len)?;
                self.len += data as u64;
                self.written = self.len;
            }
            rest = &rest[data..];
        }
        Ok(())
    }

    /// Gives the file its length, which a hole at its end does not.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn end(self) -> io::Result<()> {
        if self.written == self.len {
            return Ok(());
        }
        self.file.set_len(self.len)
    }
}

/// Bytes of the blocks at the front that are zeros, or that are none.
fn leading_blocks(piece: &[u8], zeros: bool) -> usize {
    let blocks = piece.chunks(BLOCK).take_while(|block| is_hole(block) == zeros);
    blocks.map(<[u8]>::len).sum()
}

/// Only whole blocks: the rest of a piece is written.
fn is_hole(block: &[u8]) -> bool {
    block.len() == BLOCK && block[0] == 0 && block[1..] == block[..BLOCK - 1]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::MetadataExt;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn whatever_is_put_is_read(runs in prop::collection::vec((0u8..3, 1usize..200_000), 0..8), piece in 1usize..300_000) {
            let bytes: Vec<u8> = runs.iter().flat_map(|(byte, len)| std::iter::repeat_n(*byte, *len)).collect();
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("f");
            let file = File::create(&path).unwrap();
            let mut holes = Holes::new(&file);
            for piece in bytes.chunks(piece) {
                holes.put(piece).unwrap();
            }
            holes.end().unwrap();
            prop_assert!(std::fs::read(&path).unwrap() == bytes);
        }
    }

    #[test]
    fn zeros_take_no_room() {
        let file = tempfile::tempfile().unwrap();
        let mut holes = Holes::new(&file);
        for _ in 0..64 {
            holes.put(&[0; 256 * 1024]).unwrap();
        }
        holes.put(b"end").unwrap();
        holes.end().unwrap();
        let stat = file.metadata().unwrap();
        assert_eq!(stat.len(), 16 * 1024 * 1024 + 3);
        assert!(stat.blocks() < 1024, "{} blocks", stat.blocks());
    }
}
