//! One file for each thing a person or an administrator would call a feature.
pub(crate) mod auto_answer;
pub(crate) mod call_waiting;
pub(crate) mod dtmf;
pub(crate) mod forwarding;
pub(crate) mod hold;
pub(crate) mod voicemail;
