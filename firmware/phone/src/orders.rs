//! Commands of the control API, the screen and soft keys, one by one. Each is done or refused at once; what it leads to
//! is told by events.

use crate::call::{Call, State};
use crate::phone::{Now, Phone};
use crate::{CallId, CallRef, Command, Level, Refusal};
use offhook_hal::{Key, PanelEvent, Route};

impl Phone {
    pub(crate) fn order(&mut self, now: Now, command: Command) -> Result<(), Refusal> {
        if self.is_stopping() {
            return Err(Refusal::WrongState("the phone is shutting down"));
        }
        match command {
            Command::Dial { account, target } => self.dial(now, account, &target),
            Command::Redial => self.redial(now),
            Command::Answer(which) => {
                let id = self.one(which, Call::is_incoming_ringing, Refusal::WrongState("no call is ringing"))?;
                self.answer_call(now, id)
            }
            Command::Reject(which) => {
                let ringing = |call: &Call| matches!(call.state, State::Incoming { .. });
                self.end_all(now, which, ringing, Refusal::WrongState("no call is ringing"))
            }
            Command::Hangup(which) => self.end_all(now, which, Call::is_live, Refusal::NoSuchCall),
            Command::Hold(which, on) => self.hold_order(now, which, Some(on)),
            Command::HoldToggle(which) => self.hold_order(now, which, None),
            Command::Dtmf(which, digits) => {
                let id = self.one(which, Call::is_live, Refusal::NoSuchCall)?;
                self.queue_digits(now, id, &digits)
            }
            Command::Mute(wanted) => self.mute(wanted),
            Command::Speaker(wanted) => {
                let on = wanted.unwrap_or(self.ear.route != Route::Speaker);
                self.set_route(now, Route::Speaker, on);
                Ok(())
            }
            Command::Volume { device, percent } => self.set_volume(device, percent),
            Command::VolumeStep(steps) => {
                self.step_volume(steps);
                Ok(())
            }
            Command::Register(account) => self.switch_registration(now, account, false),
            Command::Unregister(account) => self.switch_registration(now, account, true),
            Command::Set { account, node, value } => self.set_value(now, account, &node, value.as_deref()),
            Command::Credentials { server, username, password, auth_name, display_name } => {
                self.set_credentials(now, &server, &username, &password, &auth_name, &display_name)
            }
            Command::Key(key) => {
                self.key_ordered(now, key, true);
                self.key_ordered(now, key, false);
                Ok(())
            }
            Command::KeyDown(key) => {
                self.key_ordered(now, key, true);
                Ok(())
            }
            Command::KeyUp(key) => {
                self.key_ordered(now, key, false);
                Ok(())
            }
            Command::Hook(hook) => {
                if !self.is_tested(now, PanelEvent::Hook(hook)) {
                    self.hook_moved(now, hook);
                }
                Ok(())
            }
            Command::SelfTest(order) => self.self_test_order(now, order),
            Command::SoftKey(index) => {
                let result = self.soft_key(now, usize::from(index));
                // who presses it looks at the screen, as with the key of a panel
                if let Err(refusal) = &result {
                    self.notice(now, Level::Warning, refusal.to_string());
                }
                result
            }
            Command::Voicemail(account) => self.call_voicemail(now, account),
            Command::DoNotDisturb(wanted) => self.switch_do_not_disturb(now, wanted),
            Command::Provision => {
                self.fetch_all(now);
                Ok(())
            }
            Command::ClearMissed => {
                self.clear_missed();
                Ok(())
            }
            Command::ApplyAccount(bytes) => self.apply_document(now, &bytes),
            Command::SaveContact(contact) => self.save_contact(contact),
            Command::RemoveContact(uid) => self.remove_contact(&uid),
            Command::ImportContacts(cards) => self.import_contacts(now, &cards),
            Command::RefreshContacts => {
                self.refresh_contacts(now, true);
                Ok(())
            }
        }
    }

    /// A key of the screen or of a program; only fingers on the panel can ask for a factory reset.
    fn key_ordered(&mut self, now: Now, key: Key, down: bool) {
        let event = if down { PanelEvent::Down(key) } else { PanelEvent::Up(key) };
        match event {
            event if self.is_tested(now, event) => {}
            PanelEvent::Down(_) => self.key_down(now, key),
            _ => self.key_up(now, key),
        }
    }

    pub(crate) fn redial(&mut self, now: Now) -> Result<(), Refusal> {
        let (account, number) = self.history.last_dialled().ok_or(Refusal::NothingToRedial)?;
        // the account of the old call may be gone; the number is what was meant
        let account = self.line(account).filter(|line| line.usable).map(|line| line.number);
        self.dial(now, account, &number)
    }

    pub(crate) fn clear_missed(&mut self) {
        if self.history.clear_missed() {
            self.persist(crate::history::RECORD, self.history.to_bytes());
        }
    }

    pub(crate) fn mute(&mut self, wanted: Option<bool>) -> Result<(), Refusal> {
        if !self.ear.is_open() || self.ear.focus.is_none() {
            return Err(Refusal::WrongState("there is no call to mute"));
        }
        self.ear.muted = wanted.unwrap_or(!self.ear.muted);
        Ok(())
    }

    fn hold_order(&mut self, now: Now, which: CallRef, wanted: Option<bool>) -> Result<(), Refusal> {
        let ids = self.some(which, Call::is_talking);
        if ids.is_empty() {
            return Err(Refusal::WrongState("no answered call"));
        }
        for id in ids {
            let held = self.call(id).is_some_and(Call::is_held);
            match wanted.unwrap_or(!held) {
                true if !held => self.hold(now, id)?,
                false if held => self.take_back(now, id)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn end_all(
        &mut self,
        now: Now,
        which: CallRef,
        fits: impl Fn(&Call) -> bool,
        none: Refusal,
    ) -> Result<(), Refusal> {
        let ids = self.some(which, fits);
        if ids.is_empty() {
            return Err(none);
        }
        for id in ids {
            self.hang_up(now, id);
        }
        self.ear_after_end(now);
        Ok(())
    }

    fn switch_registration(&mut self, now: Now, account: Option<u32>, off: bool) -> Result<(), Refusal> {
        let numbers: Vec<u32> = self
            .lines
            .iter()
            .filter(|line| line.settings.is_some() && account.is_none_or(|number| line.number == number))
            .map(|line| line.number)
            .collect();
        if numbers.is_empty() {
            return Err(Refusal::NoAccount);
        }
        for number in numbers {
            if let Some(line) = self.line_mut(number) {
                line.switched_off = off;
            }
            self.register(now, number);
        }
        Ok(())
    }

    fn one(&self, which: CallRef, fits: impl Fn(&Call) -> bool, none: Refusal) -> Result<CallId, Refusal> {
        self.some(which, fits).first().copied().ok_or(none)
    }

    /// The calls that are meant, among those that fit.
    fn some(&self, which: CallRef, fits: impl Fn(&Call) -> bool) -> Vec<CallId> {
        let fitting: Vec<&Call> = self.calls.iter().filter(|call| fits(call)).collect();
        let chosen: Option<&Call> = match which {
            CallRef::All => return fitting.iter().map(|call| call.id).collect(),
            CallRef::Id(id) => fitting.iter().find(|call| call.id == id).copied(),
            CallRef::Line(line) => fitting.iter().find(|call| call.appearance == line).copied(),
            CallRef::Current => fitting
                .iter()
                .find(|call| self.ear.focus == Some(call.id))
                .or_else(|| fitting.iter().find(|call| call.is_incoming_ringing()))
                .or(fitting.last())
                .copied(),
        };
        chosen.map(|call| call.id).into_iter().collect()
    }
}
