//! A network that does what a test says.

use super::{Ask, Asking, Echoes, Fetched, Missed, Net, Phases, Reason, Route, Steps, Taker, Visit, Visiting, Way};
use crate::base::clock::Wall;
use crate::wire::icmp::Family;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use url::Url;

#[derive(Default)]
struct State {
    /// `tcp host:port`, `http url`, `dns name` → status or number of addresses, or why not.
    answers: BTreeMap<String, Result<u16, Reason>>,
    /// By host: how many of the requests are lost, and the time of the others.
    pings: BTreeMap<String, Result<(u16, Duration), Reason>>,
    certificates: BTreeMap<String, Wall>,
    /// Interfaces whose road is cut, for questions that go over them.
    cut: BTreeSet<String>,
    routes: Vec<Route>,
    carriers: BTreeMap<String, bool>,
    pages: BTreeMap<String, Result<Page, Reason>>,
    fetched: Vec<String>,
}

/// What stands at an address.
#[derive(Debug, Clone, Default)]
pub struct Page {
    pub status: u16,
    pub body: Bytes,
    /// Its `Content-Type`.
    pub media: Option<&'static str>,
    /// What the request is said to have taken; nobody waits for it.
    pub took: Duration,
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
    /// What [`Net::fetch`] finds at `url`.
    pub fn page(&self, url: &str, page: Result<Page, Reason>) {
        self.lock().pages.insert(url.to_owned(), page);
    }
    /// Addresses fetched since the last call, in their order, found or not.
    pub fn fetched(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().fetched)
    }
    pub fn dns(&self, name: &str, addresses: Result<u16, Reason>) {
        self.say(format!("dns {name}"), addresses);
    }
    /// IPv4 default routes, `interface` or `interface gateway`.
    pub fn routes(&self, routes: &[&str]) {
        let route = |text: &&str| {
            let (interface, gateway) = text.split_once(' ').map_or((*text, None), |(i, g)| (i, Some(g.to_owned())));
            Route { interface: interface.to_owned(), gateway, family: Family::V4 }
        };
        self.lock().routes = routes.iter().map(route).collect();
    }
    /// How many of the requests to `host` are lost, and how long the others take.
    pub fn ping(&self, host: &str, answer: Result<(u16, Duration), Reason>) {
        self.lock().pings.insert(host.to_owned(), answer);
    }
    /// When the certificate of `url` ends.
    pub fn certificate(&self, url: &str, ends: Wall) {
        self.lock().certificates.insert(url.to_owned(), ends);
    }
    /// Whether questions that go over `interface` meet with silence.
    pub fn cut(&self, interface: &str, cut: bool) {
        match cut {
            true => self.lock().cut.insert(interface.to_owned()),
            false => self.lock().cut.remove(interface),
        };
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
    /// [`Script::answer`] to a question that goes over a road.
    fn over(&self, way: Way<'_>, question: &str) -> Result<u16, Missed> {
        self.open(way)?;
        self.answer(question)
    }
    fn open(&self, way: Way<'_>) -> Result<(), Missed> {
        match way.interface.is_some_and(|interface| self.lock().cut.contains(interface)) {
            true => Err(Reason::Timeout.into()),
            false => Ok(()),
        }
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Net for Script {
    fn connect<'a>(&'a self, host: &'a str, port: u16, way: Way<'a>) -> Asking<'a, ()> {
        Box::pin(async move { self.over(way, &format!("tcp {host}:{port}")).map(drop) })
    }
    fn visit<'a>(&'a self, url: &'a Url, way: Way<'a>) -> Visiting<'a> {
        Box::pin(async move {
            let end = self.over(way, &format!("http {url}"));
            let certificate = self.lock().certificates.get(url.as_str()).copied();
            let done = end.is_ok().then_some(Duration::ZERO);
            let steps = Steps { name: done, connect: done, tls: None, first: done, body: done, certificate };
            Visit { steps, end }
        })
    }
    fn ping<'a>(&'a self, host: &'a str, echoes: u16, way: Way<'a>) -> Asking<'a, Echoes> {
        Box::pin(async move {
            self.open(way)?;
            let answer = self.lock().pings.get(host).copied().unwrap_or(Ok((echoes, Duration::ZERO)));
            let (lost, rtt) = answer.map_err(Missed::from)?;
            Ok(Echoes { sent: echoes, rtts: vec![rtt; usize::from(echoes.saturating_sub(lost))] })
        })
    }
    fn fetch<'a>(&'a self, ask: Ask<'a>, take: Taker<'a>) -> Asking<'a, Fetched> {
        Box::pin(async move {
            let page = {
                let mut state = self.lock();
                state.fetched.push(ask.url.to_string());
                state.pages.get(ask.url.as_str()).cloned().unwrap_or(Err(Reason::Unreachable))?
            };
            if page.took > ask.bound {
                return Err(Reason::Timeout.into());
            }
            let body = match ask.range {
                Some((from, length)) => page.body.slice(from as usize..(from + length) as usize),
                None => page.body,
            };
            let taken = if (200..300).contains(&page.status) { body.len().min(ask.most as usize) } else { 0 };
            if taken > 0 {
                take(&body[..taken]);
            }
            let phases = Phases { body: page.took, ..Phases::default() };
            let whole = taken == body.len();
            let url = ask.url.clone();
            let (media, total) = (page.media.map(str::to_owned), page.took);
            Ok(Fetched { status: page.status, media, bytes: taken as u64, whole, url, phases, total })
        })
    }
    fn resolve<'a>(&'a self, name: &'a str, _: Duration) -> Asking<'a, usize> {
        Box::pin(async move { self.answer(&format!("dns {name}")).map(usize::from) })
    }
    fn default_routes(&self) -> Asking<'_, Vec<Route>> {
        Box::pin(async { Ok(self.lock().routes.clone()) })
    }
    fn carrier<'a>(&'a self, interface: &'a str) -> Asking<'a, bool> {
        Box::pin(async move { self.lock().carriers.get(interface).copied().ok_or(Reason::NotPresent.into()) })
    }
}
