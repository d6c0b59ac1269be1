//! HID report descriptors (Device Class Definition for HID 1.11, section 6.2.2): which bit of a report is which usage.
//!
//! [`Descriptor::parse`] reads what a device says of itself; [`Field::values`] finds the usages in a report,
//! [`Field::put`] sets one in a report to send. Nothing here knows what a usage means: that is [`handset`]'s part.
//! Devices are outside input: whatever the bytes are, parsing ends, in bounded space.

pub mod handset;

pub use handset::{Handset, HandsetEvent, Indicator};

/// A usage: page in the upper half, id in the lower.
pub type Usage = u32;

/// Fields a descriptor has at most; longer ones are cut.
const MOST_FIELDS: usize = 512;
/// Elements of one field, and single usages named for it, at most.
const MOST_ELEMENTS: u32 = 4096;
/// States kept by Push at most.
const DEEPEST: usize = 16;

/// Which way a field goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// from the device
    Input,
    /// to the device
    Output,
    /// settings; not used here
    Feature,
}

/// Elements of equal size in one report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// which way it goes
    pub direction: Direction,
    /// number of its report, 0 if reports have none
    pub report: u8,
    /// where it begins in the report, behind the number [bits]
    pub offset: u32,
    /// of one element [bits], 1 to 32
    pub size: u32,
    /// number of elements
    pub count: u32,
    /// value of the first usage in an array
    pub minimum: i32,
    /// elements are numbers of usages (array), else each element is a usage (variable)
    pub array: bool,
    /// elements are changes (relative), else states (absolute)
    pub relative: bool,
    /// the control stays as it was left, such as a latching switch, else it springs back, such as a button
    pub latching: bool,
    /// first and last usage of each range
    usages: Vec<(Usage, Usage)>,
}

impl Field {
    /// The usage number `index` (from 0): the last one stands for all that follow (section 6.2.2.8).
    pub fn usage(&self, index: u32) -> Option<Usage> {
        let mut left = index;
        for (first, last) in &self.usages {
            let length = last.saturating_sub(*first).saturating_add(1);
            if left < length {
                return Some(first + left);
            }
            left -= length;
        }
        if self.array { None } else { self.usages.last().map(|(_, last)| *last) }
    }

    /// Has it this usage?
    pub fn has(&self, usage: Usage) -> bool {
        self.usages.iter().any(|(first, last)| (*first..=*last).contains(&usage))
    }

    /// The usages that are on in a report (without its number), with their values.
    pub fn values<'a>(&'a self, report: &'a [u8]) -> impl Iterator<Item = (Usage, i32)> + 'a {
        (0..self.count).filter_map(move |index| {
            let value = bits(report, self.offset.checked_add(index.checked_mul(self.size)?)?, self.size)?;
            if self.array {
                let index = i64::from(value).checked_sub(i64::from(self.minimum))?;
                let usage = self.usage(u32::try_from(index).ok()?)?;
                return (usage & 0xffff != 0).then_some((usage, 1));
            }
            let signed = if self.minimum < 0 { sign_extended(value, self.size) } else { i32::try_from(value).ok()? };
            (signed != 0).then_some((self.usage(index)?, signed))
        })
    }

    /// Sets a usage of a variable field on or off in a report (without its number).
    pub fn put(&self, report: &mut [u8], usage: Usage, on: bool) {
        for index in (0..self.count).filter(|index| self.usage(*index) == Some(usage)) {
            let bit = u64::from(self.offset) + u64::from(index) * u64::from(self.size);
            if let Some(byte) = usize::try_from(bit / 8).ok().and_then(|at| report.get_mut(at)) {
                let mask = 1 << (bit % 8);
                *byte = if on { *byte | mask } else { *byte & !mask };
            }
        }
    }
}

/// What a device says its reports are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// the fields that carry something, in order
    pub fields: Vec<Field>,
    /// reports begin with their number
    pub numbered: bool,
    /// length of each report, without its number [bits]
    lengths: Vec<(Direction, u8, u32)>,
}

/// Items that hold until changed (section 6.2.2.7).
#[derive(Debug, Clone, Copy, Default)]
struct Global {
    page: u32,
    minimum: i32,
    report: u8,
    size: u32,
    count: u32,
}

/// Items that hold for the next main item (section 6.2.2.8).
#[derive(Debug, Default)]
struct Local {
    usages: Vec<(Usage, Usage)>,
    from: Option<Usage>,
}

impl Descriptor {
    /// Reads a report descriptor as far as it makes sense.
    pub fn parse(mut bytes: &[u8]) -> Self {
        let mut this = Self::default();
        let (mut global, mut local, mut saved) = (Global::default(), Local::default(), Vec::new());
        while let Some((prefix, rest)) = bytes.split_first() {
            if *prefix == 0xfe {
                // A long item (section 6.2.2.3): none is defined.
                let length = rest.first().map_or(0, |length| usize::from(*length));
                bytes = rest.get(2 + length..).unwrap_or_default();
                continue;
            }
            let length = [0, 1, 2, 4][usize::from(prefix & 3)];
            let Some((data, behind)) = rest.split_at_checked(length) else { break };
            bytes = behind;
            let unsigned = data.iter().rev().fold(0_u32, |value, byte| value << 8 | u32::from(*byte));
            match prefix & 0xfc {
                0x80 => this.main(Direction::Input, unsigned, global, std::mem::take(&mut local)),
                0x90 => this.main(Direction::Output, unsigned, global, std::mem::take(&mut local)),
                0xb0 => this.main(Direction::Feature, unsigned, global, std::mem::take(&mut local)),
                // Collection, end of collection
                0xa0 | 0xc0 => local = Local::default(),
                0x04 => global.page = unsigned << 16,
                0x14 => global.minimum = sign_extended(unsigned, 8 * length as u32),
                0x74 => global.size = unsigned,
                0x84 => {
                    global.report = unsigned.try_into().unwrap_or(0);
                    this.numbered = true;
                }
                0x94 => global.count = unsigned,
                0xa4 if saved.len() < DEEPEST => saved.push(global),
                0xb4 => global = saved.pop().unwrap_or(global),
                local_item @ (0x08 | 0x18 | 0x28) => {
                    // A usage of four bytes brings its page along.
                    let usage = if length == 4 { unsigned } else { global.page | unsigned };
                    local.usage(local_item, usage);
                }
                _ => {}
            }
        }
        this
    }

    /// Has any field a usage of this page?
    pub fn has_page(&self, page: u16) -> bool {
        self.fields.iter().any(|field| field.usages.iter().any(|(first, _)| first >> 16 == u32::from(page)))
    }

    /// Length of a report without its number [bytes].
    pub fn length(&self, direction: Direction, report: u8) -> usize {
        let bits =
            self.lengths.iter().find(|(way, id, _)| (*way, *id) == (direction, report)).map_or(0, |found| found.2);
        bits.div_ceil(8) as usize
    }

    fn main(&mut self, direction: Direction, flags: u32, global: Global, local: Local) {
        let Global { report, size, count, minimum, .. } = global;
        let known = self.lengths.iter().position(|(way, id, _)| (*way, *id) == (direction, report));
        let index = known.unwrap_or_else(|| {
            self.lengths.push((direction, report, 0));
            self.lengths.len() - 1
        });
        let Some((.., length)) = self.lengths.get_mut(index) else { return };
        let offset = *length;
        // A report is at most 64 KiB; a device that says otherwise gets the rest of its fields ignored.
        *length = offset.saturating_add(size.saturating_mul(count)).min(8 * 65_536);
        let (constant, array) = (flags & 1 != 0, flags & 2 == 0);
        let fits = (1..=32).contains(&size) && (1..=MOST_ELEMENTS).contains(&count);
        if constant || local.usages.is_empty() || !fits || self.fields.len() >= MOST_FIELDS {
            return;
        }
        let (relative, latching) = (flags & 4 != 0, flags & 0x20 != 0);
        let usages = local.usages;
        self.fields.push(Field { direction, report, offset, size, count, minimum, array, relative, latching, usages });
    }
}

impl Local {
    fn usage(&mut self, item: u8, usage: Usage) {
        match item {
            0x18 => self.from = Some(usage),
            0x28 => {
                if let Some(first) = self.from.take().filter(|first| *first <= usage) {
                    self.push(first, usage);
                }
            }
            _ => self.push(usage, usage),
        }
    }

    fn push(&mut self, first: Usage, last: Usage) {
        if self.usages.len() < MOST_ELEMENTS as usize {
            self.usages.push((first, last));
        }
    }
}

/// `size` bits from bit `offset` on, lowest first; `None` beyond the end.
fn bits(report: &[u8], offset: u32, size: u32) -> Option<u32> {
    let mut value = 0;
    for bit in 0..size {
        let at = offset.checked_add(bit)?;
        let byte = report.get(usize::try_from(at / 8).ok()?)?;
        value |= u32::from(byte >> (at % 8) & 1) << bit;
    }
    Some(value)
}

/// The number that the lowest `size` bits are in two's complement.
fn sign_extended(value: u32, size: u32) -> i32 {
    match size {
        1..32 => (value << (32 - size)).cast_signed() >> (32 - size),
        _ => value.cast_signed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn offsets_count_per_report_and_way_and_constants_take_room() {
        let descriptor = Descriptor::parse(&[
            0x05, 0x0b, 0x09, 0x05, 0xa1, 0x01, // Telephony, Headset, Collection
            0x85, 0x02, 0x15, 0x00, 0x25, 0x01, 0x75, 0x01, 0x95, 0x01, // report 2, one bit
            0x81, 0x03, // padding
            0x09, 0x20, 0x81, 0x22, // Hook Switch: absolute, latching
            0x09, 0x2f, 0x81, 0x06, // Phone Mute: relative
            0x05, 0x08, 0x09, 0x17, 0x09, 0x18, 0x95, 0x02, 0x91, 0x02, // LEDs
            0x85, 0x03, 0x05, 0x0c, 0x09, 0xe9, 0x81, 0x02, 0xc0, // report 3: both elements are Volume Increment
        ]);
        assert!(descriptor.numbered);
        let places: Vec<_> =
            descriptor.fields.iter().map(|field| (field.direction, field.report, field.offset)).collect();
        let (input, output) = (Direction::Input, Direction::Output);
        assert_eq!(places, [(input, 2, 1), (input, 2, 2), (output, 2, 0), (input, 3, 0)]);
        let [hook, mute, leds, volume] = &descriptor.fields[..] else { panic!() };
        assert!(hook.latching && !hook.relative && mute.relative && !mute.latching);
        assert_eq!(hook.values(&[0b010]).collect::<Vec<_>>(), [(0x0b_0020, 1)]);
        assert_eq!(volume.values(&[0b10]).collect::<Vec<_>>(), [(0x0c_00e9, 1)]);
        let mut report = [0xff_u8, 0];
        leds.put(&mut report, 0x08_0018, false);
        assert_eq!(report, [0b1111_1101, 0]);
        assert_eq!(
            (descriptor.length(input, 2), descriptor.length(output, 2), descriptor.length(output, 9)),
            (1, 1, 0)
        );
    }

    #[test]
    fn arrays_give_the_usage_their_number_stands_for_and_nothing_for_others() {
        let descriptor = Descriptor::parse(&[
            0x05, 0x0b, 0x19, 0xb0, 0x29, 0xbb, 0x15, 0x01, 0x25, 0x0c, 0x75, 0x04, 0x95, 0x02, 0x81, 0x40,
        ]);
        let field = &descriptor.fields[0];
        assert_eq!(field.values(&[0x21]).map(|(usage, _)| usage).collect::<Vec<_>>(), [0x0b_00b0, 0x0b_00b1]);
        assert_eq!(field.values(&[0x0c]).map(|(usage, _)| usage).collect::<Vec<_>>(), [0x0b_00bb]);
        assert_eq!(field.values(&[0xd0]).count(), 0);
        assert_eq!(field.values(&[]).count(), 0, "a short report has nothing");
    }

    #[test]
    fn push_and_pop_keep_the_page_and_a_long_usage_has_its_own() {
        let descriptor = Descriptor::parse(&[
            0x05, 0x0b, 0x75, 0x08, 0x95, 0x01, 0x15, 0xff, 0xa4, 0x05, 0x0c, 0xb4, 0x09, 0x20, 0x81,
            0x02, // pop: 0x0b
            0x0b, 0xe9, 0x00, 0x0c, 0x00, 0x81, 0x06, // Consumer, Volume Increment
        ]);
        assert!(descriptor.fields[0].has(0x0b_0020) && descriptor.fields[1].has(0x0c_00e9));
        assert_eq!(descriptor.fields[1].values(&[0, 0xff]).collect::<Vec<_>>(), [(0x0c_00e9, -1)]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_their_end_and_any_report_decoded(
            bytes in prop::collection::vec(any::<u8>(), 0..200), report in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let descriptor = Descriptor::parse(&bytes);
            prop_assert!(descriptor.fields.len() <= MOST_FIELDS);
            for field in &descriptor.fields {
                for (usage, _) in field.values(&report) {
                    prop_assert!(field.has(usage));
                }
                let mut out = report.clone();
                field.put(&mut out, field.usage(0).unwrap_or(0), true);
                prop_assert_eq!(out.len(), report.len());
                prop_assert!(descriptor.length(field.direction, field.report) <= 65_536);
            }
        }
    }
}
