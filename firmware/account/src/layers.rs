//! Merging of sources by priority (`axml.root.03`): factory < initial provisioning (10) < external provisioning (20) < the user at the phone (40).
use crate::Document;
/// Who gave a value, with its implicit rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    Provisioning,
    ExtProv,
    Gui,
}
impl Source {
    pub fn rank(self) -> u32 {
        match self {
            Self::Provisioning => 10,
            Self::ExtProv => 20,
            Self::Gui => 40,
        }
    }
}
/// The merged account with the origin of every key.
#[derive(Debug, Clone, Default)]
pub struct Layers {}
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub node: String,
    pub before: Option<String>,
    pub after: Option<String>,
}
impl Layers {
    pub fn new() -> Self {
        Self::default()
    }
    /// Merges a document; answers what changed (secret values masked). An ExtProv document replaces what ExtProv said before:
    /// a node that it no longer has falls back to lower ranks or the default.
    pub fn merge(&mut self, source: Source, document: &Document) -> Vec<Change> {
        todo!()
    }
    /// One value set by hand (control API, screen). `None` removes the hand-set value.
    pub fn set(&mut self, source: Source, node: &str, value: Option<&str>) -> Result<Vec<Change>, Locked> {
        todo!()
    }
    pub fn merged(&self) -> Document {
        todo!()
    }
    pub fn origin(&self, node: &str) -> Option<(Source, u32)> {
        todo!()
    }
    /// For the store; `restore` reads it back. Versioned, with a checksum, so that a torn or foreign file is noticed.
    pub fn to_bytes(&self) -> Vec<u8> {
        todo!()
    }
    pub fn restore(bytes: &[u8]) -> Result<Self, crate::Rejection> {
        todo!()
    }
}
/// The value has a priority above 40: the user may not change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    pub node: String,
}
