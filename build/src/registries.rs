//! Fetching images: the registry's client on the store's blobs. An adapter, because neither crate knows the other.

use crate::error::{Error, TransferError};
use crate::import;
use crate::request::{Environment, RegistrySettings};
use crate::side_by_side::side_by_side;
use crate::sources::{self, BaseImage, Origin};
use dockerfile_parser::Platform;
use rbuild_oci::{Descriptor, ImageConfig, Reference};
use rbuild_registry::{
    Cancel, Client, ClientOptions, Credentials, Event, ResolvedManifest, RetryPolicy, Timeouts,
};
use rbuild_store::Store;
use rbuild_store::blob::Expect;
use rbuild_store::image::{ImageLayer, ImageRecord, LayerSource};
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Makes a client when one is needed: a warm build needs none. Clones share it, and with it tokens and connections.
#[derive(Clone)]
pub struct Registries {
    settings: RegistrySettings,
    environment: Environment,
    cancel: Cancel,
    client: Arc<OnceLock<Client>>,
    /// A server that keeps silent is not worth the wait.
    is_hasty: bool,
    notify: Arc<dyn Fn(Event) + Send + Sync>,
}

/// How a cache is waited for: what it has can be made.
const HASTY_TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    silence: Duration::from_secs(10),
    answer: Duration::from_secs(20),
};
const HASTY_RETRIES: u32 = 1;
const HASTY_PAUSE: Duration = Duration::from_secs(2);

/// How far a transfer is: bytes done, bytes in all.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);

impl Registries {
    /// With the flags' settings, and the credentials and proxies of an environment; `notify` is told of retries.
    #[must_use]
    pub fn new(
        settings: RegistrySettings,
        environment: Environment,
        notify: Arc<dyn Fn(Event) + Send + Sync>,
    ) -> Self {
        Self {
            settings,
            environment,
            cancel: Cancel::new(),
            client: Arc::default(),
            is_hasty: false,
            notify,
        }
    }

    /// The same, with a client of its own that waits for no server longer than what it would give is worth, and does not
    /// talk of trying again: for caches.
    #[must_use]
    pub(crate) fn hasty(&self) -> Self {
        let mut hasty = self.clone();
        hasty.client = Arc::default();
        hasty.is_hasty = true;
        let retries = hasty.settings.retry.retries.min(HASTY_RETRIES);
        hasty.settings.retry = RetryPolicy {
            retries,
            cap: HASTY_PAUSE,
            retry_after_cap: HASTY_PAUSE,
            ..hasty.settings.retry
        };
        hasty.notify = Arc::new(|_| {});
        hasty
    }

    /// The client.
    pub fn client(&self) -> &Client {
        self.client.get_or_init(|| {
            let mut env = self.environment.credentials();
            if let Some(authfile) = &self.settings.authfile {
                env.registry_auth_file = Some(authfile.clone());
            }
            Client::new(ClientOptions {
                insecure: self.settings.insecure.clone(),
                skip_tls_verify: self.settings.insecure.clone(),
                extra_ca: self.settings.authorities.clone(),
                retry: self.settings.retry,
                cert_dirs: env.cert_dirs(),
                credentials: Credentials::new(env).with(self.settings.given.clone()),
                proxies: self.environment.proxies(),
                user_agent: concat!("rbuild/", env!("CARGO_PKG_VERSION")).to_owned(),
                events: Arc::clone(&self.notify),
                cancel: self.cancel.clone(),
                timeouts: match self.is_hasty {
                    true => HASTY_TIMEOUTS,
                    false => Timeouts::default(),
                },
                ..ClientOptions::default()
            })
        })
    }

    /// Whether transfers are to end.
    pub(crate) fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// What ends transfers, those too that wait for an answer.
    pub fn stopper(&self) -> impl Fn() + Send + 'static {
        let (cancel, client) = (self.cancel.clone(), Arc::clone(&self.client));
        move || {
            cancel.cancel();
            if let Some(client) = client.get() {
                client.cancel();
            }
        }
    }

    /// Asks the registry which image a name means; fetches its manifest and config.
    ///
    /// # Errors
    /// The registry's answer.
    pub fn resolve(&self, reference: &Reference, platform: &Platform) -> Result<BaseImage, Error> {
        let wanted = sources::image_platform(platform);
        let client = self.client();
        let resolved = client.resolve(reference, &wanted).map_err(registry_error)?;
        let bytes = client
            .fetch_config(reference, &resolved.image.config)
            .map_err(registry_error)?;
        let config = ImageConfig::parse(&bytes).map_err(|source| TransferError::Config {
            name: reference.familiar(),
            source,
        })?;
        let origin = Origin::Registry {
            reference: reference.clone(),
            resolved: Box::new(resolved),
            config: bytes,
        };
        Ok(BaseImage::new(reference.familiar(), origin, config))
    }

    /// Fetches the layers that the store does not have, unpacks them, and records the image under its name.
    /// Must run inside the user namespace.
    ///
    /// # Errors
    /// A transfer, a digest, or a layer is wrong.
    pub fn fetch(
        &self,
        store: &Store,
        reference: &Reference,
        resolved: &ResolvedManifest,
        config: &[u8],
        now: u64,
        progress: Progress<'_>,
    ) -> Result<ImageRecord, Error> {
        let pin = store.locks().pin_blobs()?;
        let parsed = ImageConfig::parse(config)?;
        if parsed.rootfs.diff_ids.len() != resolved.image.layers.len() {
            return Err(TransferError::LayerCount {
                name: reference.familiar(),
                manifest: resolved.image.layers.len(),
                config: parsed.rootfs.diff_ids.len(),
            }
            .into());
        }
        let total: u64 = resolved.image.layers.iter().map(|layer| layer.size).sum();
        let layers = resolved
            .image
            .layers
            .iter()
            .zip(&parsed.rootfs.diff_ids)
            .map(|(layer, diff_id)| ImageLayer {
                diff_id: *diff_id,
                source: LayerSource::Blob(Box::new(layer.bare())),
            })
            .collect::<Vec<_>>();
        let bring = || {
            let done = AtomicU64::new(0);
            side_by_side(&resolved.image.layers, |layer| {
                self.fetch_layer(store, reference, layer, &done, total, progress)
            })?;
            store.blobs().put_bytes(&resolved.bytes)?;
            store.blobs().put_bytes(config)?;
            let manifest = resolved.descriptor.clone();
            import::import(store, config, Some(manifest), layers.clone(), now)
        };
        let digests = resolved.image.layers.iter().map(|layer| layer.digest);
        let record = import::again_if_damaged(store, digests, bring)?;
        drop(pin);
        sources::name_pulled(store, reference, resolved.top_digest(), &record)?;
        Ok(record)
    }

    fn fetch_layer(
        &self,
        store: &Store,
        reference: &Reference,
        layer: &Descriptor,
        done: &AtomicU64,
        total: u64,
        progress: Progress<'_>,
    ) -> Result<(), Error> {
        if let Some(actual) = store.blobs().size(&layer.digest)? {
            if actual != layer.size {
                return Err(TransferError::LayerSize {
                    name: reference.to_string(),
                    digest: layer.digest,
                    expected: layer.size,
                    actual,
                }
                .into());
            }
            progress(done.fetch_add(layer.size, Ordering::Relaxed) + layer.size, total);
            return Ok(());
        }
        let writer = store.blobs().writer(Expect::exactly(layer.digest, layer.size))?;
        let mut sink = BlobSink(writer);
        let last = AtomicU64::new(0);
        let report = |bytes: u64| {
            let before = last.swap(bytes, Ordering::Relaxed);
            let step = bytes.saturating_sub(before);
            progress(done.fetch_add(step, Ordering::Relaxed) + step, total);
        };
        self.client()
            .fetch_blob(reference, layer, &mut sink, &report)
            .map_err(registry_error)?;
        sink.0.commit()?;
        Ok(())
    }
}

struct BlobSink<'a>(rbuild_store::blob::BlobWriter<'a>);

impl Write for BlobSink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.append(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A registry's error as one of a transfer.
pub(crate) fn registry_error(error: rbuild_registry::Error) -> Error {
    TransferError::Registry(Box::new(error)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rbuild_oci::Digest;
    use rbuild_store::Need;
    use std::sync::Mutex;

    /// Fetches a layer that the store has already, of which a manifest says this size.
    fn fetch(size: u64) -> (Result<(), String>, Vec<(u64, u64)>) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "boot", Need::Reading).unwrap();
        store.blobs().put_bytes(b"layer").unwrap();
        let registries = Registries::new(
            RegistrySettings::default(),
            Environment::default(),
            Arc::new(|_| {}),
        );
        let reference = Reference::parse("r.example/x:1").unwrap();
        let layer = Descriptor::new(
            "application/vnd.oci.image.layer.v1.tar",
            Digest::of(b"layer"),
            size,
        );
        let told = Mutex::new(Vec::new());
        let fetched = registries.fetch_layer(
            &store,
            &reference,
            &layer,
            &AtomicU64::new(7),
            20,
            &|done, all| {
                told.lock().unwrap().push((done, all));
            },
        );
        assert!(registries.client.get().is_none(), "nobody was asked");
        (
            fetched.map_err(|failure| failure.to_string()),
            told.into_inner().unwrap(),
        )
    }

    #[test]
    fn a_layer_that_is_here_is_not_fetched_again() {
        assert_eq!(fetch(5), (Ok(()), vec![(12, 20)]));
    }

    #[test]
    fn a_size_that_is_not_the_layers_is_an_error() {
        let (fetched, told) = fetch(6);
        let error = fetched.unwrap_err();
        assert!(error.contains("has 6 bytes, but it has 5"), "{error}");
        assert!(told.is_empty());
    }
}
