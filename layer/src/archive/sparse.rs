//! Sparse files in archives: by GNU's own header, or in one of the three ways that GNU writes them as pax.

use super::number;
use crate::pax::decimal;

/// The largest file that is taken: its holes cost the archive nothing, but whoever hashes them time.
const MAX_SIZE: u64 = 1 << 40;
/// Bytes of a map that are read into memory.
pub(super) const MAX_MAP: usize = 1024 * 1024;

/// Where the data of a file stands; all else in it is zeros.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Map {
    /// Offset and length.
    segments: Vec<(u64, u64)>,
    pub(super) size: u64,
}

/// What is next in a sparse file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Run {
    Zeros(usize),
    /// From the archive.
    Data(usize),
}

/// The content of a sparse file, front to back.
pub(super) struct Content {
    map: Map,
    /// The segment that is next or under way, and where in the file it is.
    segment: usize,
    at: u64,
}

impl Map {
    /// Checks that it is one for this many bytes of data.
    pub(super) fn checked(self, data: u64) -> Option<Map> {
        let mut end = 0u64;
        let mut sum = 0u64;
        for &(offset, len) in &self.segments {
            if offset < end {
                return None;
            }
            end = offset.checked_add(len)?;
            sum = sum.checked_add(len)?;
        }
        (end <= self.size && self.size <= MAX_SIZE && sum == data).then_some(self)
    }

    /// Four segments of GNU's header, or more of a block behind it. `true` when another block follows.
    pub(super) fn add_gnu(&mut self, block: &[u8; 512], is_header: bool) -> Option<bool> {
        let (table, more) = if is_header {
            (&block[386..482], block[482])
        } else {
            (&block[..504], block[504])
        };
        for entry in table.chunks_exact(24) {
            if entry.iter().all(|byte| *byte == 0) {
                break;
            }
            let field = |field: &[u8]| u64::try_from(number(field)?).ok();
            self.segments.push((field(&entry[..12])?, field(&entry[12..])?));
        }
        if is_header {
            self.size = u64::try_from(number(&block[483..495])?).ok()?;
        }
        Some(more != 0)
    }

    /// The map that stands before the data, as numbers on lines of their own: how many segments, then each one's offset
    /// and length. `None` while it is not whole.
    pub(super) fn of_lines(bytes: &[u8], size: u64) -> Option<Result<Map, ()>> {
        let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
        let mut next = || {
            lines
                .next()?
                .strip_suffix(b"\n")
                .map(|line| decimal(line).ok_or(()))
        };
        let count = match next()? {
            Ok(count) if count <= MAX_MAP as u64 => count,
            _ => return Some(Err(())),
        };
        let mut segments = Vec::new();
        for _ in 0..count {
            match (next()?, next()?) {
                (Ok(offset), Ok(len)) => segments.push((offset, len)),
                _ => return Some(Err(())),
            }
        }
        Some(Ok(Map { segments, size }))
    }
}

impl Content {
    pub(super) fn new(map: Map) -> Self {
        Content {
            map,
            segment: 0,
            at: 0,
        }
    }

    /// The next run, of at most `max` bytes; `None` at the end.
    pub(super) fn next(&mut self, max: usize) -> Option<Run> {
        while let Some(&(offset, len)) = self.map.segments.get(self.segment) {
            if self.at < offset {
                return Some(Run::Zeros(self.pass(offset, max)));
            }
            if self.at < offset + len {
                return Some(Run::Data(self.pass(offset + len, max)));
            }
            self.segment += 1;
        }
        (self.at < self.map.size).then(|| Run::Zeros(self.pass(self.map.size, max)))
    }

    fn pass(&mut self, end: u64, max: usize) -> usize {
        let len = usize::try_from(end - self.at).unwrap_or(max).min(max);
        self.at += len as u64;
        len
    }
}

/// What pax records say of a sparse file.
#[derive(Default)]
pub(super) struct Records {
    /// The map stands before the data.
    pub(super) before_data: bool,
    pub(super) name: Option<Vec<u8>>,
    map: Map,
    /// The offset of a segment whose length comes next.
    offset: Option<u64>,
}

impl Records {
    /// Takes one record, its key without `GNU.sparse.`; `None` when it is malformed.
    pub(super) fn take(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match key {
            b"major" => self.before_data = decimal(value)? > 0,
            b"name" => self.name = Some(value.to_vec()),
            b"size" | b"realsize" => self.map.size = decimal(value)?,
            b"offset" => self.offset = Some(decimal(value)?),
            b"numbytes" => self.map.segments.push((self.offset.take()?, decimal(value)?)),
            b"map" => {
                let numbers: Option<Vec<u64>> = value.split(|byte| *byte == b',').map(decimal).collect();
                let numbers = numbers?;
                let pairs = numbers.chunks_exact(2);
                if !pairs.remainder().is_empty() {
                    return None;
                }
                self.map.segments = pairs.map(|pair| (pair[0], pair[1])).collect();
            }
            _ => {}
        }
        Some(())
    }

    pub(super) fn map(self) -> Map {
        self.map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(segments: &[(u64, u64)], size: u64) -> Map {
        Map {
            segments: segments.to_vec(),
            size,
        }
    }

    #[test]
    fn runs_make_the_whole_file() {
        let mut content = Content::new(map(&[(0, 3), (10, 4), (14, 1), (20, 0)], 20));
        let runs: Vec<Run> = std::iter::from_fn(|| content.next(5)).collect();
        assert_eq!(
            runs,
            [
                Run::Data(3),
                Run::Zeros(5),
                Run::Zeros(2),
                Run::Data(4),
                Run::Data(1),
                Run::Zeros(5),
            ]
        );
    }

    #[test]
    fn a_map_that_fits_nothing_is_refused() {
        assert!(map(&[(0, 3), (10, 4)], 20).checked(7).is_some());
        assert!(map(&[], 20).checked(0).is_some());
        for (bad, data) in [
            (map(&[(0, 3)], 20), 4),
            (map(&[(0, 3), (2, 4)], 20), 7),
            (map(&[(4, 3), (0, 3)], 20), 6),
            (map(&[(18, 3)], 20), 3),
            (map(&[(u64::MAX, 3)], u64::MAX), 3),
            (map(&[], u64::MAX), 0),
        ] {
            assert!(bad.checked(data).is_none());
        }
    }

    #[test]
    fn lines() {
        assert_eq!(
            Map::of_lines(b"2\n0\n3\n10\n4\n\0\0", 20),
            Some(Ok(map(&[(0, 3), (10, 4)], 20)))
        );
        assert_eq!(Map::of_lines(b"0\n", 20), Some(Ok(map(&[], 20))));
        assert_eq!(Map::of_lines(b"2\n0\n3\n10\n", 20), None);
        for bad in [&b"x\n"[..], b"\n", b"1\n-1\n2\n", b"99999999999\n"] {
            assert_eq!(Map::of_lines(bad, 20), Some(Err(())));
        }
    }
}
