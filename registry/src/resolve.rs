//! From a reference to the manifest of one image.

use rbuild_oci::media_type;
use rbuild_oci::{
    Descriptor, Digest, DigestError, Document, DocumentKind, ImagePlatform, Index, MANIFEST_LIMIT, Manifest,
    Reference,
};
use std::collections::BTreeSet;

use ureq::http::header;

use crate::auth::Scope;
use crate::client::{Client, attempt};
use crate::error::{Action, Attempt, Error, ErrorKind};
use crate::http::Answer;
use crate::session::Call;

/// What a manifest request accepts, best first.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// How deep indexes may be nested.
const MAX_DEPTH: usize = 4;

/// How many documents are asked for on the way to one image.
const MAX_DOCUMENTS: usize = 64;

/// What was met on the way.
#[derive(Default)]
struct Way {
    /// The indexes that the search is in.
    chain: Vec<FetchedManifest>,
    platforms: Vec<ImagePlatform>,
    /// What was asked for: twice would say the same, and may be without end.
    asked: BTreeSet<String>,
}

/// A manifest or index as the registry keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedManifest {
    /// Its media type, digest and size; all checked against the bytes.
    pub descriptor: Descriptor,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What they mean.
    pub document: Document,
}

/// The manifest of one image, and how it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedManifest {
    /// Media type, digest and size of the image's manifest; all checked.
    pub descriptor: Descriptor,
    /// Its bytes, to be stored as they are.
    pub bytes: Vec<u8>,
    /// What they mean.
    pub image: Manifest,
    /// The indexes on the way, outermost first; empty when the reference names the image itself.
    pub chain: Vec<FetchedManifest>,
}

impl ResolvedManifest {
    /// The digest that the reference itself stands for: what to pin. The outermost index's, or the image's.
    pub fn top_digest(&self) -> Digest {
        self.chain
            .first()
            .map_or(self.descriptor.digest, |index| index.descriptor.digest)
    }
}

impl Client {
    /// Finds the image that `reference` means on `platform`.
    ///
    /// An image that is not in an index has no platform that could be checked here: compare its config.
    pub fn resolve(
        &self,
        reference: &Reference,
        platform: &ImagePlatform,
    ) -> Result<ResolvedManifest, Error> {
        let top = self.fetch_manifest(reference)?;
        self.descend(reference, top, platform)
    }

    /// Like [`Client::resolve`], from an index or manifest that is already here (from a store, say).
    pub fn descend(
        &self,
        reference: &Reference,
        top: FetchedManifest,
        platform: &ImagePlatform,
    ) -> Result<ResolvedManifest, Error> {
        let whole = attempt(Action::FetchManifest, reference, reference.object());
        let mut way = Way::default();
        let found = self.search(reference, &whole, top, platform, &mut way)?;
        found.ok_or_else(|| {
            let available = way.platforms.iter().map(ImagePlatform::to_string).collect();
            ErrorKind::NoPlatform {
                wanted: platform.to_string(),
                available,
            }
            .at(&whole)
        })
    }

    fn search(
        &self,
        reference: &Reference,
        whole: &Attempt,
        document: FetchedManifest,
        platform: &ImagePlatform,
        way: &mut Way,
    ) -> Result<Option<ResolvedManifest>, Error> {
        let index: Index = match document.document {
            Document::Manifest(image) => {
                image
                    .require_image()
                    .map_err(|error| ErrorKind::from(error).at(whole))?;
                let (descriptor, bytes) = (document.descriptor, document.bytes);
                return Ok(Some(ResolvedManifest {
                    descriptor,
                    bytes,
                    image: *image,
                    chain: way.chain.clone(),
                }));
            }
            Document::Index(ref index) => index.clone(),
        };
        if way.chain.len() >= MAX_DEPTH {
            return Err(ErrorKind::TooDeep(MAX_DEPTH).at(whole));
        }
        way.platforms.extend(index.platforms());
        way.chain.push(document);
        for candidate in index.candidates(platform) {
            if !way.asked.insert(candidate.digest.to_string()) {
                continue;
            }
            if way.asked.len() > MAX_DOCUMENTS {
                return Err(ErrorKind::TooMany(MAX_DOCUMENTS).at(whole));
            }
            let child = self.fetch_manifest_by(reference, candidate)?;
            let nested = matches!(child.document, Document::Index(_));
            let found = self.search(reference, whole, child, platform, way)?;
            if found.is_some() || !nested {
                return Ok(found);
            }
        }
        way.chain.pop();
        Ok(None)
    }

    /// Reads the manifest or index that a reference names. The digest of the reference, or else the digest that
    /// the registry announces, is checked against the bytes.
    pub fn fetch_manifest(&self, reference: &Reference) -> Result<FetchedManifest, Error> {
        self.get_manifest(reference, &reference.object(), None)
    }

    /// Reads a manifest that an index lists, and checks media type, size and digest against the listing.
    pub fn fetch_manifest_by(
        &self,
        reference: &Reference,
        listed: &Descriptor,
    ) -> Result<FetchedManifest, Error> {
        self.get_manifest(reference, &listed.digest.to_string(), Some(listed))
    }

    fn get_manifest(
        &self,
        reference: &Reference,
        object: &str,
        listed: Option<&Descriptor>,
    ) -> Result<FetchedManifest, Error> {
        let attempt = attempt(Action::FetchManifest, reference, object);
        let fail = |kind: ErrorKind| kind.at(&attempt);
        if listed.is_some_and(|d| d.size > MANIFEST_LIMIT) {
            return Err(fail(ErrorKind::TooLarge {
                limit: MANIFEST_LIMIT,
            }));
        }
        let scope = Scope::pull(reference.repository());
        self.retry(&attempt, || {
            let call =
                Call::get(&attempt, &scope, manifest_path(reference, object)).header(header::ACCEPT, ACCEPT);
            let answer = self.expect(self.session().call(&call)?, &attempt, &[200])?;
            let served = answer.header("content-type").map(str::to_owned);
            let announced = announced_digest(&answer).map_err(fail)?;
            let bytes = answer.read_all(MANIFEST_LIMIT).map_err(fail)?;

            let wanted = object.parse::<Digest>().ok();
            let actual = Digest::of(&bytes);
            for expected in [wanted, announced].into_iter().flatten() {
                if expected != actual {
                    return Err(fail(ErrorKind::DigestMismatch { expected, actual }));
                }
            }
            let size = bytes.len() as u64;
            if let Some(listed) = listed
                && listed.size != size
            {
                return Err(fail(ErrorKind::SizeMismatch {
                    expected: listed.size,
                    actual: size,
                }));
            }
            // What an index says about its entry binds; else what the server says.
            let document = Document::parse(&bytes, served.as_deref()).map_err(|e| fail(e.into()))?;
            if let Some(listed) = listed {
                Document::parse(&bytes, Some(&listed.media_type)).map_err(|e| fail(e.into()))?;
            }
            let descriptor = Descriptor::new(document.media_type(served.as_deref()), actual, size);
            Ok(FetchedManifest {
                descriptor,
                bytes,
                document,
            })
        })
    }

    /// Asks whether a manifest is there, without reading it: cheap, and not counted by pull quotas. `None` when it
    /// is not there. The digest is the registry's word.
    pub fn exists(&self, reference: &Reference) -> Result<Option<Descriptor>, Error> {
        let attempt = attempt(Action::CheckManifest, reference, reference.object());
        let scope = Scope::pull(reference.repository());
        let head = self.retry(&attempt, || {
            let call = Call::head(&attempt, &scope, manifest_path(reference, &reference.object()))
                .header(header::ACCEPT, ACCEPT);
            let answer = self.session().call(&call)?;
            if answer.status == 404 {
                return Ok(None);
            }
            self.expect(answer, &attempt, &[200]).map(Some)
        })?;
        let Some(answer) = head else { return Ok(None) };
        let kind = media_type::essence(answer.header("content-type").unwrap_or_default());
        let digest = announced_digest(&answer).map_err(|kind| kind.at(&attempt))?;
        match (digest, answer.content_length(), DocumentKind::of(&kind)) {
            (Some(digest), Some(size), Some(_)) => {
                if let Some(expected) = reference.digest()
                    && expected != digest
                {
                    return Err(ErrorKind::DigestMismatch {
                        expected,
                        actual: digest,
                    }
                    .at(&attempt));
                }
                Ok(Some(Descriptor::new(kind, digest, size)))
            }
            // The headers are optional for a registry.
            _ => self.fetch_manifest(reference).map(|found| Some(found.descriptor)),
        }
    }
}

pub(crate) fn manifest_path(reference: &Reference, object: &str) -> String {
    format!("/v2/{}/manifests/{object}", reference.repository())
}

/// `Docker-Content-Digest`, which must be a digest if it is there; one of another algorithm does not count.
pub(crate) fn announced_digest(answer: &Answer) -> Result<Option<Digest>, ErrorKind> {
    match answer.header("docker-content-digest").map(str::trim) {
        None | Some("") => Ok(None),
        Some(text) => match text.parse() {
            Ok(digest) => Ok(Some(digest)),
            Err(DigestError::Algorithm(name)) if name == "sha512" => Ok(None),
            Err(_) => Err(ErrorKind::Protocol(
                "the registry announces something that is no digest",
            )),
        },
    }
}
