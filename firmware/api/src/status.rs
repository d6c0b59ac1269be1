//! The status words (`ctl.ntf.001` to `.041`): exactly those of the manual's lists, from what the view shows.

use offhook_phone::{AccountState, AccountView, CallState, CallView, View};

/// States of a line in the order of the manual's list; the place is the number of `API_GetLineStatus`, which the manual
/// leaves open. The second text says what it means here; empty: this phone does not send it.
pub(crate) const LINE_STATES: &[(&str, &str)] = &[
    ("Unknown", "no such line, or no call on it (only as an answer to `strict`)"),
    ("Init", ""),
    ("Ready", "no call on this line (only as an answer)"),
    ("Outband", ""),
    ("Register", ""),
    ("Subscribe", ""),
    ("Chat", ""),
    ("CallSetup", "once: a call begins, either way"),
    ("Setup", "once: an outgoing call is being made"),
    ("InProgress", "the INVITE is under way"),
    ("Routed", ""),
    ("Ringing", "it rings there (endpoint type 1) or here (2)"),
    ("CallConnect", "once: the call was answered"),
    ("InCall", "once: the call is connected"),
    ("Muted", "connected, our microphone is muted"),
    ("Hold", "connected, held by either side"),
    ("Speaking", "connected"),
    ("Midcall", ""),
    ("CallDisconnect", "once: the call is over"),
    ("Finishing", "once: it is being ended"),
    ("Finished", "it has ended"),
    ("Deletable", ""),
    ("Error", ""),
];

/// General states; the second text as above.
pub(crate) const GENERAL_STATES: &[(&str, &str)] = &[
    ("Ready", "the phone is up and not registered"),
    ("Register...", "API_Register was asked for"),
    ("Registering...", "REGISTER is under way"),
    ("Register Failed", "it was refused or not answered; an EVENT says why"),
    ("Registered", "the main account is registered"),
    ("Accept", "a call is being answered here"),
    ("Starting Call", "a call is being made"),
    ("Call", ""),
    ("Call Initiated", "the INVITE is made"),
    ("Calling...", "nothing heard yet"),
    ("Ringing...", "it rings there"),
    ("Incoming...", "it rings here"),
    ("In Call (xxx sec)", "answered, for this long"),
    ("Hangup", "we end a call"),
    ("Call Finished", "the last call is over"),
    ("Chat", ""),
];

/// The state of a call that lasts, as its line shows it.
pub(crate) fn line_word(call: &CallView) -> &'static str {
    match call.state {
        CallState::Trying => "InProgress",
        CallState::Ringing | CallState::Incoming => "Ringing",
        CallState::Held => "Hold",
        CallState::Talking if call.held_by_us || call.held_by_them => "Hold",
        CallState::Talking if call.muted => "Muted",
        CallState::Talking => "Speaking",
        CallState::Ended => "Finished",
    }
}

pub(crate) fn code(word: &str) -> i64 {
    LINE_STATES.iter().position(|(known, _)| *known == word).and_then(|at| i64::try_from(at).ok()).unwrap_or(0)
}

/// The "best" status of all lines.
pub(crate) fn general(view: &View) -> String {
    match best_call(view) {
        Some(call) => general_of(call),
        None => match main_account(view).map(|account| &account.state) {
            Some(AccountState::Registered) => "Registered".into(),
            Some(AccountState::Registering) => "Registering...".into(),
            Some(AccountState::Failed(_)) => "Register Failed".into(),
            Some(AccountState::Off) | None => "Ready".into(),
        },
    }
}

pub(crate) fn best_call(view: &View) -> Option<&CallView> {
    let rank = |call: &CallView| match call.state {
        CallState::Talking => 5,
        CallState::Held => 4,
        CallState::Incoming | CallState::Ringing => 3,
        CallState::Trying => 2,
        CallState::Ended => 1,
    };
    // Of equals the one in the ear, then the older.
    view.calls.iter().rev().max_by_key(|call| (rank(call), call.in_focus))
}

/// The account that statuses are about: the first.
pub(crate) fn main_account(view: &View) -> Option<&AccountView> {
    view.accounts.first()
}

fn general_of(call: &CallView) -> String {
    match call.state {
        CallState::Trying => "Calling...".into(),
        CallState::Ringing => "Ringing...".into(),
        CallState::Incoming => "Incoming...".into(),
        CallState::Talking | CallState::Held => format!("In Call ({} sec)", call.seconds),
        CallState::Ended => "Call Finished".into(),
    }
}
