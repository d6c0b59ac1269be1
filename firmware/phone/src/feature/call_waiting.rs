//! A second call (`axml.cw.01`): with call waiting it announces itself by a tone in the ear and a fluttering lamp, without
//! it the caller hears busy. A phone with the handset up and a number half dialled counts as busy, too.

use crate::phone::Phone;
use offhook_account::Settings;

impl Phone {
    pub(crate) fn is_busy(&self, settings: &Settings) -> bool {
        !settings.call_waiting && (self.calls.iter().any(crate::call::Call::is_live) || self.ear.is_open())
    }

    /// A call rings here while the ear is in use: it is announced in the ear, not by the bell.
    pub(crate) fn is_call_waiting(&self) -> bool {
        self.ear.is_open() && self.oldest_ringing().is_some()
    }
}
