//! application/dialog-info+xml (RFC 4235).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DialogState { Trying, Proceeding, Early, Confirmed, Terminated }
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction { Initiator, Recipient }
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialog {
    pub id: String, pub call_id: Option<String>, pub local_tag: Option<String>, pub remote_tag: Option<String>,
    pub direction: Option<Direction>, pub state: DialogState,
    /// identity URI and display name of the other party
    pub remote_identity: Option<String>, pub remote_display: Option<String>,
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialogInfo { pub version: u32, /// false: a partial update of what was known
    pub full: bool, pub entity: String, pub dialogs: Vec<Dialog> }
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialogInfoError { /// octet offset
    pub at: usize, pub reason: &'static str }
impl DialogInfo {
    /// Bounded: at most 64 KiB and 256 dialogs; no DTD, no entities but the predefined ones.
    pub fn parse(bytes: &[u8]) -> Result<Self, DialogInfoError> { todo!() }
    pub fn to_xml(&self) -> Vec<u8> { todo!() }
}
