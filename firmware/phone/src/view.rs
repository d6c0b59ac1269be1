//! The read-only picture of the phone that the screen, the control API and the bench show.
use crate::SelfTestView;
use offhook_hal::{Hook, Lamp, Pattern, Route};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct CallId(pub u32);

#[derive(Debug, Clone, PartialEq, Default)]
pub struct View {
    pub accounts: Vec<AccountView>,
    /// oldest first
    pub calls: Vec<CallView>,
    pub lamps: Vec<(Lamp, Pattern)>,
    pub blf: Vec<BlfView>,
    pub hook: Option<Hook>,
    pub route: Option<Route>,
    pub muted: bool,
    pub ringing: bool,
    /// name of the progress tone
    pub tone: Option<&'static str>,
    pub volume: Volume,
    /// digits collected so far
    pub dialling: Option<String>,
    pub messages: Messages,
    /// newest first, at most 100
    pub history: Vec<CallRecord>,
    pub missed: usize,
    /// up to four labels with what they do now
    pub soft_keys: Vec<SoftKey>,
    /// newest notice, until it is older than 10 s
    pub notice: Option<String>,
    pub provisioning: Vec<ProvisioningView>,
    pub version: String,
    /// name of the machine in the network
    pub hostname: String,
    /// nobody rings now: switched on by hand, or by a schedule that is about every caller
    pub do_not_disturb: bool,
    /// every call of an account goes there
    pub forwarded: Option<String>,
    /// why the newest settings and calls are not on the medium, as long as it lasts
    pub unsaved: Option<String>,
    /// seconds until a factory reset that somebody is asking for; 0: it happens
    pub factory_reset: Option<u8>,
    /// the self-test that runs, or has run and was not put away
    pub self_test: Option<SelfTestView>,
    /// all address books, to be searched by whoever shows them
    pub contacts: Arc<offhook_contacts::AddressBooks>,
    /// the CardDAV servers of the accounts
    pub directories: Vec<DirectoryView>,
    /// numbers that the digits dialled so far could become, best first
    pub suggestions: Vec<SuggestionView>,
    /// which of them is chosen instead of what was dialled
    pub suggestion: Option<usize>,
}

/// An address book on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryView {
    pub account: u32,
    pub title: String,
    /// known of it
    pub contacts: usize,
    /// what became of the last refresh, for people
    pub last: String,
    /// None: none was tried yet
    pub ok: Option<bool>,
}

/// A number that somebody who is dialling may mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuggestionView {
    pub name: String,
    pub number: String,
    /// `work`, `home`, …
    pub label: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Volume {
    /// percent
    pub handset: u8,
    pub speaker: u8,
    pub headset: u8,
    pub ringer: u8,
    pub microphone: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Messages {
    pub waiting: bool,
    pub new: u32,
    pub old: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AccountView {
    /// from 1
    pub number: u32,
    pub title: String,
    pub username: String,
    pub domain: String,
    pub display_name: String,
    pub transport: &'static str,
    pub state: AccountState,
    pub local: Option<std::net::SocketAddr>,
    /// provisioned from / file
    pub source: String,
    /// what is set, and by whom; everything else has the default
    pub values: Arc<[ValueView]>,
    /// the account as an `<account>` without secrets ([`offhook_account::export`])
    pub exported: Arc<str>,
}

/// A setting in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueView {
    pub node: String,
    /// `***` for a secret
    pub value: String,
    /// "set by the PBX", "set by you", "set for this place"
    pub origin: &'static str,
    /// the user cannot change it
    pub locked: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountState {
    Off,
    Registering,
    Registered,
    /// text for people, such as "wrong password"
    Failed(String),
}

#[derive(Debug, Clone, PartialEq)]
pub struct CallView {
    pub id: CallId,
    /// call appearance 1..=4
    pub line: u8,
    pub account: u32,
    pub incoming: bool,
    pub state: CallState,
    /// user part or whole URI, and name if known
    pub peer: String,
    pub peer_name: Option<String>,
    pub held_by_us: bool,
    pub held_by_them: bool,
    pub muted: bool,
    /// `G722`, …
    pub codec: Option<&'static str>,
    /// talk time so far [s]
    pub seconds: u64,
    /// when answered, in the phone's instant
    pub since: Option<std::time::Instant>,
    pub sip_call_id: Option<String>,
    /// why it ended, if it has
    pub end: Option<EndReason>,
    /// this call is the one in the ear
    pub in_focus: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallState {
    /// INVITE made, nothing heard
    Trying,
    /// 180/183
    Ringing,
    /// incoming, ringing here
    Incoming,
    Talking,
    /// we hold it
    Held,
    /// tone in the ear until hook on
    Ended,
}

impl CallState {
    /// bench word: `trying`, `ringing`, `incoming`, `talking`, `held`, `ended`
    pub fn name(self) -> &'static str {
        match self {
            Self::Trying => "trying",
            Self::Ringing => "ringing",
            Self::Incoming => "incoming",
            Self::Talking => "talking",
            Self::Held => "held",
            Self::Ended => "ended",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndReason {
    /// 0 not set, 1 us, 2 peer, 3 undefined (`ctl.ntf.050`)
    pub party: u8,
    /// SIP status if there was one
    pub status: Option<u16>,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct BlfView {
    /// lamp key, from 1
    pub key: u8,
    pub extension: String,
    pub label: String,
    pub state: BlfState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlfState {
    Unknown,
    Idle,
    Ringing,
    Busy,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    pub account: u32,
    pub incoming: bool,
    pub peer: String,
    pub peer_name: Option<String>,
    pub caller: String,
    pub called: String,
    pub peer_address: Option<String>,
    pub answered: bool,
    pub missed: bool,
    /// [ms] from INVITE to answer, and talk time
    pub connect_ms: u64,
    pub duration_ms: u64,
    pub end: EndReason,
    /// seconds since 1970 UTC, if the date is known
    pub started: Option<u64>,
    pub line: u8,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoftKey {
    pub label: String,
    pub enabled: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ProvisioningView {
    pub url: String,
    pub last: String,
    pub ok: Option<bool>,
    /// What became of the last document, as JSON (docs/provisioning.md).
    pub report: Option<Arc<str>>,
}

impl AccountState {
    /// bench word: `off`, `registering`, `registered`, `failed`
    pub fn name(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Registering => "registering",
            Self::Registered => "registered",
            Self::Failed(_) => "failed",
        }
    }
}

impl ProvisioningView {
    fn to_json(&self) -> serde_json::Value {
        let report: Option<serde_json::Value> = self.report.as_deref().and_then(|text| serde_json::from_str(text).ok());
        serde_json::json!({ "url": self.url, "last": self.last, "ok": self.ok, "report": report })
    }
}

impl BlfState {
    /// `unknown`, `idle`, `ringing`, `busy`
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Idle => "idle",
            Self::Ringing => "ringing",
            Self::Busy => "busy",
        }
    }
}

impl View {
    /// One line of JSON for the bench socket (`view`).
    pub fn to_json(&self) -> String {
        use serde_json::{Map, Value, json};
        let accounts: Vec<Value> = self
            .accounts
            .iter()
            .map(|account| {
                let reason = match &account.state {
                    AccountState::Failed(reason) => Some(reason.as_str()),
                    _ => None,
                };
                json!({
                    "number": account.number, "title": account.title, "username": account.username,
                    "domain": account.domain, "state": account.state.name(), "reason": reason,
                    "local": account.local.map(|local| local.to_string()),
                })
            })
            .collect();
        let calls: Vec<Value> = self
            .calls
            .iter()
            .map(|call| {
                json!({
                    "id": call.id.0, "line": call.line, "state": call.state.name(), "peer": call.peer,
                    "name": call.peer_name, "incoming": call.incoming, "codec": call.codec,
                    "seconds": call.seconds, "held": call.held_by_us, "held_by_peer": call.held_by_them,
                    "muted": call.muted,
                })
            })
            .collect();
        let lamps: Map<String, Value> =
            self.lamps.iter().map(|(lamp, pattern)| (lamp.name(), pattern.name().into())).collect();
        let hook = self.hook.map(|hook| match hook {
            Hook::On => "on",
            Hook::Off => "off",
        });
        let directories: Vec<Value> = self
            .directories
            .iter()
            .map(|book| {
                json!({ "account": book.account, "title": book.title, "contacts": book.contacts, "last": book.last,
                        "ok": book.ok })
            })
            .collect();
        let suggestions: Vec<Value> = self
            .suggestions
            .iter()
            .map(|found| json!({ "name": found.name, "number": found.number, "label": found.label }))
            .collect();
        let history: Vec<Value> = self
            .history
            .iter()
            .take(5)
            .map(|record| json!({ "peer": record.peer, "name": record.peer_name, "missed": record.missed }))
            .collect();
        let blf: Vec<Value> = self
            .blf
            .iter()
            .map(|blf| json!({ "key": blf.key, "extension": blf.extension, "label": blf.label }))
            .collect();
        let soft_keys: Vec<&str> = self.soft_keys.iter().map(|key| key.label.as_str()).collect();
        json!({
            "accounts": accounts, "calls": calls, "lamps": lamps, "volume": self.volume, "messages": self.messages,
            "hook": hook, "route": self.route.map(Route::name), "tone": self.tone, "ringing": self.ringing,
            "dialling": self.dialling, "soft_keys": soft_keys, "missed": self.missed, "notice": self.notice,
            "provisioning": self.provisioning.iter().map(ProvisioningView::to_json).collect::<Vec<_>>(),
            "hostname": self.hostname, "version": self.version, "factory_reset": self.factory_reset,
            "do_not_disturb": self.do_not_disturb, "forwarded": self.forwarded, "unsaved": self.unsaved,
            "self_test": self.self_test.as_ref().map(SelfTestView::to_json), "contacts": self.contacts.len(),
            "directories": directories, "suggestions": suggestions, "suggestion": self.suggestion,
            "history": history, "blf": blf,
        })
        .to_string()
    }
}
