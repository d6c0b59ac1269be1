//! What a dialled number becomes (`axml.rew.01` to `.26`).

use super::number::bare;
use super::rewriting::{Action, Rule, apply};
use super::{Moment, is_emergency};
use crate::Settings;

/// What to do with a number (`axml.ref.01`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DialAction {
    AutoCall,
    VoiceCall,
    VideoCall,
    GsmCall,
    WebCallback,
    CallThrough,
    Text,
    OpenUrl,
    Options,
    CustomOptions,
    ForceOffnetCall,
}

/// A number as it is to be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialled {
    /// What goes out: a number, a user name, or an address that was dialled as one.
    pub number: String,
    /// `dialOut`: the account for it by number, title, user name or `user@host`. If there is none such, the call goes out
    /// as it would have.
    pub account: Option<String>,
    /// `callThrough`, `overrideDialAction`; the last one said counts.
    pub action: Option<DialAction>,
    /// `overrideDialAction` to a dial action of the account's own: its id, if that was said last.
    pub programmed: Option<String>,
    /// `setHeader`: (name, value) for this call.
    pub headers: Vec<(String, String)>,
    /// `recordCall`
    pub record: bool,
    /// One of the account's emergency numbers, before or after the rules.
    pub emergency: bool,
    /// Numbers of the rules that held, in their order.
    pub rules: Vec<usize>,
}

/// Rewrites what was dialled. Separators between digits go first. An address (`sip:`, `sips:`, `user@host`) was meant as it
/// is and meets no rule.
pub fn dialled(settings: &Settings, number: &str, moment: &Moment<'_>) -> Dialled {
    let typed = number.trim();
    let lower = typed.to_ascii_lowercase();
    let address = lower.starts_with("sip:") || lower.starts_with("sips:") || typed.contains('@');
    let mut result = Dialled {
        number: if address { typed.to_owned() } else { bare(typed) },
        account: None,
        action: None,
        programmed: None,
        headers: Vec::new(),
        record: false,
        emergency: is_emergency(settings, typed),
        rules: Vec::new(),
    };
    if address {
        return result;
    }
    result.meet(&settings.rewriting.outgoing, settings, moment);
    // one of the account's own actions is rules again; those may not lead to a third
    if let Some(action) = result.programmed.take().and_then(|id| settings.services.programmed(&id)) {
        result.rules.clear();
        result.meet(&action.rules, settings, moment);
        result.programmed = Some(action.id.clone());
    }
    result
}

/// What a number becomes by one of the account's own dial actions, chosen by a person in place of the account's rules.
/// `None`: there is no such action.
pub fn programmed(settings: &Settings, id: &str, number: &str, moment: &Moment<'_>) -> Option<Dialled> {
    let action = settings.services.programmed(id)?;
    let mut result = Dialled {
        number: bare(number.trim()),
        account: None,
        action: None,
        programmed: Some(id.to_owned()),
        headers: Vec::new(),
        record: false,
        emergency: is_emergency(settings, number),
        rules: Vec::new(),
    };
    result.meet(&action.rules, settings, moment);
    Some(result)
}

impl Dialled {
    fn meet(&mut self, rules: &[Rule], settings: &Settings, moment: &Moment<'_>) {
        let result = self;
        let rewritten = apply(rules, &result.number, moment);
        for (_, action) in &rewritten.actions {
            match action {
                Action::RecordCall => result.record = true,
                Action::DialOut(account) => result.account = Some(account.clone()),
                Action::CallThrough => (result.action, result.programmed) = (Some(DialAction::CallThrough), None),
                Action::OverrideDialAction(action) => (result.action, result.programmed) = (Some(*action), None),
                Action::OverrideProgrammed(id) => (result.action, result.programmed) = (None, Some(id.clone())),
                Action::SetHeader(name, value) => {
                    result.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
                    result.headers.push((name.clone(), value.clone()));
                }
                _ => {}
            }
        }
        result.emergency |= is_emergency(settings, &rewritten.number);
        result.number = rewritten.number;
        result.rules = rewritten.rules;
    }
}

impl DialAction {
    pub const ALL: [Self; 11] = [
        Self::AutoCall,
        Self::VoiceCall,
        Self::VideoCall,
        Self::GsmCall,
        Self::WebCallback,
        Self::CallThrough,
        Self::Text,
        Self::OpenUrl,
        Self::Options,
        Self::CustomOptions,
        Self::ForceOffnetCall,
    ];

    /// As the format writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::AutoCall => "autoCall",
            Self::VoiceCall => "voiceCall",
            Self::VideoCall => "videoCall",
            Self::GsmCall => "gsmCall",
            Self::WebCallback => "webCallback",
            Self::CallThrough => "callThrough",
            Self::Text => "text",
            Self::OpenUrl => "openUrl",
            Self::Options => "options",
            Self::CustomOptions => "customOptions",
            Self::ForceOffnetCall => "forceOffnetCall",
        }
    }

    /// The action that the format writes so.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.word().eq_ignore_ascii_case(word.trim()))
    }
}
