//! application/simple-message-summary (RFC 3842).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MessageSummary { pub waiting: bool, pub account: Option<String>, /// Voice-Message: new, old, new urgent, old urgent
    pub voice: Option<Counts> }
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts { pub new: u32, pub old: u32, pub new_urgent: u32, pub old_urgent: u32 }
impl MessageSummary {
    pub fn parse(bytes: &[u8]) -> Option<Self> { todo!() }
    pub fn to_bytes(&self) -> Vec<u8> { todo!() }
}
