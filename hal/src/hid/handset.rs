//! A handset or headset with the telephony page of HID (HID Usage Tables, page 0x0B): its hook switch, keys and
//! indicators.
//!
//! Why not through the kernel's input layer: `hid-input` makes key events of the dial keys and of Phone Mute, and
//! ignores the hook switch and the off-hook and ring indicators. So the reports are read raw (`hidraw`), all of them,
//! or the keys would come twice.
//!
//! Devices differ in how a control reports: as a state that stays (absolute, no preferred state), as a button that
//! springs back, or as one toggle per press (relative). All three are understood.

use std::collections::VecDeque;

use super::{Descriptor, Direction, Field, Usage};
use crate::Key;

const HOOK_SWITCH: Usage = 0x0b_0020;
const PHONE_MUTE: Usage = 0x0b_002f;
const CONSUMER_MUTE: Usage = 0x0c_00e2;

/// What the user did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandsetEvent {
    /// lifted, or put back
    Lifted(bool),
    /// a key went down
    Down(Key),
    /// and up again
    Up(Key),
}

/// What the device can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indicator {
    /// a call is in the ear
    OffHook,
    /// it rings
    Ring,
    /// the microphone is closed
    Mute,
    /// messages are waiting
    Message,
}

impl Indicator {
    /// Usages on the LED and telephony pages that show it.
    fn usages(self) -> &'static [Usage] {
        match self {
            Self::OffHook => &[0x08_0017],
            Self::Ring => &[0x08_0018, 0x0b_009e],
            Self::Mute => &[0x08_0009],
            Self::Message => &[0x08_0019],
        }
    }
}

/// A device.
#[derive(Debug)]
pub struct Handset {
    descriptor: Descriptor,
    /// its hook switch is a talk button: a headset has no cradle
    headset: bool,
    /// what the hook switch was at last
    hook: bool,
    /// what we told the off-hook indicator: many headsets answer by moving their hook switch along
    shown_off_hook: bool,
    /// usages that were on in the last report with this number
    on: Vec<(u8, Vec<Usage>)>,
    /// output reports as they were sent last
    outputs: Vec<(u8, Vec<u8>)>,
    events: VecDeque<HandsetEvent>,
}

impl Handset {
    /// `None` if the device has no hook switch on the telephony page. With `headset`, the hook switch is a button that
    /// takes and ends calls ([`Key::Headset`]), else it says whether the handset is lifted.
    pub fn new(report_descriptor: &[u8], headset: bool) -> Option<Self> {
        let descriptor = Descriptor::parse(report_descriptor);
        let is_input = |field: &&Field| field.direction == Direction::Input;
        descriptor.fields.iter().filter(is_input).find(|field| field.has(HOOK_SWITCH))?;
        let mut outputs: Vec<(u8, Vec<u8>)> = Vec::new();
        for field in descriptor.fields.iter().filter(|field| field.direction == Direction::Output) {
            if !outputs.iter().any(|(report, _)| *report == field.report) {
                outputs.push((field.report, vec![0; descriptor.length(Direction::Output, field.report)]));
            }
        }
        let (on, events) = (Vec::new(), VecDeque::new());
        Some(Self { descriptor, headset, hook: false, shown_off_hook: false, on, outputs, events })
    }

    /// Numbers of the input reports that carry the hook switch, for asking how it is.
    pub fn hook_reports(&self) -> impl Iterator<Item = u8> + '_ {
        let inputs = self.descriptor.fields.iter().filter(|field| field.direction == Direction::Input);
        inputs.filter(|field| field.has(HOOK_SWITCH) && !field.relative).map(|field| field.report)
    }

    /// Bytes of an input report, with its number if they have one.
    pub fn report_length(&self, report: u8) -> usize {
        usize::from(self.descriptor.numbered) + self.descriptor.length(Direction::Input, report)
    }

    /// Takes an input report as the device sent it.
    pub fn take(&mut self, bytes: &[u8]) {
        let (report, data) = match bytes.split_first() {
            Some((report, data)) if self.descriptor.numbered => (*report, data),
            _ => (0, bytes),
        };
        let before = match self.on.iter().position(|(known, _)| *known == report) {
            Some(index) => self.on.swap_remove(index).1,
            None => Vec::new(),
        };
        let mut on = Vec::new();
        let fields = std::mem::take(&mut self.descriptor.fields);
        let has_phone_mute = fields.iter().any(|field| field.has(PHONE_MUTE));
        for field in fields.iter().filter(|field| (field.direction, field.report) == (Direction::Input, report)) {
            let now: Vec<Usage> = field.values(data).map(|(usage, _)| usage).collect();
            for usage in &now {
                if !before.contains(usage) {
                    self.changed(field, *usage, true, has_phone_mute);
                }
            }
            for usage in before.iter().filter(|usage| field.has(**usage) && !now.contains(usage)) {
                self.changed(field, *usage, false, has_phone_mute);
            }
            on.extend(now);
        }
        self.descriptor.fields = fields;
        self.on.push((report, on));
    }

    /// Shows something on the device: the output reports to send, each with its number in front (0 if it has none, as
    /// `hidraw` wants it). Nothing if the device cannot show it or shows it already.
    pub fn show(&mut self, indicator: Indicator, lit: bool) -> Vec<Vec<u8>> {
        if indicator == Indicator::OffHook {
            self.shown_off_hook = lit;
        }
        let mut reports = Vec::new();
        for (report, data) in &mut self.outputs {
            let before = data.clone();
            for field in &self.descriptor.fields {
                if (field.direction, field.report) == (Direction::Output, *report) {
                    for usage in indicator.usages() {
                        field.put(data, *usage, lit);
                    }
                }
            }
            if *data != before {
                reports.push(std::iter::once(*report).chain(data.iter().copied()).collect());
            }
        }
        reports
    }

    /// The next thing the user did, oldest first.
    pub fn event(&mut self) -> Option<HandsetEvent> {
        self.events.pop_front()
    }

    fn changed(&mut self, field: &Field, usage: Usage, on: bool, has_phone_mute: bool) {
        if usage == HOOK_SWITCH {
            match (field.relative, on) {
                (true, false) => {}
                (true, true) => self.hook_moved(!self.hook),
                (false, on) => self.hook_moved(on),
            }
            return;
        }
        // A headset with both keys mutes its own loudspeaker by the consumer's.
        if usage == CONSUMER_MUTE && has_phone_mute {
            return;
        }
        let Some(key) = key(usage) else { return };
        if field.latching && !field.array {
            self.events.extend([HandsetEvent::Down(key), HandsetEvent::Up(key)]);
        } else {
            self.events.push_back(if on { HandsetEvent::Down(key) } else { HandsetEvent::Up(key) });
        }
    }

    fn hook_moved(&mut self, off: bool) {
        if off == self.hook {
            return;
        }
        self.hook = off;
        if !self.headset {
            self.events.push_back(HandsetEvent::Lifted(off));
        } else if off != self.shown_off_hook {
            self.events.extend([HandsetEvent::Down(Key::Headset), HandsetEvent::Up(Key::Headset)]);
        }
    }
}

/// The telephone's key for a usage.
fn key(usage: Usage) -> Option<Key> {
    const DIGITS: &[u8; 12] = b"0123456789*#";
    Some(match usage {
        // Flash takes the other call, which is what Hold does with two of them.
        0x0b_0021 | 0x0b_0023 => Key::Hold,
        0x0b_0024 => Key::Redial,
        0x0b_002b => Key::Speaker,
        PHONE_MUTE | CONSUMER_MUTE => Key::Mute,
        0x0b_0070 => Key::Message,
        0x0b_00b0..=0x0b_00bb => Key::Digit(char::from(*DIGITS.get((usage - 0x0b_00b0) as usize)?)),
        0x0c_00e9 => Key::VolumeUp,
        0x0c_00ea => Key::VolumeDown,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use HandsetEvent::{Down, Lifted, Up};
    use proptest::prelude::*;

    /// A USB handset with a cradle and a keypad that reports one key as a number; unnumbered reports.
    const HANDSET: &[u8] = &[
        0x05, 0x0b, 0x09, 0x04, 0xa1, 0x01, 0x15, 0x00, 0x25, 0x01, 0x75, 0x01, 0x95, 0x01, // Telephony, Handset
        0x09, 0x20, 0x81, 0x22, // Hook Switch, a state
        0x09, 0x2f, 0x81, 0x02, // Phone Mute, a button
        0x95, 0x06, 0x81, 0x03, // padding
        0x09, 0x06, 0xa1, 0x02, 0x19, 0xb0, 0x29, 0xbb, 0x15, 0x01, 0x25, 0x0c, 0x75, 0x08, 0x95, 0x01, 0x81, 0x40,
        0xc0, // Key Pad
        0x05, 0x08, 0x15, 0x00, 0x25, 0x01, 0x09, 0x18, 0x75, 0x01, 0x95, 0x01, 0x91, 0x02, // Ring
        0x05, 0x0b, 0x09, 0x9e, 0x91, 0x02, 0x95, 0x06, 0x91, 0x03, 0xc0, // Ringer, padding
    ];

    /// A headset as most of them are: report 1 consumer, report 2 telephony with five indicators.
    const HEADSET: &[u8] = &[
        0x05, 0x0c, 0x09, 0x01, 0xa1, 0x01, 0x85, 0x01, 0x15, 0x00, 0x25, 0x01, // Consumer Control
        0x09, 0xe9, 0x09, 0xea, 0x09, 0xe2, 0x75, 0x01, 0x95, 0x03, 0x81, 0x02, 0x95, 0x05, 0x81, 0x03, 0xc0, 0x05,
        0x0b, 0x09, 0x05, 0xa1, 0x01, 0x85, 0x02, 0x15, 0x00, 0x25, 0x01, // Headset
        0x09, 0x20, 0x09, 0x97, 0x75, 0x01, 0x95, 0x02, 0x81, 0x22, // Hook Switch, Line Busy Tone: states
        0x09, 0x2f, 0x09, 0x21, 0x09, 0x24, 0x95, 0x03, 0x81, 0x06, // Phone Mute, Flash, Redial: toggles
        0x95, 0x03, 0x81, 0x03, // padding
        0x05, 0x08, 0x09, 0x17, 0x09, 0x09, 0x09, 0x18, 0x09, 0x20, 0x09, 0x21, 0x95, 0x05, 0x91, 0x22, // LEDs
        0x95, 0x03, 0x91, 0x03, 0xc0,
    ];

    /// A sound chip whose two telephony keys are on the consumer collection: mute a state, the hook a toggle.
    const CHIP: &[u8] = &[
        0x05, 0x0c, 0x09, 0x01, 0xa1, 0x01, 0x15, 0x00, 0x25, 0x01, 0x09, 0xe9, 0x09, 0xea, 0x75, 0x01, 0x95, 0x02,
        0x81, 0x02, 0x05, 0x0b, 0x09, 0x2f, 0x95, 0x01, 0x81, 0x22, 0x09, 0x20, 0x81, 0x06, 0x95, 0x04, 0x81, 0x01,
        0xc0,
    ];

    fn handset(descriptor: &[u8]) -> Handset {
        Handset::new(descriptor, false).unwrap()
    }

    fn events(handset: &mut Handset, report: &[u8]) -> Vec<HandsetEvent> {
        handset.take(report);
        std::iter::from_fn(|| handset.event()).collect()
    }

    #[test]
    fn a_handset_is_lifted_dials_and_is_put_back() {
        let mut handset = handset(HANDSET);
        assert_eq!(handset.hook_reports().collect::<Vec<_>>(), [0]);
        assert_eq!(handset.report_length(0), 2);
        assert_eq!(events(&mut handset, &[0b01, 0]), [Lifted(true)]);
        assert_eq!(events(&mut handset, &[0b01, 2]), [Down(Key::Digit('1'))]);
        assert_eq!(events(&mut handset, &[0b01, 12]), [Down(Key::Digit('#')), Up(Key::Digit('1'))]);
        assert_eq!(events(&mut handset, &[0b11, 0]), [Down(Key::Mute), Up(Key::Digit('#'))]);
        assert_eq!(events(&mut handset, &[0b00, 0]), [Lifted(false), Up(Key::Mute)]);
        assert_eq!(events(&mut handset, &[0b00, 0]), []);
    }

    #[test]
    fn ringing_lights_the_ring_lamp_and_the_ringer_in_one_report() {
        let mut handset = handset(HANDSET);
        assert_eq!(handset.show(Indicator::Ring, true), [vec![0, 0b11]]);
        assert_eq!(handset.show(Indicator::Ring, true), [[]; 0]);
        assert_eq!(handset.show(Indicator::Ring, false), [vec![0, 0]]);
        assert_eq!(handset.show(Indicator::Mute, true), [[]; 0], "it has no such lamp");
    }

    #[test]
    fn a_headset_s_hook_switch_is_its_talk_button() {
        let mut headset = Handset::new(HEADSET, true).unwrap();
        assert_eq!(events(&mut headset, &[2, 0b0_0001]), [Down(Key::Headset), Up(Key::Headset)]);
        // The call is taken, we show it, and the device repeats its state.
        assert_eq!(headset.show(Indicator::OffHook, true), [vec![2, 0b1]]);
        assert_eq!(events(&mut headset, &[2, 0b0_0001]), []);
        // Ended on the telephone: the device moves its switch along, which is no press.
        assert_eq!(headset.show(Indicator::OffHook, false), [vec![2, 0]]);
        assert_eq!(events(&mut headset, &[2, 0]), []);
        assert_eq!(headset.show(Indicator::OffHook, true), [vec![2, 0b1]]);
        assert_eq!(events(&mut headset, &[2, 1]), []);
        assert_eq!(events(&mut headset, &[2, 0]), [Down(Key::Headset), Up(Key::Headset)]);
    }

    #[test]
    fn keys_of_a_headset_come_from_both_pages_and_only_one_mutes() {
        let mut headset = Handset::new(HEADSET, true).unwrap();
        assert_eq!(events(&mut headset, &[1, 0b001]), [Down(Key::VolumeUp)]);
        assert_eq!(events(&mut headset, &[2, 0b0_0100]), [Down(Key::Mute)]);
        assert_eq!(events(&mut headset, &[1, 0b110]), [Down(Key::VolumeDown), Up(Key::VolumeUp)]);
        assert_eq!(events(&mut headset, &[2, 0]), [Up(Key::Mute)]);
        assert_eq!(events(&mut headset, &[9, 0xff]), [], "a report it never spoke of");
        assert_eq!(events(&mut headset, &[]), []);
    }

    #[test]
    fn a_hook_that_toggles_and_a_mute_that_stays_are_followed() {
        let mut chip = handset(CHIP);
        assert_eq!(chip.hook_reports().count(), 0, "asking a toggle says nothing");
        assert_eq!(events(&mut chip, &[0b1000]), [Lifted(true)]);
        assert_eq!(events(&mut chip, &[0]), []);
        assert_eq!(events(&mut chip, &[0b1000]), [Lifted(false)]);
        assert_eq!(events(&mut chip, &[0b0100]), [Down(Key::Mute), Up(Key::Mute)]);
        assert_eq!(events(&mut chip, &[0]), [Down(Key::Mute), Up(Key::Mute)]);
    }

    #[test]
    fn devices_without_a_hook_switch_are_none_of_ours() {
        let keyboard = [
            0x05, 0x01, 0x09, 0x06, 0xa1, 0x01, 0x05, 0x07, 0x19, 0xe0, 0x29, 0xe7, 0x15, 0, 0x25, 1, 0x75, 1, 0x95, 8,
            0x81, 0x02, 0xc0,
        ];
        // A lamp called "off-hook" alone is no handset either.
        let lamp = [0x05, 0x08, 0x09, 0x17, 0x75, 0x01, 0x95, 0x01, 0x91, 0x02];
        for other in [&keyboard[..], &lamp, &[]] {
            assert!(Handset::new(other, false).is_none());
        }
    }

    proptest! {
        #[test]
        fn whatever_a_device_sends_hook_and_keys_make_sense(
            which in 0_usize..3, headset in any::<bool>(),
            reports in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 0..40),
        ) {
            let mut handset = Handset::new([HANDSET, HEADSET, CHIP][which], headset).unwrap();
            let mut lifted = false;
            for report in reports {
                for event in events(&mut handset, &report) {
                    if let Lifted(now) = event {
                        prop_assert_ne!(now, lifted);
                        lifted = now;
                    }
                }
                handset.show(Indicator::OffHook, report.len() % 2 == 0);
            }
        }

        #[test]
        fn any_damaged_descriptor_is_taken_or_refused(
            which in 0_usize..3, damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            report in prop::collection::vec(any::<u8>(), 0..10),
        ) {
            let mut bytes = [HANDSET, HEADSET, CHIP][which].to_vec();
            for (index, byte) in damage {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
            if let Some(mut handset) = Handset::new(&bytes, false) {
                events(&mut handset, &report);
                for lit in [true, false] {
                    for sent in handset.show(Indicator::Ring, lit) {
                        prop_assert!(sent.len() <= 65_537);
                    }
                }
            }
        }
    }
}
