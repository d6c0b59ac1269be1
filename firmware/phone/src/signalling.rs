//! Between the endpoint and the rest: its events go to the one place that knows what to do, its packets go out. Also reads
//! along who our servers are, and notices a local port that somebody else has.

use crate::phone::{Now, Phone};
use crate::{Event, Level, mwi};
use offhook_account::settings::ListeningPort;
use offhook_media as media;
use offhook_sip as sip;
use offhook_sip::event_package::dialog_info::DialogInfo;
use offhook_sip::{FlowError, FlowState, LocalPort, Response};

/// The server says that there are new settings. `reboot=true` is heard and not obeyed: nothing needs one.
const CHECK_SYNC: &str = "check-sync";
/// Flows remembered.
const MOST_FLOWS: usize = 1024;
/// Local ports that a phone chooses from.
pub(crate) const PORTS: std::ops::Range<u64> = 20_000..60_000;

impl Phone {
    pub(crate) fn sip_input(&mut self, now: Now, input: sip::Input<'_>) {
        let down = match &input {
            sip::Input::Flow { flow, state: FlowState::Down(error) } => {
                self.servers.remove(flow);
                self.ports.remove(flow).filter(|_| *error == FlowError::AddressInUse)
            }
            _ => None,
        };
        self.endpoint.handle(now.instant, input);
        if let Some(port) = down {
            self.port_taken(now, port);
        }
    }

    /// Somebody else has our port: accounts that did not ask for this very one move.
    fn port_taken(&mut self, now: Now, port: u16) {
        let fresh = self.random_port();
        let mut moved = Vec::new();
        for line in &mut self.lines {
            let stable =
                line.settings.as_ref().is_some_and(|settings| settings.listening_port == ListeningPort::Stable);
            if stable && line.port == port {
                line.port = fresh;
                moved.push(line.number);
            }
        }
        for number in &moved {
            self.apply_identity(now, *number, None);
        }
        if moved.is_empty() {
            self.notice(now, Level::Error, format!("SIP port {port} is used by another program"));
        } else {
            self.persist_index();
        }
    }

    /// A local port from our range.
    pub(crate) fn random_port(&mut self) -> u16 {
        (PORTS.start + self.chance.below((PORTS.end - PORTS.start) / 2) * 2) as u16
    }

    /// Everything that the machines below have to say, until they wait.
    pub(crate) fn pump(&mut self, now: Now) {
        loop {
            match self.endpoint.poll() {
                sip::Output::Timeout(at) => {
                    self.sip_timeout = at;
                    if !self.pump_provisioning(now) {
                        return;
                    }
                }
                sip::Output::Event(event) => self.sip_event(now, event),
                output => {
                    match &output {
                        sip::Output::Open { flow, remote, local_port, .. } if self.servers.len() < MOST_FLOWS => {
                            self.servers.insert(*flow, remote.ip());
                            if let LocalPort::Fixed(port) = local_port {
                                self.ports.insert(*flow, *port);
                            }
                        }
                        sip::Output::Close { flow } => {
                            self.servers.remove(flow);
                            self.ports.remove(flow);
                        }
                        _ => {}
                    }
                    self.packet(output);
                }
            }
        }
    }

    fn sip_event(&mut self, now: Now, event: sip::Event) {
        self.changed();
        match event {
            sip::Event::BeforeRegistration { identity } => self.before_registration(now, identity),
            sip::Event::Registration { identity, state } => self.registration_changed(now, identity, state),
            sip::Event::Incoming { session, identity, request, source, offer } => {
                self.invited(now, session, identity, &request, source, offer.as_ref());
            }
            // whom to call is the person's decision: the call ends with the status, as `Ended` says
            sip::Event::Redirected { .. } => {}
            sip::Event::Progress { session, status, body, .. } => {
                self.progressed(now, session, status, body.as_ref());
            }
            sip::Event::Answered { session, body, .. } => self.answered(now, session, body.as_ref()),
            sip::Event::Confirmed { session, body } => self.confirmed(now, session, body.as_ref()),
            sip::Event::Reoffered { session, offer } => self.reoffered(now, session, offer.as_ref()),
            sip::Event::OfferAnswered { session, result } => match result {
                Ok(body) => self.offer_answered(now, session, Ok(body.as_ref())),
                Err((status, _)) => self.offer_answered(now, session, Err(status)),
            },
            sip::Event::Info { session, body } => self.info_received(session, body.as_ref()),
            sip::Event::Ended { session, why } => self.session_ended(now, session, &why),
            sip::Event::Request { id, request, .. } => {
                // whatever the endpoint does not answer itself is not for a phone
                let _ = self.endpoint.respond(now.instant, id, Response::to(&request, 501, None));
            }
            sip::Event::Response { .. } => {}
            sip::Event::Notify { subscription, body } => {
                if let Some(line) = self.lines.iter().find(|line| line.mwi == Some(subscription)) {
                    let number = line.number;
                    self.messages_notified(number, body.as_ref());
                } else if let Some(body) = body {
                    self.lamp_notified(now, subscription, &body);
                }
            }
            sip::Event::Subscription { subscription, state } => self.subscription_changed(subscription, &state),
            sip::Event::UnsolicitedNotify { identity, event, body } => {
                let line = self.lines.iter().find(|line| line.identity == Some(identity));
                match line.map(|line| line.number) {
                    Some(number) if event.eq_ignore_ascii_case(mwi::EVENT) => {
                        self.messages_notified(number, body.as_ref());
                    }
                    Some(number) if event.eq_ignore_ascii_case(CHECK_SYNC) => self.check_sync(now, number),
                    _ => {}
                }
            }
            sip::Event::Subscribed { notifier, .. } => {
                let _ = self.endpoint.refuse_subscription(now.instant, notifier, 489, sip::Headers::new());
            }
            sip::Event::NotifierEnded { .. } => {}
            sip::Event::Protest { remote, what, .. } => self.notify(Event::Protest(format!("{remote}: {what}"))),
        }
    }

    fn lamp_notified(&mut self, now: Now, subscription: sip::SubscriptionId, body: &sip::Body) {
        let found = self.watches.iter_mut().find(|watch| watch.subscription == Some(subscription));
        let Some(watch) = found else { return };
        let key = watch.key;
        match DialogInfo::parse(&body.bytes) {
            Err(error) => {
                let text = format!("lamp key {key}: dialog-info cannot be read at {}: {}", error.at, error.reason);
                self.notify(Event::Protest(text));
            }
            Ok(update) => {
                if watch.notified(&update) == crate::blf::Outcome::Gap {
                    self.subscribe_lamp(now, key);
                }
            }
        }
    }

    pub(crate) fn media_event(&mut self, now: Now, event: media::Event) {
        let of = |phone: &Self, stream: media::StreamId| {
            phone.calls.iter().find(|call| call.media.stream() == stream && call.is_live()).map(|call| call.id)
        };
        match event {
            media::Event::Digit { stream, digit } => {
                if let Some(call) = of(self, stream) {
                    self.notify(Event::Digit { call, digit: digit.to_char() });
                }
            }
            media::Event::Statistics { stream, statistics } => {
                let found = self.calls.iter_mut().find(|call| call.media.stream() == stream);
                if let Some(call) = found {
                    call.statistics = Some(statistics);
                } else if let Some((_, of, last)) = &mut self.last_statistics
                    && *of == stream
                {
                    *last = Some(statistics);
                }
            }
            media::Event::Talking { stream, from } => {
                if let Some(call) = of(self, stream).and_then(|id| self.call_mut(id)) {
                    call.peer_address.get_or_insert(from.ip());
                }
            }
            media::Event::Silent { stream, seconds } => {
                let id = of(self, stream);
                // held from the other side: silence is what was asked for
                let held =
                    id.and_then(|id| self.call(id)).is_none_or(|call| call.is_held() || call.media.held_by_them());
                if !held && seconds == 5 {
                    self.notice(now, Level::Warning, "nothing is heard from the other side".into());
                }
            }
            media::Event::Refused(media::Command::Add(stream) | media::Command::Replace(stream)) => {
                let found = of(self, stream.id());
                if let Some(id) = found {
                    self.notice(now, Level::Error, "no room for another stream".into());
                    self.hang_up(now, id);
                }
            }
            // boxes that came back are freed here, on this thread
            media::Event::PeerLeft { .. }
            | media::Event::ToneEnded(_)
            | media::Event::Retired(_)
            | media::Event::Refused(_) => {}
        }
    }
}
