//! What a courier needs of the store. A trait so that tests can say to the row what was asked for and when.

use crate::metric::alarm::Message;
use crate::store::{Events, Waiting};
use std::future::Future;
use tokio::sync::watch;

pub trait Outbox: Send + Sync {
    /// Rows not yet done for `sink` with ids above `after`, oldest first, at most `most`.
    fn waiting(&self, sink: &str, after: u64, most: usize) -> impl Future<Output = Vec<Waiting>> + Send;
    /// `sink` is through with these rows; they never come again. On disk when it returns.
    fn done(&self, sink: &str, ids: Vec<u64>) -> impl Future<Output = ()> + Send;
    /// The retained states as they are now, cleared ones left out.
    fn states(&self) -> impl Future<Output = Vec<Message>> + Send;
    /// Changes when rows arrive.
    fn newest(&self) -> watch::Receiver<u64>;
}

impl Outbox for Events {
    fn waiting(&self, sink: &str, after: u64, most: usize) -> impl Future<Output = Vec<Waiting>> + Send {
        Events::waiting(self, sink, after, most)
    }
    fn done(&self, sink: &str, ids: Vec<u64>) -> impl Future<Output = ()> + Send {
        self.done_all(sink, ids)
    }
    fn states(&self) -> impl Future<Output = Vec<Message>> + Send {
        Events::states(self)
    }
    fn newest(&self) -> watch::Receiver<u64> {
        Events::newest(self)
    }
}
