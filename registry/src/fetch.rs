//! Reading blobs: verified while they stream by, resumed where a connection was cut.

use std::io::{Read, Write};

use rbuild_oci::{CONFIG_LIMIT, Descriptor, Digest, Reference};
use sha2::{Digest as _, Sha256};
use ureq::http::header;

use crate::auth::Scope;
use crate::client::{Client, attempt};
use crate::error::{Action, Attempt, Error, ErrorKind};
use crate::event::Event;
use crate::http::Answer;
use crate::session::Call;
use crate::transport_error;

const BUFFER: usize = 128 << 10;
/// A try that got this far counts as progress, and the number of tries starts anew. So a slow, ever-breaking
/// line ends by finishing, and a server that gives a byte at a time does not hold us for ever.
const PROGRESS: u64 = 256 << 10;

/// One blob on its way: what arrived so far.
struct Transfer<'a> {
    attempt: &'a Attempt,
    size: u64,
    done: u64,
    hasher: Sha256,
    sink: &'a mut dyn Write,
    progress: &'a dyn Fn(u64),
}

impl Client {
    /// Reads a blob into `sink`. `progress` is called with the number of bytes written so far.
    ///
    /// Only `Ok` means that the bytes are the blob: they reach the sink before the digest of the whole is known,
    /// so the caller must not use them before. `urls` of a descriptor are never asked.
    pub fn fetch_blob(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        sink: &mut dyn Write,
        progress: &dyn Fn(u64),
    ) -> Result<(), Error> {
        let attempt = attempt(Action::FetchBlob, reference, descriptor.digest.to_string());
        let _slot = self.slot(reference.host());
        let mut transfer = Transfer {
            attempt: &attempt,
            size: descriptor.size,
            done: 0,
            hasher: Sha256::new(),
            sink,
            progress,
        };
        let (mut tries, mut mark) = (0, 0);
        while let Err(error) = self.continue_transfer(reference, descriptor, &mut transfer) {
            if transfer.done >= mark + PROGRESS {
                (tries, mark) = (0, transfer.done);
            }
            self.wait_after(&attempt, &mut tries, error)?;
            if transfer.done > 0 {
                let offset = transfer.done;
                (self.options().events)(Event::Resumed {
                    attempt: attempt.clone(),
                    offset,
                });
            }
        }
        let actual = Digest::from_bytes(transfer.hasher.finalize().into());
        if actual != descriptor.digest {
            let expected = descriptor.digest;
            return Err(ErrorKind::DigestMismatch { expected, actual }.at(&attempt));
        }
        Ok(())
    }

    /// Reads an image config, at most [`CONFIG_LIMIT`] bytes.
    pub fn fetch_config(&self, reference: &Reference, descriptor: &Descriptor) -> Result<Vec<u8>, Error> {
        self.fetch_small(reference, descriptor, CONFIG_LIMIT)
    }

    /// Reads a blob of at most `limit` bytes into memory.
    pub fn fetch_small(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        limit: u64,
    ) -> Result<Vec<u8>, Error> {
        if descriptor.size > limit {
            let attempt = attempt(Action::FetchBlob, reference, descriptor.digest.to_string());
            return Err(ErrorKind::TooLarge { limit }.at(&attempt));
        }
        let mut bytes = Vec::new();
        self.fetch_blob(reference, descriptor, &mut bytes, &|_| {})?;
        Ok(bytes)
    }

    fn continue_transfer(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        transfer: &mut Transfer<'_>,
    ) -> Result<(), Error> {
        let attempt = transfer.attempt;
        if transfer.done > 0 && transfer.done == transfer.size {
            return Ok(());
        }
        let scope = Scope::pull(reference.repository());
        let path = blob_path(reference, &descriptor.digest.to_string());
        let mut call = Call::get(attempt, &scope, path);
        if transfer.done > 0 {
            call = call.header(header::RANGE, &format!("bytes={}-", transfer.done));
        }
        let answer = self.session().call(&call)?;
        let wanted: &[u16] = if transfer.done > 0 { &[200, 206] } else { &[200] };
        let answer = self.expect(answer, attempt, wanted)?;
        transfer.receive(self, answer).map_err(|kind| kind.at(attempt))
    }
}

impl Transfer<'_> {
    fn receive(&mut self, client: &Client, answer: Answer) -> Result<(), ErrorKind> {
        if let Some(encoding) = answer.header("content-encoding")
            && encoding != "identity"
        {
            return Err(ErrorKind::Protocol(
                "the registry sends the blob in an encoding that was not asked for",
            ));
        }
        let mut skip = 0;
        if answer.status == 206 {
            let range = answer.header("content-range").unwrap_or_default();
            if range_start(range) != Some(self.done) {
                return Err(ErrorKind::Protocol(
                    "the registry sends another range than was asked for",
                ));
            }
        } else {
            // It does not know ranges: what is there already is read past.
            skip = self.done;
        }
        if let Some(length) = answer.content_length() {
            let whole = length + if answer.status == 206 { self.done } else { 0 };
            if whole != self.size {
                return Err(ErrorKind::SizeMismatch {
                    expected: self.size,
                    actual: whole,
                });
            }
        }

        let mut body = answer.into_reader();
        let mut buffer = vec![0; BUFFER];
        loop {
            if client.options().cancel.is_cancelled() {
                return Err(ErrorKind::Cancelled);
            }
            let n = match body.read(&mut buffer) {
                Ok(0) if self.done < self.size || skip > 0 => {
                    let end = std::io::ErrorKind::UnexpectedEof;
                    return Err(transport_error::from_io(end.into()));
                }
                Ok(0) => return Ok(()),
                Ok(n) => n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(transport_error::from_io(e)),
            };
            let past = skip.min(n as u64);
            skip -= past;
            // `past` is at most `n`, which is a usize.
            let chunk = &buffer[past as usize..n];
            let total = self.done + chunk.len() as u64;
            if total > self.size {
                return Err(ErrorKind::SizeMismatch {
                    expected: self.size,
                    actual: total,
                });
            }
            if chunk.is_empty() {
                continue;
            }
            self.sink.write_all(chunk).map_err(ErrorKind::Sink)?;
            self.hasher.update(chunk);
            self.done = total;
            (self.progress)(total);
        }
    }
}

/// The first position in `bytes 5-9/10`.
fn range_start(value: &str) -> Option<u64> {
    value
        .trim()
        .strip_prefix("bytes ")?
        .split('-')
        .next()?
        .trim()
        .parse()
        .ok()
}

pub(crate) fn blob_path(reference: &Reference, digest: &str) -> String {
    format!("/v2/{}/blobs/{digest}", reference.repository())
}
