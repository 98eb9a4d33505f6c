//! `Upload`: one blob into one repository (distribution-spec, "Pushing blobs").
//!
//! A session is opened with `POST`. Usually one `PUT` with all bytes ends it. Where a registry or a proxy before
//! it refuses that, the blob goes in `PATCH`es, and a broken one continues where the registry says it is.

use std::cell::Cell;
use std::io::{self, Read};

use rbuild_oci::{Descriptor, Reference};
use ureq::http::{Method, header};

use crate::auth::Scope;
use crate::client::Client;
use crate::error::{Attempt, Error, ErrorKind};
use crate::http::{Answer, Payload};
use crate::options::UploadMode;
use crate::resolve::announced_digest;
use crate::session::{Call, Target};
use crate::url::Url;

const DEFAULT_CHUNK: u64 = 16 << 20;
const OCTETS: &str = "application/octet-stream";

/// Opens the bytes to send at an offset, as often as asked.
pub type BlobSource<'a> = dyn Fn(u64) -> io::Result<Box<dyn Read>> + 'a;

/// How a blob came to be in the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It was there.
    Existing,
    /// The registry took it from another repository.
    Mounted,
    /// It was sent.
    Uploaded,
}

/// One blob into one repository.
pub(crate) struct Upload<'a> {
    pub(crate) client: &'a Client,
    pub(crate) reference: &'a Reference,
    pub(crate) descriptor: &'a Descriptor,
    pub(crate) source: &'a BlobSource<'a>,
    pub(crate) progress: &'a dyn Fn(u64),
    pub(crate) scope: Scope,
    pub(crate) attempt: &'a Attempt,
}

/// An open upload session.
struct Opened {
    location: Url,
    /// `OCI-Chunk-Min-Length`, in bytes.
    min_chunk: u64,
}

impl Upload<'_> {
    pub(crate) fn run(&self, mount_from: Option<&str>) -> Result<Pushed, Error> {
        let mut mode = self.client.options().upload;
        let mut tries = 0;
        let mut mount_from = mount_from;
        loop {
            let result = self.once(mode, mount_from);
            match result {
                Ok(pushed) => return Ok(pushed),
                Err(error) => {
                    let whole = mode == UploadMode::Monolithic;
                    match &error.kind {
                        // Too much for one request, or not the registry's way.
                        ErrorKind::Status {
                            status: 404 | 405 | 411 | 413 | 501,
                            ..
                        } if whole => {
                            mode = UploadMode::Chunked(DEFAULT_CHUNK);
                            mount_from = None;
                            continue;
                        }
                        // Chunks lose less to a bad line. It may also be that the server said 413 and hung up
                        // while we were still sending.
                        ErrorKind::Transport { .. } if whole && self.descriptor.size > DEFAULT_CHUNK => {
                            mode = UploadMode::Chunked(DEFAULT_CHUNK);
                        }
                        _ => {}
                    }
                    self.client.wait_after(self.attempt, &mut tries, error)?;
                }
            }
            // A mount that was possible would have been made.
            mount_from = None;
        }
    }

    fn once(&self, mode: UploadMode, mount_from: Option<&str>) -> Result<Pushed, Error> {
        let Some(opened) = self.open(mount_from)? else {
            return Ok(Pushed::Mounted);
        };
        let result = match mode {
            UploadMode::Monolithic => self.put_all(&opened.location),
            UploadMode::Chunked(size) => self.patch_all(opened, size),
        };
        result.map(|()| Pushed::Uploaded)
    }

    /// `None` when the blob was mounted.
    fn open(&self, mount_from: Option<&str>) -> Result<Option<Opened>, Error> {
        let path = format!("/v2/{}/blobs/uploads/", self.reference.repository());
        let mut target = Target::Path(path);
        if let Some(from) = mount_from {
            target = target
                .with_query("mount", &self.descriptor.digest.to_string())
                .with_query("from", from);
        }
        let call = Call::new(self.attempt, &self.scope, Method::POST, target).payload(Payload::Bytes(&[]));
        let answer = self.client.session().call(&call)?;
        if answer.status == 201 && mount_from.is_some() {
            answer.drain();
            return Ok(None);
        }
        // A registry that knows no mounts may refuse the question instead of ignoring it.
        if mount_from.is_some() && matches!(answer.status, 400 | 403 | 404 | 405) {
            answer.drain();
            return self.open(None);
        }
        let answer = self.client.expect(answer, self.attempt, &[202])?;
        let min_chunk = answer
            .header("oci-chunk-min-length")
            .and_then(|v| v.trim().parse().ok())
            .unwrap_or(0);
        let location = self.next_location(&answer)?;
        answer.drain();
        Ok(Some(Opened { location, min_chunk }))
    }

    fn put_all(&self, location: &Url) -> Result<(), Error> {
        self.finish(location, 0, self.descriptor.size)
    }

    /// The `PUT` that ends a session, with the bytes from `offset` to `end` (which may be none).
    fn finish(&self, location: &Url, offset: u64, end: u64) -> Result<(), Error> {
        let url = location
            .clone()
            .with_query("digest", &self.descriptor.digest.to_string());
        let open = || self.open_source(offset);
        let payload = match end - offset {
            0 => Payload::Bytes(&[]),
            len => Payload::Stream { len, open: &open },
        };
        let call = Call::new(self.attempt, &self.scope, Method::PUT, Target::Url(url))
            .header(header::CONTENT_TYPE, OCTETS)
            .payload(payload);
        let answer = self.client.session().call(&call)?;
        let answer = self.client.expect(answer, self.attempt, &[201, 204])?;
        let announced = announced_digest(&answer).map_err(|kind| kind.at(self.attempt))?;
        answer.drain();
        match announced {
            Some(actual) if actual != self.descriptor.digest => {
                let expected = self.descriptor.digest;
                Err(ErrorKind::DigestMismatch { expected, actual }.at(self.attempt))
            }
            _ => Ok(()),
        }
    }

    fn patch_all(&self, opened: Opened, chunk: u64) -> Result<(), Error> {
        let chunk = chunk.max(opened.min_chunk).max(1);
        let (mut location, mut offset, mut tries) = (opened.location, 0, 0);
        while offset < self.descriptor.size {
            let len = chunk.min(self.descriptor.size - offset);
            match self.patch(&location, offset, len) {
                Ok(next) => {
                    (location, offset, tries) = (next, offset + len, 0);
                }
                Err(error) => {
                    // 416: the registry is elsewhere than we believe.
                    if error.status() != Some(416) {
                        self.client.wait_after(self.attempt, &mut tries, error)?;
                    } else if tries > 0 {
                        return Err(error);
                    } else {
                        tries += 1;
                    }
                    (location, offset) = self.status(&location)?;
                    (self.progress)(offset);
                }
            }
        }
        self.finish(&location, offset, offset)
    }

    /// Sends one chunk; returns where the next one goes.
    fn patch(&self, location: &Url, offset: u64, len: u64) -> Result<Url, Error> {
        let open = || self.open_source(offset);
        let call = Call::new(
            self.attempt,
            &self.scope,
            Method::PATCH,
            Target::Url(location.clone()),
        )
        .header(header::CONTENT_TYPE, OCTETS)
        .header(header::CONTENT_RANGE, &format!("{offset}-{}", offset + len - 1))
        .payload(Payload::Stream { len, open: &open });
        let answer = self.client.session().call(&call)?;
        let answer = self.client.expect(answer, self.attempt, &[202, 204])?;
        let next = self.next_location(&answer)?;
        answer.drain();
        Ok(next)
    }

    /// Where the session is and how many bytes the registry holds.
    fn status(&self, location: &Url) -> Result<(Url, u64), Error> {
        let call = Call::new(
            self.attempt,
            &self.scope,
            Method::GET,
            Target::Url(location.clone()),
        );
        let answer = self.client.session().call(&call)?;
        let answer = self.client.expect(answer, self.attempt, &[204, 202])?;
        // `0-N` with N the last byte. A fresh session says `0-0`, which reads like one byte: no harm, because a
        // registry that has none refuses the next chunk with 416, and a digest covers the whole.
        let last = answer
            .header("range")
            .and_then(|v| v.trim().rsplit('-').next()?.parse::<u64>().ok());
        let held = match last {
            None | Some(0) => 0,
            Some(last) => last.saturating_add(1),
        };
        if held > self.descriptor.size {
            return Err(
                ErrorKind::Protocol("the registry claims to hold more than was sent").at(self.attempt),
            );
        }
        let next = if answer.header("location").is_some() {
            self.next_location(&answer)?
        } else {
            location.clone()
        };
        answer.drain();
        Ok((next, held))
    }

    fn next_location(&self, answer: &Answer) -> Result<Url, Error> {
        self.client
            .session()
            .location(answer)
            .map_err(|kind| kind.at(self.attempt))
    }

    fn open_source(&self, offset: u64) -> std::io::Result<Box<dyn Read + '_>> {
        let inner = (self.source)(offset)?;
        Ok(Box::new(Counted {
            inner,
            at: Cell::new(offset),
            progress: self.progress,
        }))
    }
}

/// Tells how far the sending is.
struct Counted<'a> {
    inner: Box<dyn Read + 'a>,
    at: Cell<u64>,
    progress: &'a dyn Fn(u64),
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        if n > 0 {
            self.at.set(self.at.get() + n as u64);
            (self.progress)(self.at.get());
        }
        Ok(n)
    }
}
