//! [`TarArchive`]: an image archive that is read in place. Its entries are found once and then read by offset; no
//! entry's name ever becomes a path on this machine.
//!
//! A compressed archive, or one from a pipe, is first unpacked into a temporary file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::{Path, PathBuf};

use rbuild_layer::{Compression, LayerError, decompress};
use tar::EntryType;

use crate::error::StoreError;
use crate::image::ImageError;

/// More entries than any honest image archive has.
const MAX_ENTRIES: usize = 100_000;
/// A chain of links inside an archive.
const MAX_LINKS: usize = 8;
/// Bytes of an entry's name.
const MAX_NAME: usize = 4096;

/// Where an entry's data is in the file.
#[derive(Clone, Copy, Debug)]
struct Span {
    offset: u64,
    size: u64,
}

#[derive(Debug)]
enum Entry {
    File(Span),
    /// The name that this one stands for.
    Link(String),
}

/// A tar file with the places of its entries.
#[derive(Debug)]
pub(crate) struct TarArchive {
    path: PathBuf,
    file: File,
    entries: BTreeMap<String, Entry>,
}

/// Where the content of a file is in an archive of this length; `None` when the archive ends before.
fn span_of<R: Read>(entry: &tar::Entry<'_, R>, length: u64) -> Option<Span> {
    let span = Span {
        offset: entry.raw_file_position(),
        size: entry.size(),
    };
    let end = span.offset.checked_add(span.size)?;
    (end <= length).then_some(span)
}

/// What a link means; `None` when that is outside. A hard link names from the top, a symbolic one from where it is.
fn target_of<R: Read>(entry: &tar::Entry<'_, R>, name: &str) -> Option<String> {
    let target = entry.link_name_bytes().unwrap_or_default();
    let base = match entry.header().entry_type() {
        EntryType::Symlink => name.rsplit_once('/').map_or("", |(parent, _)| parent),
        _ => "",
    };
    resolve(base, std::str::from_utf8(&target).ok()?)
}

impl TarArchive {
    /// Opens the archive at `path`. `spool` makes an empty temporary file when one is needed.
    #[expect(clippy::disallowed_methods, reason = "the caller names this path")]
    pub(crate) fn open(
        path: &Path,
        spool: &dyn Fn() -> Result<File, StoreError>,
    ) -> Result<Self, ImageError> {
        let read = |error| StoreError::from_io("read", path, error);
        let mut file = File::open(path).map_err(|error| StoreError::from_io("open", path, error))?;
        let kind = file.metadata().map_err(read)?.file_type();
        if !kind.is_file() && !kind.is_fifo() {
            let detail = "it is neither a file nor a pipe".to_owned();
            return Err(ImageError::NotAnImage {
                path: path.to_owned(),
                detail,
            });
        }
        if kind.is_fifo() {
            return Self::from_reader(path, file, spool);
        }
        let mut head = Vec::new();
        (&file).take(6).read_to_end(&mut head).map_err(read)?;
        file.rewind().map_err(read)?;
        if Compression::of(&head) == Compression::None {
            return Self::index(path, file);
        }
        Self::from_reader(path, file, spool)
    }

    /// Reads an archive from a pipe. `path` names it in messages.
    pub(crate) fn from_reader(
        path: &Path,
        from: impl Read + Send,
        spool: &dyn Fn() -> Result<File, StoreError>,
    ) -> Result<Self, ImageError> {
        let (_, mut plain) = decompress(from, &path.display().to_string()).map_err(|error| match error {
            LayerError::Input { source, .. } if is_systems(&source) => ImageError::from_read(path, source),
            error => ImageError::Damaged {
                path: path.to_owned(),
                detail: error.to_string(),
            },
        })?;
        let mut file = spool()?;
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let count = match plain.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
                    ) =>
                {
                    return Err(ImageError::Damaged {
                        path: path.to_owned(),
                        detail: error.to_string(),
                    });
                }
                Err(error) => return Err(ImageError::from_read(path, error)),
            };
            file.write_all(&buffer[..count])
                .map_err(|error| StoreError::from_io("unpack to a temporary file", path, error))?;
        }
        drop(plain);
        file.rewind()
            .map_err(|error| StoreError::from_io("read", path, error))?;
        Self::index(path, file)
    }

    fn index(path: &Path, file: File) -> Result<Self, ImageError> {
        let damaged = |detail: String| ImageError::Damaged {
            path: path.to_owned(),
            detail,
        };
        let hostile = |detail: String| ImageError::Hostile {
            path: path.to_owned(),
            detail,
        };
        let length = file
            .metadata()
            .map_err(|error| StoreError::from_io("examine", path, error))?
            .len();
        let mut entries = BTreeMap::new();
        let mut tar = tar::Archive::new(&file);
        let broken = |error: io::Error| match is_systems(&error) {
            true => ImageError::from_read(path, error),
            false => damaged(error.to_string()),
        };
        let listed = tar.entries_with_seek().map_err(broken)?;
        for (number, entry) in listed.enumerate() {
            if number >= MAX_ENTRIES {
                return Err(hostile(format!("it has more than {MAX_ENTRIES} entries")));
            }
            let entry = entry.map_err(|error| match number {
                0 if !is_systems(&error) => not_a_tar(path, &error),
                _ => broken(error),
            })?;
            let raw = entry.path_bytes();
            let shown = String::from_utf8_lossy(&raw)
                .chars()
                .take(200)
                .collect::<String>();
            let kind = entry.header().entry_type();
            if matches!(kind, EntryType::XGlobalHeader) {
                continue;
            }
            let name = std::str::from_utf8(&raw)
                .ok()
                .and_then(inner_name)
                .ok_or_else(|| hostile(format!("entry `{}` leads outside", shown.escape_debug())))?;
            let found = match kind {
                EntryType::Directory => continue,
                EntryType::Regular | EntryType::Continuous => Entry::File(
                    span_of(&entry, length)
                        .ok_or_else(|| damaged(format!("it ends in the middle of `{name}`")))?,
                ),
                EntryType::Symlink | EntryType::Link => Entry::Link(
                    target_of(&entry, &name)
                        .ok_or_else(|| hostile(format!("link `{name}` leads outside")))?,
                ),
                other => {
                    let detail = format!("entry `{name}` is of kind {:?}", char::from(other.as_byte()));
                    return Err(hostile(detail));
                }
            };
            if name.is_empty() || entries.insert(name.clone(), found).is_some() {
                return Err(hostile(format!("it has `{name}` twice")));
            }
        }
        Ok(TarArchive {
            path: path.to_owned(),
            file,
            entries,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn span(&self, name: &str) -> Result<Option<Span>, ImageError> {
        let Some(mut at) = inner_name(name) else {
            let detail = format!("it refers to `{}`, which is outside", name.escape_debug());
            return Err(ImageError::Hostile {
                path: self.path.clone(),
                detail,
            });
        };
        for _ in 0..MAX_LINKS {
            match self.entries.get(&at) {
                None => return Ok(None),
                Some(Entry::File(span)) => return Ok(Some(*span)),
                Some(Entry::Link(target)) => at.clone_from(target),
            }
        }
        Err(ImageError::Hostile {
            path: self.path.clone(),
            detail: format!("its links go in circles at `{name}`"),
        })
    }

    /// The size in bytes of an entry; `None` when there is no such entry.
    pub(crate) fn size(&self, name: &str) -> Result<Option<u64>, ImageError> {
        Ok(self.span(name)?.map(|span| span.size))
    }

    /// An entry's bytes.
    pub(crate) fn reader(&self, name: &str) -> Result<Option<SpanReader<'_>>, ImageError> {
        Ok(self.span(name)?.map(|span| SpanReader {
            file: &self.file,
            at: span.offset,
            left: span.size,
        }))
    }
}

/// Reads a part of a file by offset, so several readers do not disturb each other.
#[derive(Debug)]
pub(crate) struct SpanReader<'a> {
    file: &'a File,
    at: u64,
    left: u64,
}

impl Read for SpanReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let limit = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if limit == 0 {
            return Ok(0);
        }
        let count = self.file.read_at(&mut buffer[..limit], self.at)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

/// Whether the kernel failed, which says nothing of what is read. What `tar` passes on keeps its kind alone.
fn is_systems(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    error.raw_os_error().is_some()
        || !matches!(error.kind(), InvalidData | InvalidInput | Other | UnexpectedEof)
}

fn not_a_tar(path: &Path, error: &io::Error) -> ImageError {
    ImageError::NotAnImage {
        path: path.to_owned(),
        detail: format!("it is not a tar file ({error})"),
    }
}

/// An entry's name without `.` parts; `None` when it is absolute, climbs with `..`, or is no name at all.
fn inner_name(name: &str) -> Option<String> {
    resolve("", name).filter(|_| !name.split('/').any(|part| part == ".."))
}

/// `target` seen from the directory `base`; `None` when that is outside.
fn resolve(base: &str, target: &str) -> Option<String> {
    if target.starts_with('/') || target.len() > MAX_NAME || target.contains('\0') {
        return None;
    }
    let mut parts: Vec<&str> = base.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_links_stay_inside() {
        for (name, expected) in [
            ("a/b", Some("a/b")),
            ("./a//b/.", Some("a/b")),
            ("/a", None),
            ("../a", None),
            ("a/../b", None),
            ("a/..", None),
            ("a\0b", None),
            ("./", Some("")),
        ] {
            assert_eq!(inner_name(name).as_deref(), expected, "{name:?}");
        }
        for (base, target, expected) in [
            ("a", "../b/layer.tar", Some("b/layer.tar")),
            ("a", "../../b", None),
            ("", "../b", None),
            ("a", "/etc/passwd", None),
            ("a/b", "./c", Some("a/b/c")),
        ] {
            assert_eq!(resolve(base, target).as_deref(), expected, "{target} in {base}");
        }
    }

    /// Gives some bytes, then fails as the kernel may.
    struct Failing(usize, i32);

    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.min(buffer.len());
            if count == 0 {
                return Err(io::Error::from_raw_os_error(self.1));
            }
            buffer[..count].fill(b'a');
            self.0 -= count;
            Ok(count)
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_called_damaged() {
        for errno in [5, 12, 24] {
            for bytes in [0, 3, 100_000] {
                let spool = || Ok(tempfile::tempfile().unwrap());
                let error =
                    TarArchive::from_reader(Path::new("x"), Failing(bytes, errno), &spool).unwrap_err();
                assert!(
                    matches!(error, ImageError::Store(_)),
                    "{errno} after {bytes}: {error}"
                );
            }
            // As `tar` passes on what its reader said.
            let mut archive = tar::Archive::new(Failing(0, errno));
            let error = archive.entries().unwrap().next().unwrap().err().unwrap();
            assert!(is_systems(&error), "{error:?}");
        }
        let mut archive = tar::Archive::new(&[b'a'; 1024][..]);
        assert!(!is_systems(
            &archive.entries().unwrap().next().unwrap().err().unwrap()
        ));
    }
}
