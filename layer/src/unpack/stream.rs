//! Reading a tar on two threads: one uncompresses and hashes its bytes, the other makes something of its entries.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rbuild_oci::DiffId;
use sha2::{Digest as _, Sha256};

use crate::LayerError;
use crate::archive::TarReader;
use crate::piece::PIECE;
use crate::stop::Stop;

/// Pieces under way between the thread that uncompresses and the one that writes.
const PIECES: usize = 8;

/// Gives the entries of a tar to `consume`, and tells the digest of all its bytes, which are at most `most`.
///
/// `input` is read on a thread of its own, where it is uncompressed and hashed.
pub(super) fn read(
    input: impl Read + Send,
    name: &str,
    most: u64,
    stop: &Stop,
    consume: impl FnOnce(&mut TarReader<Pieces>) -> Result<(), LayerError>,
) -> Result<DiffId, LayerError> {
    let (sender, receiver) = sync_channel::<io::Result<Vec<u8>>>(PIECES);
    std::thread::scope(|scope| {
        let reading = std::thread::Builder::new()
            .spawn_scoped(scope, move || read_pieces(input, most, &sender, stop))
            .map_err(LayerError::Thread)?;
        let pieces = Pieces {
            receiver: Some(receiver),
            piece: Vec::new(),
            at: 0,
        };
        let mut archive = TarReader::new(pieces, name);
        let mut consumed = consume(&mut archive);
        if consumed.is_ok() {
            consumed = archive.drain();
        }
        // Lets the other thread end: its next send fails.
        drop(archive);
        let read = reading
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        if matches!(read, Some((_, true))) {
            return Err(LayerError::Limit {
                layer: name.to_owned(),
                what: "is larger than allowed",
            });
        }
        consumed?;
        match read {
            Some((diff_id, _)) => Ok(diff_id),
            None => Err(LayerError::Input {
                layer: name.to_owned(),
                source: io::ErrorKind::UnexpectedEof.into(),
            }),
        }
    })
}

/// Sends all bytes in pieces. The answer is their digest, and whether they are more than `most`; none when the other side
/// has gone or the input cannot be read.
fn read_pieces(
    input: impl Read,
    most: u64,
    sender: &SyncSender<io::Result<Vec<u8>>>,
    stop: &Stop,
) -> Option<(DiffId, bool)> {
    let mut input = input.take(most.saturating_add(1));
    let mut hasher = Sha256::new();
    loop {
        let mut piece = vec![0; PIECE];
        let len = match read_full(&mut input, &mut piece, stop) {
            Ok(len) => len,
            Err(error) => {
                let _ = sender.send(Err(error));
                return None;
            }
        };
        piece.truncate(len);
        hasher.update(&piece);
        if !piece.is_empty() && sender.send(Ok(piece)).is_err() {
            return None;
        }
        if len < PIECE {
            let too_long = input.limit() == 0;
            return Some((DiffId::from_bytes(hasher.finalize().into()), too_long));
        }
    }
}

fn read_full(input: &mut impl Read, buffer: &mut [u8], stop: &Stop) -> io::Result<usize> {
    stop.check()?;
    let mut len = 0;
    while len < buffer.len() {
        match input.read(&mut buffer[len..]) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(len)
}

/// Reads what the other thread sends.
pub(super) struct Pieces {
    receiver: Option<Receiver<io::Result<Vec<u8>>>>,
    piece: Vec<u8>,
    at: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            let Some(receiver) = &self.receiver else {
                return Ok(0);
            };
            match receiver.recv() {
                Ok(piece) => {
                    self.piece = piece?;
                    self.at = 0;
                }
                Err(_) => {
                    self.receiver = None;
                    return Ok(0);
                }
            }
        }
        let len = buffer.len().min(self.piece.len() - self.at);
        buffer[..len].copy_from_slice(&self.piece[self.at..self.at + len]);
        self.at += len;
        Ok(len)
    }
}
