//! Unpacking a context archive into a directory: names stay inside, owners do not count, modes and times do.

use crate::ops::OpError;
use beneath::{Dir, Kind, Root};
use rbuild_layer::{TarKind, TarReader, decompress};
use std::io::{Read, Write};
use std::path::Path;

/// Unpacks a tar, plain or compressed. A later entry replaces an earlier one of the same name.
///
/// # Errors
/// The archive is broken, a name is hostile, or a file cannot be written.
pub(super) fn unpack(input: impl Read + Send, dest: &Path) -> Result<(), OpError> {
    let (_, input) = decompress(input, "the context")?;
    let mut reader = TarReader::new(input, "the context");
    let root = Root::open(dest)?;
    let mut directories = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let names: Vec<&[u8]> = beneath::components(&entry.path).collect();
        if names.contains(&&b".."[..]) {
            return Err(OpError::Failure(crate::error::Failure::usage(format!(
                "the context archive has an entry `{}`, which leaves it",
                String::from_utf8_lossy(&entry.path)
            ))));
        }
        let path = names.join(&b'/');
        if path.is_empty() {
            continue;
        }
        let (dir, name) = parent(&root, &names)?;
        let there = dir.lstat(name).ok().map(|stat| stat.kind);
        match (&entry.kind, there) {
            (TarKind::Dir, Some(Kind::Dir)) | (_, None) => {}
            (_, Some(_)) => dir.remove_tree(name)?,
        }
        match &entry.kind {
            TarKind::Dir => {
                if there != Some(Kind::Dir) {
                    dir.mkdir(name)?;
                }
                // The mode comes last: a read-only directory must still be filled.
                directories.push((path, entry.mode, entry.mtime));
                continue;
            }
            TarKind::File(_) => {
                let mut file = dir.create_file(name)?;
                let mut buffer = Vec::new();
                while reader.piece(&mut buffer, 1 << 16)? {
                    file.write_all(&buffer)
                        .map_err(|error| OpError::io("unpacking the context", error))?;
                }
            }
            TarKind::Symlink(target) => dir.symlink(name, target)?,
            TarKind::Hardlink(target) => {
                let names: Vec<&[u8]> = beneath::components(target).collect();
                root.link(&path, &names.join(&b'/'))?;
                continue;
            }
            TarKind::Fifo => dir.mknod(name, Kind::Fifo, 0)?,
            // A build takes no devices from its context.
            TarKind::CharDevice(_) | TarKind::BlockDevice(_) => continue,
        }
        if !matches!(entry.kind, TarKind::Symlink(_)) {
            dir.chmod(name, entry.mode)?;
        }
        dir.set_mtime(name, entry.mtime)?;
    }
    for (path, mode, mtime) in directories.into_iter().rev() {
        root.chmod(&path, mode)?;
        root.set_mtime(&path, mtime)?;
    }
    Ok(())
}

/// The directory above the last name, made where it is missing; no link is followed.
fn parent<'n>(root: &Root, names: &[&'n [u8]]) -> Result<(Dir, &'n [u8]), OpError> {
    let mut dir = root.dir().try_clone()?;
    let Some((last, above)) = names.split_last() else {
        return Ok((dir, b""));
    };
    for name in above {
        dir = match dir.open_dir(name) {
            Ok(next) => next,
            Err(error) if error.errno == beneath::Errno::NOENT => {
                dir.mkdir(name)?;
                dir.chmod(name, 0o755)?;
                dir.open_dir(name)?
            }
            Err(error) => return Err(error.into()),
        };
    }
    Ok((dir, last))
}
