//! How the brokers do. Opened per broker at plan time; the courier counts, the hub asks.

use crate::base::label::Label;
use crate::metric::book::{Book, Hold, Series};
use crate::metric::desc::{Desc, Family, Unit};
use crate::metric::report::Report;
use crate::world::broker::{Unsendable, Why};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static CONNECTED: Desc<1> =
    Desc::gauge("vedette_mqtt_connected", Unit::Count, ["broker"], "1 while the broker acknowledges us, else 0");
static PUBLISHED: Desc<1> = Desc::counter(
    "vedette_mqtt_published_total",
    Unit::Count,
    ["broker"],
    "Messages handed to a connection, repeats included",
);
static ACKED: Desc<1> = Desc::counter(
    "vedette_mqtt_acked_total",
    Unit::Count,
    ["broker"],
    "Messages that the broker acknowledged (PUBACK), repeats included",
);
static DISCONNECTS: Desc<2> = Desc::counter(
    "vedette_mqtt_disconnects_total",
    Unit::Count,
    ["broker", "reason"],
    "Connections that were lost or never came to be, by reason; our own good-byes are not counted",
);
static DROPPED: Desc<2> = Desc::counter(
    "vedette_mqtt_dropped_total",
    Unit::Count,
    ["broker", "reason"],
    "Messages given up because the broker can never take them",
);

pub static FAMILIES: &[Family] =
    &[CONNECTED.family(), PUBLISHED.family(), ACKED.family(), DISCONNECTS.family(), DROPPED.family()];

/// Why a message was given up.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum GivenUp {
    /// Longer than what we send.
    TooLarge,
    /// Its topic has wildcards or is empty.
    Topic,
    /// The broker closed the connection over it again and again.
    Refused,
}

impl Label for GivenUp {
    const ALL: &'static [Self] = &[GivenUp::TooLarge, GivenUp::Topic, GivenUp::Refused];
    fn label(self) -> &'static str {
        match self {
            GivenUp::TooLarge => "too_large",
            GivenUp::Topic => "topic",
            GivenUp::Refused => "refused",
        }
    }
}

impl From<Unsendable> for GivenUp {
    fn from(unsendable: Unsendable) -> Self {
        match unsendable {
            Unsendable::TooLarge => GivenUp::TooLarge,
            Unsendable::Topic => GivenUp::Topic,
        }
    }
}

/// The counts of one broker. Clones are the same ones.
#[derive(Clone)]
pub struct Meters(Arc<Inner>);

struct Count {
    series: Series,
    value: AtomicU64,
}

impl Count {
    fn new(series: Series) -> Self {
        Count { series, value: AtomicU64::new(0) }
    }
    fn add(&self) {
        self.value.fetch_add(1, Relaxed);
    }
}

struct Inner {
    connected: Count,
    published: Count,
    acked: Count,
    /// In the order of [`Why::ALL`].
    disconnects: Vec<Count>,
    /// In the order of [`GivenUp::ALL`].
    dropped: Vec<Count>,
}

impl Meters {
    pub fn open(book: &Book, broker: &str) -> Self {
        let one = |desc: &'static Desc<1>| Count::new(book.open(desc, [broker], Hold::Own));
        let two = |desc: &'static Desc<2>, label| Count::new(book.open(desc, [broker, label], Hold::Own));
        Meters(Arc::new(Inner {
            connected: one(&CONNECTED),
            published: one(&PUBLISHED),
            acked: one(&ACKED),
            disconnects: Why::ALL.iter().map(|why| two(&DISCONNECTS, why.label())).collect(),
            dropped: GivenUp::ALL.iter().map(|why| two(&DROPPED, why.label())).collect(),
        }))
    }

    /// Puts the counts of now into the hub's report.
    pub fn fill(&self, report: &mut Report) {
        for count in self.all() {
            report.value(count.series, count.value.load(Relaxed) as f64);
        }
    }

    /// Takes the series off the page, when the broker is gone from the configuration.
    pub fn close(&self, book: &Book) {
        let series: Vec<_> = self.all().map(|count| count.series).collect();
        book.close(&series, &[]);
    }

    pub(super) fn connected(&self, connected: bool) {
        self.0.connected.value.store(u64::from(connected), Relaxed);
    }
    pub(super) fn published(&self) {
        self.0.published.add();
    }
    pub(super) fn acked(&self) {
        self.0.acked.add();
    }
    pub(super) fn lost(&self, why: Why) {
        if let Some(at) = Why::ALL.iter().position(|w| *w == why) {
            self.0.disconnects[at].add();
        }
    }
    pub(super) fn dropped(&self, why: GivenUp) {
        if let Some(at) = GivenUp::ALL.iter().position(|w| *w == why) {
            self.0.dropped[at].add();
        }
    }

    fn all(&self) -> impl Iterator<Item = &Count> {
        let inner = &*self.0;
        let single = [&inner.connected, &inner.published, &inner.acked];
        single.into_iter().chain(&inner.disconnects).chain(&inner.dropped)
    }
}
