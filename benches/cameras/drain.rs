//! The least that watching a camera can cost: open the session, then read its bytes and throw them away; and the least
//! that it can cost with retina, which throws the packets away.

use futures_util::StreamExt;
use retina::client as rt;
use std::future::Future;
use std::io::Write;
use tokio::io::AsyncReadExt;

pub fn drain(port: u16, cameras: usize) {
    all(port, cameras, bare);
}

pub fn retina(port: u16, cameras: usize) {
    all(port, cameras, packets);
}

fn all<F: Future<Output = ()> + Send + 'static>(port: u16, cameras: usize, one: fn(u16, usize) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime starts").block_on(async {
        let tasks: Vec<_> = (0..cameras).map(|n| tokio::spawn(one(port, n))).collect();
        for task in tasks {
            task.await.expect("a drain does not panic");
        }
    });
}

async fn bare(port: u16, camera: usize) {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
    let url = format!("rtsp://127.0.0.1:{port}/{camera}");
    let requests = [
        format!("SETUP {url}/trackID=0 RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n"),
        format!("PLAY {url} RTSP/1.0\r\nCSeq: 2\r\nSession: 12345678\r\n\r\n"),
    ];
    for request in requests {
        stream.write_all(request.as_bytes()).expect("the server reads");
    }
    stream.set_nonblocking(true).expect("a socket can be non-blocking");
    let mut stream = tokio::net::TcpStream::from_std(stream).expect("inside a runtime");
    let mut buffer = vec![0; 64 << 10];
    while stream.read(&mut buffer).await.expect("the server sends") > 0 {}
}

async fn packets(port: u16, camera: usize) {
    let url = format!("rtsp://127.0.0.1:{port}/{camera}").parse().expect("an address");
    let options = rt::SessionOptions::default().teardown(rt::TeardownPolicy::Never);
    let mut session = rt::Session::describe(url, options).await.expect("the server describes");
    session.setup(0, rt::SetupOptions::default()).await.expect("the server sets up");
    let session = session.play(rt::PlayOptions::default()).await.expect("the server plays");
    let mut session = std::pin::pin!(session);
    while let Some(Ok(_packet)) = session.next().await {}
}
