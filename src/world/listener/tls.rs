//! rustls server settings from a web configuration: certificate, versions, and how clients prove themselves.

use super::config::{ClientAuth, Tls, Version};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a certificate, key or CA file cannot be used. Never quotes a file.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("no usable PEM {what} in {}", path.display())]
    Pem { what: &'static str, path: PathBuf, source: Option<pem::Error> },
    #[error("cannot use {} with its key", path.display())]
    Pair { path: PathBuf, source: rustls::Error },
    #[error("cannot check client certificates against {}", path.display())]
    Authority { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
}

/// Reads the files that `tls` names and makes a server configuration of them. Blocking.
pub fn load(tls: &Tls) -> Result<ServerConfig, Unusable> {
    let provider = Arc::new(ring::default_provider());
    let chain = certificates(&tls.cert_file)?;
    let key = PrivateKeyDer::from_pem_slice(&read(&tls.key_file)?).map_err(|source| Unusable::Pem {
        what: "private key",
        path: tls.key_file.clone(),
        source: Some(source),
    })?;
    let mut versions = Vec::new();
    for (version, supported) in [(Version::Tls12, &rustls::version::TLS12), (Version::Tls13, &rustls::version::TLS13)] {
        if (tls.min..=tls.max).contains(&version) {
            versions.push(supported);
        }
    }
    let pair = |source| Unusable::Pair { path: tls.cert_file.clone(), source };
    let builder =
        ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&versions).map_err(pair)?;
    let builder = match (tls.client_auth, &tls.client_ca_file) {
        (ClientAuth::NoClientCert, _) => builder.with_no_client_auth(),
        (auth, Some(ca)) if auth.verifies() => builder.with_client_cert_verifier(verifier(auth, ca, provider)?),
        (auth, _) => {
            builder.with_client_cert_verifier(Arc::new(AnyCertificate { required: auth.requires(), provider }))
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn read(path: &Path) -> Result<Vec<u8>, Unusable> {
    std::fs::read(path).map_err(|source| Unusable::Read { path: path.to_owned(), source })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let unusable = |source| Unusable::Pem { what: "certificate", path: path.to_owned(), source };
    let found: Vec<_> =
        CertificateDer::pem_slice_iter(&read(path)?).collect::<Result<_, _>>().map_err(|e| unusable(Some(e)))?;
    if found.is_empty() { Err(unusable(None)) } else { Ok(found) }
}

fn verifier(
    auth: ClientAuth,
    ca: &Path,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Unusable> {
    let mut roots = RootCertStore::empty();
    let unusable =
        |source: Box<dyn std::error::Error + Send + Sync>| Unusable::Authority { path: ca.to_owned(), source };
    for certificate in certificates(ca)? {
        roots.add(certificate).map_err(|e| unusable(e.into()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if auth.requires() { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|e| unusable(e.into()))
}

/// `RequestClientCert` and `RequireAnyClientCert`: whose certificate it is does not matter, but the client must hold its
/// key, as in Go's crypto/tls.
#[derive(Debug)]
struct AnyCertificate {
    required: bool,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }
    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
