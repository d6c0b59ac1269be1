//! Calls that answer themselves because the caller asks and the account allows it (`axml.aa.03`): Call-Info with
//! answer-after, Alert-Info of intercoms, Answer-Mode (RFC 5373), P-Auto-Answer. Only the account's own server is
//! believed. What the account itself answers (`axml.aa.01`, `.02`, rules) is decided in `offhook_account::rules`; both
//! never while another call is up: nobody's talk is interrupted from outside.

use offhook_sip::Request;
use std::time::Duration;

/// A caller cannot make a phone wait longer than this before it answers.
const LONGEST: u64 = 60;

/// After which time the request asks to be answered.
pub(crate) fn asked(request: &Request) -> Option<Duration> {
    let headers = &request.headers;
    for value in headers.list("Call-Info") {
        if let Some(seconds) = parameter(value, "answer-after") {
            return seconds.parse().ok().filter(|seconds| *seconds <= LONGEST).map(Duration::from_secs);
        }
    }
    for value in headers.list("Alert-Info") {
        let auto = parameter(value, "info").is_some_and(|word| {
            ["alert-autoanswer", "auto answer", "auto-answer", "intercom"]
                .iter()
                .any(|known| word.eq_ignore_ascii_case(known))
        });
        let after = parameter(value, "answer-after").or_else(|| parameter(value, "delay").filter(|_| auto));
        let seconds: u64 = match (auto, after) {
            (_, Some(after)) => after.parse().ok().filter(|seconds| *seconds <= LONGEST)?,
            (true, None) => 0,
            (false, None) => continue,
        };
        return Some(Duration::from_secs(seconds));
    }
    let answer_mode = headers.first("Answer-Mode").or_else(|| headers.first("Priv-Answer-Mode"));
    let word = |value: &str| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if answer_mode.is_some_and(|value| word(value) == "auto")
        || headers.first("P-Auto-Answer").is_some_and(|value| word(value) == "normal")
    {
        return Some(Duration::ZERO);
    }
    None
}

/// A parameter of a header value, also where the value has nothing but parameters; quotes taken off.
fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let behind = value.rsplit_once('>').map_or(value, |(_, behind)| behind);
    behind.split(';').find_map(|part| {
        let (key, text) = part.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| text.trim().trim_matches('"'))
    })
}
