//! GET over HTTP/1.1 with nothing kept: a check wants to know whether the road is open now, not an hour ago, and a
//! connection of its own per request makes its phases comparable.

use super::real::Real;
use super::{Ask, Fetched, Got, Missed, Phases, Reason, Taker, at_home};
use crate::base::base64;
use crate::base::clock::Wall;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, DATE, HOST, HeaderMap, HeaderValue, LOCATION, RANGE, USER_AGENT,
};
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

/// Head of a response at most, in bytes; what a server sends beyond is no HTTP for us.
const HEAD: usize = 64 * 1024;
/// Redirects followed at most.
const REDIRECTS: u8 = 5;

/// See [`super::Net::get`].
pub async fn get(real: &Real, url: &Url) -> Result<Got, Missed> {
    let answer = ask(real, url, HeaderMap::new()).await?;
    let (status, date) = (answer.response.status().as_u16(), answer.response.headers().get(DATE).and_then(wall));
    let mut kept = BytesMut::new();
    pour(answer.response, BODY as u64, &mut |bytes| kept.extend_from_slice(bytes)).await?;
    Ok(Got { status, date, body: kept.freeze() })
}

/// See [`super::Net::fetch`].
pub async fn fetch(real: &Real, wanted: Ask<'_>, take: Taker<'_>) -> Result<Fetched, Missed> {
    let begun = real.clock.boot();
    let mut url = wanted.url.clone();
    for _ in 0..=REDIRECTS {
        let Answer { response, mut phases, driving } = ask(real, &url, headers(&wanted, &url)?).await?;
        let status = response.status();
        if let Some(location) = response.headers().get(LOCATION).filter(|_| status.is_redirection()) {
            url = further(&url, location)?;
            continue;
        }
        let media = response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let from = real.clock.boot();
        let (bytes, whole) = if status.is_success() { pour(response, wanted.most, take).await? } else { (0, true) };
        drop(driving);
        let now = real.clock.boot();
        phases.body = now.since(from);
        return Ok(Fetched { status: status.as_u16(), media, bytes, whole, url, phases, total: now.since(begun) });
    }
    Err(Missed::new(Reason::Redirect, format!("more than {REDIRECTS} redirects")))
}

/// What a request says beyond the usual.
fn headers(wanted: &Ask<'_>, url: &Url) -> Result<HeaderMap, Missed> {
    let mut headers = HeaderMap::new();
    if let Some(login) = wanted.login.filter(|_| at_home(wanted.url, url)) {
        let pair = format!("{}:{}", login.username, login.password.expose());
        let value = HeaderValue::try_from(format!("Basic {}", base64::encode(pair.as_bytes())));
        let mut value = value.map_err(|e| Missed::new(Reason::Other, e))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    if let Some((from, length)) = wanted.range {
        let value = format!("bytes={from}-{}", from.saturating_add(length.saturating_sub(1)));
        headers.insert(RANGE, HeaderValue::try_from(value).map_err(|e| Missed::new(Reason::Other, e))?);
    }
    if let Some(accept) = wanted.accept {
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
    }
    Ok(headers)
}

/// Where a redirect leads: over HTTP, and not from TLS to none.
fn further(url: &Url, location: &HeaderValue) -> Result<Url, Missed> {
    let wrong = |what: &'static str| Missed::new(Reason::Redirect, what);
    let location = location.to_str().map_err(|_| wrong("no address"))?;
    let next = url.join(location).map_err(|_| wrong("no address"))?;
    match (url.scheme(), next.scheme()) {
        (from, to) if from == to => Ok(next),
        ("http", "https") => Ok(next),
        ("https", "http") => Err(wrong("from https to http")),
        _ => Err(wrong("to another protocol")),
    }
}

/// A response whose head has come.
struct Answer {
    response: Response<Incoming>,
    phases: Phases,
    /// Ends when dropped, also when the whole request is cut off.
    driving: JoinSet<hyper::Result<()>>,
}

/// One request on a connection of its own.
async fn ask(real: &Real, url: &Url, headers: HeaderMap) -> Result<Answer, Missed> {
    let host = match url.host() {
        Some(Host::Domain(name)) => name.to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        None => return Err(Reason::Name.into()),
    };
    let port = url.port_or_known_default().ok_or(Reason::Name)?;
    let clock = &real.clock;
    let begun = clock.boot();
    let addresses = real.lookup(&host, port).await?;
    let found = clock.boot();
    let stream = real.dial(addresses).await?;
    let connected = clock.boot();
    let mut phases = Phases { name: found.since(begun), connect: connected.since(found), ..Phases::default() };
    let asked = if url.scheme() == "https" {
        let connector = real.tls.get_or_try_init(roots).await?;
        let name = ServerName::try_from(host).map_err(|e| Missed::new(Reason::Tls, e))?;
        // The roots are read once for all: not this server's time.
        let from = clock.boot();
        let stream = connector.connect(name, stream).await.map_err(|e| Missed::new(Reason::Tls, e))?;
        phases.tls = Some(clock.boot().since(from));
        (clock.boot(), talk(stream, url, headers).await?)
    } else {
        (connected, talk(stream, url, headers).await?)
    };
    let (from, (response, driving)) = asked;
    phases.first = clock.boot().since(from);
    Ok(Answer { response, phases, driving })
}

type Talking = (Response<Incoming>, JoinSet<hyper::Result<()>>);

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    url: &Url,
    headers: HeaderMap,
) -> Result<Talking, Missed> {
    let malformed = |e: hyper::Error| Missed::new(Reason::Malformed, e);
    let builder = http1::Builder::new().max_buf_size(HEAD).clone();
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(malformed)?;
    let mut driving = JoinSet::new();
    driving.spawn(connection);
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let mut request = Request::get(path)
        .header(HOST, authority)
        .header(USER_AGENT, concat!("vedette/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|e| Missed::new(Reason::Malformed, e))?;
    request.headers_mut().extend(headers);
    let response = sender.send_request(request).await.map_err(malformed)?;
    Ok((response, driving))
}

/// Gives the body to `take`, up to `most` bytes; how many there were, and whether that was all.
async fn pour(mut response: Response<Incoming>, most: u64, take: Taker<'_>) -> Result<(u64, bool), Missed> {
    let mut taken = 0;
    while let Some(frame) = response.frame().await {
        let frame = frame.map_err(|e| Missed::new(Reason::Malformed, e))?;
        let Ok(data) = frame.into_data() else { continue };
        let room = usize::try_from(most - taken).unwrap_or(usize::MAX);
        take(&data[..data.len().min(room)]);
        if data.len() > room {
            return Ok((most, false));
        }
        taken += data.len() as u64;
    }
    Ok((taken, true))
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

    /// A server that answers each connection by a script: path as asked → raw bytes; and what it was asked.
    async fn server(
        answers: fn(&str) -> String,
    ) -> (Url, tokio::task::JoinHandle<()>, Arc<std::sync::Mutex<Vec<String>>>) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let heard = Arc::new(std::sync::Mutex::new(Vec::new()));
        let serving = tokio::spawn({
            let heard = heard.clone();
            async move {
                loop {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let mut asked = vec![0; 4000];
                    let n = stream.read(&mut asked).await.unwrap();
                    let asked = String::from_utf8(asked[..n].to_vec()).unwrap();
                    let path = asked.split(' ').nth(1).unwrap().to_owned();
                    heard.lock().unwrap().push(asked);
                    let _gone = stream.write_all(answers(&path).as_bytes()).await;
                }
            }
        });
        (url, serving, heard)
    }

    fn real() -> Real {
        Real::new(crate::base::clock::Clock::new(crate::world::clock::System))
    }

    #[tokio::test]
    async fn a_check_reads_status_date_and_the_body_up_to_its_bound() {
        let (url, _serving, heard) = server(|_| {
            let head = "HTTP/1.1 404 Not Found\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n";
            head.to_owned() + &"x".repeat(2 * BODY)
        })
        .await;
        let got = get(&real(), &url.join("/-/ready?x=1").unwrap()).await.unwrap();
        assert_eq!((got.status, got.body.len()), (404, BODY));
        assert_eq!(got.date, Some(Wall::from_millis(784_111_777_000)));
        let asked = heard.lock().unwrap().remove(0);
        assert!(asked.starts_with("GET /-/ready?x=1 HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains(&format!("host: {}:{}\r\n", url.host_str().unwrap(), url.port().unwrap())), "{asked}");
    }

    async fn fetched(url: &Url, most: u64) -> (Result<Fetched, Missed>, usize) {
        let login = super::super::Login { username: "u".into(), password: crate::base::secret::Secret::new("p") };
        let bound = std::time::Duration::from_secs(10);
        let mut taken = 0;
        let mut take = |bytes: &[u8]| taken += bytes.len();
        let ask = Ask { url, login: Some(&login), range: Some((5, 10)), accept: Some("text/plain"), most, bound };
        let fetched = fetch(&real(), ask, &mut take).await;
        (fetched, taken)
    }

    #[tokio::test]
    async fn a_body_is_taken_as_it_comes_and_cut_at_its_bound() {
        let (url, _serving, heard) = server(|_| {
            format!(
                "HTTP/1.1 206 Partial Content\r\nContent-Type: a/b\r\nContent-Length: 1000\r\n\r\n{}",
                "x".repeat(1000)
            )
        })
        .await;
        let (whole, taken) = fetched(&url, 1000).await;
        let whole = whole.unwrap();
        assert_eq!((whole.status, whole.bytes, whole.whole, taken), (206, 1000, true, 1000));
        assert!(whole.total >= whole.phases.connect + whole.phases.first && whole.phases.tls.is_none());
        assert_eq!(whole.media.as_deref(), Some("a/b"));
        let (cut, taken) = fetched(&url, 999).await;
        assert_eq!((cut.unwrap().whole, taken), (false, 999));
        let asked = heard.lock().unwrap().remove(0);
        assert!(
            asked.contains("range: bytes=5-14\r\naccept: text/plain\r\n")
                && asked.contains("authorization: Basic dTpw\r\n"),
            "{asked}"
        );
    }

    #[tokio::test]
    async fn redirects_are_followed_five_times_and_the_password_stays_at_home() {
        let (far, _far, far_heard) = server(|_| "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned()).await;
        static FAR: std::sync::OnceLock<String> = std::sync::OnceLock::new();
        FAR.get_or_init(|| far.to_string());
        let (near, _near, heard) = server(|path| {
            let to = match path {
                "/away" => FAR.get().unwrap().clone(),
                "/circle" => "circle".to_owned(),
                "/file" => "file:///etc/passwd".to_owned(),
                "/one" => "/two?x".to_owned(),
                _ => return "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned(),
            };
            format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
        })
        .await;
        let at = |path: &str| near.join(path).unwrap();
        let one = fetched(&at("/one"), 9).await.0.unwrap();
        assert_eq!((one.url, one.bytes), (at("/two?x"), 2));
        assert!(heard.lock().unwrap().iter().all(|asked| asked.contains("authorization")));
        assert_eq!(fetched(&at("/away"), 9).await.0.unwrap().url, far);
        assert!(far_heard.lock().unwrap().iter().all(|asked| !asked.contains("authorization")));
        heard.lock().unwrap().clear();
        assert_eq!(fetched(&at("/circle"), 9).await.0.unwrap_err().reason, Reason::Redirect);
        assert_eq!(heard.lock().unwrap().len(), 6);
        assert_eq!(fetched(&at("/file"), 9).await.0.unwrap_err().reason, Reason::Redirect);
        let tls = Url::parse("https://box/a").unwrap();
        let to = |to: &'static str| further(&tls, &HeaderValue::from_static(to)).map_err(|m| m.reason);
        assert_eq!(to("http://box/a"), Err(Reason::Redirect));
        assert_eq!(to("//other/b").unwrap().as_str(), "https://other/b");
        let home = |home: &str, url: &str| at_home(&Url::parse(home).unwrap(), &Url::parse(url).unwrap());
        assert!(home("http://box/a", "http://box/b") && home("http://box:81/a", "https://box/b"));
        assert!(!home("http://box/a", "http://box:81/b") && !home("https://box/a", "https://other/a"));
        assert!(!home("https://box:81/a", "http://box:81/a"));
    }
}
