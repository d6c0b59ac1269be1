//! Keys and hook: what a press means depends on what is going on. Refusals become notices, since a key has no other way
//! to say why nothing happened.
//!
//! Digits dial, or go into the call in the ear. Lamp keys dial their extension. Line keys take a call: ringing ones are
//! answered, held ones taken back, a free one opens another line; whoever is in the ear is held meanwhile.

use crate::call::Call;
use crate::dialing::Collected;
use crate::factory_reset::Meaning;
use crate::phone::{Now, Phone};
use crate::{Level, Refusal};
use offhook_hal::{Hook, Key, PanelEvent, Route};
use offhook_media::telephone_event::Digit;

impl Phone {
    pub(crate) fn panel_event(&mut self, now: Now, event: PanelEvent) {
        if self.is_stopping() {
            return;
        }
        if self.is_tested(now, event) {
            return;
        }
        match event {
            PanelEvent::Hook(hook) => {
                self.factory_reset.disturb();
                self.hook_moved(now, hook);
            }
            PanelEvent::Down(key) => {
                let idle = self.ear.hook == Hook::On && !self.ear.is_open() && self.calls.is_empty();
                match self.factory_reset.down(now.instant, key, idle) {
                    Meaning::Usual => self.key_down(now, key),
                    // what was dialled on the way to the combination was not meant
                    _ if self.factory_reset.is_asked_for() => self.dialing.clear(),
                    _ => {}
                }
            }
            PanelEvent::Up(key) => match self.factory_reset.up(key) {
                Meaning::Usual => self.key_up(now, key),
                Meaning::Taken => {}
                Meaning::HeldBack => {
                    self.key_up(now, key);
                    self.key_down(now, Key::Digit('#'));
                    self.key_up(now, Key::Digit('#'));
                }
            },
            PanelEvent::HeadsetJack(plugged) => self.headset_jack(now, plugged),
        }
    }

    pub(crate) fn key_down(&mut self, now: Now, key: Key) {
        let result = match key {
            Key::Digit(digit) => {
                self.digit_key(now, digit);
                Ok(())
            }
            Key::Soft(number) => self.soft_key(now, usize::from(number).saturating_sub(1)),
            Key::Line(number) => self.line_key(now, number),
            Key::Lamp(number) => self.lamp_key(now, number),
            Key::Hold => self.hold_key(now),
            Key::Mute => self.mute(None),
            Key::Speaker => {
                self.toggle_route(now, Route::Speaker);
                Ok(())
            }
            Key::Headset => {
                self.toggle_route(now, Route::Headset);
                Ok(())
            }
            Key::Redial => self.redial(now),
            Key::Message => self.call_voicemail(now, None),
            Key::VolumeUp => {
                self.step_volume(1);
                Ok(())
            }
            Key::VolumeDown => {
                self.step_volume(-1);
                Ok(())
            }
            Key::Ok => self.ok_key(now),
            Key::Back if self.services.choice.take().is_some() => Ok(()),
            Key::Back => {
                self.dialing.delete(now.instant);
                Ok(())
            }
            Key::Up | Key::Down if !self.dialing.is_empty() => {
                let count = self.contacts.suggestions(self.dialing.digits()).len();
                self.dialing.choose(now.instant, key == Key::Down, count);
                self.changed();
                Ok(())
            }
            // the screen's own
            Key::Up | Key::Down | Key::Left | Key::Right => Ok(()),
        };
        if let Err(refusal) = result {
            self.notice(now, Level::Warning, refusal.to_string());
        }
    }

    pub(crate) fn key_up(&mut self, now: Now, key: Key) {
        if let Key::Digit(_) = key {
            self.digit_released(now);
        }
    }

    fn digit_key(&mut self, now: Now, character: char) {
        let Some(digit) = Digit::from_char(character) else { return };
        if let Some(id) = self.digit_target() {
            return self.digit_pressed(now, digit, Some(id));
        }
        let focus = self.ear.focus.and_then(|id| self.call(id));
        if focus.is_some_and(Call::is_calling) {
            return; // a digit while it rings belongs nowhere
        }
        // another number after a held or ended call, or after a refusal
        self.drop_ended();
        if self.ear.focus.is_some() && self.ear.is_open() {
            self.ear.focus = None;
        }
        self.ear.refused = false;
        self.ear.howling = false;
        self.ear.quiet_since = None;
        self.digit_pressed(now, digit, None);
        if self.dialing.digit(now.instant, character) == Collected::Complete {
            if self.ear.is_open() {
                self.send_dialled(now);
            } else {
                // dialled on the hook and sent: hands-free
                self.ear_for_call();
                self.send_dialled(now);
            }
        }
    }

    fn ok_key(&mut self, now: Now) -> Result<(), Refusal> {
        if !self.dialing.is_empty() {
            self.ear_for_call();
            self.send_dialled(now);
            return Ok(());
        }
        match self.oldest_ringing() {
            Some(id) => self.answer_call(now, id),
            None => Ok(()),
        }
    }

    fn hold_key(&mut self, now: Now) -> Result<(), Refusal> {
        let focus = self.ear.focus.and_then(|id| self.call(id));
        match focus.map(|call| (call.id, call.is_held(), call.is_talking())) {
            Some((id, true, _)) => self.take_back(now, id),
            Some((id, false, true)) => self.hold(now, id),
            Some(_) => Err(Refusal::WrongState("only an answered call can be held")),
            None => match self.newest_held() {
                Some(id) => self.take_back(now, id),
                None => Err(Refusal::WrongState("there is no call to hold")),
            },
        }
    }

    fn line_key(&mut self, now: Now, number: u8) -> Result<(), Refusal> {
        let call = self.calls.iter().find(|call| call.appearance == number && call.is_live());
        match call.map(|call| (call.id, call.is_incoming_ringing(), call.is_held())) {
            Some((id, true, _)) => self.answer_call(now, id),
            Some((id, _, true)) => self.take_back(now, id),
            // already in the ear
            Some(_) => Ok(()),
            None => {
                self.put_aside(now)?;
                self.dialing.clear();
                self.ear_for_call();
                Ok(())
            }
        }
    }

    fn lamp_key(&mut self, now: Now, number: u8) -> Result<(), Refusal> {
        let watch = self.watches.iter().find(|watch| watch.key == number);
        let quick = || self.quick_dials().into_iter().find(|dial| dial.key == number);
        let (account, uri) = watch
            .map(|watch| (watch.account, watch.entry.uri.clone()))
            .or_else(|| quick().map(|dial| (dial.account, dial.number)))
            .ok_or(Refusal::WrongState("this key is free"))?;
        self.dial(now, Some(account), &uri)
    }
}
