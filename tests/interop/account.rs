//! Account XML as a person would write it.

/// A document with these nodes, in order. `blf` is a list of extensions with commas.
pub(crate) fn document(nodes: &[(&str, &str)]) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<account>\n");
    for (name, value) in nodes {
        if *name == "blf" {
            let uris: String = value.split(',').map(|uri| format!("<uri>{uri}</uri>")).collect();
            xml += &format!("  <blf>{uris}</blf>\n");
        } else {
            xml += &format!("  <{name}>{}</{name}>\n", escape(value));
        }
    }
    xml + "</account>\n"
}

/// `nodes` with those of `more` in place of, or after, them.
pub(crate) fn with<'a>(nodes: &[(&'a str, &'a str)], more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut all: Vec<_> =
        nodes.iter().copied().filter(|(name, _)| more.iter().all(|(other, _)| name != other)).collect();
    all.extend(more);
    all
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// The text of a node in a document of ours.
pub(crate) fn node<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let after = xml.split_once(&format!("<{name}>"))?.1;
    Some(after.split_once(&format!("</{name}>"))?.0)
}
