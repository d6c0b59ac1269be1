//! Fingers: contacts that close and open at given times. Where a contact is, the back-end knows.

use crate::clock::{self, MS};
use crate::request::Outcome;
use crate::wiring::{Contact, Wiring};
use std::sync::Mutex;

/// A way to move contacts and to see lamps.
pub(crate) trait Wires: Send + Sync + std::fmt::Debug {
    /// Makes (`true`) or opens a contact; it stays so until told otherwise.
    fn set(&self, contact: &Contact, active: bool) -> Outcome<()>;
}

/// A contact by its name on the wire protocol.
pub(crate) fn find<'a>(wiring: &'a Wiring, name: &str) -> Outcome<&'a Contact> {
    if name == "hook" {
        return wiring.hook.as_ref().ok_or_else(|| "no hook is wired; add [hook] to the wiring file".to_owned());
    }
    wiring.keys.get(name).ok_or_else(|| {
        let known: Vec<&str> = wiring.keys.keys().map(String::as_str).collect();
        format!("no key {name:?} is wired; there are {}", known.join(" "))
    })
}

/// When something was done [ns].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Done {
    /// just before the contact moved
    pub(crate) at: i64,
    /// just after
    pub(crate) done: i64,
}

/// The hand: one movement at a time.
#[derive(Debug)]
pub(crate) struct Fingers {
    wires: Box<dyn Wires>,
    /// Two connections must not mix their edges.
    busy: Mutex<()>,
}

impl Fingers {
    pub(crate) fn new(wires: Box<dyn Wires>) -> Self {
        Self { wires, busy: Mutex::new(()) }
    }

    /// Every contact as it is when nobody touches the phone.
    pub(crate) fn let_go(&self, wiring: &Wiring) -> Outcome<()> {
        for (name, contact) in wiring.contacts() {
            self.wires.set(contact, false).map_err(|error| format!("{name}: {error}"))?;
        }
        Ok(())
    }

    /// Moves one contact.
    pub(crate) fn set(&self, contact: &Contact, active: bool) -> Outcome<Done> {
        let _busy = self.busy.lock();
        self.move_one(contact, active)
    }

    /// Moves several contacts, one directly after the other.
    pub(crate) fn set_all(&self, contacts: &[&Contact], active: bool) -> Outcome<Done> {
        let _busy = self.busy.lock();
        let at = clock::monotonic();
        for contact in contacts {
            self.move_one(contact, active)?;
        }
        Ok(Done { at, done: clock::monotonic() })
    }

    fn move_one(&self, contact: &Contact, active: bool) -> Outcome<Done> {
        let at = clock::monotonic();
        self.wires.set(contact, active)?;
        Ok(Done { at, done: clock::monotonic() })
    }

    /// Makes the contact for so long [ns], in which the phone could have scanned it: a matrix has no kernel that stamps its edges.
    pub(crate) fn press(&self, contact: &Contact, length: i64) -> Outcome<(Done, Done)> {
        let down = self.set(contact, true)?;
        clock::sleep_awake(length);
        Ok((down, self.set(contact, false)?))
    }

    /// `edges` edges, evenly over `length` [ns], the last of which leaves the contact `end`. Also the longest time between two
    /// edges [ns]: a hand that was held up in the middle made a pause that nobody asked for.
    pub(crate) fn bounce(&self, contact: &Contact, edges: i64, length: i64, end: bool) -> Outcome<(Done, i64)> {
        let _busy = self.busy.lock();
        let at = clock::monotonic();
        let (mut last, mut widest) = (at, 0);
        for edge in 0..edges {
            // Counted from the end, every second edge goes to the final state.
            let active = if (edges - 1 - edge) % 2 == 0 { end } else { !end };
            clock::sleep_until(at + length * edge / edges);
            self.wires.set(contact, active)?;
            let now = clock::monotonic();
            widest = widest.max(now - last);
            last = now;
        }
        Ok((Done { at, done: last }, widest))
    }

    /// Dials a digit: `pulses` openings at `rate` a second, open for `open` percent of each.
    pub(crate) fn pulses(&self, wiring: &Wiring, pulses: i64, rate: i64, open: i64) -> Outcome<Done> {
        let rotary = wiring.rotary.as_ref().ok_or("no rotary dial is wired; add [rotary] to the wiring file")?;
        let _busy = self.busy.lock();
        let at = clock::monotonic();
        let period = 1000 * MS / rate;
        if let Some(contact) = &rotary.off_normal {
            self.wires.set(contact, true)?;
        }
        // The finger pulls the dial round before it runs back.
        let begin = at + 200 * MS;
        for pulse in 0..pulses {
            clock::sleep_until(begin + pulse * period);
            self.wires.set(&rotary.pulse, true)?;
            clock::sleep_until(begin + pulse * period + period * open / 100);
            self.wires.set(&rotary.pulse, false)?;
        }
        clock::sleep_until(begin + pulses * period);
        if let Some(contact) = &rotary.off_normal {
            self.wires.set(contact, false)?;
        }
        Ok(Done { at, done: clock::monotonic() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use std::sync::Arc;

    #[derive(Debug, Default, Clone)]
    struct Noted(Arc<Mutex<Vec<(u32, bool)>>>);
    impl Wires for Noted {
        fn set(&self, contact: &Contact, active: bool) -> Outcome<()> {
            let Contact::Line(line) = contact else { panic!("{contact:?} on lines") };
            self.0.lock().unwrap().push((line.offset, active));
            Ok(())
        }
    }

    fn hand() -> (Fingers, Noted, Wiring) {
        let noted = Noted::default();
        let text = "back_end=\"lines\"\nchip=\"x\"\nhook=1\nrotary={pulse=3,off_normal=4}\n[keys]\n5=2\n";
        (Fingers::new(Box::new(noted.clone())), noted, Wiring::parse(text).unwrap())
    }

    #[test]
    fn a_bounce_has_as_many_edges_as_asked_for_and_ends_as_asked_for() {
        for (edges, end) in [(1, true), (6, false), (7, true), (8, true)] {
            let (fingers, noted, wiring) = hand();
            fingers.bounce(find(&wiring, "hook").unwrap(), edges, MS, end).unwrap();
            let seen = noted.0.lock().unwrap().clone();
            assert_eq!(seen.len() as i64, edges);
            assert_eq!(seen.last(), Some(&(1, end)));
            assert!(seen.windows(2).all(|pair| pair[0].1 != pair[1].1), "{seen:?}");
        }
    }

    #[test]
    fn a_dial_pulses_between_leaving_and_reaching_its_rest() {
        let (fingers, noted, wiring) = hand();
        let begin = clock::monotonic();
        fingers.pulses(&wiring, 3, 100, 60).unwrap();
        assert!(clock::monotonic() - begin >= 230 * MS);
        let seen = noted.0.lock().unwrap().clone();
        assert_eq!(seen.first(), Some(&(4, true)));
        assert_eq!(seen.last(), Some(&(4, false)));
        assert_eq!(seen.iter().filter(|change| **change == (3, true)).count(), 3);
    }

    #[test]
    fn keys_that_are_not_wired_are_named_with_those_that_are() {
        let (_, _, wiring) = hand();
        assert!(find(&wiring, "7").unwrap_err().contains("there are 5"));
        assert!(find(&wiring, "5").is_ok());
    }
}
