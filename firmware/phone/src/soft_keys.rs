//! The keys below the screen: up to four, with what they do now.

use crate::call::{Call, State};
use crate::phone::{Now, Phone};
use crate::{Refusal, SoftKey};
use offhook_hal::Hook;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Answer,
    Reject,
    Hold,
    Resume,
    Mute,
    End,
    NewCall,
    Dial,
    Delete,
    Cancel,
    Redial,
    Voicemail,
    ClearMissed,
    DoNotDisturb,
}

impl Action {
    fn label(self, muted: bool, quiet: bool) -> &'static str {
        match self {
            Self::Answer => "Answer",
            Self::Reject => "Reject",
            Self::Hold => "Hold",
            Self::Resume => "Resume",
            Self::Mute if muted => "Unmute",
            Self::Mute => "Mute",
            Self::End => "End",
            Self::NewCall => "New call",
            Self::Dial => "Dial",
            Self::Delete => "Delete",
            Self::Cancel => "Cancel",
            Self::Redial => "Redial",
            Self::Voicemail => "Voicemail",
            Self::ClearMissed => "Clear",
            Self::DoNotDisturb if quiet => "DND off",
            Self::DoNotDisturb => "DND",
        }
    }
}

impl Phone {
    pub(crate) fn soft_key_views(&self) -> Vec<SoftKey> {
        let quiet = self.is_quiet_by_hand();
        self.soft_actions()
            .into_iter()
            .map(|action| SoftKey {
                label: action.label(self.ear.muted, quiet).to_owned(),
                enabled: match action {
                    Action::Redial => self.history.last_dialled().is_some(),
                    Action::Voicemail => self.voicemail_number(None).is_some(),
                    Action::DoNotDisturb => self.lines.iter().any(|line| line.settings.is_some()),
                    _ => true,
                },
            })
            .collect()
    }

    pub(crate) fn soft_key(&mut self, now: Now, index: usize) -> Result<(), Refusal> {
        let action = self.soft_actions().get(index).copied();
        let action = action.ok_or(Refusal::WrongState("this soft key does nothing now"))?;
        let focus = self.ear.focus;
        match action {
            Action::Answer => self.answer_call(now, self.oldest_ringing().ok_or(Refusal::NoSuchCall)?),
            Action::Reject => {
                self.hang_up(now, self.oldest_ringing().ok_or(Refusal::NoSuchCall)?);
                Ok(())
            }
            Action::Hold => self.hold(now, focus.ok_or(Refusal::NoSuchCall)?),
            Action::Resume => self.take_back(now, focus.or(self.newest_held()).ok_or(Refusal::NoSuchCall)?),
            Action::Mute => self.mute(None),
            Action::End => {
                match focus {
                    Some(id) => self.hang_up(now, id),
                    None => self.drop_ended(),
                }
                self.ear_after_end(now);
                Ok(())
            }
            Action::NewCall => {
                self.put_aside(now)?;
                self.ear_for_call();
                Ok(())
            }
            Action::Dial => {
                self.ear_for_call();
                self.send_dialled(now);
                Ok(())
            }
            Action::Delete => {
                self.dialing.delete(now.instant);
                Ok(())
            }
            Action::Cancel => {
                self.dialing.clear();
                self.ear.refused = false;
                if self.ear.hook == Hook::On {
                    self.close_ear(now);
                }
                Ok(())
            }
            Action::Redial => self.redial(now),
            Action::Voicemail => self.call_voicemail(now, None),
            Action::DoNotDisturb => self.switch_do_not_disturb(now, None),
            Action::ClearMissed => {
                self.clear_missed();
                Ok(())
            }
        }
    }

    fn soft_actions(&self) -> Vec<Action> {
        use Action::{
            Answer, Cancel, ClearMissed, Delete, Dial, DoNotDisturb, End, Hold, Mute, NewCall, Redial, Reject, Resume,
            Voicemail,
        };
        let ringing = self.oldest_ringing().is_some();
        let focus = self.ear.focus.and_then(|id| self.call(id));
        if let Some(call) = focus {
            return match &call.state {
                State::Talking { .. } if ringing && call.is_held() => vec![Answer, Reject, Resume, End],
                State::Talking { .. } if ringing => vec![Answer, Reject, Hold, End],
                State::Talking { .. } if call.is_held() => vec![Resume, NewCall, End],
                State::Talking { .. } => vec![Hold, Mute, NewCall, End],
                State::Ended { .. } if ringing => vec![Answer, Reject],
                State::Ended { .. } => vec![Redial, End],
                _ if ringing => vec![Answer, Reject, End],
                _ => vec![End],
            };
        }
        if ringing {
            return vec![Answer, Reject];
        }
        if !self.dialing.is_empty() {
            return vec![Dial, Delete, Cancel];
        }
        let held = self.calls.iter().any(Call::is_held);
        match (self.ear.is_open(), held) {
            (true, true) => vec![Resume, Redial, Voicemail, Cancel],
            (true, false) => vec![Redial, Voicemail, Cancel],
            (false, true) => vec![Resume, Redial, Voicemail, DoNotDisturb],
            (false, false) if self.history.missed() > 0 => vec![Redial, Voicemail, DoNotDisturb, ClearMissed],
            (false, false) => vec![Redial, Voicemail, DoNotDisturb],
        }
    }
}
