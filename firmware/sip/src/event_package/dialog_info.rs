//! application/dialog-info+xml (RFC 4235).
//!
//! Elements and attributes that are not named below are skipped, whatever their namespace. Not here:
//! which version follows which, and merging partial documents (section 4.3); that is the watcher's.

use super::MAX_BODY;
use super::xml::{Attribute, Event, Reader, escape};
use std::fmt::Write;

/// Dialogs in one document at most.
pub const MAX_DIALOGS: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DialogState {
    Trying,
    Proceeding,
    Early,
    Confirmed,
    Terminated,
}

impl DialogState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trying => "trying",
            Self::Proceeding => "proceeding",
            Self::Early => "early",
            Self::Confirmed => "confirmed",
            Self::Terminated => "terminated",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let all = [Self::Trying, Self::Proceeding, Self::Early, Self::Confirmed, Self::Terminated];
        all.into_iter().find(|state| state.as_str() == text)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Initiator,
    Recipient,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialog {
    pub id: String,
    pub call_id: Option<String>,
    pub local_tag: Option<String>,
    pub remote_tag: Option<String>,
    pub direction: Option<Direction>,
    pub state: DialogState,
    /// identity URI and display name of the other party
    pub remote_identity: Option<String>,
    pub remote_display: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialogInfo {
    pub version: u32,
    /// false: a partial update of what was known
    pub full: bool,
    pub entity: String,
    pub dialogs: Vec<Dialog>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialogInfoError {
    /// octet offset
    pub at: usize,
    pub reason: &'static str,
}

impl std::fmt::Display for DialogInfoError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at octet {}", self.reason, self.at)
    }
}

impl std::error::Error for DialogInfoError {}

impl From<(usize, &'static str)> for DialogInfoError {
    fn from((at, reason): (usize, &'static str)) -> Self {
        Self { at, reason }
    }
}

impl DialogInfo {
    /// Bounded: at most 64 KiB and 256 dialogs; no DTD, no entities but the predefined ones.
    pub fn parse(bytes: &[u8]) -> Result<Self, DialogInfoError> {
        if bytes.len() > MAX_BODY {
            return Err((MAX_BODY, "too large").into());
        }
        let text = std::str::from_utf8(bytes).map_err(|e| (e.valid_up_to(), "not UTF-8"))?;
        let mut reader = Reader::new(text);
        let mut info = match reader.next()? {
            Some(Event::Start { name: "dialog-info", attributes }) => Self::from_attributes(&attributes)?,
            _ => return Err((0, "the root element is not dialog-info").into()),
        };
        // Elements that are open below the root.
        let mut path: Vec<&str> = Vec::new();
        let mut draft: Option<Draft> = None;
        loop {
            let at = reader.at();
            match reader.next()? {
                None => return Ok(info),
                Some(Event::Start { name, attributes }) => {
                    path.push(name);
                    match (path.as_slice(), draft.as_mut()) {
                        (["dialog"], _) => draft = Some(Draft::from_attributes(&attributes, at)?),
                        (["dialog", "remote", "identity"], Some(draft)) => {
                            draft.remote_display = value_of(&attributes, "display");
                        }
                        _ => {}
                    }
                }
                Some(Event::Text(text)) => match (path.as_slice(), draft.as_mut()) {
                    (["dialog", "state"], Some(draft)) => draft.state.push_str(&text),
                    (["dialog", "remote", "identity"], Some(draft)) => draft.remote_identity.push_str(&text),
                    _ => {}
                },
                Some(Event::End) => {
                    path.pop();
                    if path.is_empty()
                        && let Some(draft) = draft.take()
                    {
                        if info.dialogs.len() >= MAX_DIALOGS {
                            return Err((at, "too many dialogs").into());
                        }
                        info.dialogs.push(draft.finish(at)?);
                    }
                }
            }
        }
    }

    pub fn to_xml(&self) -> Vec<u8> {
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let state = if self.full { "full" } else { "partial" };
        push(
            &mut xml,
            format_args!(
                "<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{}\" state=\"{state}\" entity=\"{}\">\n",
                self.version,
                escape(&self.entity),
            ),
        );
        for dialog in &self.dialogs {
            dialog.write(&mut xml);
        }
        xml.push_str("</dialog-info>\n");
        xml.into_bytes()
    }

    fn from_attributes(attributes: &[Attribute<'_>]) -> Result<Self, DialogInfoError> {
        let version = value_of(attributes, "version").ok_or((0, "no version"))?;
        let full = match value_of(attributes, "state").as_deref() {
            // Mandatory, but without it nothing else than the whole can be meant.
            Some("full") | None => true,
            Some("partial") => false,
            Some(_) => return Err((0, "state is neither full nor partial").into()),
        };
        Ok(Self {
            version: version.trim().parse().map_err(|_| (0, "version is no number of 32 bits"))?,
            full,
            entity: value_of(attributes, "entity").ok_or((0, "no entity"))?,
            dialogs: Vec::new(),
        })
    }
}

impl Dialog {
    fn write(&self, xml: &mut String) {
        push(xml, format_args!("  <dialog id=\"{}\"", escape(&self.id)));
        let direction = self.direction.map(|direction| match direction {
            Direction::Initiator => "initiator",
            Direction::Recipient => "recipient",
        });
        for (name, value) in [
            ("call-id", self.call_id.as_deref()),
            ("local-tag", self.local_tag.as_deref()),
            ("remote-tag", self.remote_tag.as_deref()),
            ("direction", direction),
        ] {
            if let Some(value) = value {
                push(xml, format_args!(" {name}=\"{}\"", escape(value)));
            }
        }
        push(xml, format_args!(">\n    <state>{}</state>\n", self.state.as_str()));
        if self.remote_identity.is_some() || self.remote_display.is_some() {
            xml.push_str("    <remote><identity");
            if let Some(display) = &self.remote_display {
                push(xml, format_args!(" display=\"{}\"", escape(display)));
            }
            let identity = self.remote_identity.as_deref().unwrap_or_default();
            push(xml, format_args!(">{}</identity></remote>\n", escape(identity)));
        }
        xml.push_str("  </dialog>\n");
    }
}

/// A dialog whose end tag has not come yet.
struct Draft {
    dialog: Dialog,
    state: String,
    remote_identity: String,
    remote_display: Option<String>,
}

impl Draft {
    fn from_attributes(attributes: &[Attribute<'_>], at: usize) -> Result<Self, DialogInfoError> {
        let direction = match value_of(attributes, "direction").as_deref() {
            Some("initiator") => Some(Direction::Initiator),
            Some("recipient") => Some(Direction::Recipient),
            _ => None,
        };
        Ok(Self {
            dialog: Dialog {
                id: value_of(attributes, "id").ok_or((at, "dialog without id"))?,
                call_id: value_of(attributes, "call-id"),
                local_tag: value_of(attributes, "local-tag"),
                remote_tag: value_of(attributes, "remote-tag"),
                direction,
                state: DialogState::Terminated,
                remote_identity: None,
                remote_display: None,
            },
            state: String::new(),
            remote_identity: String::new(),
            remote_display: None,
        })
    }

    fn finish(self, at: usize) -> Result<Dialog, DialogInfoError> {
        let state = DialogState::parse(self.state.trim()).ok_or((at, "dialog without a state that we know"))?;
        let identity = self.remote_identity.trim();
        let remote_identity = (!identity.is_empty()).then(|| identity.to_owned());
        Ok(Dialog { state, remote_identity, remote_display: self.remote_display, ..self.dialog })
    }
}

fn value_of(attributes: &[Attribute<'_>], name: &str) -> Option<String> {
    attributes.iter().find(|a| a.name == name).map(|a| a.value.clone())
}

fn push(xml: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = xml.write_fmt(text);
}
