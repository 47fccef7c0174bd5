//! The rustls client configuration of one call: ring, TLS 1.2 and 1.3, trust from a file or from the system.

use super::{Lost, Tls, Why};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

pub(super) fn config(tls: &Tls) -> Result<Arc<ClientConfig>, Lost> {
    let roots = match &tls.ca {
        Some(file) => trusted(file)?,
        None => system(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .expect("ring has cipher suites for TLS 1.2 and 1.3")
        .with_root_certificates(roots);
    let config = match &tls.own {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let chain = certificates(cert)?;
            // The parser's text is left out: a key must not be quoted, not even a broken line of it.
            let key_der = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|_| unusable(key, "no private key"))?;
            builder.with_client_auth_cert(chain, key_der).map_err(|e| unusable(cert, &e.to_string()))?
        }
    };
    Ok(Arc::new(config))
}

fn trusted(file: &Path) -> Result<RootCertStore, Lost> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|e| unusable(file, &e.to_string()))?;
    }
    Ok(roots)
}

/// What the system trusts. Certificates that cannot be parsed are left out, as every TLS client does; when none is left
/// the handshake says so.
fn system() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Lost> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(file)?).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(unusable(file, "no PEM certificates")),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Lost> {
    std::fs::read(file).map_err(|e| unusable(file, &e.to_string()))
}

fn unusable(file: &Path, why: &str) -> Lost {
    Lost::new(Why::File, format!("cannot use {}: {why}", file.display()))
}
