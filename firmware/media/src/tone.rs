//! The tone notation of the Account XML (`axml.tones.01` to `.05`): `periodic(sine(500ms,2000,400Hz),silence(500ms))`.
/// A parsed expression, ready to play; playing never allocates.
#[derive(Debug, Clone, PartialEq)]
pub struct Tone { }
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToneError { /// octet offset in the expression
    pub at: usize, pub reason: String }
impl Tone {
    pub fn parse(expression: &str) -> Result<Self, ToneError> { todo!() }
    /// Dual tone of a digit for the ear (key feedback).
    pub fn digit(digit: crate::telephone_event::Digit) -> Self { todo!() }
    /// The ringer's sound, for boards without a bell; `internal` chooses between two cadences.
    pub fn ringer(number: u8) -> Self { todo!() }
}
