//! Digits as RTP events (RFC 4733) and in-band tones (ITU-T Q.23): words shared by engine and callers.
/// 0 to 15: digits 0-9, *, #, A-D.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digit(u8);
impl Digit {
    pub fn from_char(c: char) -> Option<Self> { todo!() }
    pub fn to_char(self) -> char { todo!() }
    pub fn code(self) -> u8 { self.0 }
    pub fn from_code(code: u8) -> Option<Self> { (code < 16).then_some(Self(code)) }
    /// Low and high frequency [Hz].
    pub fn frequencies(self) -> (u32, u32) { todo!() }
}
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DigitMethod { /// RFC 4733
    Event, /// dual tone into the encoder
    InBand }
