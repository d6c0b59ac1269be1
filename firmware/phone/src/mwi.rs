//! Messages waiting (RFC 3842): by subscription if the account says so (`axml.voicemail.02`), and unasked for from servers that just send
//! it. Message lamp, stutter dial tone, counts.

use crate::phone::{Now, Phone};
use crate::{Event, Messages};
use offhook_sip::event_package::message_summary::MessageSummary;
use offhook_sip::{Body, Uri};

/// Event package and its body.
pub(crate) const EVENT: &str = "message-summary";
pub(crate) const ACCEPT: &str = "application/simple-message-summary";

impl Phone {
    pub(crate) fn messages_notified(&mut self, number: u32, body: Option<&Body>) {
        // a NOTIFY without body says nothing about messages
        let Some(body) = body else { return };
        let Some(summary) = MessageSummary::parse(&body.bytes) else {
            return self.notify(Event::Protest("message summary cannot be read".into()));
        };
        let Some(line) = self.line_mut(number) else { return };
        let counts = summary.voice.unwrap_or_default();
        let messages = Messages { waiting: summary.waiting, new: counts.new, old: counts.old };
        if let Some(account) = &summary.account {
            line.message_account = Uri::parse(account).map(|_| account.clone());
        }
        if line.messages == messages {
            return;
        }
        line.messages = messages;
        self.notify(Event::Messages {
            account: number,
            waiting: messages.waiting,
            new: messages.new,
            old: messages.old,
        });
    }

    /// All accounts together.
    pub(crate) fn messages(&self) -> Messages {
        self.lines.iter().fold(Messages::default(), |sum, line| Messages {
            waiting: sum.waiting || line.messages.waiting,
            new: sum.new.saturating_add(line.messages.new),
            old: sum.old.saturating_add(line.messages.old),
        })
    }

    /// Begins, or ends, the subscription as the account wants it now.
    pub(crate) fn subscribe_messages(&mut self, now: Now, number: u32) {
        let Some(line) = self.line(number) else { return };
        let Some(settings) = &line.settings else { return };
        let (wanted, expires) = (settings.subscribe_for_voicemail && line.usable, settings.subscription_expires);
        match (wanted, line.mwi, line.identity) {
            (true, None, Some(identity)) => {
                let Some(target) = Uri::sip(&settings.username, &settings.host) else { return };
                let result = self.endpoint.subscribe(now.instant, identity, target, EVENT, ACCEPT, expires);
                if let Some(line) = self.line_mut(number) {
                    line.mwi = result.ok();
                }
            }
            (false, Some(subscription), _) if !settings.subscribe_for_voicemail => {
                let _ = self.endpoint.unsubscribe(now.instant, subscription);
                if let Some(line) = self.line_mut(number) {
                    line.mwi = None;
                    line.messages = Messages::default();
                }
            }
            _ => {}
        }
    }
}
