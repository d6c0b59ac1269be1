//! From the phone's news to notifications: `STATUS`, `CDR`, `START`, `EVENT`, `MWI`, `LOG`, and this phone's own `HOOK`,
//! `LED`, `HEADSET`, `BLF` and `DTMF` (`ctl.ntf.001` to `.066`).
//!
//! The one-time states (`CallSetup`, `CallConnect`, `CallDisconnect`) need memory: what each call was last told to be.

use crate::mailbox::{Level, News};
use crate::status;
use offhook_phone::hal::Hook;
use offhook_phone::{AccountState, BlfState, CallRecord, CallState, CallView, Event, View};
use std::collections::BTreeMap;

/// What this connection was told so far.
#[derive(Debug, Default)]
pub(crate) struct Told {
    calls: BTreeMap<u32, Stage>,
    hook: Option<Hook>,
    blf: BTreeMap<u8, BlfState>,
    /// The picture of the phone was taken over, so that what is old is not told as new.
    learned: bool,
}

#[derive(Debug, Clone, Copy)]
struct Stage {
    connected: bool,
    word: &'static str,
}

/// `STATUS` and `CDR` for the screen's sake have commas between fields; those inside become `%2C`, line ends a blank.
pub(crate) fn fields(fields: &[&str]) -> String {
    let clean = |field: &&str| -> String {
        let mut text = String::with_capacity(field.len());
        for c in field.chars() {
            match c {
                ',' => text.push_str("%2C"),
                c if c.is_control() => text.push(' '),
                c => text.push(c),
            }
        }
        text
    };
    fields.iter().map(clean).collect::<Vec<_>>().join(",")
}

pub(crate) fn news(level: Level, all: &[&str]) -> News {
    News { level, text: fields(all) }
}

/// `EVENT,WARNING,...` for what was done only in part.
pub(crate) fn warning(text: &str) -> News {
    news(Level::Event, &["EVENT", "WARNING", text])
}

/// General status without a call: `STATUS,-1,word,,localname,,,`.
pub(crate) fn general(view: &View, word: &str) -> News {
    let local = status::main_account(view).map_or("", |account| account.username.as_str());
    news(Level::Status, &["STATUS", "-1", word, "", local, "", "", ""])
}

/// `new=2 old=1 account=1`
pub(crate) fn messages(account: u32, new: u32, old: u32) -> News {
    news(Level::Status, &["MWI", &format!("new={new} old={old} account={account}")])
}

/// The fields of a call record after `CDR`.
pub(crate) fn record(record: &CallRecord) -> String {
    let reason = match record.end.status {
        Some(status) => format!("{status} {}", record.end.text),
        None => record.end.text.clone(),
    };
    fields(&[
        &record.line.to_string(),
        &record.peer,
        &record.caller,
        &record.called,
        record.peer_address.as_deref().unwrap_or_default(),
        &record.connect_ms.to_string(),
        &record.duration_ms.to_string(),
        &record.end.party.to_string(),
        &reason,
    ])
}

impl Told {
    /// The calls that were there before this connection do not begin again.
    pub(crate) fn learn(&mut self, view: &View) {
        if self.learned {
            return;
        }
        self.learned = true;
        for call in view.calls.iter().filter(|call| call.state != CallState::Ended) {
            let stage = Stage { connected: is_connected(call), word: status::line_word(call) };
            self.calls.entry(call.id.0).or_insert(stage);
        }
        self.hook = self.hook.or(view.hook);
        for key in &view.blf {
            self.blf.entry(key.key).or_insert(key.state);
        }
    }

    pub(crate) fn of(&mut self, event: &Event, view: &View) -> Vec<News> {
        let mut told = self.panel(view);
        told.extend(match event {
            Event::Started => vec![news(Level::Status, &["START", "sip"]), general(view, "Ready")],
            Event::Registration { account, state } => registration(*account, state, view),
            Event::Call { call } => self.call(call, view),
            Event::CallEnded { call, record } => self.ended(call, record, view),
            Event::Messages { account, new, old, .. } => vec![messages(*account, *new, *old)],
            Event::Balance { text, .. } => vec![news(Level::Event, &["CREDIT", text])],
            Event::Digit { call, digit } => {
                let line = view.calls.iter().find(|known| known.id == *call).map_or(0, |call| call.line);
                vec![news(Level::Event, &["DTMF", &line.to_string(), &digit.to_string()])]
            }
            Event::Lamp { lamp, pattern } => vec![news(Level::Event, &["LED", &lamp.name(), pattern.name()])],
            Event::Route(route) => vec![news(Level::Event, &["HEADSET", route.name()])],
            Event::Provisioned { source, changes, .. } => {
                let text = format!("provisioned from {}: {changes} settings changed", place(source));
                vec![news(Level::Event, &["EVENT", "EVENT", &text])]
            }
            Event::ProvisioningFailed { source, reason } => {
                let text = format!("provisioning from {} failed: {reason}", place(source));
                vec![news(Level::Event, &["EVENT", "ERROR", &text])]
            }
            Event::Notice { level, text } => vec![news(Level::Event, &["EVENT", level_word(*level), text])],
            Event::Protest(text) => vec![news(Level::Log, &["LOG", "WARNING", text])],
            Event::Ring(on) => vec![log(&format!("ringer {}", if *on { "on" } else { "off" }))],
            Event::Mic(open) => vec![log(&format!("microphone {}", if *open { "open" } else { "closed" }))],
            Event::Tone(tone) => vec![log(&format!("tone {}", tone.unwrap_or("off")))],
        });
        told
    }

    /// What no event of its own tells: the hook and the watched extensions.
    fn panel(&mut self, view: &View) -> Vec<News> {
        let mut told = Vec::new();
        if let Some(hook) = view.hook.filter(|hook| Some(*hook) != self.hook)
            && self.hook.replace(hook).is_some()
        {
            told.push(news(Level::Event, &["HOOK", if hook == Hook::Off { "off" } else { "on" }]));
        }
        for key in &view.blf {
            if self.blf.insert(key.key, key.state) != Some(key.state) {
                told.push(news(Level::Event, &["BLF", &key.key.to_string(), &key.extension, key.state.name()]));
            }
        }
        told
    }

    fn call(&mut self, call: &CallView, view: &View) -> Vec<News> {
        let seen = self.calls.get(&call.id.0).copied();
        if call.state == CallState::Ended {
            return Vec::new();
        }
        let word = status::line_word(call);
        let connected = is_connected(call);
        let best = status::best_call(view).is_none_or(|best| best.id == call.id);
        let mut told = Sequence { told: Vec::new(), call, view };
        if seen.is_none() {
            told.general(best && !call.incoming, "Starting Call");
            told.line("CallSetup");
            if !call.incoming {
                told.line("Setup");
                told.general(best, "Call Initiated");
            }
        }
        if connected && seen.is_none_or(|stage| !stage.connected) {
            told.general(best && call.incoming, "Accept");
            told.line("CallConnect");
            told.line("InCall");
        }
        if seen.is_none_or(|stage| stage.word != word) {
            told.line(word);
            told.general(true, &status::general(view));
        }
        let all = told.told;
        self.calls.insert(call.id.0, Stage { connected, word });
        all
    }

    fn ended(&mut self, call: &CallView, record: &CallRecord, view: &View) -> Vec<News> {
        let seen = self.calls.remove(&call.id.0);
        let mut told = Sequence { told: Vec::new(), call, view };
        if seen.is_none() {
            told.line("CallSetup");
        }
        told.general(record.end.party == 1, "Hangup");
        told.line("CallDisconnect");
        told.line("Finishing");
        told.line("Finished");
        told.told.push(News { level: Level::Status, text: format!("CDR,{}", self::record(record)) });
        let live = view.calls.iter().any(|other| other.id != call.id && other.state != CallState::Ended);
        match live {
            true => told.general(true, &status::general(view)),
            false => told.general(true, "Call Finished"),
        }
        told.told
    }
}

/// Statuses of one call, in order.
struct Sequence<'a> {
    told: Vec<News>,
    call: &'a CallView,
    view: &'a View,
}

impl Sequence<'_> {
    fn line(&mut self, word: &str) {
        let line = self.call.line.to_string();
        self.told.push(status_of(self.call, self.view, &line, word));
    }

    fn general(&mut self, wanted: bool, word: &str) {
        if wanted {
            let call = status::best_call(self.view).unwrap_or(self.call);
            self.told.push(status_of(call, self.view, "-1", word));
        }
    }
}

/// `STATUS,line,word,peername,localname,endpointtype,peerdisplayname,callid`: always eight (`ctl.ntf.001`).
fn status_of(call: &CallView, view: &View, line: &str, word: &str) -> News {
    let account = view.accounts.iter().find(|account| account.number == call.account);
    news(
        Level::Status,
        &[
            "STATUS",
            line,
            word,
            &call.peer,
            account.map_or("", |account| account.username.as_str()),
            if call.incoming { "2" } else { "1" },
            call.peer_name.as_deref().unwrap_or_default(),
            call.sip_call_id.as_deref().unwrap_or_default(),
        ],
    )
}

fn registration(account: u32, state: &AccountState, view: &View) -> Vec<News> {
    // Statuses are the main account's (P-36); the others are told by events.
    if status::main_account(view).is_some_and(|main| main.number != account) {
        let text = match state {
            AccountState::Failed(reason) => format!("account {account}: registration failed: {reason}"),
            state => format!("account {account}: {}", state.name()),
        };
        let level = if matches!(state, AccountState::Failed(_)) { "ERROR" } else { "EVENT" };
        return vec![news(Level::Event, &["EVENT", level, &text])];
    }
    match state {
        AccountState::Off => vec![general(view, "Ready")],
        AccountState::Registering => vec![general(view, "Registering...")],
        AccountState::Registered => vec![general(view, "Registered")],
        AccountState::Failed(reason) => {
            let text = format!("registration failed: {reason}");
            vec![general(view, "Register Failed"), news(Level::Event, &["EVENT", "ERROR", &text])]
        }
    }
}

fn is_connected(call: &CallView) -> bool {
    matches!(call.state, CallState::Talking | CallState::Held)
}

fn log(text: &str) -> News {
    news(Level::Log, &["LOG", "EVENT", text])
}

fn level_word(level: offhook_phone::Level) -> &'static str {
    match level {
        offhook_phone::Level::Event => "EVENT",
        offhook_phone::Level::Warning => "WARNING",
        offhook_phone::Level::Error => "ERROR",
    }
}

/// A URL without what may be a secret: user information and query.
fn place(source: &str) -> String {
    let bare = source.split(['?', '#']).next().unwrap_or_default();
    match bare.split_once("://") {
        Some((scheme, rest)) => {
            let authority = rest.find('/').unwrap_or(rest.len());
            let after = rest.get(..authority).and_then(|authority| authority.rfind('@')).map_or(0, |at| at + 1);
            format!("{scheme}://{}", rest.get(after..).unwrap_or_default())
        }
        None => bare.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{call, ended, registered, texts};

    /// Covers: ctl.ntf.001, ctl.ntf.002, ctl.ntf.009, ctl.ntf.011, ctl.ntf.012, ctl.ntf.013, ctl.ntf.015, ctl.ntf.016,
    /// ctl.ntf.017, ctl.ntf.026, ctl.ntf.027, ctl.ntf.028, ctl.ntf.030, ctl.ntf.031, ctl.ntf.032, ctl.ntf.033,
    /// ctl.ntf.034, ctl.ntf.035, ctl.ntf.037, ctl.ntf.038, ctl.ntf.039, ctl.ntf.042, ctl.ntf.050
    #[test]
    fn an_outgoing_call_passes_through_the_states_of_the_manual() {
        let mut told = Told::default();
        let mut view = registered();
        let mut step = |call: CallView| {
            view.calls = vec![call.clone()];
            texts(&told.of(&Event::Call { call }, &view))
        };
        let state = |state| call(1, state, false);
        let line = |word: &str| format!("STATUS,1,{word},2222,1111,1,Katie,abc@host");
        let general = |word: &str| format!("STATUS,-1,{word},2222,1111,1,Katie,abc@host");
        assert_eq!(
            step(state(CallState::Trying)),
            [
                general("Starting Call"),
                line("CallSetup"),
                line("Setup"),
                general("Call Initiated"),
                line("InProgress"),
                general("Calling...")
            ]
        );
        assert_eq!(step(state(CallState::Trying)), [""; 0]);
        assert_eq!(step(state(CallState::Ringing)), [line("Ringing"), general("Ringing...")]);
        assert_eq!(
            step(state(CallState::Talking)),
            [line("CallConnect"), line("InCall"), line("Speaking"), general("In Call (0 sec)")]
        );
        let muted = CallView { muted: true, seconds: 5, ..state(CallState::Talking) };
        assert_eq!(step(muted.clone()), [line("Muted"), general("In Call (5 sec)")]);
        let held = CallView { held_by_us: true, seconds: 6, ..state(CallState::Held) };
        assert_eq!(step(held), [line("Hold"), general("In Call (6 sec)")]);
        let back = CallView { seconds: 7, ..state(CallState::Talking) };
        assert_eq!(step(back), [line("Speaking"), general("In Call (7 sec)")]);
        assert_eq!(step(state(CallState::Ended)), [""; 0]);
        let over = told.of(&ended(state(CallState::Ended), 1), &view);
        assert_eq!(
            texts(&over),
            [
                general("Hangup"),
                line("CallDisconnect"),
                line("Finishing"),
                line("Finished"),
                "CDR,1,2222,1111,2222,192.0.2.1,1500,7000,1,200 ended here".into(),
                general("Call Finished")
            ]
        );
    }

    /// Covers: ctl.ntf.008, ctl.ntf.014, ctl.ntf.042
    #[test]
    fn an_incoming_call_rings_with_endpoint_type_two_and_is_accepted() {
        let mut told = Told::default();
        let mut view = registered();
        view.calls = vec![call(1, CallState::Incoming, true)];
        let rings = texts(&told.of(&Event::Call { call: view.calls[0].clone() }, &view));
        assert_eq!(
            rings,
            [
                "STATUS,1,CallSetup,2222,1111,2,Katie,abc@host",
                "STATUS,1,Ringing,2222,1111,2,Katie,abc@host",
                "STATUS,-1,Incoming...,2222,1111,2,Katie,abc@host"
            ]
        );
        view.calls = vec![call(1, CallState::Talking, true)];
        let answered = texts(&told.of(&Event::Call { call: view.calls[0].clone() }, &view));
        assert_eq!(answered[0], "STATUS,-1,Accept,2222,1111,2,Katie,abc@host");
        assert_eq!(answered[1], "STATUS,1,CallConnect,2222,1111,2,Katie,abc@host");
    }

    #[test]
    fn the_general_status_is_that_of_the_best_line() {
        let mut told = Told::default();
        let mut view = registered();
        view.calls = vec![call(1, CallState::Talking, false), call(2, CallState::Incoming, true)];
        told.learn(&View { calls: vec![view.calls[0].clone()], ..registered() });
        let second = texts(&told.of(&Event::Call { call: view.calls[1].clone() }, &view));
        assert_eq!(second.last().unwrap(), "STATUS,-1,In Call (0 sec),2222,1111,1,Katie,abc@host");
        let over = texts(&told.of(&ended(call(2, CallState::Ended, true), 2), &view));
        assert!(over.contains(&"STATUS,2,CallDisconnect,2222,1111,2,Katie,abc@host".to_owned()), "{over:?}");
        assert!(!over.iter().any(|text| text.contains("Call Finished") || text.contains("Hangup")), "{over:?}");
    }

    #[test]
    fn a_call_that_was_there_before_does_not_begin_again() {
        let mut told = Told::default();
        let mut view = registered();
        view.calls = vec![call(1, CallState::Talking, false)];
        told.learn(&view);
        assert_eq!(told.of(&Event::Call { call: view.calls[0].clone() }, &view), []);
    }

    /// Covers: ctl.ntf.003, ctl.ntf.005, ctl.ntf.006, ctl.ntf.007
    #[test]
    fn registration_is_told_in_the_words_of_the_manual() {
        let view = registered();
        let mut told = Told::default();
        let mut step = |state| texts(&told.of(&Event::Registration { account: 1, state }, &view));
        assert_eq!(step(AccountState::Registering), ["STATUS,-1,Registering...,,1111,,,"]);
        assert_eq!(step(AccountState::Registered), ["STATUS,-1,Registered,,1111,,,"]);
        assert_eq!(step(AccountState::Off), ["STATUS,-1,Ready,,1111,,,"]);
        assert_eq!(
            step(AccountState::Failed("wrong password, or user".into())),
            ["STATUS,-1,Register Failed,,1111,,,", "EVENT,ERROR,registration failed: wrong password%2C or user"]
        );
        let second = Event::Registration { account: 2, state: AccountState::Registered };
        assert_eq!(texts(&told.of(&second, &view)), ["EVENT,EVENT,account 2: registered"]);
    }

    /// Covers: ctl.ntf.051, ctl.ntf.052, ctl.ntf.060
    #[test]
    fn start_messages_and_notices_have_their_own_types() {
        let view = registered();
        let mut told = Told::default();
        let mut step = |event| texts(&told.of(&event, &view));
        assert_eq!(step(Event::Started)[0], "START,sip");
        let messages = Event::Messages { account: 1, waiting: true, new: 2, old: 1 };
        assert_eq!(step(messages), ["MWI,new=2 old=1 account=1"]);
        let notice = Event::Notice { level: offhook_phone::Level::Warning, text: "a, b\r\nc".into() };
        assert_eq!(step(notice), ["EVENT,WARNING,a%2C b  c"]);
        let source = "https://user:geheim@pbx.example/p/1.xml?token=geheim".into();
        let failed = step(Event::ProvisioningFailed { source, reason: "404".into() });
        assert_eq!(failed, ["EVENT,ERROR,provisioning from https://pbx.example/p/1.xml failed: 404"]);
    }

    /// Covers: ctl.ntf.058
    #[test]
    fn the_balance_is_told_as_credit() {
        let balance = Event::Balance { account: 1, text: "$60,20\n".into() };
        assert_eq!(texts(&Told::default().of(&balance, &registered())), ["CREDIT,$60%2C20 "]);
    }

    #[test]
    fn the_panel_is_told_as_it_moves() {
        use offhook_phone::hal::{Lamp, Pattern, Route};
        let mut view = registered();
        view.hook = Some(Hook::On);
        let mut told = Told::default();
        told.learn(&view);
        view.hook = Some(Hook::Off);
        view.blf.push(offhook_phone::BlfView {
            key: 3,
            extension: "102".into(),
            label: "Eve".into(),
            state: BlfState::Ringing,
        });
        let lamp = Event::Lamp { lamp: Lamp::Line(1), pattern: Pattern::On };
        assert_eq!(texts(&told.of(&lamp, &view)), ["HOOK,off", "BLF,3,102,ringing", "LED,line1,on"]);
        assert_eq!(texts(&told.of(&Event::Route(Route::Speaker), &view)), ["HEADSET,speaker"]);
    }
}
