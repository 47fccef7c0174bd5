//! A network that does what a test says.

use super::{Asking, Got, Missed, Net, Reason};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use url::Url;

#[derive(Default)]
struct State {
    /// `tcp host:port`, `http url`, `dns name` → status or number of addresses, or why not.
    answers: BTreeMap<String, Result<u16, Reason>>,
    routes: Vec<String>,
    carriers: BTreeMap<String, bool>,
}

/// The scripted twin: answers stand until they are changed; what was never said is unreachable. Clones are the same.
#[derive(Clone, Default)]
pub struct Script(Arc<Mutex<State>>);

impl Script {
    pub fn tcp(&self, host: &str, port: u16, answer: Result<(), Reason>) {
        self.say(format!("tcp {host}:{port}"), answer.map(|()| 0));
    }
    pub fn http(&self, url: &str, status: Result<u16, Reason>) {
        self.say(format!("http {url}"), status);
    }
    pub fn dns(&self, name: &str, addresses: Result<u16, Reason>) {
        self.say(format!("dns {name}"), addresses);
    }
    pub fn routes(&self, interfaces: &[&str]) {
        self.lock().routes = interfaces.iter().map(|i| (*i).to_owned()).collect();
    }
    pub fn carrier(&self, interface: &str, up: bool) {
        self.lock().carriers.insert(interface.to_owned(), up);
    }

    fn say(&self, question: String, answer: Result<u16, Reason>) {
        self.lock().answers.insert(question, answer);
    }
    fn answer(&self, question: &str) -> Result<u16, Missed> {
        self.lock().answers.get(question).copied().unwrap_or(Err(Reason::Unreachable)).map_err(Missed::from)
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Net for Script {
    fn connect<'a>(&'a self, host: &'a str, port: u16, _: Duration) -> Asking<'a, ()> {
        Box::pin(async move { self.answer(&format!("tcp {host}:{port}")).map(drop) })
    }
    fn get<'a>(&'a self, url: &'a Url, _: Duration) -> Asking<'a, Got> {
        Box::pin(async move {
            self.answer(&format!("http {url}")).map(|status| Got { status, date: None, body: Bytes::new() })
        })
    }
    fn resolve<'a>(&'a self, name: &'a str, _: Duration) -> Asking<'a, usize> {
        Box::pin(async move { self.answer(&format!("dns {name}")).map(usize::from) })
    }
    fn default_routes(&self) -> Asking<'_, Vec<String>> {
        Box::pin(async { Ok(self.lock().routes.clone()) })
    }
    fn carrier<'a>(&'a self, interface: &'a str) -> Asking<'a, bool> {
        Box::pin(async move { self.lock().carriers.get(interface).copied().ok_or(Reason::NotPresent.into()) })
    }
}
