//! What will be in effect: every row of the table with the value that counts, as it would be written.
//!
//! A row's own value is judged by the table; where a rule between nodes decides (an Opus preset, a port range, the older
//! words for `icm`), the typed settings are asked. Written back as a document these values give the same settings.

use offhook_account::document::{Document, Node};
use offhook_account::schema::{self, Effect, Kind, Row};
use offhook_account::settings::{Codec, CodecSet, ContactIp, IncomingMode, ListeningPort, Settings, Transport};

/// One row.
#[derive(Debug, Clone)]
pub struct Effective {
    pub row: &'static Row,
    /// As it would be written; of a secret `***`, of a list of nodes nothing.
    pub value: String,
    /// The document names it.
    pub given: bool,
}

/// Every row that is a node of its own, in the order of the table.
pub fn effective(document: &Document, settings: &Settings) -> Vec<Effective> {
    rows()
        .map(|row| {
            let node = given(document, row);
            let mut value = match row.kind {
                Kind::Container => String::new(),
                _ => value(row, node, settings),
            };
            if row.kind == Kind::Secret && !value.is_empty() {
                value = "***".into();
            }
            Effective { row, value, given: node.is_some() }
        })
        .collect()
}

/// The same as a document: all values spelt out, lists of nodes and nodes that nobody knows as they were, secrets in clear.
pub fn spelt_out(document: &Document, settings: &Settings) -> Document {
    let mut nodes: Vec<Node> = Vec::new();
    for row in rows() {
        let node = given(document, row);
        match row.kind {
            Kind::Container => nodes.extend(node.cloned()),
            Kind::Secret if node.is_none() => {}
            _ => nodes.push(Node::with_text(row.node, &value(row, node, settings))),
        }
    }
    nodes.extend(document.nodes.iter().filter(|node| schema::row(&node.name).is_none() && !is_options(node)).cloned());
    Document { nodes }
}

/// Rows that stand below the account by their name: no attributes, conditions or parts of a notation.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    let plain = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._".contains(&b));
    schema::rows().iter().filter(move |row| plain(row.node) && !["account", "accounts"].contains(&row.node))
}

/// The node of a row, also in its nested spelling.
fn given<'d>(document: &'d Document, row: &Row) -> Option<&'d Node> {
    let nested = || {
        let (outer, inner) = row.node.split_once('.')?;
        document.node(outer)?.children.iter().find(|child| child.name == inner)
    };
    let direct = document.node(row.node);
    match (direct, nested()) {
        // The first in the document counts.
        (Some(direct), Some(nested)) if (nested.line, nested.column) < (direct.line, direct.column) => Some(nested),
        (direct, nested) => direct.or(nested),
    }
}

fn is_options(node: &Node) -> bool {
    ["opusOptions", "opusOptions3G"].contains(&node.name.as_str())
}

fn value(row: &Row, node: Option<&Node>, settings: &Settings) -> String {
    if let Some(ruled) = ruled(row.node, settings) {
        return ruled;
    }
    let text = node.filter(|node| node.children.is_empty());
    let usable = text.and_then(|node| schema::read(row, &node.text).ok()).map(|usable| usable.value);
    match usable {
        // C-07: given and empty is not the same as the default there.
        Some(value) if !value.is_empty() || row.node.ends_with(".class") => value,
        _ => row.default.to_owned(),
    }
}

/// Rows that other rows have a say in.
fn ruled(node: &str, settings: &Settings) -> Option<String> {
    let flag = |on: bool| Some(u8::from(on).to_string());
    let main = || of_codec_set(node, "", &settings.codecs(false));
    let metered = || of_codec_set(node, "3G", &settings.codecs(true));
    if let Some(value) = main().or_else(metered) {
        return Some(value);
    }
    match node {
        "title" => Some(settings.title.clone()),
        "username" => Some(settings.username.clone()),
        "host" => Some(settings.host.clone()),
        "authUsername" => Some(settings.auth_username.clone()),
        "outboundProxy_enabled" => flag(settings.outbound_proxy.is_some()),
        "outboundProxy_transport" => settings.outbound_proxy.as_ref().map(|(_, transport)| word(*transport).to_owned()),
        "contactIP" => Some(
            match settings.contact_ip {
                ContactIp::Internal => "internal",
                ContactIp::External => "external",
                ContactIp::Static => "static",
            }
            .to_owned(),
        ),
        "rtpPortRangeStart" => Some(settings.rtp_ports.0.to_string()),
        "rtpPortRangeEnd" => Some(settings.rtp_ports.1.to_string()),
        "listeningPort" => Some(match settings.listening_port {
            ListeningPort::Stable => String::new(),
            ListeningPort::Random => "0".into(),
            ListeningPort::Fixed(port) => port.to_string(),
        }),
        "icm" => Some(
            match settings.incoming {
                IncomingMode::Auto => "auto",
                IncomingMode::Push => "push",
                IncomingMode::KeepAwake => "keepAwake",
                IncomingMode::Off => "off",
            }
            .to_owned(),
        ),
        "forwardingEnabled" => flag(settings.forwarding.is_some()),
        _ => None,
    }
}

/// The nodes of one codec set; `suffix` is what their names have more.
fn of_codec_set(node: &str, suffix: &str, set: &CodecSet) -> Option<String> {
    let number = |number: Option<u32>| Some(number.map(|number| number.to_string()).unwrap_or_default());
    if node.strip_suffix(suffix) == Some("codecOrder") {
        let ids: Vec<&str> = set.order.iter().map(|codec| id(*codec)).collect();
        return Some(ids.join(","));
    }
    if node.strip_suffix(suffix) == Some("ptime") {
        return number(Some(set.ptime));
    }
    let flag = |on: bool| number(Some(u32::from(on)));
    let opus = &set.opus;
    match node.strip_prefix("opusOptions")?.strip_prefix(suffix)? {
        ".bandwidth" => Some(
            match opus.bandwidth {
                8000 => "nb",
                48_000 => "fb",
                _ => "wb",
            }
            .to_owned(),
        ),
        ".complexity" => number(opus.complexity.map(u32::from)),
        ".bitrate" => number(opus.bitrate),
        ".fec" => flag(opus.fec),
        ".dtx" => flag(opus.dtx),
        ".vbr" => flag(opus.vbr),
        ".expectedPacketLoss" => number(Some(opus.expected_packet_loss.into())),
        _ => None,
    }
}

fn word(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Tls => "tls",
        Transport::TlsSip => "tls+sip:",
        Transport::Wss => "wss",
    }
}

fn id(codec: Codec) -> &'static str {
    match codec {
        Codec::Pcmu => "0",
        Codec::Gsm => "3",
        Codec::Pcma => "8",
        Codec::G722 => "9",
        Codec::G729 => "18",
        Codec::Ilbc => "102",
        Codec::Opus => "103",
    }
}

/// What the phone says about a row that does not act.
pub fn standing(row: &Row) -> &'static str {
    match row.effect {
        Effect::Acts => "",
        effect => effect.label(),
    }
}
