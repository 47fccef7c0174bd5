//! What the dashboard shows of HLS playlists.

use crate::metric::desc::Unit;
use crate::metric::panel::{Look, Panel};

pub(super) static PANELS: &[Panel] = &[
    Panel {
        title: "Served",
        look: Look::States,
        unit: Unit::Count,
        queries: &[("hls_up{$node}", "{{stream_id}}"), ("1 - hls_playlist_stalled{$node}", "{{stream_id}}, grows")],
    },
    Panel {
        title: "Since the last segment",
        look: Look::Lines,
        unit: Unit::Seconds,
        queries: &[("hls_playlist_age_seconds{$node}", "{{stream_id}}")],
    },
    Panel {
        title: "Download time of a segment, of its duration",
        look: Look::Lines,
        unit: Unit::Ratio,
        queries: &[("hls_segment_download_ratio{$node}", "{{stream_id}}")],
    },
];
