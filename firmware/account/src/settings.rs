//! The typed reading of a merged account: what the phone acts on. Always complete: a missing or unusable value is its
//! default.
//!
//! Single values are judged by their row of the table (`schema::read`); this module adds what concerns several nodes
//! and resolves what the reference leaves open: an empty title is made up, an Opus class beats the single keys, a TLS
//! transport is not lowered by a missing outbound one, the words older than `icm` are read as it, and third parties
//! that are default servers elsewhere (push relays, STUN) have no field here at all.

use crate::document::{Finding, Node};
use crate::web_access::WebAccess;
use crate::{Document, Secret, rules, services};
use std::time::Duration;

mod reading;

use reading::{MAIN, METERED, Reading};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
    /// TLS with `sip:` URIs
    TlsSip,
    Wss,
}

/// Codec ids of `axml.codec.01` (not wire payload types for 102/103).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    Pcmu,
    Gsm,
    Pcma,
    G722,
    G729,
    Ilbc,
    Opus,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DtmfMethod {
    Rfc2833,
    Info,
    Audio,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactIp {
    Internal,
    External,
    Static,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IncomingMode {
    Auto,
    Push,
    KeepAwake,
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentitySource {
    Pai,
    From,
    Rpid,
    Ppi,
}

/// `axml.nat.15`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListeningPort {
    /// random, the same for at least a day
    Stable,
    /// random at each registration
    Random,
    Fixed(u16),
}

/// `axml.opus.*`, class already applied (C-07).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpusOptions {
    /// [Hz]: 8000, 16000 or 48000
    pub bandwidth: u32,
    pub complexity: Option<u8>,
    /// [bit/s]
    pub bitrate: Option<u32>,
    pub fec: bool,
    pub dtx: bool,
    pub vbr: bool,
    /// [%]
    pub expected_packet_loss: u8,
}

/// Codecs and packets of a call: one set for a link that costs nothing, one for a metered one (C-06).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodecSet {
    pub order: Vec<Codec>,
    /// When answering, the first codec of the caller's list that both have.
    pub honor_their_list: bool,
    /// [ms]
    pub ptime: u32,
    pub force_ptime: bool,
    pub opus: OpusOptions,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlfEntry {
    /// as written: `102` or `sip:102@host`
    pub uri: String,
    pub label: Option<String>,
    /// lamp key number if given, else the order decides
    pub key: Option<u8>,
}

/// The tone expressions (`axml.tones.*`), as text; the media crate reads the notation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tones {
    pub dial: String,
    pub stutter_dial: String,
    pub trying: String,
    pub ringing: String,
    pub busy: String,
    pub congestion: String,
    pub end_call: String,
    pub call_waiting: String,
    pub howler: String,
}

/// A header to add to requests and responses of `method` (`*`: all). Name and value are fit for the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomHeader {
    pub method: String,
    pub name: String,
    pub value: String,
}

/// An address book on a server (`axml.dav.*`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardDav {
    pub title: Option<String>,
    /// With a scheme; placeholders are not filled in yet.
    pub url: String,
    /// `None`: only at start and on demand.
    pub refresh: Option<Duration>,
    /// `None`: the account's.
    pub username: Option<String>,
    /// Empty: the account's, where that may go.
    pub password: Secret,
}

/// What the phone acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub title: String,
    pub username: String,
    pub password: Secret,
    pub auth_username: String,
    pub display_name: String,
    /// `host[:port]`, IPv6 in brackets
    pub host: String,
    pub transport: Transport,
    /// User part of From in an INVITE, not yet escaped.
    pub caller_id: Option<String>,
    /// [s]
    pub expires: u32,
    /// [s]
    pub subscription_expires: u32,
    pub allow_message: bool,
    pub only_known_sources: bool,
    pub proxy: Option<String>,
    pub outbound_proxy: Option<(String, Transport)>,
    pub voicemail_number: Option<String>,
    pub subscribe_for_voicemail: bool,
    pub codec_order: Vec<Codec>,
    pub honor_their_codec_list: bool,
    /// [ms]
    pub ptime: u32,
    pub force_ptime: bool,
    pub opus: OpusOptions,
    /// The `3G` nodes, in place of the five above while the uplink in use is metered.
    pub metered: CodecSet,
    /// `axml.nat.16`: how long calls outlive the network.
    pub network_patience: Duration,
    pub dtmf_order: Vec<DtmfMethod>,
    pub dtmf_all: bool,
    pub dtmf_only_8k: bool,
    pub dtmf_8k_units: bool,
    pub contact_ip: ContactIp,
    pub forced_contact: Option<String>,
    pub send_audio_back: bool,
    pub keep_alive: Option<Duration>,
    /// First and last, inclusive.
    pub rtp_ports: (u16, u16),
    pub listening_port: ListeningPort,
    pub rtcp_mux: bool,
    pub headers: Vec<CustomHeader>,
    pub incoming: IncomingMode,
    /// `axml.inc.05`: registered although nothing rings here
    pub force_registration: bool,
    /// `axml.inc.07`: a call that is made without a registration brings one for its time
    pub register_for_calls: bool,
    pub remote_contact: Vec<IdentitySource>,
    pub call_waiting: bool,
    /// `axml.fwd.01`, `.02`: every call
    pub forwarding: Option<String>,
    /// `offhook.fwd.01`
    pub forwarding_busy: Option<String>,
    /// `offhook.fwd.02`
    pub forwarding_no_answer: Option<String>,
    /// `offhook.fwd.03`: how long it rings before that
    pub forwarding_no_answer_after: Duration,
    /// `offhook.fwd.04`: when no call can be taken here
    pub forwarding_unreachable: Option<String>,
    /// `axml.rew.*`
    pub rewriting: rules::Rewriting,
    /// `axml.dnd.*`
    pub do_not_disturb: rules::DoNotDisturb,
    /// `offhook.dnd.01`: SIP status of a call that do not disturb rejects
    pub dnd_status: u16,
    /// `offhook.dnd.02`: do not disturb shows calls without ringing
    pub dnd_silent: bool,
    /// `offhook.dnd.03`: switched on by hand
    pub dnd_now: bool,
    /// `offhook.emergency.01`, without separators
    pub emergency_numbers: Vec<String>,
    /// `axml.aa.01`, `.02`: answer by itself after this delay
    pub auto_answer: Option<Duration>,
    pub sip_auto_answer: bool,
    pub blf: Vec<BlfEntry>,
    pub tones: Tones,
    pub ext_prov_url: Option<String>,
    pub ext_prov_interval: Option<Duration>,
    pub card_dav: Option<CardDav>,
    /// Where the report on each provisioned document goes.
    pub report_url: Option<String>,
    /// names, passwords and certificates for web servers
    pub web: WebAccess,
    /// Web callback, call-through, balance, dial actions, quick dials.
    pub services: services::Services,
}

impl Settings {
    /// Reads a document (merged or single); findings name every node that did not act as written.
    pub fn of(document: &Document) -> (Self, Vec<Finding>) {
        let mut reading = Reading::of(document);
        let transport = reading.transport("transport");
        let main = reading.codecs(&MAIN);
        let services = reading.services(document);
        let settings = Self {
            title: reading.title(),
            username: reading.text("username"),
            password: Secret::new(reading.text("password")),
            auth_username: reading.optional("authUsername").unwrap_or_else(|| reading.text("username")),
            display_name: reading.text("userDisplayName"),
            host: reading.text("host"),
            transport,
            caller_id: reading.optional("userCallerId"),
            expires: reading.number("expires"),
            subscription_expires: reading.number("subscriptionExpires"),
            allow_message: reading.flag("allowMessage"),
            only_known_sources: !reading.flag("udpFromUnknownAddresses"),
            proxy: reading.optional("proxy"),
            outbound_proxy: reading.outbound_proxy(transport),
            voicemail_number: reading.optional("voiceMailNumber"),
            subscribe_for_voicemail: reading.flag("subscribeForVoicemail"),
            codec_order: main.order,
            honor_their_codec_list: main.honor_their_list,
            ptime: main.ptime,
            force_ptime: main.force_ptime,
            opus: main.opus,
            metered: reading.codecs(&METERED),
            network_patience: Duration::from_millis(
                reading.number("maxTimeToWaitForWorkingNetworkInMilliseconds").into(),
            ),
            dtmf_order: reading.words("dtmfOrder", |word| match word {
                "rfc2833" => Some(DtmfMethod::Rfc2833),
                "info" => Some(DtmfMethod::Info),
                "audio" => Some(DtmfMethod::Audio),
                _ => None,
            }),
            dtmf_all: reading.flag("dtmfAll"),
            dtmf_only_8k: reading.flag("rfc2833NegotiateOnly8kHzClockRate"),
            dtmf_8k_units: reading.flag("rfc2833EnforceDurationIn8KHzTimestampUnits"),
            contact_ip: reading.contact_ip(),
            forced_contact: reading.optional("forcedContact"),
            send_audio_back: reading.flag("sendAudioBack"),
            keep_alive: reading
                .flag("keepAlive")
                .then(|| Duration::from_secs(reading.number("keepAlivePeriod").into())),
            rtp_ports: reading.rtp_ports(),
            listening_port: reading.listening_port(),
            rtcp_mux: reading.flag("enableRtcpMux"),
            headers: reading.headers(document),
            incoming: reading.incoming(),
            force_registration: reading.flag("forceRegistration"),
            register_for_calls: reading.flag("requiresRegistrationForOutgoingCalls"),
            remote_contact: reading.words("remoteContact", |word| match word {
                "pai" => Some(IdentitySource::Pai),
                "from" => Some(IdentitySource::From),
                "rpid" => Some(IdentitySource::Rpid),
                "ppi" => Some(IdentitySource::Ppi),
                _ => None,
            }),
            call_waiting: reading.flag("callWaiting"),
            forwarding: reading.forwarding(),
            forwarding_busy: reading.optional("forwardingBusyNumber"),
            forwarding_no_answer: reading.optional("forwardingNoAnswerNumber"),
            forwarding_no_answer_after: Duration::from_secs(
                reading.number("forwardingNoAnswerTimeoutInSeconds").into(),
            ),
            forwarding_unreachable: reading.optional("forwardingUnreachableNumber"),
            rewriting: rules::read_rewriting(document, &mut reading.findings),
            do_not_disturb: rules::do_not_disturb(document, &mut reading.findings),
            dnd_status: u16::try_from(reading.number("dndRejectCode")).unwrap_or(486),
            dnd_silent: reading.flag("dndSilent"),
            dnd_now: reading.flag("doNotDisturbNow"),
            emergency_numbers: reading.emergency_numbers(),
            auto_answer: reading
                .flag("appInitiatedAutoAnswerEnabled")
                .then(|| Duration::from_secs(reading.number("autoAnswerTimeoutInSeconds").into())),
            sip_auto_answer: reading.flag("sipInitiatedAutoAnswerEnabled"),
            blf: reading.blf(document),
            tones: Tones {
                dial: reading.text("dialTone"),
                stutter_dial: reading.text("stutterDialTone"),
                trying: reading.text("tryingTone"),
                ringing: reading.text("ringingTone"),
                busy: reading.text("busyTone"),
                congestion: reading.text("congestionTone"),
                end_call: reading.text("endCallTone"),
                call_waiting: reading.text("callWaitingTone"),
                howler: reading.text("howlerTone"),
            },
            ext_prov_url: reading.optional("extProvUrl"),
            report_url: reading.optional("reportUrl"),
            ext_prov_interval: match reading.number("extProvInterval") {
                0 => None,
                seconds => Some(Duration::from_secs(seconds.into())),
            },
            card_dav: reading.card_dav(),
            web: reading.web(),
            services,
        };
        (settings, reading.findings)
    }
}

impl Settings {
    /// The codecs of a call that begins now.
    pub fn codecs(&self, metered: bool) -> CodecSet {
        if metered {
            return self.metered.clone();
        }
        CodecSet {
            order: self.codec_order.clone(),
            honor_their_list: self.honor_their_codec_list,
            ptime: self.ptime,
            force_ptime: self.force_ptime,
            opus: self.opus.clone(),
        }
    }
}

/// Header names that the SIP stack writes itself, and their compact forms: a custom header of such a name is refused.
const OWNED_HEADERS: &[&str] = &[
    "via",
    "v",
    "from",
    "f",
    "to",
    "t",
    "call-id",
    "i",
    "cseq",
    "contact",
    "m",
    "max-forwards",
    "route",
    "record-route",
    "path",
    "service-route",
    "content-length",
    "l",
    "content-type",
    "c",
    "content-encoding",
    "e",
    "authorization",
    "proxy-authorization",
    "www-authenticate",
    "proxy-authenticate",
    "authentication-info",
    "expires",
    "min-expires",
    "event",
    "o",
    "subscription-state",
    "allow",
    "allow-events",
    "u",
    "supported",
    "k",
    "require",
    "proxy-require",
    "unsupported",
    "rseq",
    "rack",
    "session-expires",
    "x",
    "min-se",
    "refer-to",
    "r",
    "referred-by",
    "b",
    "replaces",
    "join",
    "identity",
    "y",
    "security-client",
    "security-server",
    "security-verify",
    "timestamp",
    "date",
    "retry-after",
];

/// Whether custom headers of this name are refused because the SIP stack owns it (`axml.hdr.03`).
pub fn is_owned_header(name: &str) -> bool {
    OWNED_HEADERS.iter().any(|owned| owned.eq_ignore_ascii_case(name.trim()))
}

/// `<opusOptions><class>…` in place of `<opusOptions.class>`.
pub(crate) fn is_nested_options(node: &Node) -> bool {
    ["opusOptions", "opusOptions3G"].contains(&node.name.as_str())
}

/// RFC 3261 section 25.1, `token`.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 100
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b))
}

pub(crate) fn one_line(text: &str) -> String {
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    flat.trim().to_owned()
}
