//! A layer that was made elsewhere: its listing says what is in it, and a tar brings the contents of its files.

use std::collections::HashSet;
use std::io::Read;

use rbuild_oci::DiffId;

use super::{Limits, clean_name, copy_content, stream};
use crate::LayerError;
use crate::archive::{TarEntry, TarKind, TarReader};
use crate::hash::FileHash;
use crate::listing::{EntryKind, Listing, file_name};
use crate::stage::Stage;

/// Stages the layer of a listing, and tells the digest of the tar that its files came out of.
///
/// Of the tar nothing but contents is believed, and these only when they have the hash that the listing says: so neither
/// can bring what the other does not name. What comes out is exactly the listing, or an error.
///
/// # Errors
/// The tar is truncated, lacks a file, or holds another content; the listing says what no layer can be.
pub fn restore(
    stage: &mut Stage,
    listing: &Listing,
    input: impl Read + Send,
    name: &str,
    limits: Limits,
) -> Result<DiffId, LayerError> {
    if listing.len() > limits.entries {
        return Err(LayerError::Limit {
            layer: name.to_owned(),
            what: "has more entries than allowed",
        });
    }
    for entry in listing.entries() {
        stage.listed(entry)?;
    }
    let stop = stage.stop.clone();
    let mut files = Files {
        stage,
        listing,
        seen: HashSet::new(),
        buffer: Vec::new(),
    };
    let diff_id = stream::read(input, name, limits.bytes, &stop, |archive| files.all(archive))?;
    for entry in listing.entries() {
        if let EntryKind::Hardlink { target } = &entry.kind {
            stage.hardlink(&entry.path, target)?;
        }
    }
    Ok(diff_id)
}

struct Files<'a> {
    stage: &'a mut Stage,
    listing: &'a Listing,
    seen: HashSet<Vec<u8>>,
    buffer: Vec<u8>,
}

impl Files<'_> {
    fn all<R: Read>(&mut self, archive: &mut TarReader<R>) -> Result<(), LayerError> {
        while let Some(entry) = archive.next_entry()? {
            match entry.kind {
                TarKind::File(size) if !is_whiteout(&entry.path) => self.file(archive, &entry, size)?,
                _ => {}
            }
        }
        let of_listing = self.listing.entries().iter();
        let mut missing = of_listing
            .filter(|entry| matches!(entry.kind, EntryKind::File { .. }) && !self.seen.contains(&entry.path));
        match missing.next() {
            None => Ok(()),
            Some(entry) => Err(LayerError::Entry {
                layer: archive.name().to_owned(),
                path: entry.path.clone(),
                what: "is missing",
            }),
        }
    }

    fn file<R: Read>(
        &mut self,
        archive: &mut TarReader<R>,
        entry: &TarEntry,
        size: u64,
    ) -> Result<(), LayerError> {
        let refuse = |what| LayerError::Entry {
            layer: archive.name().to_owned(),
            path: entry.path.clone(),
            what,
        };
        let path = clean_name(&entry.path).map_err(refuse)?;
        let listed = self.listing.get(&path);
        let Some((listed, wanted)) = listed.and_then(|listed| Some((listed, file_of(&listed.kind)?))) else {
            return Err(refuse("is not in the listing"));
        };
        if wanted.0 != size {
            return Err(refuse("has another size than the listing says"));
        }
        if !self.seen.insert(path.clone()) {
            return Err(refuse("is there twice"));
        }
        let file = self.stage.create_file(&path)?;
        let hash = copy_content(archive, &file, &mut self.buffer, &path, &self.stage.stop)?;
        if hash != wanted.1 {
            return Err(LayerError::Entry {
                layer: archive.name().to_owned(),
                path,
                what: "has another content than the listing says",
            });
        }
        self.stage
            .written_file(&path, &file, size, hash, listed.meta.clone())
    }
}

/// No listing has a file of such a name.
fn is_whiteout(path: &[u8]) -> bool {
    file_name(path).starts_with(b".wh.")
}

fn file_of(kind: &EntryKind) -> Option<(u64, FileHash)> {
    match kind {
        EntryKind::File { size, hash } => Some((*size, *hash)),
        _ => None,
    }
}
