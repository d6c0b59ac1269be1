//! What a dialled number becomes, and whether a call would ring: the phone's own rules, asked beforehand.

use offhook_account::rules::{self, Caller, Link, Moment, Rings, Uplink, Zone};
use offhook_account::{ContactFacts, Settings};
use serde_json::{Value, json};
use std::time::SystemTime;

/// What is asked, as on the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Questions {
    pub dial: Vec<String>,
    pub ring: Vec<String>,
    /// local date and time, `2026-12-24T09:00`; now if there is none
    pub at: Option<String>,
    /// IANA name or `TZ` words; the system's if there is none
    pub zone: Option<String>,
    pub link: Link,
    pub ssid: Option<String>,
    /// somebody is talking already
    pub busy: bool,
}

/// The moment that is asked about.
#[derive(Debug, Clone)]
pub struct Situation {
    pub wall: SystemTime,
    pub zone: Zone,
    pub uplink: Uplink,
    pub busy: bool,
}

/// One question about one account, answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// for people
    pub text: String,
    /// for programs
    pub json: Value,
}

impl Questions {
    pub fn is_empty(&self) -> bool {
        self.dial.is_empty() && self.ring.is_empty()
    }

    /// `now` and `system`: what counts where nothing else is said.
    ///
    /// # Errors
    /// A time or a zone that is none, or a circumstance that no question is asked about.
    pub fn situation(&self, now: SystemTime, system: Zone) -> Result<Situation, String> {
        self.asked_for()?;
        let zone = match &self.zone {
            Some(words) => {
                Zone::of_words(words).ok_or_else(|| format!("--zone {words}: write a name such as Europe/Berlin"))?
            }
            None => system,
        };
        let wall = match &self.at {
            Some(text) => zone
                .moment(text)
                .ok_or_else(|| format!("--at {text}: write a local date and time such as 2026-12-24T09:00"))?,
            None => now,
        };
        let uplink = Uplink { link: self.link, ssid: self.ssid.clone(), metered: self.link == Link::Cellular };
        Ok(Situation { wall, zone, uplink, busy: self.busy })
    }
}

impl Questions {
    /// A script that misspells its question should not take silence for an answer.
    fn asked_for(&self) -> Result<(), String> {
        let given = [
            ("--at", self.at.is_some()),
            ("--zone", self.zone.is_some()),
            ("--network", self.link != Link::default()),
            ("--ssid", self.ssid.is_some()),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((option, _)) if self.is_empty() => {
                Err(format!("{option}: of what? Ask with --dial NUMBER or --ring NUMBER"))
            }
            _ if self.busy && self.ring.is_empty() => Err("--busy: which call? Ask with --ring NUMBER".into()),
            _ => Ok(()),
        }
    }
}

/// The answers of one account. No address book is asked: conditions on contacts see an unknown caller.
pub fn answers(settings: &Settings, questions: &Questions, situation: &Situation) -> Vec<Answer> {
    let contacts = ContactFacts::default();
    let moment =
        Moment { wall: Some(situation.wall), zone: &situation.zone, uplink: &situation.uplink, contacts: &contacts };
    let dialled = questions.dial.iter().map(|number| dialled(settings, number, &moment));
    let rings = questions.ring.iter().map(|number| ring(settings, number, situation, &moment));
    dialled.chain(rings).collect()
}

fn dialled(settings: &Settings, number: &str, moment: &Moment<'_>) -> Answer {
    let result = rules::dialled(settings, number, moment);
    let mut text = format!("dial {number}: calls {}", result.number);
    let numbers: Vec<String> = result.rules.iter().map(ToString::to_string).collect();
    match numbers.as_slice() {
        [] => text.push_str(", no rule holds"),
        [one] => text.push_str(&format!(", by rule {one}")),
        several => text.push_str(&format!(", by rules {}", several.join(", "))),
    }
    if let Some(account) = &result.account {
        text.push_str(&format!(", through account {account}"));
    }
    if let Some(action) = result.action {
        text.push_str(&format!(", by {}", action.word()));
    }
    for (name, value) in &result.headers {
        text.push_str(&format!(", with {name}: {value}"));
    }
    if result.record {
        text.push_str(", recorded");
    }
    if result.emergency {
        text.push_str(", an emergency call");
    }
    let headers: Vec<Value> =
        result.headers.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    let json = json!({
        "dial": number,
        "number": result.number,
        "rules": result.rules,
        "account": result.account,
        "action": result.action.map(rules::DialAction::word),
        "headers": headers,
        "record": result.record,
        "emergency": result.emergency,
    });
    Answer { text, json }
}

fn ring(settings: &Settings, number: &str, situation: &Situation, moment: &Moment<'_>) -> Answer {
    let busy = situation.busy;
    let caller = Caller { number, urgent: false, busy, engaged: busy, full: false };
    let (shown, becomes, why) = rules::rings(settings, &caller, moment);
    let (word, detail) = match &becomes {
        Rings::Rings => ("rings", String::new()),
        Rings::Silently => ("silent", " on the screen only".into()),
        Rings::Answers(delay) => ("answers", format!(" by itself after {} s", delay.as_secs())),
        Rings::Rejected(status) => ("rejected", format!(" with {status}")),
        Rings::Forwarded(target) => ("forwarded", format!(" to {target}")),
    };
    let mut text = format!("ring {number}: {word}{detail} ({why})");
    if shown != number {
        text.push_str(&format!(", shown as {shown}"));
    }
    let unanswered = match (&becomes, rules::unanswered(settings)) {
        (Rings::Rings | Rings::Silently, Some((after, target))) => {
            text.push_str(&format!("; unanswered after {} s: forwarded to {target}", after.as_secs()));
            Some(json!({ "after": after.as_secs(), "target": target }))
        }
        _ => None,
    };
    let json = json!({
        "ring": number,
        "result": word,
        "rings": becomes.is_presented(),
        "status": match &becomes { Rings::Rejected(status) => Some(*status), _ => None },
        "target": match &becomes { Rings::Forwarded(target) => Some(target), _ => None },
        "why": why.to_string(),
        "shown": shown,
        "unanswered": unanswered,
    });
    Answer { text, json }
}
