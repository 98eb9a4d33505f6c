//! Failures while bytes are on their way.

use super::*;
use crate::listing::{Entry, EntryKind, Metadata};
use std::sync::atomic::{AtomicUsize, Ordering};

const LARGE: u64 = SMALL * 3 * PIECES as u64;

/// The first of two large files fails when the other one can hand on no more.
struct FirstFails(AtomicUsize);

impl Work for FirstFails {
    type State = ();

    fn size(&self, _: usize) -> u64 {
        LARGE
    }

    fn run(&self, at: usize, _: &mut (), out: &mut Out<'_>) -> Result<FileHash, LayerError> {
        if at == 0 {
            while self.0.load(Ordering::SeqCst) < PIECES {
                std::thread::yield_now();
            }
            return Err(LayerError::Changed {
                path: b"first".to_vec(),
            });
        }
        for _ in 0..3 * PIECES {
            out.give(vec![0; PIECE])?;
            self.0.fetch_add(1, Ordering::SeqCst);
        }
        Ok(FileHash::from_bytes([0; 32]))
    }
}

#[test]
fn a_failure_frees_a_worker_whose_pieces_nobody_takes() {
    if std::thread::available_parallelism().map_or(1, NonZero::get) < 2 {
        return;
    }
    let entries: Vec<Entry> = ["a", "b"]
        .iter()
        .map(|name| Entry {
            path: name.as_bytes().to_vec(),
            meta: Metadata::default(),
            kind: EntryKind::File {
                size: LARGE,
                hash: FileHash::from_bytes([0; 32]),
            },
        })
        .collect();
    let mut sink = TarSink::new(&entries, None, None);
    let error = run(&FirstFails(AtomicUsize::new(0)), 2, Some(&mut sink)).unwrap_err();
    assert!(matches!(error, LayerError::Changed { .. }), "{error}");
}
