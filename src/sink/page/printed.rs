//! One snapshot, written in up to four forms, each at most once.

use super::accept::{Form, Format};
use super::{learned, openmetrics, text};
use crate::metric::latest::Snapshot;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fmt;
use std::io::Write;
use std::sync::{Arc, OnceLock};

/// Bytes that one line of the page takes, about: a first guess for the buffer.
const LINE: usize = 100;

/// The sheet of one snapshot.
pub struct Printed {
    snapshot: Arc<Snapshot>,
    forms: [OnceLock<Bytes>; 4],
}

impl Printed {
    pub fn new(snapshot: Arc<Snapshot>) -> Printed {
        Printed { snapshot, forms: Default::default() }
    }

    pub fn of(&self, snapshot: &Arc<Snapshot>) -> bool {
        Arc::ptr_eq(&self.snapshot, snapshot)
    }

    /// The bytes of a form, if somebody asked for it before.
    pub fn ready(&self, form: Form) -> Option<Bytes> {
        self.cell(form).get().cloned()
    }

    /// The bytes of a form. Who asks first computes; who asks meanwhile waits for that, blocking.
    pub fn bytes(&self, form: Form) -> Bytes {
        let write = || match form.gzip {
            false => Bytes::from(print(&self.snapshot, form.format)),
            true => pack(&self.bytes(Form { gzip: false, ..form })),
        };
        self.cell(form).get_or_init(write).clone()
    }

    fn cell(&self, form: Form) -> &OnceLock<Bytes> {
        &self.forms[usize::from(form.gzip) + 2 * usize::from(form.format == Format::Text)]
    }
}

/// All series of a snapshot as text: ours, then those learned from other exporters.
pub fn print(snapshot: &Arc<Snapshot>, format: Format) -> String {
    let mut page = String::with_capacity(snapshot.rows.len() * LINE);
    write(snapshot, format, &mut page).expect("writing to a String cannot fail");
    page
}

fn write(snapshot: &Arc<Snapshot>, format: Format, page: &mut String) -> fmt::Result {
    let (ours, learned): (Vec<_>, Vec<_>) = snapshot.rows.iter().partition(|row| row.meta.family.learned.is_none());
    match format {
        Format::OpenMetrics => openmetrics::encode(snapshot, page)?,
        Format::Text => text::encode(&ours, page)?,
    }
    if !learned.is_empty() {
        let taken = ours.iter().map(|row| row.meta.family.root()).collect();
        learned::encode(learned, taken, format, page)?;
    }
    match format {
        Format::OpenMetrics => openmetrics::end(page),
        Format::Text => Ok(()),
    }
}

/// gzip at level 1, the cheapest: the page is full of repeated names, and the first scraper of a tick waits for this.
fn pack(page: &[u8]) -> Bytes {
    let mut packer = GzEncoder::new(Vec::with_capacity(page.len() / 8), Compression::fast());
    let packed = packer.write_all(page).and_then(|()| packer.finish());
    packed.expect("writing to a Vec cannot fail").into()
}
