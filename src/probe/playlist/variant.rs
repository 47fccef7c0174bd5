//! One media playlist: fetched again and again, its new segments read once each.

use super::segment::Reader;
use super::tally::{Fate, Tally, What, Why};
use crate::base::clock::{Boot, Clock};
use crate::base::fault::chain;
use crate::base::label::Label;
use crate::wire::hls::{Facts, Judge, MOST_BYTES, Media, Playlist, Segment, Told, parse};
use crate::world::net::{Ask, Fetched, Login, Net, Phases, at_home};
use std::time::Duration;
use url::Url;

/// Segments read per version at most, the newest: who is behind by more skips, as a player does.
const MOST_SEGMENTS: usize = 3;
/// A segment may take so many target durations: the one after it is due by then, and the one after that.
const PATIENCE: f64 = 2.0;
/// Bytes of a segment at most: 20 s at 100 Mbit/s.
const SEGMENT_BYTES: u64 = 256 * 1024 * 1024;

/// What asking needs.
pub(super) struct Hands<'a> {
    pub(super) net: &'a dyn Net,
    pub(super) clock: &'a Clock,
    /// What was configured: the login goes to no other host.
    pub(super) home: &'a Url,
    pub(super) login: Option<&'a Login>,
    pub(super) timeout: Duration,
}

impl<'a> Hands<'a> {
    fn ask<'u>(&self, url: &'u Url, most: u64, bound: Duration) -> Ask<'u>
    where
        'a: 'u,
    {
        let login = self.login.filter(|_| at_home(self.home, url));
        Ask { url, login, range: None, accept: None, most, bound }
    }

    /// The text of a playlist, and where it came from.
    pub(super) async fn playlist(&self, url: &Url) -> Result<(Vec<u8>, Fetched), Why> {
        let mut text = Vec::new();
        let mut take = |bytes: &[u8]| text.extend_from_slice(bytes);
        let fetched = self.net.fetch(self.ask(url, MOST_BYTES as u64, self.timeout), &mut take).await;
        let fetched = good(fetched.map_err(|missed| {
            tracing::debug!(reason = missed.reason.label(), error = %chain(&missed), "a playlist did not come");
            Why::Net(missed.reason)
        })?)?;
        Ok((text, fetched))
    }
}

/// An answer that can be used.
fn good(fetched: Fetched) -> Result<Fetched, Why> {
    match fetched {
        Fetched { status, .. } if !(200..300).contains(&status) => Err(Why::of_status(status)),
        Fetched { whole: false, .. } => Err(Why::TooLarge),
        fetched => Ok(fetched),
    }
}

/// What one look at a variant gave.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// Why there was no playlist.
    pub(super) why: Option<Why>,
    pub(super) facts: Option<Facts>,
    pub(super) phases: Option<(Phases, Duration)>,
    /// Download times in seconds, of the segments that were read.
    pub(super) downloads: Vec<f64>,
    /// Of the newest one: download time and bits over its duration.
    pub(super) ratio: Option<f64>,
    pub(super) bitrate: Option<f64>,
    /// There was something new.
    pub(super) moved: bool,
    pub(super) told: Vec<Told>,
}

/// One watched media playlist.
pub(super) struct Variant {
    pub(super) url: Url,
    pub(super) judge: Judge,
    pub(super) tally: Tally,
    reader: Reader,
    /// A version was seen before.
    begun: bool,
}

impl Variant {
    pub(super) fn new(url: Url) -> Variant {
        Variant { url, judge: Judge::default(), tally: Tally::default(), reader: Reader::new(), begun: false }
    }

    /// Fetches the playlist and reads what is new in it.
    pub(super) async fn look(&mut self, hands: &Hands<'_>) -> Look {
        let mut look = Look::default();
        let (text, fetched) = match hands.playlist(&self.url).await {
            Ok(got) => got,
            Err(why) => return self.failed(look, why),
        };
        let now = hands.clock.boot();
        look.phases = Some((fetched.phases, fetched.total));
        let media = match parse(&text) {
            Ok(Playlist::Media(media)) => media,
            _ => return self.failed(look, Why::Unreadable),
        };
        let step = self.judge.on(&media, now);
        look.moved = !step.fresh.is_empty() || step.restarted;
        if step.restarted {
            self.reader.gap();
        }
        let newest = media.next().saturating_sub(1);
        for told in &step.told {
            if let Told::Cue(cue, number) = told {
                self.reader.cross().written(cue, number.unwrap_or(newest));
            }
        }
        look.told = step.told;
        self.read(&media, step.fresh, &fetched.url, hands, &mut look).await;
        look.facts = self.judge.facts(now);
        look
    }

    fn failed(&mut self, look: Look, why: Why) -> Look {
        self.tally.failed(What::Playlist, why);
        Look { why: Some(why), ..look }
    }

    /// Reads new segments: all that came since the last look, of a first look only the newest.
    async fn read(
        &mut self,
        media: &Media<'_>,
        fresh: std::ops::Range<usize>,
        base: &Url,
        hands: &Hands<'_>,
        look: &mut Look,
    ) {
        let most = if self.begun { MOST_SEGMENTS } else { 1 };
        let from = fresh.start.max(fresh.end.saturating_sub(most));
        if from > fresh.start {
            // History at the first look is nobody's loss.
            self.tally.fates[Fate::Skipped as usize] += if self.begun { (from - fresh.start) as u64 } else { 0 };
            self.reader.gap();
        }
        self.begun |= !fresh.is_empty();
        let target = Duration::from_secs(media.target.unwrap_or(6));
        let bound = hands.timeout.max(target.mul_f64(PATIENCE));
        for position in from..fresh.end {
            let segment = &media.segments[position];
            let number = media.sequence.saturating_add(position as u64);
            if segment.gap {
                self.tally.fates[Fate::Gap as usize] += 1;
                self.reader.gap();
                continue;
            }
            if segment.discontinuity {
                self.reader.discontinuity(number);
            }
            match self.one(segment, base, hands, bound).await {
                Ok(fetched) => {
                    self.tally.fates[Fate::Read as usize] += 1;
                    self.tally.bytes += fetched.bytes;
                    let took = fetched.total.as_secs_f64();
                    look.downloads.push(took);
                    if segment.duration > 0.0 {
                        look.ratio = Some(took / segment.duration);
                        look.bitrate = Some(fetched.bytes as f64 * 8.0 / segment.duration);
                    }
                    let judge = &mut self.judge;
                    self.reader.end(number, &mut self.tally, |fault, style| {
                        judge.cue_fault(fault, style);
                        look.told.push(Told::Fault(fault, style));
                    });
                }
                Err(why) => {
                    self.tally.fates[Fate::Failed as usize] += 1;
                    self.tally.failed(What::Segment, why);
                    self.reader.gap();
                }
            }
        }
    }

    async fn one(
        &mut self,
        segment: &Segment<'_>,
        base: &Url,
        hands: &Hands<'_>,
        bound: Duration,
    ) -> Result<Fetched, Why> {
        let url = base.join(segment.uri).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or(Why::Unreadable)?;
        let ask = Ask {
            range: segment.range.map(|r| (r.offset, r.length)),
            ..hands.ask(&url, segment.range.map_or(SEGMENT_BYTES, |r| r.length.min(SEGMENT_BYTES)), bound)
        };
        // Ciphertext and fragmented MP4 are fetched and timed like the rest; there is no transport stream to look into.
        let readable = !segment.encrypted && !segment.mapped;
        let (reader, clock) = (&mut self.reader, hands.clock);
        let mut at: Option<Boot> = None;
        let mut take = |bytes: &[u8]| {
            if readable {
                reader.feed(bytes, *at.get_or_insert_with(|| clock.boot()));
            }
        };
        let fetched = hands.net.fetch(ask, &mut take).await;
        good(fetched.map_err(|missed| {
            tracing::debug!(reason = missed.reason.label(), error = %chain(&missed), "a segment did not come");
            Why::Net(missed.reason)
        })?)
    }
}
