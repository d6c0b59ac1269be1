//! A jack that the sound card's driver watches: a control such as `Headphone Jack` that reads on or off, with an event
//! when it changes. Codecs detect a plug by its impedance, so there is no contact to wire to a pin.

use alsa::ctl::{Ctl, ElemId, ElemType, ElemValue};
use alsa::poll::Descriptors;
use offhook_hal::{AudioError, PollFd};

/// The control, opened.
pub struct JackControl {
    ctl: Ctl,
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
        let ctl = Ctl::new(card, true).map_err(|error| {
            refuse(format!("its controls cannot be opened ({error}); set mixer_card in board.toml"))
        })?;
        let unreadable = |error: alsa::Error| refuse(format!("its controls cannot be read ({error})"));
        let list = ctl.elem_list().map_err(unreadable)?;
        let ids = (0..list.get_used()).filter_map(|index| list.get_id(index).ok());
        let mut named = ids.filter(|id| id.get_name().is_ok_and(|name| name == control));
        let Some(id) = named.next() else {
            let remedy = format!("it has no control `{control}`; `amixer -D {card} controls` lists what it has");
            return Err(refuse(remedy));
        };
        ctl.subscribe_events(true).map_err(unreadable)?;
        let mut jack = Self { ctl, id };
        if jack.plugged().is_none() {
            return Err(refuse(format!("its control `{control}` is not on or off; name one that ends in `Jack`")));
        }
        Ok(jack)
    }

    /// Descriptors to poll until something may have changed.
    pub fn descriptors(&self) -> Vec<PollFd> {
        let mut own = vec![libc::pollfd { fd: -1, events: 0, revents: 0 }; self.ctl.count()];
        let filled = self.ctl.fill(&mut own).unwrap_or(0);
        own.iter().take(filled).map(|from| PollFd { fd: from.fd, events: from.events, revents: 0 }).collect()
    }

    /// Is something plugged in? `None`: the card went away.
    pub fn plugged(&mut self) -> Option<bool> {
        while self.ctl.read().ok()?.is_some() {}
        let mut value = ElemValue::new(ElemType::Boolean).ok()?;
        value.set_id(&self.id);
        self.ctl.elem_read(&mut value).ok()?;
        value.get_boolean(0)
    }
}

/// Names of the controls of `card` that tell about a jack.
pub fn controls(card: &str) -> Vec<String> {
    crate::alsa_audio::quieten();
    let Some(list) =
        Some(card).filter(|card| !card.contains('\0')).and_then(|card| Ctl::new(card, true).ok()?.elem_list().ok())
    else {
        return Vec::new();
    };
    let names = (0..list.get_used()).filter_map(|index| list.get_name(index).ok());
    names.filter(|name| name.ends_with(" Jack")).map(str::to_owned).collect()
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
