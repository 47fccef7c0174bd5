//! What one section costs in `wire::scte35`, beside `scte35-splice` and `scte35-reader` on the same ones.
//! `cargo bench --bench scte35`; times are per section. All read every descriptor; only ours lists defects.

use broadcast_common::Parse;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mpeg2ts_reader::psi::{SectionCommonHeader, WholeCompactSyntaxPayloadParser};
use scte35_reader::{Scte35SectionProcessor, SpliceCommand, SpliceDescriptors, SpliceInfoHeader, SpliceInfoProcessor};
use scte35_splice::section::SpliceInfoSection;
use std::hint::black_box;
use vedette::base::base64;
use vedette::base::clock::Boot;
use vedette::wire::scte35::{Policy, Tracker, decode};

/// SCTE 35 2023r1 §14.1, §14.2 and §14.8: one segment, a splice_insert, three segments.
const SECTIONS: &[&str] = &[
    "/DA0AAAAAAAA///wBQb+cr0AUAAeAhxDVUVJSAAAjn/PAAGlmbAICAAAAAAsoKGKNAIAmsnRfg==",
    "/DAvAAAAAAAA///wFAVIAACPf+/+c2nALv4AUsz1AAAAAAAKAAhDVUVJAAABNWLbowo=",
    "/DBhAAAAAAAA///wBQb+qM1E7QBLAhdDVUVJSAAArX+fCAgAAAAALLLXnTUCAAIXQ1VFSUgAACZ/nwgIAAAAACyy150RAAACF0NVRUlIAAAnf58ICAAAAAAsstezEAAAihiGnw==",
];

mpeg2ts_reader::demux_context!(Context, mpeg2ts_reader::demultiplex::NullPacketFilter<Context>);
impl Context {
    fn do_construct(
        &mut self,
        _: mpeg2ts_reader::demultiplex::FilterRequest<'_, '_>,
    ) -> mpeg2ts_reader::demultiplex::NullPacketFilter<Context> {
        mpeg2ts_reader::demultiplex::NullPacketFilter::default()
    }
}

struct Look;

impl SpliceInfoProcessor for Look {
    fn process(&self, header: SpliceInfoHeader<'_>, command: SpliceCommand, descriptors: SpliceDescriptors<'_>) {
        black_box((header.pts_adjustment(), command));
        (&descriptors).into_iter().for_each(|d| drop(black_box(d)));
    }
}

fn per_section(c: &mut Criterion) {
    let sections: Vec<_> = SECTIONS.iter().map(|text| base64::decode(text).expect("a sample")).collect();
    let mut group = c.benchmark_group("section");
    group.throughput(Throughput::Elements(sections.len() as u64));
    group.bench_function("ours", |b| {
        b.iter(|| {
            for section in &sections {
                let decoded = black_box(decode(black_box(section)));
                decoded.descriptors.for_each(|d| _ = black_box(d));
            }
        })
    });
    group.bench_function("scte35_splice", |b| {
        b.iter(|| {
            for section in &sections {
                let parsed = black_box(SpliceInfoSection::parse(black_box(section)).expect("a sample"));
                parsed.descriptors().for_each(|d| drop(black_box(d)));
            }
        })
    });
    let (mut parser, mut context) = (Scte35SectionProcessor::new(Look), Context::new());
    group.bench_function("scte35_reader", |b| {
        b.iter(|| {
            for section in &sections {
                let header = SectionCommonHeader::new(&section[..SectionCommonHeader::SIZE]);
                parser.section(&mut context, &header, black_box(section));
            }
        })
    });
    // Repeats, as most sections are.
    let mut tracker = Tracker::new(Policy::default());
    let mut out = Vec::new();
    group.bench_function("ours_followed", |b| {
        b.iter(|| {
            for section in &sections {
                let decoded = decode(black_box(section));
                tracker.section(&decoded, Boot::from_secs(9), 0, Some(1_900_000_000), Some(1_900_063_000), &mut out);
                black_box(&out);
                out.clear();
            }
        })
    });
    group.finish();
}

criterion_group!(benches, per_section);
criterion_main!(benches);
