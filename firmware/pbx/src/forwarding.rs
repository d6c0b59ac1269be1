//! Calls that a phone sends on. It answers the INVITE with 3xx; the PBX made that INVITE, so it goes there in the caller's
//! place (RFC 3261 section 8.1.3.4), and says in Diversion (RFC 5806) who sent the call on and why.
//!
//! Only numbers of this PBX are gone to: a phone that somebody else has set up must not make calls elsewhere. Nobody is
//! asked twice in one call, and a call is sent on [`MOST`] times at most.

use offhook_sip::message::Host;
use offhook_sip::{NameAddr, Response, Uri};

/// A call that was sent on this often is not sent on again.
pub(crate) const MOST: usize = 5;

/// RFC 5806 section 4.
const REASONS: [&str; 11] = [
    "unknown",
    "user-busy",
    "no-answer",
    "unavailable",
    "unconditional",
    "time-of-day",
    "do-not-disturb",
    "deflection",
    "follow-me",
    "out-of-service",
    "away",
];

/// Where a phone sends its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redirection {
    /// The number; `None`: not one of this PBX.
    pub(crate) to: Option<String>,
    /// Word of RFC 5806.
    pub(crate) reason: &'static str,
}

/// One time that a call was sent on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Diversion {
    pub(crate) by: String,
    pub(crate) reason: &'static str,
}

impl Redirection {
    /// Out of a 3xx. `homes`: the names under which the PBX is called, of which the phone may know another one, that of its
    /// own Diversion.
    pub(crate) fn of(response: &Response, homes: &[&Uri]) -> Self {
        let diversion = response.headers.list("Diversion").first().and_then(|value| NameAddr::parse(value));
        let word = diversion.as_ref().and_then(|diversion| diversion.param("reason")).unwrap_or_default();
        let word = word.trim_matches('"');
        let reason = REASONS.into_iter().find(|reason| reason.eq_ignore_ascii_case(word)).unwrap_or("unknown");
        let own = diversion.iter().map(|diversion| &diversion.uri);
        let homes: Vec<(&Host, u16)> = homes.iter().copied().chain(own).filter_map(place).collect();
        let at_home = |uri: &Uri| {
            place(uri).is_some_and(|(host, port)| {
                homes.iter().any(|(home, home_port)| home.equivalent(host) && *home_port == port)
            })
        };
        let contacts = response.headers.contacts();
        let to = contacts.iter().find(|contact| at_home(&contact.uri)).and_then(|contact| contact.uri.user());
        Self { to: to.filter(|number| !number.is_empty()), reason }
    }

    /// What the caller hears if it leads nowhere.
    pub(crate) fn refusal(&self) -> u16 {
        if matches!(self.reason, "user-busy" | "do-not-disturb") { 486 } else { 480 }
    }
}

/// Host and port; the default of SIP over UDP and TCP stands for none (RFC 3261 section 19.1.2).
fn place(uri: &Uri) -> Option<(&Host, u16)> {
    uri.as_sip().map(|sip| (&sip.host, sip.port.unwrap_or(5060)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use offhook_sip::{Method, Request};

    fn redirection(headers: &[(&str, &str)]) -> Redirection {
        let home = Uri::parse("sip:10.0.0.1:5062").unwrap();
        let mut response = Response::to(&Request::new(Method::Invite, home.clone()), 302, None);
        for (name, value) in headers {
            response.headers.push(name, *value);
        }
        Redirection::of(&response, &[&home])
    }

    #[test]
    fn only_numbers_of_this_pbx_are_targets() {
        let to = |contact: &str| redirection(&[("Contact", contact)]).to;
        assert_eq!(to("<sip:102@10.0.0.1:5062>").as_deref(), Some("102"));
        assert_eq!(to("sip:102@10.0.0.1:5062;transport=tcp").as_deref(), Some("102"));
        assert_eq!(to("<sip:5@evil.example>, <sip:102@10.0.0.1:5062>").as_deref(), Some("102"));
        for elsewhere in [
            "<sip:102@10.0.0.1>",
            "<sip:102@10.0.0.2:5062>",
            "<sip:102@pbx.example.com>",
            "<sip:10.0.0.1:5062>",
            "<tel:+15551234>",
            "<mailto:102@10.0.0.1:5062>",
            "*",
            "",
            "<<<",
        ] {
            assert_eq!(to(elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn the_name_under_which_the_phone_knows_the_pbx_and_its_reason_stand_in_diversion() {
        let busy = [
            ("Contact", "<sip:102@pbx.example.com>"),
            ("Diversion", "<sip:100@PBX.example.com:5060>;reason=User-Busy;counter=1"),
            ("Diversion", "<sip:102@evil.example>;reason=unconditional"),
        ];
        let busy = redirection(&busy);
        assert_eq!((busy.to.as_deref(), busy.reason, busy.refusal()), (Some("102"), "user-busy", 486));
        let odd = redirection(&[("Diversion", "<sip:100@10.0.0.1>;reason=\"fun\r\"")]);
        assert_eq!((odd.reason, odd.refusal()), ("unknown", 480));
    }
}
