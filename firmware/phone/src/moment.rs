//! What the account's rules are told of the moment ([`offhook_account::rules`]): the date, the link, the books, and
//! whether somebody may be calling back after an emergency call. And what follows when the network goes away for long.

use crate::call::Call;
use crate::phone::{Now, Phone};
use crate::{EndReason, Level, Refusal};
use offhook_account::rules::{self, Link, Moment, Uplink};
use offhook_account::{ContactFact, ContactFacts, ContactSource, Settings};
use offhook_sip::Request;
use std::time::{Duration, Instant, UNIX_EPOCH};

const MINUTE: Duration = Duration::from_secs(60);
/// The switch, as an account has it.
const NODE: &str = "doNotDisturbNow";

/// The link in use, and what depends on its past.
#[derive(Debug, Default)]
pub(crate) struct Links {
    pub(crate) uplink: Uplink,
    /// Since when there is no network.
    pub(crate) lost: Option<Instant>,
    /// Calls are taken for calls back after an emergency call until then.
    pub(crate) emergency_until: Option<Instant>,
    /// There is no sound device: a call could ring, but nobody could be heard.
    pub(crate) no_sound: bool,
    /// Nobody rings now, as the view says it.
    pub(crate) quiet: bool,
    /// The next full minute, if a schedule may begin or end with it.
    pub(crate) quiet_look: Option<Instant>,
}

impl Phone {
    pub(crate) fn moment<'a>(&'a self, now: Now, contacts: &'a ContactFacts) -> Moment<'a> {
        Moment { wall: now.wall, zone: &self.config.zone, uplink: &self.links.uplink, contacts }
    }

    /// What the phone's books know of a number, for rules and schedules. Lamp keys are its speed dials, with a name or
    /// without.
    pub fn contact_facts(&self, number: &str) -> ContactFacts {
        let keys = self.watches.iter().filter(|watch| rules::same_number(&watch.extension, number));
        let keys = keys.map(|watch| ContactFact {
            source: ContactSource::QuickDial,
            identifier: watch.entry.uri.clone(),
            name: watch.entry.label.clone().unwrap_or_default(),
            labels: Vec::new(),
        });
        ContactFacts(self.contacts.facts(number).chain(keys).collect())
    }

    /// A call that nothing may keep away: after an emergency call, or marked so by the account's server (RFC 3261 section
    /// 20.26, RFC 7090). Anybody else may write what they like.
    pub(crate) fn is_urgent(&self, now: Now, request: &Request, trusted: bool) -> bool {
        let called_back = self.links.emergency_until.is_some_and(|until| until > now.instant);
        let marked = || {
            let priority = request.headers.first("Priority").unwrap_or_default().trim();
            ["emergency", "psap-callback"].iter().any(|word| priority.eq_ignore_ascii_case(word))
        };
        called_back || (trusted && marked())
    }

    /// An emergency call begins or ends: from now on the call back is waited for.
    pub(crate) fn expect_call_back(&mut self, now: Now) {
        self.links.emergency_until = Some(now.instant + rules::CALL_BACK_TIME);
    }

    /// Brings the view's do not disturb up to date, and looks again when the clock on the wall has moved.
    pub(crate) fn settle_quiet(&mut self, now: Now) {
        let quiet = |settings: &Settings| {
            let zone = settings.do_not_disturb.zone.as_ref().unwrap_or(&self.config.zone);
            let local = || zone.local(now.wall?);
            settings.dnd_now || local().is_some_and(|local| settings.do_not_disturb.is_total(local))
        };
        let mut settings = self.lines.iter().filter_map(|line| line.settings.as_ref());
        let is = settings.clone().any(quiet);
        let scheduled = settings.any(|settings| !settings.do_not_disturb.entries.is_empty());
        let past = now.wall.and_then(|wall| wall.duration_since(UNIX_EPOCH).ok()).filter(|_| scheduled);
        let into = |past: Duration| Duration::new(past.as_secs() % 60, past.subsec_nanos());
        self.links.quiet_look = past.map(|past| now.instant + MINUTE - into(past));
        if self.links.quiet != is {
            self.links.quiet = is;
            self.changed();
        }
    }

    /// Switched on by hand, on some account.
    pub(crate) fn is_quiet_by_hand(&self) -> bool {
        self.lines.iter().any(|line| line.settings.as_ref().is_some_and(|settings| settings.dnd_now))
    }

    /// The switch of the person at the phone: his setting, on all accounts, kept like every setting of his. Where it
    /// is locked the others follow all the same, and the refusal is told.
    pub(crate) fn switch_do_not_disturb(&mut self, now: Now, wanted: Option<bool>) -> Result<(), Refusal> {
        let wanted = wanted.unwrap_or(!self.is_quiet_by_hand());
        let used = self.lines.iter().filter_map(|line| Some((line.number, line.settings.as_ref()?.dnd_now)));
        let lines: Vec<(u32, bool)> = used.collect();
        if lines.is_empty() {
            return Err(Refusal::NoAccount);
        }
        let mut result = Ok(());
        for (account, is) in lines {
            if is == wanted {
                continue;
            }
            // off is no setting of his own, unless somebody else has switched it on
            let mut done = self.set_value(now, Some(account), NODE, wanted.then_some("1"));
            let settings = self.line(account).and_then(|line| line.settings.as_ref());
            if done.is_ok() && !wanted && settings.is_some_and(|settings| settings.dnd_now) {
                done = self.set_value(now, Some(account), NODE, Some("0"));
            }
            result = result.and(done);
        }
        result
    }

    pub(crate) fn uplink_changed(&mut self, now: Now, uplink: Uplink) {
        if uplink == self.links.uplink {
            return;
        }
        self.changed();
        self.links.lost = match uplink.link {
            Link::None => self.links.lost.or(Some(now.instant)),
            _ => None,
        };
        self.links.uplink = uplink;
    }

    /// When the call has waited long enough for the network (`axml.nat.16`). A call within the machine needs none.
    pub(crate) fn network_deadline(&self, call: &Call) -> Option<Instant> {
        let lost = self.links.lost.filter(|_| call.is_live() && !call.media.is_within_machine())?;
        Some(lost + self.line(call.account)?.settings.as_ref()?.network_patience)
    }

    pub(crate) fn fire_network(&mut self, now: Now) {
        let over = |call: &&Call| self.network_deadline(call).is_some_and(|at| at <= now.instant);
        let ids: Vec<_> = self.calls.iter().filter(over).map(|call| (call.id, call.session)).collect();
        for (id, session) in ids {
            if let Some(session) = session {
                let _ = self.endpoint.end(now.instant, session, None);
            }
            self.notice(now, Level::Warning, "the call has ended: there is no network".into());
            let end = EndReason { party: 1, status: None, text: "no network".into() };
            self.finish(now, id, end, Some("congestion"), false);
        }
    }
}
