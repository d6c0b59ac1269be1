//! Takes what is private out of a stored settings record, so that it can be kept in a file of its own, and puts it
//! back octet by octet.
//!
//! Private is the text of every secret node, and of every node that carries secrets in the wild: URLs (tokens and user
//! names in them), bodies and headers of web services. In the open part an index stands in its place, so a change to
//! anything else leaves the private part as it is.

use crate::layers::fnv1a;
use crate::schema::{self, Kind};
use quick_xml::{Reader, events::Event};
use std::ops::Range;

/// A record in two parts.
#[derive(Clone, PartialEq, Eq)]
pub struct Apart {
    /// May be shown.
    pub open: Vec<u8>,
    /// Must not be.
    pub private: Vec<u8>,
}

const WHOLE: &str = "offhook-settings";
const OPEN: &str = "offhook-settings-open";
const PRIVATE: &str = "offhook-private 1";

/// Both parts of a record, or `None` if it is no settings record or has nothing private in it.
pub fn split(record: &[u8]) -> Option<Apart> {
    let (version, payload) = content(record, WHOLE)?;
    let places = places(payload)?;
    if places.is_empty() {
        return None;
    }
    let mut open = String::with_capacity(payload.len());
    let mut texts = String::new();
    let mut from = 0;
    for (index, place) in places.iter().enumerate() {
        open.push_str(payload.get(from..place.start)?);
        open.push_str(&index.to_string());
        let text = payload.get(place.clone())?;
        texts.push_str(&format!("{}\n{text}\n", text.len()));
        from = place.end;
    }
    open.push_str(payload.get(from..)?);
    let open = headed(&format!("{OPEN} {version}"), &open);
    let apart = Apart { open, private: headed(PRIVATE, &texts) };
    // Whatever might be odd about a record: it comes back as it was, or it is not taken apart.
    (join(&apart.open, &apart.private).ok()? == record).then_some(apart)
}

/// Whether these octets are the open part of a record.
pub fn is_open_part(octets: &[u8]) -> bool {
    octets.starts_with(OPEN.as_bytes())
}

/// The record as it was.
///
/// # Errors
/// The parts are torn or do not belong together.
pub fn join(open: &[u8], private: &[u8]) -> Result<Vec<u8>, &'static str> {
    let (version, payload) = content(open, OPEN).ok_or("the settings file is torn: its length or checksum is wrong")?;
    let (_, rest) = content(private, "offhook-private").ok_or("the file of its secrets is torn")?;
    let strangers = "the file of its secrets belongs to other settings";
    let mut texts = Vec::new();
    let mut rest = rest;
    while let Some((length, after)) = rest.split_once('\n') {
        let length: usize = length.parse().map_err(|_| strangers)?;
        texts.push(after.get(..length).ok_or(strangers)?);
        rest = after.get(length + 1..).ok_or(strangers)?;
    }
    let places = places(payload).ok_or(strangers)?;
    if places.len() != texts.len() {
        return Err(strangers);
    }
    let mut whole = String::with_capacity(payload.len());
    let mut from = 0;
    for place in places {
        let index: usize = payload.get(place.clone()).and_then(|text| text.parse().ok()).ok_or(strangers)?;
        whole.push_str(payload.get(from..place.start).ok_or(strangers)?);
        whole.push_str(texts.get(index).ok_or(strangers)?);
        from = place.end;
    }
    whole.push_str(payload.get(from..).ok_or(strangers)?);
    Ok(headed(&format!("{WHOLE} {version}"), &whole))
}

/// `magic version length checksum`, and a payload for which both are right.
fn content<'r>(record: &'r [u8], magic: &str) -> Option<(&'r str, &'r str)> {
    let (head, payload) = std::str::from_utf8(record).ok()?.split_once('\n')?;
    let words: Vec<&str> = head.split(' ').collect();
    let [word, version, length, sum] = words.as_slice() else { return None };
    let right = *word == magic
        && length.parse() == Ok(payload.len())
        && u64::from_str_radix(sum, 16) == Ok(fnv1a(payload.as_bytes()));
    right.then_some((version, payload))
}

fn headed(magic: &str, payload: &str) -> Vec<u8> {
    format!("{magic} {} {:016x}\n{payload}", payload.len(), fnv1a(payload.as_bytes())).into_bytes()
}

fn is_private(node: &str) -> bool {
    let url = schema::row(node).is_some_and(|row| row.kind == Kind::Url);
    let lower = node.to_ascii_lowercase();
    url || schema::is_secret(node) || ["url", "postdata", "customheaders"].iter().any(|end| lower.ends_with(end))
}

/// Where private texts stand, in rising order. `None`: this is not what the layers write.
fn places(payload: &str) -> Option<Vec<Range<usize>>> {
    let mut reader = Reader::from_str(payload);
    let mut open: Vec<bool> = Vec::new();
    let mut places: Vec<Range<usize>> = Vec::new();
    loop {
        let start = usize::try_from(reader.buffer_position()).ok()?;
        let event = reader.read_event().ok()?;
        let end = usize::try_from(reader.buffer_position()).ok()?;
        match event {
            Event::Start(tag) => {
                attributes(payload, start..end, &tag, &mut places)?;
                // What stands inside something private is private.
                let inside = open.last().copied().unwrap_or(false);
                open.push(inside || is_private(tag.name().as_ref()));
            }
            Event::Empty(tag) => attributes(payload, start..end, &tag, &mut places)?,
            Event::End(_) => {
                open.pop()?;
            }
            Event::Text(_) | Event::GeneralRef(_) | Event::CData(_) if open.last().copied().unwrap_or(false) => {
                match places.last_mut() {
                    // A text with references in it comes in pieces.
                    Some(last) if last.end == start => last.end = end,
                    _ => places.push(start..end),
                }
            }
            Event::Eof => return Some(places),
            _ => {}
        }
    }
}

/// Values of attributes that are named like a secret, as the layers write them: ` name="value"`.
fn attributes(
    payload: &str,
    tag: Range<usize>,
    element: &quick_xml::events::BytesStart<'_>,
    places: &mut Vec<Range<usize>>,
) -> Option<()> {
    let mut at = tag.start;
    for attribute in element.attributes().with_checks(false) {
        let attribute = attribute.ok()?;
        let (key, value): (&str, &str) = (attribute.key.as_ref(), attribute.value.as_ref());
        let written = format!(" {key}=\"{value}\"");
        let found = at + payload.get(at..tag.end)?.find(&written)?;
        at = found + written.len();
        if schema::is_secret(key) && !value.is_empty() {
            places.push(at - 1 - value.len()..at - 1);
        }
    }
    Some(())
}

impl std::fmt::Debug for Apart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Apart").field("open", &String::from_utf8_lossy(&self.open)).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Node;
    use crate::{Document, Layers, layers::Source};
    use proptest::prelude::*;

    fn record(nodes: &str) -> Vec<u8> {
        let text = format!("<account><username>u</username><host>h</host><password>s3cret</password>{nodes}</account>");
        let (document, _) = Document::parse(text.as_bytes()).unwrap();
        let mut layers = Layers::new();
        layers.merge(Source::Provisioning, &document);
        layers.to_bytes()
    }

    #[test]
    fn nothing_private_is_left_in_the_open_part() {
        let whole = record(
            "<extProvUrl>https://ann:geheim@h/p?token=geheim&amp;b=1</extProvUrl><STUNPassword>geheim &lt;&amp;&gt; 2</STUNPassword>\
             <apiToken>geheim</apiToken><wcb_postData>key=geheim</wcb_postData><wcb_customHeaders>X-Key: geheim</wcb_customHeaders>\
             <headers><header name=\"X\" value=\"y\" token=\"geheim\"/></headers><userDisplayName>Ann</userDisplayName>\
             <ownServiceUrl>https://geheim</ownServiceUrl><secretThings><a b=\"c\">geheim</a></secretThings>",
        );
        let apart = split(&whole).unwrap();
        let open = String::from_utf8(apart.open.clone()).unwrap();
        assert!(!open.contains("geheim") && !open.contains("s3cret") && open.contains("Ann"), "{open}");
        assert!(!format!("{apart:?}").contains("geheim"));
        assert_eq!(join(&apart.open, &apart.private).unwrap(), whole);
    }

    #[test]
    fn a_change_elsewhere_leaves_the_private_part_as_it_is() {
        let (one, other) =
            (split(&record("<expires>60</expires>")).unwrap(), split(&record("<title>T</title>")).unwrap());
        assert_ne!(one.open, other.open);
        assert_eq!(one.private, other.private);
    }

    #[test]
    fn parts_that_do_not_belong_together_or_are_torn_are_refused() {
        let one = split(&record("")).unwrap();
        let other = split(&record("<STUNPassword>x</STUNPassword>")).unwrap();
        assert!(join(&one.open, &other.private).is_err() && join(&other.open, &one.private).is_err());
        for cut in 0..one.open.len() {
            assert!(join(&one.open[..cut], &one.private).is_err(), "{cut}");
        }
        for cut in 0..one.private.len() {
            assert!(join(&one.open, &one.private[..cut]).is_err(), "{cut}");
        }
        assert!(split(b"<account/>").is_none() && split(b"").is_none() && split(&one.open).is_none());
    }

    proptest! {
        #[test]
        fn any_settings_come_back_octet_by_octet(
            texts in prop::collection::vec(("[a-zA-Z]{1,8}(Url|Password|token)?", "[ -~éß\n\t]{0,30}", "[ -~]{0,10}"), 0..8),
        ) {
            let mut document = Document::default();
            for (name, text, attribute) in &texts {
                let mut node = Node::with_text(name, text);
                node.attributes = vec![("secret".into(), attribute.clone()), ("x".into(), attribute.clone())];
                node.children = vec![Node::with_text("apiPass", text), Node::with_text("b", attribute)];
                document.nodes.push(node);
            }
            let mut layers = Layers::new();
            layers.merge(Source::ExtProv, &document);
            let whole = layers.to_bytes();
            if let Some(apart) = split(&whole) {
                prop_assert_eq!(join(&apart.open, &apart.private).unwrap(), whole);
            } else {
                prop_assert!(texts.iter().all(|(_, _, attribute)| attribute.is_empty()));
            }
        }
    }
}
