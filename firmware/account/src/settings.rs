//! The typed reading of a merged account: what the phone acts on. Always complete: a missing or unusable value is its default.
use crate::{Document, Secret};
use crate::document::Finding;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport { Udp, Tcp, Tls, /// TLS with `sip:` URIs
    TlsSip, Wss }
/// Codec ids of `axml.codec.01` (not wire payload types for 102/103).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec { Pcmu, Gsm, Pcma, G722, G729, Ilbc, Opus }
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DtmfMethod { Rfc2833, Info, Audio }
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactIp { Internal, External, Static }
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IncomingMode { Auto, Push, KeepAwake, Off }
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentitySource { Pai, From, Rpid, Ppi }
/// `axml.nat.15`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListeningPort { /// random, the same for at least a day
    Stable, /// random at each registration
    Random, Fixed(u16) }
/// `axml.opus.*`, class already applied (C-07).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpusOptions { /// [Hz]: 8000, 16000 or 48000
    pub bandwidth: u32, pub complexity: Option<u8>, /// [bit/s]
    pub bitrate: Option<u32>, pub fec: bool, pub dtx: bool, pub vbr: bool, /// [%]
    pub expected_packet_loss: u8 }
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlfEntry { /// as written: `102` or `sip:102@host`
    pub uri: String, pub label: Option<String>, /// lamp key number if given, else the order decides
    pub key: Option<u8> }
/// The tone expressions (`axml.tones.*`), as text; the media crate reads the notation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tones { pub dial: String, pub stutter_dial: String, pub trying: String, pub ringing: String, pub busy: String, pub congestion: String, pub end_call: String, pub call_waiting: String, pub howler: String }
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomHeader { pub method: String, pub name: String, pub value: String }

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub title: String, pub username: String, pub password: Secret, pub auth_username: String, pub display_name: String,
    /// `host[:port]`, IPv6 in brackets
    pub host: String,
    pub transport: Transport, pub caller_id: Option<String>,
    /// [s]
    pub expires: u32, pub subscription_expires: u32,
    pub allow_message: bool, pub only_known_sources: bool,
    pub proxy: Option<String>, pub outbound_proxy: Option<(String, Transport)>,
    pub voicemail_number: Option<String>, pub subscribe_for_voicemail: bool,
    pub codec_order: Vec<Codec>, pub honor_their_codec_list: bool,
    /// [ms]
    pub ptime: u32, pub force_ptime: bool, pub opus: OpusOptions,
    pub dtmf_order: Vec<DtmfMethod>, pub dtmf_all: bool, pub dtmf_only_8k: bool, pub dtmf_8k_units: bool,
    pub contact_ip: ContactIp, pub forced_contact: Option<String>, pub send_audio_back: bool,
    pub keep_alive: Option<Duration>, pub rtp_ports: (u16, u16), pub listening_port: ListeningPort, pub rtcp_mux: bool,
    pub headers: Vec<CustomHeader>,
    pub incoming: IncomingMode, pub remote_contact: Vec<IdentitySource>,
    pub call_waiting: bool, pub forwarding: Option<String>,
    /// `axml.aa.01`, `.02`: answer by itself after this delay
    pub auto_answer: Option<Duration>, pub sip_auto_answer: bool,
    pub blf: Vec<BlfEntry>, pub tones: Tones,
    pub ext_prov_url: Option<String>, pub ext_prov_interval: Option<Duration>,
}
impl Settings {
    /// Reads a document (merged or single); findings name every node that did not act as written.
    pub fn of(document: &Document) -> (Self, Vec<Finding>) { todo!() }
}
