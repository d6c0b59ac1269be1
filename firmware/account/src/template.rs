//! `%account[key]%`, `{mac}` and friends in URLs and header values (`axml.root.06`).
use crate::Document;
/// What the device contributes to templates. `mac`: 12 lower-case hex digits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device { pub mac: String, pub model: String, pub serial: String, pub version: String }
/// Expands into a URL: values are %-encoded; password only if the URL is https, or http to a loopback address, or `insecure`; else `***`.
/// An unknown placeholder is an error naming it.
pub fn expand_url(template: &str, device: &Device, account: Option<&Document>, insecure: bool) -> Result<String, UnknownPlaceholder> { todo!() }
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownPlaceholder { pub name: String, pub at: usize }
