//! One snapshot, written in up to four forms, each at most once.

use super::accept::{Form, Format};
use super::{openmetrics, text};
use crate::metric::latest::Snapshot;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
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

/// All series of a snapshot as text.
pub fn print(snapshot: &Arc<Snapshot>, format: Format) -> String {
    let mut page = String::with_capacity(snapshot.rows.len() * LINE);
    match format {
        Format::OpenMetrics => openmetrics::encode(snapshot, &mut page),
        Format::Text => text::encode(snapshot.rows.iter().collect(), text::head, &mut page),
    }
    .expect("writing to a String cannot fail");
    page
}

/// gzip at level 1, the cheapest: the page is full of repeated names, and the first scraper of a tick waits for this.
fn pack(page: &[u8]) -> Bytes {
    let mut packer = GzEncoder::new(Vec::with_capacity(page.len() / 8), Compression::fast());
    let packed = packer.write_all(page).and_then(|()| packer.finish());
    packed.expect("writing to a Vec cannot fail").into()
}
