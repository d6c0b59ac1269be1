//! Forwarding (`axml.fwd.*`, `offhook.fwd.*`, rules): the caller is sent on with 302 and the Diversion header (RFC 5806),
//! which also counts how often a call was sent on, so that two phones that forward to each other do not do so for ever.

use crate::caller;
use offhook_account::Settings;
use offhook_account::rules::Why;
use offhook_sip::{Headers, NameAddr, Request};

/// A call that was sent on this often is not sent on again.
const MOST_DIVERSIONS: u32 = 5;

/// RFC 5806 section 5: the word for what decided.
pub(crate) fn diversion_reason(why: &Why) -> &'static str {
    match why {
        Why::ForwardAlways => "unconditional",
        Why::ForwardBusy | Why::Busy => "user-busy",
        Why::DoNotDisturb(..) => "do-not-disturb",
        Why::Rule(_) => "deflection",
        Why::Nothing | Why::Urgent | Why::AutoAnswer => "unknown",
    }
}

/// The headers of the 302, or `None` if the target cannot be dialled or the call goes round in circles.
pub(crate) fn redirection(request: &Request, target: &str, settings: &Settings, reason: &str) -> Option<Headers> {
    let contact = caller::target(target, &settings.host)?;
    let earlier: u32 = request
        .headers
        .list("Diversion")
        .iter()
        .filter_map(|value| NameAddr::parse(value))
        .map(|diversion| diversion.param("counter").and_then(|count| count.parse().ok()).unwrap_or(1))
        .fold(0, u32::saturating_add);
    if earlier >= MOST_DIVERSIONS {
        return None;
    }
    let own = caller::target(&settings.username, &settings.host)?;
    let mut headers = Headers::new();
    headers.push("Contact", format!("<{contact}>"));
    headers.push("Diversion", format!("<{own}>;reason={reason};counter=1"));
    for value in request.headers.list("Diversion") {
        headers.push("Diversion", value);
    }
    Some(headers)
}
