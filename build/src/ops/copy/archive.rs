//! Archives of ADD: telling them, and reading one that must be what the key was made from.

use crate::ops::OpError;
use rbuild_layer::FileHash;
use rbuild_layer::tree::{Node, NodeKind, Tree};
use rbuild_layer::{LayerError, sniff_archive};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;

/// An archive that is unpacked, and hashed on the way: what was unpacked must be what the key was made from.
pub(super) struct Hashing {
    file: File,
    hasher: Sha256,
}

impl Hashing {
    pub(super) fn new(file: File) -> Self {
        Self {
            file,
            hasher: Sha256::new(),
        }
    }

    /// Reads what is left after the archive's end, and compares.
    pub(super) fn check(mut self, node: &Node) -> Result<(), OpError> {
        std::io::copy(&mut self, &mut std::io::sink()).map_err(|error| {
            OpError::io(
                format!("reading `{}`", String::from_utf8_lossy(&node.path)),
                error,
            )
        })?;
        let hash = FileHash::from_bytes(self.hasher.finalize().into());
        match &node.kind {
            NodeKind::File {
                hash: Some(keyed), ..
            } if *keyed != hash => Err(LayerError::Changed {
                path: node.path.clone(),
            }
            .into()),
            _ => Ok(()),
        }
    }
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}

/// Whether a file is an archive by what it holds, not by what it is called.
pub(super) fn is_archive(tree: &dyn Tree, node: &Node) -> Result<bool, OpError> {
    match node.kind {
        NodeKind::File { .. } => Ok(sniff_archive(tree.open(&node.path)?).is_some()),
        _ => Ok(false),
    }
}
