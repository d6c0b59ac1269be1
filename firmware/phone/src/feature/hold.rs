//! Hold and resume by re-INVITE (RFC 3264 section 8.4), and changing between calls. What we want is true here at once:
//! a held peer hears nothing of us even while the re-INVITE is still on its way or refused. When both sides ask at the
//! same time (491), the one that made the call waits longer (RFC 3261 section 14.1).

use crate::call::Call;
use crate::outgoing::{SDP, sdp_of};
use crate::phone::{Now, Phone};
use crate::{CallId, Level, Refusal};
use offhook_media::Direction;
use offhook_sip::{Body, Misuse, SessionId};
use std::time::Duration;

/// The endpoint has another offer open: asked again after this.
const BUSY_RETRY: Duration = Duration::from_millis(500);

impl Call {
    /// What a description of ours says now.
    pub(crate) fn own_direction(&self) -> Direction {
        match (self.hold.wanted, self.media.held_by_them()) {
            (false, _) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (true, true) => Direction::Inactive,
        }
    }
}

impl Phone {
    /// The peer waits. The ear keeps the call, silent.
    pub(crate) fn hold(&mut self, now: Now, id: CallId) -> Result<(), Refusal> {
        self.set_hold(now, id, true)
    }

    /// Back to a held call; the one in the ear is held.
    pub(crate) fn resume(&mut self, now: Now, id: CallId) {
        if let Err(refusal) = self.take_back(now, id) {
            self.notice(now, Level::Warning, refusal.to_string());
        }
    }

    pub(crate) fn take_back(&mut self, now: Now, id: CallId) -> Result<(), Refusal> {
        if !self.call(id).ok_or(Refusal::NoSuchCall)?.is_talking() {
            return Err(Refusal::WrongState("that call is not held"));
        }
        if self.ear.focus != Some(id) {
            self.put_aside(now)?;
        }
        self.dialing.clear();
        self.ear_for_call();
        self.ear.focus = Some(id);
        self.set_hold(now, id, false)
    }

    fn set_hold(&mut self, now: Now, id: CallId, wanted: bool) -> Result<(), Refusal> {
        self.changed();
        let in_focus = self.ear.focus == Some(id);
        let call = self.call_mut(id).ok_or(Refusal::NoSuchCall)?;
        if !call.is_talking() {
            return Err(Refusal::WrongState("only an answered call can be held"));
        }
        call.hold.wanted = wanted;
        if wanted && in_focus {
            self.digit_over(now);
        }
        self.renegotiate(now, id);
        Ok(())
    }

    /// Tells the peer if it does not know yet what we want.
    pub(crate) fn renegotiate(&mut self, now: Now, id: CallId) {
        let Some(call) = self.call_mut(id) else { return };
        if !call.is_talking() || call.hold.offered.is_some() || call.hold.wanted == call.hold.agreed {
            return;
        }
        let Some(session) = call.session else { return };
        let direction = call.own_direction();
        let offer = Body { content_type: SDP.to_owned(), bytes: call.media.offer(direction) };
        let wanted = call.hold.wanted;
        let result = self.endpoint.reoffer(now.instant, session, Some(offer));
        let Some(call) = self.call_mut(id) else { return };
        match result {
            Ok(()) => call.hold.offered = Some(wanted),
            Err(Misuse::OfferPending | Misuse::WrongState) => {
                call.media.close_offer();
                call.hold.retry_at = Some(now.instant + BUSY_RETRY);
            }
            Err(_) => call.media.close_offer(),
        }
    }

    pub(crate) fn offer_answered(&mut self, now: Now, session: SessionId, result: Result<Option<&Body>, u16>) {
        let spread = self.chance.below(200);
        let Some(call) = self.call_of(session) else { return };
        let id = call.id;
        let Some(offered) = call.hold.offered.take() else {
            call.media.close_offer();
            return;
        };
        match result {
            Ok(body) => {
                let accepted = body.and_then(sdp_of).map_or(Ok(()), |sdp| call.media.accepted(sdp));
                call.media.close_offer();
                call.hold.agreed = offered;
                if accepted.is_err() {
                    self.notice(now, Level::Warning, "the other side answered with unusable sound".into());
                }
                self.build_stream(now, id);
                self.renegotiate(now, id);
            }
            Err(491) => {
                call.media.close_offer();
                // 2.1 to 4 s in steps of 10 ms for the side that made the call, 0 to 2 s for the other
                let wait = if call.incoming { spread * 10 } else { 2100 + spread * 19 / 2 };
                call.hold.retry_at = Some(now.instant + Duration::from_millis(wait.max(10)));
            }
            Err(status) => {
                call.media.close_offer();
                // as if agreed: asking again would be refused again
                call.hold.agreed = offered;
                let what = if offered { "hold" } else { "resume" };
                self.notice(now, Level::Warning, format!("the other side refused to {what} ({status})"));
                self.renegotiate(now, id);
            }
        }
    }
}
