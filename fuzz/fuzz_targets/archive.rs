//! Any bytes as an archive of ADD or a layer: reading ends, never panics, and no name leads out.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rbuild_layer::{TarReader, clean_name, decompress, sniff_archive};
use std::io::Read;

/// A small archive may claim to be large; what is behind this is more of the same.
const MOST: u64 = 16 << 20;

fuzz_target!(|data: &[u8]| {
    let _ = sniff_archive(data);
    let Ok((_, plain)) = decompress(data, "input") else {
        return;
    };
    let mut reader = TarReader::new(plain.take(MOST), "input");
    let mut piece = Vec::new();
    while let Ok(Some(entry)) = reader.next_entry() {
        if let Ok(name) = clean_name(&entry.path) {
            assert!(!name.starts_with(b"/") && !name.split(|byte| *byte == b'/').any(|part| part == b".."));
        }
        while matches!(reader.piece(&mut piece, 64 * 1024), Ok(true)) {}
    }
});
