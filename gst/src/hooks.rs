//! What GStreamer calls: when an element or a link is made (rare), and for every push of a buffer (often).

use crate::settings;
use crate::slot::{Slot, Table, Who};
use crate::teller::{self, Teller};
use crate::tracer::{Kind, State};
use gstreamer::glib::translate::{IntoGlib, ToGlibPtr};
use gstreamer::prelude::*;
use gstreamer::subclass::prelude::*;
use gstreamer::{
    Buffer, BufferFlags, BufferList, BufferRef, Element, ElementFlags, Event, EventView, GenericFormattedValue,
    Message, MessageView, Pad, PadDirection, PadLinkError, PadLinkSuccess, Segment, glib,
};
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

/// Bits of a pad's mark that hold one index.
const INDEX: usize = 16;

pub struct Vedette {
    table: Arc<Table>,
    /// What our marks on elements and pads are called. Each tracer of a process has its own.
    quark: glib::Quark,
    /// Runs from the first element on: a program may fork between `gst_init` and then, and threads stay behind.
    teller: OnceLock<Option<Teller>>,
    settings: OnceLock<settings::Settings>,
}

#[glib::object_subclass]
impl ObjectSubclass for Vedette {
    const NAME: &'static str = "VedetteTracer";
    type Type = Tracer;
    type ParentType = gstreamer::Tracer;

    fn new() -> Vedette {
        static TRACERS: AtomicU32 = AtomicU32::new(0);
        let n = TRACERS.fetch_add(1, Ordering::Relaxed);
        Vedette {
            table: Arc::default(),
            quark: glib::Quark::from_str(format!("vedette-tracer-{n}")),
            teller: OnceLock::new(),
            settings: OnceLock::new(),
        }
    }
}

glib::wrapper! {
    pub struct Tracer(ObjectSubclass<Vedette>) @extends gstreamer::Tracer, gstreamer::Object;
}

impl ObjectImpl for Vedette {
    fn constructed(&self) {
        self.parent_constructed();
        guarded(|| {
            let params: Option<String> = self.obj().property("params");
            self.settings.get_or_init(|| settings::parse(params.as_deref().unwrap_or("")));
        });
        for hook in [
            TracerHook::ElementNew,
            TracerHook::ElementAddPad,
            TracerHook::PadLinkPost,
            TracerHook::PadUnlinkPost,
            TracerHook::PadPushPre,
            TracerHook::PadPushListPre,
            TracerHook::PadPushEventPre,
            TracerHook::ElementPostMessagePre,
        ] {
            self.register_hook(hook);
        }
    }

    fn dispose(&self) {
        guarded(|| {
            if let Some(Some(teller)) = self.teller.get() {
                teller.stop();
            }
        });
    }
}

impl GstObjectImpl for Vedette {}

impl TracerImpl for Vedette {
    fn element_new(&self, ts: u64, element: &Element) {
        guarded(|| self.made(ts, element));
    }

    fn element_add_pad(&self, _: u64, element: &Element, pad: &Pad) {
        guarded(|| {
            let index = self.mark(element);
            if index != 0 {
                self.set_owner(pad, index);
            }
        });
    }

    fn pad_link_post(&self, _: u64, src: &Pad, sink: &Pad, result: Result<PadLinkSuccess, PadLinkError>) {
        guarded(|| {
            let into = self.mark(sink) >> INDEX;
            if result.is_ok() && into != 0 {
                self.set_mark(src, self.mark(src) | into << INDEX);
            }
        });
    }

    fn pad_unlink_post(&self, _: u64, src: &Pad, _: &Pad, success: bool) {
        guarded(|| {
            let mark = self.mark(src);
            if success && mark >> INDEX != 0 {
                self.set_mark(src, mark & ((1 << INDEX) - 1));
            }
        });
    }

    fn pad_push_pre(&self, ts: u64, pad: &Pad, buffer: &Buffer) {
        guarded(|| {
            let (out, into) = self.ends(pad);
            if let Some(slot) = out {
                slot.out.push(ts, 1, buffer.size() as u64);
                if slot.kind() == Some(Kind::VideoEncoder) {
                    coded(slot, ts, buffer);
                }
            }
            if let Some(slot) = into {
                slot.into.push(ts, 1, buffer.size() as u64);
                if slot.kind() == Some(Kind::VideoEncoder)
                    && let Some(pts) = buffer.pts()
                {
                    slot.passes_in(pts.nseconds(), ts);
                }
            }
        });
    }

    fn pad_push_list_pre(&self, ts: u64, pad: &Pad, list: &BufferList) {
        guarded(|| {
            let (out, into) = self.ends(pad);
            if out.is_none() && into.is_none() {
                return;
            }
            let (buffers, bytes) = (list.len() as u64, list.calculate_size() as u64);
            if let Some(slot) = out {
                slot.out.push(ts, buffers, bytes);
                if slot.kind() == Some(Kind::VideoEncoder) {
                    list.iter().for_each(|buffer| coded(slot, ts, buffer));
                }
            }
            if let Some(slot) = into {
                slot.into.push(ts, buffers, bytes);
            }
        });
    }

    fn pad_push_event_pre(&self, _: u64, pad: &Pad, event: &Event) {
        guarded(|| match event.view() {
            EventView::Segment(segment) => {
                let shift = shift(segment.segment());
                let (out, into) = self.ends(pad);
                out.inspect(|slot| slot.out.shift.set(shift));
                into.inspect(|slot| slot.into.shift.set(shift));
            }
            EventView::Caps(caps) => {
                if let (_, Some(slot)) = self.ends(pad)
                    && let Some(picture) = caps.caps().structure(0)
                    && let (Ok(width), Ok(height)) = (picture.get::<i32>("width"), picture.get::<i32>("height"))
                {
                    slot.width.set(width.max(0) as u64);
                    slot.height.set(height.max(0) as u64);
                }
            }
            EventView::Eos(_) => {
                self.ends(pad).1.inspect(|slot| slot.eos.add(1));
            }
            _ => {}
        });
    }

    fn element_post_message_pre(&self, _: u64, element: &Element, message: &Message) {
        guarded(|| {
            // A bin posts the messages of its children again; they count where they began.
            if message.src().is_none_or(|src| src.as_ptr() != element.as_ptr().cast()) {
                return;
            }
            let slot = self.table.get(self.mark(element));
            match message.view() {
                MessageView::Error(_) => {
                    self.table.errors.add(1);
                    slot.inspect(|slot| slot.errors.add(1));
                }
                MessageView::Warning(_) => {
                    self.table.warnings.add(1);
                    slot.inspect(|slot| slot.warnings.add(1));
                }
                MessageView::Eos(_) => {
                    // Of the others the event that goes into them tells.
                    slot.filter(|slot| slot.kind() == Some(Kind::Pipeline)).inspect(|slot| slot.eos.add(1));
                }
                MessageView::StateChanged(change) => {
                    if let (Some(slot), Some(state)) = (slot, state(change.current())) {
                        slot.entered(state);
                    }
                }
                MessageView::Qos(qos) => {
                    if let (Some(slot), (Some(processed), Some(dropped))) = (slot, frames(qos.stats())) {
                        slot.qos_processed.set(processed);
                        slot.qos_dropped.set(dropped);
                        slot.qos_seen.set(1);
                    }
                }
                _ => {}
            }
        });
    }
}

impl Vedette {
    fn made(&self, ts: u64, element: &Element) {
        if self.table.origin.get() == 0 {
            self.table.origin.set(teller::monotonic().saturating_sub(ts).max(1));
        }
        let Some(kind) = kind(element) else { return };
        let factory = element.factory().map_or_else(|| element.type_().name().to_owned(), |f| f.name().into());
        let who = Who { element: element.downgrade(), name: element.name().into(), factory };
        let index = self.table.take(kind, who);
        if index != 0 {
            self.set_mark(element, index);
            // Pads that its class gave it while it was being made; later ones come through the hook.
            element.pads().iter().for_each(|pad| self.set_owner(pad, index));
        }
        if let Some(settings) = self.settings.get() {
            self.teller.get_or_init(|| Teller::start(settings, self.table.clone()));
        }
    }

    /// A source pad knows whose it is; a sink pad waits with that for who links to it.
    fn set_owner(&self, pad: &Pad, index: usize) {
        self.set_mark(pad, if pad.direction() == PadDirection::Src { index } else { index << INDEX });
    }

    /// The elements that a push from `pad` comes out of and goes into, of those that are told of.
    fn ends(&self, pad: &Pad) -> (Option<&Slot>, Option<&Slot>) {
        let mark = self.mark(pad);
        if mark == 0 {
            return (None, None);
        }
        (self.table.get(mark & ((1 << INDEX) - 1)), self.table.get(mark >> INDEX))
    }

    /// Our mark on an object, 0 for none: on an element its index; on a pad that of the element that owns a source pad,
    /// and shifted by [`INDEX`] that of the element which a push goes into.
    fn mark(&self, object: &impl IsA<glib::Object>) -> usize {
        let object: *mut glib::gobject_ffi::GObject = object.upcast_ref::<glib::Object>().to_glib_none().0;
        // SAFETY: the object lives through the call, and what hangs on it under our quark is a number, never followed.
        unsafe { glib::gobject_ffi::g_object_get_qdata(object, self.quark.into_glib()) as usize }
    }

    fn set_mark(&self, object: &impl IsA<glib::Object>, mark: usize) {
        let object: *mut glib::gobject_ffi::GObject = object.upcast_ref::<glib::Object>().to_glib_none().0;
        // SAFETY: as above; there is nothing to free when the object goes.
        unsafe { glib::gobject_ffi::g_object_set_qdata(object, self.quark.into_glib(), mark as *mut c_void) }
    }
}

/// A panic that left a hook would abort the encoder.
fn guarded(work: impl FnOnce()) {
    let _caught = catch_unwind(AssertUnwindSafe(work));
}

fn coded(slot: &Slot, ts: u64, picture: &BufferRef) {
    if !picture.flags().contains(BufferFlags::DELTA_UNIT) {
        slot.keys.add(1);
    }
    if let Some(pts) = picture.pts() {
        slot.passes_out(pts.nseconds(), ts);
    }
}

/// What an element is to us; `None` when it is not told of.
fn kind(element: &Element) -> Option<Kind> {
    if element.is::<gstreamer::Pipeline>() {
        return Some(Kind::Pipeline);
    }
    if element.is::<gstreamer::Bin>() {
        return None; // what it holds is told of
    }
    if ["GstQueue", "GstQueue2", "GstMultiQueue"].contains(&element.type_().name()) {
        return Some(Kind::Queue);
    }
    let class = element.metadata("klass").unwrap_or("");
    match class {
        _ if element.element_flags().contains(ElementFlags::SINK) => Some(Kind::Sink),
        // JPEG encoders say Image.
        _ if class.contains("Encoder") && (class.contains("Video") || class.contains("Image")) => {
            Some(Kind::VideoEncoder)
        }
        _ if class.contains("Encoder") && class.contains("Audio") => Some(Kind::AudioEncoder),
        _ => None,
    }
}

/// Running time less time stamp, wrapping; at rate 1, which encoders run at.
fn shift(segment: &Segment) -> u64 {
    let nanos = |value: GenericFormattedValue| match value {
        GenericFormattedValue::Time(Some(time)) => time.nseconds(),
        _ => 0,
    };
    nanos(segment.base()).wrapping_sub(nanos(segment.start()))
}

fn state(state: gstreamer::State) -> Option<State> {
    match state {
        gstreamer::State::Null => Some(State::Null),
        gstreamer::State::Ready => Some(State::Ready),
        gstreamer::State::Paused => Some(State::Paused),
        gstreamer::State::Playing => Some(State::Playing),
        _ => None,
    }
}

/// Buffers of a video element, or units of another one's default format; bytes and time are no count.
fn frames((processed, dropped): (GenericFormattedValue, GenericFormattedValue)) -> (Option<u64>, Option<u64>) {
    let count = |value| match value {
        GenericFormattedValue::Buffers(n) => n.map(|n| *n),
        GenericFormattedValue::Default(n) => n.map(|n| *n),
        _ => None,
    };
    (count(processed), count(dropped))
}
