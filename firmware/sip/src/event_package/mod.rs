//! Bodies of event packages: reading (the phone) and writing (the PBX).
pub mod dialog_info;
pub mod message_summary;
