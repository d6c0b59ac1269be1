//! Bodies of event packages: reading (the phone) and writing (the PBX).
//!
//! They come from the network, so what is read is bounded in size, count and depth, and either
//! understood as a whole or refused as a whole.

pub mod dialog_info;
pub mod message_summary;
mod xml;

pub use dialog_info::{Dialog, DialogInfo, DialogInfoError, DialogState, Direction};
pub use message_summary::{Counts, MessageSummary};

/// Largest body that is read [octets].
pub const MAX_BODY: usize = 65_536;
