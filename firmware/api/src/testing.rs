//! Pictures of a phone for the tests.

use crate::mailbox::News;
use offhook_phone::{
    AccountState, AccountView, CallId, CallRecord, CallState, CallView, EndReason, Event, View, Volume,
};

/// Account 1111, registered; no call.
pub(crate) fn registered() -> View {
    View {
        accounts: vec![AccountView {
            number: 1,
            title: "Desk".into(),
            username: "1111".into(),
            domain: "pbx.example".into(),
            display_name: "Ann".into(),
            transport: "udp",
            state: AccountState::Registered,
            local: Some("192.0.2.9:5060".parse().unwrap()),
            source: String::new(),
            values: std::sync::Arc::new([]),
            exported: "<account>\n  <username>1111</username>\n</account>\n".into(),
        }],
        volume: Volume { handset: 10, speaker: 20, headset: 30, ringer: 40, microphone: 50 },
        version: "1.2.3".into(),
        ..View::default()
    }
}

/// A call with 2222 on a line; its id is the line's number.
pub(crate) fn call(line: u8, state: CallState, incoming: bool) -> CallView {
    CallView {
        id: CallId(line.into()),
        line,
        account: 1,
        incoming,
        state,
        peer: "2222".into(),
        peer_name: Some("Katie".into()),
        held_by_us: state == CallState::Held,
        held_by_them: false,
        muted: false,
        codec: None,
        seconds: 0,
        since: None,
        sip_call_id: Some("abc@host".into()),
        end: None,
        in_focus: line == 1,
    }
}

pub(crate) fn record(line: u8, party: u8) -> CallRecord {
    CallRecord {
        account: 1,
        incoming: false,
        peer: "2222".into(),
        peer_name: None,
        caller: "1111".into(),
        called: "2222".into(),
        peer_address: Some("192.0.2.1".into()),
        answered: true,
        missed: false,
        connect_ms: 1500,
        duration_ms: 7000,
        end: EndReason { party, status: Some(200), text: "ended here".into() },
        started: None,
        line,
    }
}

pub(crate) fn ended(call: CallView, party: u8) -> Event {
    let record = record(call.line, party);
    Event::CallEnded { call, record }
}

pub(crate) fn texts(news: &[News]) -> Vec<String> {
    news.iter().map(|news| news.text.clone()).collect()
}
