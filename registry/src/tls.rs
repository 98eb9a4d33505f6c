//! TLS settings per host: the system's roots, further roots, and `certs.d/<host:port>/`.
//!
//! Roots are the system's (`rustls-native-certs`, which honours SSL_CERT_FILE and SSL_CERT_DIR) and never a
//! compiled-in list, because companies put their own into the system.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::crypto::CryptoProvider;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig};

use crate::error::ErrorKind;
use crate::options::ClientOptions;

/// Builds TLS settings; reads the system's roots once, when the first is needed.
pub(crate) struct Tls {
    provider: Arc<CryptoProvider>,
    system: OnceLock<Vec<Certificate<'static>>>,
}

impl Tls {
    pub(crate) fn new() -> Self {
        Self {
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            system: OnceLock::new(),
        }
    }

    /// For plain HTTP: no roots at all, so that a connection which needs TLS after all fails.
    pub(crate) fn without_roots(&self) -> TlsConfig {
        TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&[]))
            .unversioned_rustls_crypto_provider(self.provider.clone())
            .build()
    }

    /// For `authority`, `host[:port]`.
    pub(crate) fn for_host(&self, authority: &str, options: &ClientOptions) -> Result<TlsConfig, ErrorKind> {
        let verify = !options.skip_tls_verify.contains(authority);
        let mut roots = Vec::new();
        if verify {
            roots = self.system.get_or_init(system_roots).clone();
            for file in &options.extra_ca {
                roots.extend(certificates(file)?);
            }
        }
        let mut client = None;
        for dir in options.cert_dirs.iter().map(|dir| dir.join(authority)) {
            for file in files_with(&dir, "crt") {
                roots.extend(certificates(&file)?);
            }
            for cert in files_with(&dir, "cert") {
                client = Some(self.client_certificate(&cert)?);
            }
        }
        if verify && roots.is_empty() {
            return Err(ErrorKind::NoRoots);
        }
        Ok(TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&roots))
            .client_cert(client)
            .disable_verification(!verify)
            .unversioned_rustls_crypto_provider(self.provider.clone())
            .build())
    }

    /// `name.cert` and `name.key`. Whether they belong together is checked here, because ureq would panic.
    fn client_certificate(&self, cert_file: &Path) -> Result<ClientCert, ErrorKind> {
        let chain = certificates(cert_file)?;
        let key_file = cert_file.with_extension("key");
        let bad = |reason: String| ErrorKind::Certificate {
            path: key_file.clone(),
            reason,
        };
        let pem = fs::read(&key_file).map_err(|e| bad(e.to_string()))?;
        let key = PrivateKey::from_pem(&pem).map_err(|_| bad("not a PEM private key".to_owned()))?;

        let der = rustls::pki_types::PrivateKeyDer::try_from(key.der().to_vec())
            .map_err(|_| bad("not a private key of a known kind".to_owned()))?;
        let ders = chain
            .iter()
            .map(|c| rustls::pki_types::CertificateDer::from(c.der().to_vec()))
            .collect();
        rustls::ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .and_then(|b| {
                b.with_root_certificates(rustls::RootCertStore::empty())
                    .with_client_auth_cert(ders, der)
            })
            .map_err(|e| bad(format!("does not go with {}: {e}", cert_file.display())))?;
        Ok(ClientCert::new_with_certs(&chain, key))
    }
}

fn system_roots() -> Vec<Certificate<'static>> {
    // One unreadable file among the roots is no reason to trust none of the others.
    let found = rustls_native_certs::load_native_certs();
    found
        .certs
        .iter()
        .map(|cert| Certificate::from_der(cert).to_owned())
        .collect()
}

fn certificates(file: &Path) -> Result<Vec<Certificate<'static>>, ErrorKind> {
    let bad = |reason: &str| ErrorKind::Certificate {
        path: file.to_owned(),
        reason: reason.to_owned(),
    };
    let pem = fs::read(file).map_err(|e| bad(&e.to_string()))?;
    let mut found = Vec::new();
    for item in ureq::tls::parse_pem(&pem) {
        if let PemItem::Certificate(cert) = item.map_err(|_| bad("not a PEM certificate"))? {
            found.push(cert);
        }
    }
    if found.is_empty() {
        return Err(bad("holds no PEM certificate"));
    }
    Ok(found)
}

fn files_with(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let host = dir.path().join("reg:5000");
        fs::create_dir(&host).unwrap();
        let options = ClientOptions {
            cert_dirs: vec![dir.path().to_owned()],
            ..Default::default()
        };
        let tls = Tls::new();

        fs::write(host.join("ca.crt"), "no pem").unwrap();
        let error = tls.for_host("reg:5000", &options).unwrap_err();
        assert!(matches!(error, ErrorKind::Certificate { path, .. } if path.ends_with("reg:5000/ca.crt")));
        assert!(
            tls.for_host(
                "reg",
                &ClientOptions {
                    skip_tls_verify: crate::HostSet::All,
                    ..options
                }
            )
            .is_ok()
        );

        let missing = ClientOptions {
            extra_ca: vec![dir.path().join("absent.pem")],
            ..Default::default()
        };
        assert!(matches!(
            tls.for_host("x", &missing),
            Err(ErrorKind::Certificate { .. })
        ));
    }
}
