//! The message key (`axml.voicemail.01`): the account's number, else the account that the last notification named.

use crate::Refusal;
use crate::phone::{Now, Phone};

impl Phone {
    /// `None`: the account with new messages, else the first that knows a number.
    pub(crate) fn call_voicemail(&mut self, now: Now, account: Option<u32>) -> Result<(), Refusal> {
        let (account, number) = self.voicemail_number(account).ok_or(Refusal::NoVoicemailNumber)?;
        self.dial(now, Some(account), &number)
    }

    pub(crate) fn voicemail_number(&self, account: Option<u32>) -> Option<(u32, String)> {
        let known = |waiting: bool| {
            self.lines
                .iter()
                .filter(|line| account.is_none_or(|number| line.number == number))
                .filter(|line| !waiting || line.messages.waiting)
                .find_map(|line| {
                    let set = line.settings.as_ref()?.voicemail_number.clone();
                    let number = set.filter(|number| !number.is_empty()).or_else(|| line.message_account.clone())?;
                    Some((line.number, number))
                })
        };
        known(true).or_else(|| known(false))
    }
}
