//! Which format a client gets, from its `Accept` and `Accept-Encoding` (RFC 9110 §12.5).

/// The two text formats.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Format {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// Prometheus text format 0.0.4.
    Text,
}

impl Format {
    /// A scraper of Prometheus 3 fails on a missing or invalid one.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// A format, packed or not.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Form {
    pub format: Format,
    pub gzip: bool,
}

impl Form {
    /// What these two headers ask for. Who asks for nothing we have (a browser, curl) gets text 0.0.4, as from other
    /// exporters; equal wishes go to OpenMetrics, which says more.
    pub fn asked(accept: Option<String>, encoding: Option<String>) -> Form {
        let (mut best, mut format) = (0, Format::Text);
        for range in accept.as_deref().unwrap_or("").split(',') {
            let Some((offer, q)) = media_range(range) else { continue };
            if q > best || (q == best && q > 0 && offer == Format::OpenMetrics) {
                (best, format) = (q, offer);
            }
        }
        Form { format, gzip: takes_gzip(encoding.as_deref().unwrap_or("")) }
    }
}

/// What one media range of `Accept` fits, and how much it is wished for in thousandths.
fn media_range(range: &str) -> Option<(Format, u16)> {
    let mut parts = range.split(';').map(str::trim);
    let name = parts.next()?.to_ascii_lowercase();
    let (mut q, mut version) = (1000, None);
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        match key.trim().to_ascii_lowercase().as_str() {
            "q" => q = thousandths(value)?,
            "version" => version = Some(value.trim().trim_matches('"')),
            _ => {} // charset, escaping: what we write fits all of them
        }
    }
    let format = match (name.as_str(), version) {
        ("application/openmetrics-text", None | Some("1.0.0")) | ("application/*", None) => Format::OpenMetrics,
        ("text/plain", None | Some("0.0.4")) | ("text/*" | "*/*", None) => Format::Text,
        _ => return None,
    };
    Some((format, q))
}

/// `0.75` → 750; more than three decimals are cut.
fn thousandths(q: &str) -> Option<u16> {
    let q: f64 = q.trim().parse().ok()?;
    (0.0..=1.0).contains(&q).then_some((q * 1000.0) as u16)
}

fn takes_gzip(encoding: &str) -> bool {
    let mut any = false;
    for coding in encoding.split(',') {
        let (name, q) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let wished = q.trim().strip_prefix("q=").and_then(thousandths).is_some_and(|q| q > 0);
        match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => return wished,
            "*" => any = wished,
            _ => {}
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wish_of_every_known_scraper_is_met() {
        let cases = [
            // Prometheus 2.42
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            // Prometheus 3
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                Format::OpenMetrics,
            ),
            // Prometheus 3 with fallback order turned round by scrape_protocols
            ("text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.2", Format::Text),
            // native histograms first: protobuf is not ours, the next wish is
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5",
                Format::OpenMetrics,
            ),
            ("application/openmetrics-text;version=0.0.1", Format::Text),
            ("*/*", Format::Text),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Format::Text),
            ("text/plain,application/openmetrics-text", Format::OpenMetrics),
            ("application/openmetrics-text;q=0,text/plain;q=0.1", Format::Text),
            ("application/openmetrics-text;version=\"1.0.0\"; charset=utf-8", Format::OpenMetrics),
            ("garbage;;;q=9,,", Format::Text),
            ("", Format::Text),
        ];
        for (accept, wanted) in cases {
            assert_eq!(Form::asked(Some(accept.to_owned()), None).format, wanted, "{accept}");
        }
        assert_eq!(Form::asked(None, None), Form { format: Format::Text, gzip: false });
    }

    #[test]
    fn gzip_is_used_only_where_it_is_taken() {
        for (encoding, wanted) in [
            ("gzip", true),
            ("deflate, gzip;q=0.5, br", true),
            ("*", true),
            ("gzip;q=0, *", false),
            ("identity", false),
            ("br", false),
            ("", false),
        ] {
            assert_eq!(Form::asked(None, Some(encoding.to_owned())).gzip, wanted, "{encoding}");
        }
    }
}
