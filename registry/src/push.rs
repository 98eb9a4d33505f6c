//! Writing blobs and manifests. The order (blobs, config, child manifests, index, tag last) is the caller's.

use rbuild_oci::{Descriptor, Digest, MANIFEST_LIMIT, Reference};
use ureq::http::{Method, header};

use crate::auth::Scope;
use crate::client::{Client, attempt};
use crate::error::{Action, Error, ErrorKind};
use crate::fetch::blob_path;
use crate::http::Payload;
use crate::resolve::{announced_digest, manifest_path};
use crate::session::{Call, Target};
use crate::upload::{BlobSource, Pushed, Upload};

impl Client {
    /// Asks whether a blob is in the repository.
    pub fn blob_exists(&self, reference: &Reference, digest: &Digest) -> Result<bool, Error> {
        self.has_blob(reference, digest, &Scope::pull(reference.repository()))
    }

    pub(crate) fn has_blob(
        &self,
        reference: &Reference,
        digest: &Digest,
        scope: &Scope,
    ) -> Result<bool, Error> {
        let attempt = attempt(Action::CheckBlob, reference, digest.to_string());
        self.retry(&attempt, || {
            let call = Call::head(&attempt, scope, blob_path(reference, &digest.to_string()));
            let answer = self.session().call(&call)?;
            if answer.status == 404 {
                return Ok(false);
            }
            self.expect(answer, &attempt, &[200]).map(|_| true)
        })
    }

    /// Puts a blob into the repository: nothing is sent when it is there, or when it can be mounted from
    /// `mount_from` (a repository on the same registry). `progress` is called with the number of bytes sent; it
    /// may fall back when a part must be sent again.
    pub fn push_blob(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        source: &BlobSource<'_>,
        mount_from: Option<&str>,
        progress: &dyn Fn(u64),
    ) -> Result<Pushed, Error> {
        let mut scope = Scope::push(reference.repository());
        if self.has_blob(reference, &descriptor.digest, &scope)? {
            return Ok(Pushed::Existing);
        }
        let mount_from = mount_from.filter(|from| *from != reference.repository());
        if let Some(from) = mount_from {
            scope = scope.and_pull(from);
        }
        let _slot = self.slot(reference.host());
        let attempt = attempt(Action::PushBlob, reference, descriptor.digest.to_string());
        Upload {
            client: self,
            reference,
            descriptor,
            source,
            progress,
            scope,
            attempt: &attempt,
        }
        .run(mount_from)
    }

    /// Puts a manifest or index under the tag of `reference`, or under its digest when it has none. Returns the
    /// digest of the bytes.
    ///
    /// A registry whose tags cannot be changed may refuse; that is no error if the tag already names these bytes.
    pub fn push_manifest(
        &self,
        reference: &Reference,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Digest, Error> {
        let pinned = reference.digest();
        let digest = Digest::of(bytes);
        let object = reference.tag().map_or_else(|| digest.to_string(), str::to_owned);
        let attempt = attempt(Action::PushManifest, reference, &object);
        if bytes.len() as u64 > MANIFEST_LIMIT {
            return Err(ErrorKind::TooLarge {
                limit: MANIFEST_LIMIT,
            }
            .at(&attempt));
        }
        if let Some(expected) = pinned
            && expected != digest
        {
            return Err(ErrorKind::DigestMismatch {
                expected,
                actual: digest,
            }
            .at(&attempt));
        }
        let scope = Scope::push(reference.repository());
        let result = self.retry(&attempt, || {
            let target = Target::Path(manifest_path(reference, &object));
            let call = Call::new(&attempt, &scope, Method::PUT, target)
                .header(header::CONTENT_TYPE, media_type)
                .payload(Payload::Bytes(bytes));
            // 201 is the specification's word, others exist.
            let answer = self.expect(self.session().call(&call)?, &attempt, &[200, 201, 202])?;
            let announced = announced_digest(&answer).map_err(|kind| kind.at(&attempt))?;
            answer.drain();
            match announced {
                Some(actual) if actual != digest => Err(ErrorKind::DigestMismatch {
                    expected: digest,
                    actual,
                }
                .at(&attempt)),
                _ => Ok(()),
            }
        });
        match result {
            Ok(()) => Ok(digest),
            Err(error) if self.is_there_already(&error, reference, &digest) => Ok(digest),
            Err(error) => Err(error),
        }
    }

    fn is_there_already(&self, error: &Error, reference: &Reference, digest: &Digest) -> bool {
        if !matches!(error.status(), Some(400 | 403 | 405 | 409 | 412)) || reference.tag().is_none() {
            return false;
        }
        let Ok(by_tag) = reference.with_tag(reference.tag().unwrap_or_default()) else {
            return false;
        };
        // Best effort: the refusal is the error to report, not a failed look.
        matches!(self.exists(&by_tag), Ok(Some(found)) if found.digest == *digest)
    }
}
