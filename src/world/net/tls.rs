//! TLS by the system's roots, and a witness to the certificates of a server, whether they are trusted or not.

use crate::base::clock::Wall;
use crate::wire::x509;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::sync::{Arc, OnceLock};
use tokio_rustls::TlsConnector;

/// What clients need for TLS, made once.
pub(super) struct Tls {
    pub(super) connector: TlsConnector,
    provider: Arc<CryptoProvider>,
    /// `None` on a machine without roots: nobody is trusted.
    judge: Option<Arc<WebPkiServerVerifier>>,
}

impl Tls {
    /// By the system's roots, which are read now: a new root needs a restart, as everywhere. Blocking.
    pub(super) fn load() -> Result<Tls, Error> {
        let mut roots = RootCertStore::empty();
        // What cannot be read or parsed is no root; without any, the handshake says that the issuer is unknown.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let (roots, provider) = (Arc::new(roots), Arc::new(ring::default_provider()));
        let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let config = builder.with_root_certificates(roots.clone()).with_no_client_auth();
        let judge = WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build().ok();
        Ok(Tls { connector: TlsConnector::from(Arc::new(config)), provider, judge })
    }

    /// A connector for one connection that writes down when the certificates end that it is shown. It resumes no session:
    /// a server that knows us shows none.
    pub(super) fn witnessed(&self, ends: Arc<OnceLock<Wall>>) -> Result<TlsConnector, Error> {
        let witness = Witness { judge: self.judge.clone(), provider: self.provider.clone(), ends };
        let builder =
            ClientConfig::builder_with_provider(self.provider.clone()).with_safe_default_protocol_versions()?;
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(witness));
        let mut config = builder.with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

/// Judges as rustls does, and remembers what it saw.
#[derive(Debug)]
struct Witness {
    judge: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    ends: Arc<OnceLock<Wall>>,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(end_entity).chain(intermediates);
        if let Some(earliest) = chain.filter_map(|certificate| x509::not_after(certificate)).min() {
            let _first = self.ends.set(Wall::from_millis(earliest.saturating_mul(1000)));
        }
        match &self.judge {
            Some(judge) => judge.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now),
            None => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
