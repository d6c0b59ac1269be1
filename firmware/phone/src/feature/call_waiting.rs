//! A second call (`axml.cw.01`): with call waiting it announces itself by a tone in the ear and a fluttering lamp, without
//! it the caller hears busy. A phone with the handset up and a number half dialled counts as busy, too.

use crate::call::Call;
use crate::phone::Phone;

impl Phone {
    pub(crate) fn is_busy(&self) -> bool {
        self.calls.iter().any(Call::is_live) || self.ear.is_open()
    }

    /// Somebody is talking or about to dial. The tone of an ended call does not count: nobody need hang up first for
    /// the next call to be answered by itself.
    pub(crate) fn is_engaged(&self) -> bool {
        let ended = self.ear.focus.and_then(|id| self.call(id)).is_some_and(|call| !call.is_live());
        self.calls.iter().any(Call::is_live) || (self.ear.is_open() && !(ended && self.dialing.is_empty()))
    }

    /// A call rings here while the ear is in use: it is announced in the ear, not by the bell.
    pub(crate) fn is_call_waiting(&self) -> bool {
        self.ear.is_open() && self.is_rung()
    }

    /// A call wants to be heard: it rings, and do not disturb has not silenced it.
    pub(crate) fn is_rung(&self) -> bool {
        self.calls.iter().any(|call| call.is_incoming_ringing() && !call.silent)
    }
}
