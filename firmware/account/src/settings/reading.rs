//! Single values of a document by the node name of their row, and the settings that several nodes make together.

use super::{
    BlfEntry, CardDav, Codec, CodecSet, ContactIp, CustomHeader, IncomingMode, ListeningPort, OpusOptions, Transport,
    is_nested_options, is_owned_header, is_token, one_line,
};
use crate::document::{Finding, FindingKind, Node};
use crate::web_access::WebAccess;
use crate::{
    Document, Secret, rules,
    schema::{self, Effect, Kind, Row},
    services, template,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The nodes of one codec set.
pub(super) struct CodecNodes {
    order: &'static str,
    honor: &'static str,
    ptime: &'static str,
    force: &'static str,
    /// class, bandwidth, complexity, bit rate, FEC, DTX, VBR, expected loss
    opus: [&'static str; 8],
}

pub(super) const MAIN: CodecNodes = CodecNodes {
    order: "codecOrder",
    honor: "honorTheirCodecListWiFi",
    ptime: "ptime",
    force: "forcePtime",
    opus: [
        "opusOptions.class",
        "opusOptions.bandwidth",
        "opusOptions.complexity",
        "opusOptions.bitrate",
        "opusOptions.fec",
        "opusOptions.dtx",
        "opusOptions.vbr",
        "opusOptions.expectedPacketLoss",
    ],
};

pub(super) const METERED: CodecNodes = CodecNodes {
    order: "codecOrder3G",
    honor: "honorTheirCodecList3G",
    ptime: "ptime3G",
    force: "forcePtime3G",
    opus: [
        "opusOptions3G.class",
        "opusOptions3G.bandwidth",
        "opusOptions3G.complexity",
        "opusOptions3G.bitrate",
        "opusOptions3G.fec",
        "opusOptions3G.dtx",
        "opusOptions3G.vbr",
        "opusOptions3G.expectedPacketLoss",
    ],
};

/// Usable values by the node name of their row, and what was found on the way.
pub(super) struct Reading {
    values: BTreeMap<&'static str, String>,
    /// Where a named node stood: `(line, column)`.
    places: BTreeMap<&'static str, (u32, u32)>,
    pub(super) findings: Vec<Finding>,
}

impl Reading {
    pub(super) fn of(document: &Document) -> Self {
        let mut reading = Self { values: BTreeMap::new(), places: BTreeMap::new(), findings: Vec::new() };
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        for node in &document.nodes {
            // A second node of a name has its finding from the parser; the first counts.
            if !seen.insert(&node.name) {
                continue;
            }
            reading.merge_attributes(node);
            if is_nested_options(node) {
                for child in &node.children {
                    reading.node(child, &format!("{}.{}", node.name, child.name));
                }
            } else {
                reading.node(node, &node.name);
            }
        }
        for name in ["username", "host"] {
            if reading.text(name).is_empty() {
                reading.report(name, FindingKind::BadValue, "there is no account without it");
            }
        }
        reading
    }

    pub(super) fn node(&mut self, node: &Node, name: &str) {
        let Some(row) = schema::row(name) else {
            let known = schema::rows().iter().find(|row| row.node.eq_ignore_ascii_case(name));
            let message = match known {
                Some(row) => format!("not known, kept; did you mean {}?", row.node),
                None => "not known, kept".to_owned(),
            };
            self.findings.push(finding(node, name, FindingKind::Unknown, message));
            return;
        };
        if self.places.contains_key(row.node) {
            let message = "given in two spellings: the first counts";
            self.findings.push(finding(node, name, FindingKind::Duplicate, message));
            return;
        }
        self.places.insert(row.node, (node.line, node.column));
        match row.effect {
            Effect::Acts => {}
            Effect::NotYet => {
                let message = "accepted, not yet in effect";
                self.findings.push(finding(node, name, FindingKind::NotYet, message));
            }
            Effect::NotApplicable => {
                let message = format!("kept, not applicable to a desk phone: {}", row.meaning);
                self.findings.push(finding(node, name, FindingKind::NotApplicable, message));
            }
        }
        if row.kind == Kind::Container {
            return;
        }
        if !node.children.is_empty() {
            let message = format!("has elements in it where text belongs: {}", fallback(row));
            self.findings.push(finding(node, name, FindingKind::BadValue, message));
            return;
        }
        let usable = match row.node {
            "username" if !username_fits(node.value()) => Err("a user name without blanks".to_owned()),
            _ => schema::read(row, &node.text),
        };
        match usable {
            Ok(usable) => {
                for note in usable.notes {
                    let kind = match row.kind {
                        Kind::List(_) => FindingKind::BadValue,
                        _ => FindingKind::Repaired,
                    };
                    self.findings.push(finding(node, name, kind, note));
                }
                self.values.insert(row.node, usable.value);
            }
            Err(expected) => {
                // A URL may carry a password, so neither it nor a secret is quoted.
                let value = match row.kind {
                    Kind::Secret | Kind::Url => "the value".to_owned(),
                    _ if node.text.trim().is_empty() => "an empty value".to_owned(),
                    _ => schema::shown(node.text.trim()),
                };
                let message = format!("{value} cannot be used ({expected}): {}", fallback(row));
                self.findings.push(finding(node, name, FindingKind::BadValue, message));
            }
        }
    }

    /// `axml.root.03`, `.05`: what the merging will not understand.
    pub(super) fn merge_attributes(&mut self, node: &Node) {
        let unreadable = |priority: &str| priority.trim().parse::<u32>().is_err();
        if node.attribute("priority").is_some_and(unreadable) {
            let message = "the attribute priority is no whole number: the source's rank is used";
            self.findings.push(Finding::at(node, FindingKind::BadValue, message));
        }
        let unknown = |operation: &str| !["replace", "subnode-union"].contains(&operation.trim());
        if node.attribute("operation").is_some_and(unknown) {
            let message = "the attribute operation is not known: the node replaces the stored one";
            self.findings.push(Finding::at(node, FindingKind::BadValue, message));
        }
    }

    pub(super) fn report(&mut self, node: &'static str, kind: FindingKind, message: impl Into<String>) {
        let (line, column) = self.places.get(node).copied().unwrap_or((0, 0));
        self.findings.push(Finding { line, column, node: node.to_owned(), kind, message: message.into() });
    }

    pub(super) fn given(&self, node: &str) -> bool {
        self.values.contains_key(node)
    }

    /// The value, or the row's default if there is none or an empty one.
    pub(super) fn text(&self, node: &str) -> String {
        match self.values.get(node) {
            Some(value) if !value.is_empty() => value.clone(),
            _ => schema::row(node).map(|row| row.default.to_owned()).unwrap_or_default(),
        }
    }

    pub(super) fn optional(&self, node: &str) -> Option<String> {
        Some(self.text(node)).filter(|value| !value.is_empty())
    }

    pub(super) fn flag(&self, node: &str) -> bool {
        self.text(node) == "1"
    }

    /// For nodes whose row has limits within 32 bits.
    pub(super) fn number(&self, node: &str) -> u32 {
        self.text(node).parse().unwrap_or_default()
    }

    pub(super) fn words<T>(&self, node: &str, word: impl Fn(&str) -> Option<T>) -> Vec<T> {
        self.text(node).split(',').filter_map(word).collect()
    }

    /// C-01: an empty title is made up, the account is never refused for it.
    pub(super) fn title(&mut self) -> String {
        if let Some(title) = self.optional("title") {
            return title;
        }
        let title = self
            .optional("userDisplayName")
            .unwrap_or_else(|| format!("{}@{}", self.text("username"), self.text("host")));
        self.report("title", FindingKind::Repaired, format!("empty: {} is shown", schema::shown(&title)));
        title
    }

    pub(super) fn transport(&mut self, node: &'static str) -> Transport {
        let transport = match self.text(node).as_str() {
            "tcp" => Transport::Tcp,
            "tls" => Transport::Tls,
            "tls+sip:" => Transport::TlsSip,
            "wss" => Transport::Wss,
            _ => Transport::Udp,
        };
        if !matches!(transport, Transport::Udp | Transport::Tcp) {
            let message = format!("{} is accepted, not yet in effect", self.text(node));
            self.report(node, FindingKind::NotYet, message);
        }
        transport
    }

    pub(super) fn web(&mut self) -> WebAccess {
        let (access, unusable) = WebAccess::read(|node| self.text(node));
        for (node, why) in unusable {
            self.report(node, FindingKind::BadValue, why);
        }
        access
    }

    pub(super) fn outbound_proxy(&mut self, transport: Transport) -> Option<(String, Transport)> {
        if !self.flag("outboundProxy_enabled") {
            return None;
        }
        let Some(host) = self.optional("outboundProxy_host") else {
            let message = "outboundProxy_host is missing: no outbound proxy is used";
            self.report("outboundProxy_enabled", FindingKind::BadValue, message);
            return None;
        };
        let named = self.values.get("outboundProxy_transport").is_some_and(|value| !value.is_empty());
        if named {
            return Some((host, self.transport("outboundProxy_transport")));
        }
        // axml.proxy.04: the documented default is udp, but nobody who asked for TLS meant to leave it.
        match transport {
            Transport::Udp | Transport::Tcp => Some((host, Transport::Udp)),
            secured => {
                let message = "not given: the transport of the account is used, not udp";
                self.report("outboundProxy_transport", FindingKind::Repaired, message);
                Some((host, secured))
            }
        }
    }

    pub(super) fn services(&mut self, document: &Document) -> services::Services {
        let mut findings = std::mem::take(&mut self.findings);
        let (services, remarks) = services::read(|node| self.text(node), document, &mut findings);
        self.findings = findings;
        for (node, kind, message) in remarks {
            self.report(node, kind, message);
        }
        services
    }

    pub(super) fn card_dav(&self) -> Option<CardDav> {
        Some(CardDav {
            title: self.optional("cardDavTitle"),
            url: self.optional("cardDavPrincipalUrl")?,
            refresh: match self.number("cardDavRefresh") {
                0 => None,
                seconds => Some(Duration::from_secs(seconds.into())),
            },
            username: self.optional("cardDavUsername"),
            password: Secret::new(self.text("cardDavPassword")),
        })
    }

    pub(super) fn codecs(&mut self, nodes: &CodecNodes) -> CodecSet {
        CodecSet {
            order: self.codec_order(nodes.order),
            honor_their_list: self.flag(nodes.honor),
            ptime: self.ptime(nodes.ptime),
            force_ptime: self.flag(nodes.force),
            opus: self.opus(&nodes.opus),
        }
    }

    pub(super) fn codec_order(&mut self, node: &'static str) -> Vec<Codec> {
        let codecs = self.words(node, |id| match id {
            "0" => Some(Codec::Pcmu),
            "3" => Some(Codec::Gsm),
            "8" => Some(Codec::Pcma),
            "9" => Some(Codec::G722),
            "18" => Some(Codec::G729),
            "102" => Some(Codec::Ilbc),
            "103" => Some(Codec::Opus),
            _ => None,
        });
        let (here, missing): (Vec<Codec>, Vec<Codec>) =
            codecs.into_iter().partition(|codec| !matches!(codec, Codec::Gsm | Codec::G729 | Codec::Ilbc));
        if self.given(node) && !missing.is_empty() {
            let names: Vec<&str> = missing
                .iter()
                .map(|codec| match codec {
                    Codec::Gsm => "3 (GSM)",
                    Codec::G729 => "18 (G.729)",
                    _ => "102 (iLBC)",
                })
                .collect();
            let message = format!("skipped, not yet in effect: {}", names.join(", "));
            self.report(node, FindingKind::NotYet, message);
        }
        if here.is_empty() {
            let message = "none of these codecs is in effect yet: the default order is used";
            self.report(node, FindingKind::BadValue, message);
            return vec![Codec::Opus, Codec::G722, Codec::Pcmu, Codec::Pcma];
        }
        here
    }

    pub(super) fn ptime(&mut self, node: &'static str) -> u32 {
        match self.number(node) {
            ptime if ptime % 10 == 0 => ptime,
            _ => {
                let default = schema::row(node).and_then(|row| row.default.parse().ok()).unwrap_or(20);
                let message = format!("the packet time must be a multiple of 10 ms: the default {default} is used");
                self.report(node, FindingKind::BadValue, message);
                default
            }
        }
    }

    /// C-07: the class decides; the single keys count only if it is given and empty.
    pub(super) fn opus(&mut self, nodes: &[&'static str; 8]) -> OpusOptions {
        let [class_node, single @ ..] = nodes;
        let class = match self.values.get(class_node) {
            Some(class) => class.clone(),
            None => "wb".to_owned(),
        };
        if class.is_empty() {
            return self.single_opus_keys(single);
        }
        for key in single {
            if self.places.contains_key(key) {
                let message = format!("no effect: {class_node} is {class}, not empty");
                self.report(key, FindingKind::BadValue, message);
            }
        }
        let (bandwidth, bitrate) = match class.as_str() {
            "nb" => (8000, 15_500),
            "fb" => (48_000, 64_000),
            _ => (16_000, 24_000),
        };
        OpusOptions {
            bandwidth,
            complexity: None,
            bitrate: Some(bitrate),
            fec: true,
            dtx: true,
            vbr: true,
            expected_packet_loss: 5,
        }
    }

    pub(super) fn single_opus_keys(&mut self, nodes: &[&'static str; 7]) -> OpusOptions {
        let [bandwidth, complexity, bitrate_node, fec, dtx, vbr, loss] = nodes;
        let bitrate = self.text(bitrate_node);
        let bitrate = match bitrate.parse::<i64>() {
            Err(_) | Ok(-1000) => None,
            Ok(-1) => Some(510_000),
            Ok(rate) => match u32::try_from(rate) {
                Ok(rate) if rate >= 6000 => Some(rate),
                _ => {
                    let message = "6000 to 510000, -1, -1000 or empty: automatic is used";
                    self.report(bitrate_node, FindingKind::BadValue, message);
                    None
                }
            },
        };
        OpusOptions {
            bandwidth: match self.text(bandwidth).as_str() {
                "nb" => 8000,
                "fb" => 48_000,
                _ => 16_000,
            },
            complexity: self.text(complexity).parse().ok(),
            bitrate,
            fec: self.flag(fec),
            dtx: self.flag(dtx),
            vbr: self.flag(vbr),
            expected_packet_loss: self.text(loss).parse().unwrap_or_default(),
        }
    }

    pub(super) fn contact_ip(&mut self) -> ContactIp {
        match self.text("contactIP").as_str() {
            "external" => ContactIp::External,
            "static" if self.optional("forcedContact").is_some() => ContactIp::Static,
            "static" => {
                let message = "static needs a usable forcedContact: internal is used";
                self.report("contactIP", FindingKind::BadValue, message);
                ContactIp::Internal
            }
            _ => ContactIp::Internal,
        }
    }

    /// `axml.nat.13`, `.14`: both or none, so that a half-wrong range does not become a third one.
    pub(super) fn rtp_ports(&mut self) -> (u16, u16) {
        let port = |text: String| text.parse::<u16>().unwrap_or_default();
        let start = port(self.text("rtpPortRangeStart"));
        let end = port(self.text("rtpPortRangeEnd"));
        if end.checked_sub(start).is_some_and(|span| span >= 3) {
            return (start, end);
        }
        for node in ["rtpPortRangeStart", "rtpPortRangeEnd"] {
            if self.places.contains_key(node) {
                let message = format!("{start} to {end} has no room for 4 ports: the default 10000 to 65535 is used");
                self.report(node, FindingKind::BadValue, message);
            }
        }
        (10_000, 65_535)
    }

    pub(super) fn listening_port(&mut self) -> ListeningPort {
        match self.text("listeningPort").parse::<u16>() {
            Err(_) => ListeningPort::Stable,
            Ok(0) => ListeningPort::Random,
            Ok(port) if port >= 1025 => ListeningPort::Fixed(port),
            Ok(_) => {
                let message = "must be empty, 0, or 1025 to 65535: a random port is used";
                self.report("listeningPort", FindingKind::BadValue, message);
                ListeningPort::Stable
            }
        }
    }

    /// `icm`, or the words that are older than it.
    pub(super) fn incoming(&mut self) -> IncomingMode {
        let word = |text: &str| match text {
            "push" => IncomingMode::Push,
            "keepAwake" => IncomingMode::KeepAwake,
            "off" => IncomingMode::Off,
            _ => IncomingMode::Auto,
        };
        if self.values.get("icm").is_some_and(|value| !value.is_empty()) {
            return word(&self.text("icm"));
        }
        if self.given("icm_auto") && self.flag("icm_auto") {
            return IncomingMode::Auto;
        }
        let older =
            [("incomingDisabled", "1", "off"), ("pushMethod", "tunnel", "push"), ("bgrEnabled", "1", "keepAwake")];
        for (node, value, icm) in older {
            if self.text(node) == value {
                self.report(node, FindingKind::Repaired, format!("read as icm {icm}"));
                return word(icm);
            }
        }
        IncomingMode::Auto
    }

    pub(super) fn forwarding(&mut self) -> Option<String> {
        if !self.flag("forwardingEnabled") {
            return None;
        }
        let number = self.optional("forwardingNumber");
        if number.is_none() {
            let message = "forwardingNumber is missing: nothing is forwarded";
            self.report("forwardingEnabled", FindingKind::BadValue, message);
        }
        number
    }

    pub(super) fn emergency_numbers(&self) -> Vec<String> {
        let text = self.text("emergencyNumbers");
        text.split(',').map(rules::bare).filter(|number| !number.is_empty()).take(50).collect()
    }

    pub(super) fn blf(&mut self, document: &Document) -> Vec<BlfEntry> {
        let mut entries: Vec<BlfEntry> = Vec::new();
        let (Some(list), Some(row)) = (document.node("blf"), schema::row("blf/uri")) else {
            return entries;
        };
        if !list.text.trim().is_empty() {
            let message = "text outside of <uri> has no effect";
            self.findings.push(finding(list, "blf", FindingKind::BadValue, message));
        }
        let mut seen = BTreeSet::new();
        for node in &list.children {
            if node.name != "uri" {
                let path = format!("blf/{}", node.name);
                self.findings.push(finding(node, &path, FindingKind::Unknown, "not known, kept"));
                continue;
            }
            let mut wrong = |kind, message: String| {
                self.findings.push(finding(node, "blf/uri", kind, message));
            };
            let uri = match schema::read(row, &node.text) {
                Ok(usable) if usable.value.is_empty() => {
                    wrong(FindingKind::BadValue, "empty: no lamp".into());
                    continue;
                }
                Ok(usable) => usable.value,
                Err(expected) => {
                    let value = schema::shown(node.text.trim());
                    wrong(FindingKind::BadValue, format!("{value} cannot be watched ({expected}): no lamp"));
                    continue;
                }
            };
            let key = node.attribute("key").map(str::trim).filter(|key| !key.is_empty());
            let number = key.and_then(|key| key.parse::<u8>().ok()).filter(|key| *key > 0);
            if key.is_some() && number.is_none() {
                wrong(FindingKind::BadValue, "key must be 1 to 255: the order decides".into());
            }
            if !seen.insert(uri.clone()) {
                wrong(FindingKind::Duplicate, "named twice: the first counts".into());
                continue;
            }
            let label = node.attribute("label").map(one_line).filter(|label| !label.is_empty());
            entries.push(BlfEntry { uri, label, key: number });
        }
        entries
    }

    pub(super) fn headers(&mut self, document: &Document) -> Vec<CustomHeader> {
        let mut headers = Vec::new();
        let Some(list) = document.node("headers") else {
            return headers;
        };
        for node in &list.children {
            if node.name != "header" {
                let path = format!("headers/{}", node.name);
                self.findings.push(finding(node, &path, FindingKind::Unknown, "not known, kept"));
                continue;
            }
            let mut wrong = |kind, message: String| {
                self.findings.push(finding(node, "headers/header", kind, message));
            };
            let name = node.attribute("name").unwrap_or_default().trim();
            let method = match node.attribute("method").map(str::trim) {
                None | Some("") => "*",
                Some(method) => method,
            };
            if !is_token(name) || !(method == "*" || is_token(method)) {
                wrong(FindingKind::BadValue, "name or method is no token: the header is not sent".into());
                continue;
            }
            if is_owned_header(name) {
                let message = format!("{name} is written by the phone itself: the header is not sent");
                wrong(FindingKind::BadValue, message);
                continue;
            }
            let written = node.attribute("value").unwrap_or_default();
            let value = one_line(&template::expand_text(written, document));
            if written.chars().any(char::is_control) {
                wrong(FindingKind::Repaired, "line breaks and control characters are sent as spaces".into());
            }
            if value.len() > 1024 {
                wrong(FindingKind::BadValue, "longer than 1024 octets: the header is not sent".into());
                continue;
            }
            headers.push(CustomHeader { method: method.to_ascii_uppercase(), name: name.to_owned(), value });
        }
        headers
    }
}

fn finding(node: &Node, name: &str, kind: FindingKind, message: impl Into<String>) -> Finding {
    Finding { line: node.line, column: node.column, node: name.to_owned(), kind, message: message.into() }
}

fn fallback(row: &Row) -> String {
    match row.default {
        "" => "it counts as not given".to_owned(),
        default => format!("the default {default} is used"),
    }
}

fn username_fits(text: &str) -> bool {
    text.len() <= 255 && !text.chars().any(|c| c.is_control() || c.is_whitespace() || "<>\"".contains(c))
}
