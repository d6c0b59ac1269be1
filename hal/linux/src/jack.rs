//! A jack that the sound card's driver watches: a control such as `Headphone Jack` that reads on or off, with an event
//! when it changes. Codecs detect a plug by its impedance, so there is no contact to wire to a pin.
//!
//! [`JackWatch`] makes of it what a panel says: plugged or pulled, once the plug rests. A card that is absent has nothing
//! plugged into it.

use std::time::Duration;

use alsa::ctl::{ElemId, ElemType};
use alsa::hctl::HCtl;
use alsa::poll::Descriptors;
use offhook_hal::debounce::Debouncer;
use offhook_hal::{AudioError, PollFd};

/// A plug touches every contact of the jack on its way in.
const SETTLE: Duration = Duration::from_millis(150);
/// When to look for a card that came: its device file is there before its rights are.
const TRIES: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(200), Duration::from_millis(1_000), Duration::from_millis(3_000)];

/// The control, opened.
pub struct JackControl {
    card: HCtl,
    id: ElemId,
}

impl std::fmt::Debug for JackControl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JackControl").field("id", &self.id).finish_non_exhaustive()
    }
}

impl JackControl {
    /// `card`: an ALSA control name such as `hw:CARD=Codec`; `control`: as `amixer controls` prints it.
    ///
    /// # Errors
    /// [`AudioError::Open`] with the card and what to do.
    pub fn open(card: &str, control: &str) -> Result<Self, AudioError> {
        crate::alsa_audio::quieten();
        let refuse = |what: String| AudioError::Open(card.to_owned(), what);
        // Text with a zero in it would end the process inside the library.
        if card.contains('\0') {
            return Err(refuse("not the name of a card".to_owned()));
        }
        let opened = open(card)
            .map_err(|error| refuse(format!("its controls cannot be read ({error}); set mixer_card in board.toml")))?;
        let named = opened.elem_iter().find(|elem| elem.get_id().is_ok_and(|id| id.get_name() == Ok(control)));
        let Some(elem) = named else {
            let remedy = format!("it has no control `{control}`; `amixer -D {card} controls` lists what it has");
            return Err(refuse(remedy));
        };
        let id = elem.info().and_then(|info| Ok((info.get_type(), elem.get_id()?)));
        match id {
            Ok((ElemType::Boolean, id)) => Ok(Self { card: opened, id }),
            _ => Err(refuse(format!("its control `{control}` is not on or off; name one that ends in `Jack`"))),
        }
    }

    /// Descriptors to poll until something may have changed.
    pub fn descriptors(&self) -> Vec<PollFd> {
        let mut own = vec![libc::pollfd { fd: -1, events: 0, revents: 0 }; self.card.count()];
        let filled = self.card.fill(&mut own).unwrap_or(0);
        own.iter().take(filled).map(|from| PollFd { fd: from.fd, events: from.events, revents: 0 }).collect()
    }

    /// Is something plugged in? `None`: the card went away.
    pub fn plugged(&mut self) -> Option<bool> {
        self.card.handle_events().ok()?;
        self.card.find_elem(&self.id)?.read().ok()?.get_boolean(0)
    }
}

fn open(card: &str) -> Result<HCtl, alsa::Error> {
    let opened = HCtl::new(card, true)?;
    opened.load()?;
    Ok(opened)
}

/// A jack over the life of its card. Times are counted from any fixed moment.
#[derive(Debug)]
pub struct JackWatch {
    card: String,
    control: String,
    opened: Option<JackControl>,
    contact: Debouncer,
    /// the next try to open it, and how many there were since the last news
    again: Option<Duration>,
    tries: usize,
    refused: Option<AudioError>,
}

impl JackWatch {
    /// Nothing is plugged, and the control is opened in the first [`turn`](Self::turn).
    pub fn new(card: String, control: String) -> Self {
        let contact = Debouncer::new(false, SETTLE);
        Self { card, control, opened: None, contact, again: Some(Duration::ZERO), tries: 0, refused: None }
    }

    /// Descriptors to poll, until the next turn.
    pub fn descriptors(&self) -> Vec<PollFd> {
        self.opened.as_ref().map(JackControl::descriptors).unwrap_or_default()
    }

    /// When the next turn is due, if no descriptor is readable before.
    pub fn timeout(&self) -> Option<Duration> {
        self.contact.timeout().into_iter().chain(self.again).min()
    }

    /// Sound cards came or went.
    pub fn cards_changed(&mut self, now: Duration) {
        if self.opened.is_none() {
            (self.tries, self.again) = (1, Some(now + TRIES[0]));
        }
    }

    /// Looks at the jack; answers what changed: `true` is plugged.
    pub fn turn(&mut self, now: Duration) -> Option<bool> {
        if self.opened.is_none() && self.again.is_some_and(|again| again <= now) {
            match JackControl::open(&self.card, &self.control) {
                Ok(jack) => (self.opened, self.again, self.refused) = (Some(jack), None, None),
                Err(error) => {
                    self.refused = Some(error);
                    self.tries += 1;
                    self.again = TRIES.get(self.tries).map(|distance| now + *distance);
                }
            }
        }
        let plugged = self.opened.as_mut().map(JackControl::plugged);
        if plugged == Some(None) {
            self.opened = None;
        }
        self.contact
            .edge(now, plugged.flatten().unwrap_or(false))
            .or_else(|| self.contact.poll(now))
            .map(|edge| edge.level)
    }

    /// Why the control is not there, once.
    pub fn complaint(&mut self) -> Option<AudioError> {
        self.refused.take()
    }
}

/// Names of the controls of `card` that tell about a jack.
pub fn controls(card: &str) -> Vec<String> {
    crate::alsa_audio::quieten();
    let Some(opened) = Some(card).filter(|card| !card.contains('\0')).and_then(|card| open(card).ok()) else {
        return Vec::new();
    };
    let names = opened.elem_iter().filter_map(|elem| Some(elem.get_id().ok()?.get_name().ok()?.to_owned()));
    names.filter(|name| name.ends_with(" Jack")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_that_is_not_there_is_refused_by_name() {
        for card in ["hw:CARD=NoSuchCard", "", "a\0b"] {
            let Err(AudioError::Open(named, remedy)) = JackControl::open(card, "Headphone Jack") else {
                panic!("opened {card}")
            };
            assert!(named == card && !remedy.is_empty());
            assert_eq!(controls(card), Vec::<String>::new());
        }
    }
}
