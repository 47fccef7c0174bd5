//! GET over HTTP/1.1 with nothing kept: a check wants to know whether the road is open now, not an hour ago, and a
//! connection of its own per request makes its phases comparable.

use super::real::Real;
use super::{Ask, Fetched, Missed, Phases, Reason, Steps, Taker, Visit, Way, at_home};
use crate::base::base64;
use crate::base::clock::Wall;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, LOCATION, RANGE, USER_AGENT,
};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::sync::{Arc, OnceLock};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use url::{Host, Url};

/// Body bytes of a visit that are taken.
const BODY: u64 = 64 * 1024;
/// Head of a response at most, in bytes; what a server sends beyond is no HTTP for us.
const HEAD: usize = 64 * 1024;
/// Redirects followed at most.
const REDIRECTS: u8 = 5;

/// See [`super::Net::visit`].
pub async fn visit(real: &Real, url: &Url, way: Way<'_>) -> Visit {
    let (mut steps, ends) = (Steps::default(), Arc::new(OnceLock::new()));
    let asked = async {
        let Answer { response, driving } = ask(real, url, HeaderMap::new(), Some((way, &ends)), &mut steps).await?;
        let (status, from) = (response.status().as_u16(), real.clock.boot());
        pour(response, BODY, &mut |_| {}).await?;
        drop(driving);
        steps.body = Some(real.clock.boot().since(from));
        Ok(status)
    };
    let asked = real.clock.within(way.bound, asked).await;
    let end = asked.unwrap_or_else(|late| Err(Missed::new(Reason::Timeout, late)));
    Visit { steps: Steps { certificate: ends.get().copied(), ..steps }, end }
}

/// See [`super::Net::fetch`].
pub async fn fetch(real: &Real, wanted: Ask<'_>, take: Taker<'_>) -> Result<Fetched, Missed> {
    let begun = real.clock.boot();
    let mut url = wanted.url.clone();
    for _ in 0..=REDIRECTS {
        let mut steps = Steps::default();
        let Answer { response, driving } = ask(real, &url, headers(&wanted, &url)?, None, &mut steps).await?;
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
        let phases = Phases {
            name: steps.name.unwrap_or_default(),
            connect: steps.connect.unwrap_or_default(),
            tls: steps.tls,
            first: steps.first.unwrap_or_default(),
            body: now.since(from),
        };
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
    /// Ends when dropped, also when the whole request is cut off.
    driving: JoinSet<hyper::Result<()>>,
}

/// One request on a connection of its own, whose steps are written down as they are done; `visited` over its road, with a
/// witness to the certificates.
async fn ask(
    real: &Real,
    url: &Url,
    headers: HeaderMap,
    visited: Option<(Way<'_>, &Arc<OnceLock<Wall>>)>,
    steps: &mut Steps,
) -> Result<Answer, Missed> {
    let host = match url.host() {
        Some(Host::Domain(name)) => name.to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        None => return Err(Reason::Name.into()),
    };
    let port = url.port_or_known_default().ok_or(Reason::Name)?;
    let clock = &real.clock;
    let begun = clock.boot();
    let addresses = match visited {
        Some((way, _)) => real.lookup_within(way.bound, &host, port).await?,
        None => real.lookup(&host, port).await?,
    };
    let found = clock.boot();
    steps.name = Some(found.since(begun));
    let stream = real.dial(addresses, visited.and_then(|(way, _)| way.interface)).await?;
    let connected = clock.boot();
    steps.connect = Some(connected.since(found));
    let (from, (response, driving)) = if url.scheme() == "https" {
        let tls = real.tls().await?;
        let connector = match visited {
            Some((_, ends)) => tls.witnessed(ends.clone()).map_err(|e| Missed::new(Reason::Tls, e))?,
            None => tls.connector.clone(),
        };
        let name = ServerName::try_from(host).map_err(|e| Missed::new(Reason::Tls, e))?;
        // The roots are read once for all: not this server's time.
        let from = clock.boot();
        let stream = connector.connect(name, stream).await.map_err(|e| Missed::new(Reason::Tls, e))?;
        steps.tls = Some(clock.boot().since(from));
        (clock.boot(), talk(stream, url, headers).await?)
    } else {
        (connected, talk(stream, url, headers).await?)
    };
    steps.first = Some(clock.boot().since(from));
    Ok(Answer { response, driving })
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

#[cfg(test)]
mod tests {
    use super::*;

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
    async fn a_visit_reads_the_status_and_the_body_up_to_its_bound_and_times_each_step() {
        let (url, _serving, heard) = server(|_| {
            // The second half would never come: the server goes on to the next connection.
            let head = format!("HTTP/1.1 404 Not Found\r\nContent-Length: {}\r\n\r\n", 4 * BODY);
            head + &"x".repeat(2 * BODY as usize)
        })
        .await;
        let way = Way { interface: None, bound: std::time::Duration::from_secs(10) };
        let Visit { steps, end } = visit(&real(), &url.join("/-/ready?x=1").unwrap(), way).await;
        assert_eq!(end.unwrap(), 404);
        let Steps { name: Some(_), connect: Some(_), tls: None, first: Some(_), body: Some(_), certificate: None } =
            steps
        else {
            panic!("{steps:?}")
        };
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
