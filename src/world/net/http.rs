//! One GET, with nothing kept: an uplink check wants to know whether the road is open now, not an hour ago.

use super::real::Real;
use super::{Got, Missed, Reason};
use crate::base::clock::Wall;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, DATE, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

/// Body bytes that are read and kept.
const BODY: usize = 64 * 1024;

pub async fn get(real: &Real, url: &Url) -> Result<Got, Missed> {
    let host = match url.host() {
        Some(Host::Domain(name)) => name.to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        None => return Err(Reason::Name.into()),
    };
    let port = url.port_or_known_default().ok_or(Reason::Name)?;
    let stream = real.open(&host, port).await?;
    if url.scheme() != "https" {
        return talk(stream, url).await;
    }
    let connector = real.tls.get_or_try_init(roots).await?;
    let name = ServerName::try_from(host).map_err(|e| Missed::new(Reason::Tls, e))?;
    let stream = connector.connect(name, stream).await.map_err(|e| Missed::new(Reason::Tls, e))?;
    talk(stream, url).await
}

async fn talk(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, url: &Url) -> Result<Got, Missed> {
    let malformed = |e: hyper::Error| Missed::new(Reason::Malformed, e);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(malformed)?;
    let mut driving = JoinSet::new(); // ends with this function, also when that is cut off
    driving.spawn(connection);
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let request = Request::get(path)
        .header(HOST, authority)
        .header(USER_AGENT, concat!("vedette/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|e| Missed::new(Reason::Malformed, e))?;
    let response = sender.send_request(request).await.map_err(malformed)?;
    let (status, date) = (response.status().as_u16(), response.headers().get(DATE).and_then(wall));
    Ok(Got { status, date, body: body(response).await.map_err(malformed)? })
}

async fn body(mut response: Response<Incoming>) -> Result<Bytes, hyper::Error> {
    let mut kept = BytesMut::new();
    while kept.len() < BODY {
        let Some(frame) = response.frame().await else { break };
        if let Ok(data) = frame?.into_data() {
            kept.extend_from_slice(&data[..data.len().min(BODY - kept.len())]);
        }
    }
    Ok(kept.freeze())
}

/// RFC 9110 §5.6.7, the preferred form, which is one of RFC 2822's.
fn wall(date: &HeaderValue) -> Option<Wall> {
    let at = jiff::fmt::rfc2822::parse(date.to_str().ok()?).ok()?;
    Some(Wall::from_millis(at.timestamp().as_millisecond()))
}

/// The system's roots, read once: a new root needs a restart, as everywhere.
async fn roots() -> Result<TlsConnector, Missed> {
    let loading = tokio::task::spawn_blocking(|| {
        let mut roots = RootCertStore::empty();
        // What cannot be read or parsed is no root; without any, the handshake says that the issuer is unknown.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions()?;
        Ok::<_, rustls::Error>(builder.with_root_certificates(roots).with_no_client_auth())
    });
    let config = loading.await.map_err(|e| Missed::new(Reason::Other, e))?;
    Ok(TlsConnector::from(Arc::new(config.map_err(|e| Missed::new(Reason::Tls, e))?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_header_is_a_wall_time() {
        let date = HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(wall(&date), Some(Wall::from_millis(784_111_777_000)));
        assert_eq!(wall(&HeaderValue::from_static("yesterday")), None);
    }

    #[tokio::test]
    async fn an_answer_is_read_up_to_the_bound_and_no_further() {
        let (near, mut far) = tokio::io::duplex(4096);
        let server = tokio::spawn(async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let mut asked = vec![0; 1000];
            let n = far.read(&mut asked).await.unwrap();
            far.write_all(b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n").await.unwrap();
            // Endless: ends when the client hangs up.
            while far.write_all(&[b'x'; 4096]).await.is_ok() {}
            String::from_utf8(asked[..n].to_vec()).unwrap()
        });
        let url = Url::parse("http://central:9090/-/ready?x=1").unwrap();
        let got = talk(near, &url).await.unwrap();
        assert_eq!((got.status, got.body.len()), (200, BODY));
        assert_eq!(got.date, Some(Wall::from_millis(784_111_777_000)));
        let asked = server.await.unwrap();
        assert!(asked.starts_with("GET /-/ready?x=1 HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("host: central:9090\r\n"), "{asked}");
    }
}
