//! One connection's bytes, watched: a reader that makes no progress is cut, and a response counts as delivered when its
//! last byte was accepted by the socket.

use super::pace::{Delivered, Pace};
use crate::base::clock::Clock;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A client that accepts nothing for this long is cut. 30 s: a page of 1 MB passes a 300 kbit/s uplink in that time, and
/// any progress starts it anew.
const STALL: Duration = Duration::from_secs(30);

/// A TCP or TLS stream under watch.
pub struct Watched<S> {
    inner: S,
    clock: Clock,
    pace: Pace,
    /// Runs while the client accepts nothing.
    stall: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    cut: Option<Box<dyn FnOnce() + Send>>,
}

impl<S> Watched<S> {
    /// `cut` is called when the client is cut for making no progress.
    pub fn new(inner: S, clock: Clock, pace: Pace, cut: Box<dyn FnOnce() + Send>) -> Self {
        Watched { inner, clock, pace, stall: None, cut: Some(cut) }
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stall = None;
            return outcome;
        }
        let clock = &self.clock;
        let stall = self.stall.get_or_insert_with(|| {
            let clock = clock.clone();
            Box::pin(async move { clock.sleep(STALL).await })
        });
        ready!(stall.as_mut().poll(cx));
        if let Some(cut) = self.cut.take() {
            cut();
        }
        Poll::Ready(Err(io::Error::from(io::ErrorKind::TimedOut)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let outcome = Pin::new(&mut self.inner).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.pace.heard();
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.watch(cx, outcome)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.watch(cx, outcome)
    }
    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_flush(cx);
        // hyper flushes the stream only after its own buffer has been written whole.
        if let Poll::Ready(Ok(())) = outcome {
            self.pace.flushed();
        }
        self.watch(cx, outcome)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.watch(cx, outcome)
    }
}

/// A response body of one piece. hyper drops it when it has taken the whole response.
pub struct Body {
    bytes: Option<Bytes>,
    delivered: Option<Delivered>,
    pace: Pace,
}

impl Body {
    pub fn new(bytes: Bytes, delivered: Option<Delivered>, pace: Pace) -> Self {
        let bytes = Some(bytes).filter(|b| !b.is_empty());
        Body { delivered: delivered.filter(|_| bytes.is_some()), bytes, pace }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        // The bytes are still here after a HEAD.
        let delivered = self.delivered.take().filter(|_| self.bytes.is_none());
        self.pace.handed(delivered);
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }
    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |b| b.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Sim;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn count() -> (Arc<AtomicU32>, Box<dyn FnOnce() + Send>) {
        let count = Arc::new(AtomicU32::new(0));
        let counted = count.clone();
        (count, Box::new(move || counted.store(1, Ordering::SeqCst)))
    }

    #[tokio::test]
    async fn a_client_that_accepts_nothing_for_thirty_seconds_is_cut_and_a_slow_one_is_not() {
        let sim = Sim::new();
        let (near, mut far) = tokio::io::duplex(10);
        let (cut, called) = count();
        let mut watched = Watched::new(near, sim.clock(), Pace::new(sim.clock()), called);
        let writing = tokio::spawn(async move { watched.write_all(&[0; 25]).await });
        let settle = || async {
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
        };
        settle().await;
        sim.advance(Duration::from_secs(29));
        settle().await;
        far.read_exact(&mut [0; 10]).await.unwrap();
        settle().await;
        sim.advance(Duration::from_secs(29));
        settle().await;
        assert!(!writing.is_finished(), "10 bytes were accepted in between");
        sim.advance(Duration::from_secs(2));
        let error = writing.await.unwrap().unwrap_err();
        assert_eq!((error.kind(), cut.load(Ordering::SeqCst)), (io::ErrorKind::TimedOut, 1));
    }

    #[tokio::test]
    async fn a_response_is_delivered_when_the_stream_was_flushed_after_its_last_byte() {
        let clock = Sim::new().clock();
        let pace = Pace::new(clock.clone());
        let (delivered, called) = count();
        let (near, _far) = tokio::io::duplex(10);
        let mut watched = Watched::new(near, clock, pace.clone(), Box::new(|| ()));
        let mut body = Body::new(Bytes::from_static(b"x"), Some(called), pace);
        watched.flush().await.unwrap();
        assert_eq!(delivered.load(Ordering::SeqCst), 0, "a flush before the body does not count");
        let frame = std::future::poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx)).await;
        drop(body);
        watched.write_all(&frame.unwrap().unwrap().into_data().unwrap()).await.unwrap();
        watched.flush().await.unwrap();
        assert_eq!(delivered.load(Ordering::SeqCst), 1);
    }
}
