//! The front door: what a technician sees who types the box's address into a browser.

/// The whole document. Nothing in it is fetched from elsewhere.
pub fn front(node: &str) -> String {
    let (node, version) = (escape(node), env!("CARGO_PKG_VERSION"));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{node} – Vedette</title>\n\
         <style>body{{font:1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}}\
         dt{{float:left;clear:left;width:8rem}}</style>\n</head>\n<body>\n<h1>{node}</h1>\n\
         <p>Vedette {version} keeps watch on this recording node.</p>\n<dl>\n\
         <dt><a href=\"/metrics\">/metrics</a></dt><dd>what it sees, for Prometheus</dd>\n\
         <dt><a href=\"/healthz\">/healthz</a></dt><dd>whether it is alive</dd>\n\
         <dt><a href=\"/readyz\">/readyz</a></dt><dd>whether it has seen anything yet</dd>\n\
         </dl>\n</body>\n</html>\n"
    )
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_name_cannot_break_out_of_the_document() {
        let page = front("<script>\"&");
        assert!(page.contains("<title>&lt;script&gt;&quot;&amp; – Vedette</title>"), "{page}");
    }
}
