//! What goes out to a web service.

use super::{DialString, MAX_ANSWER, Service};
use crate::fetch::{Credentials, FetchRequest, Trust};
use crate::template::{Device, Place, UnknownPlaceholder, Values, asks_for_password, fill, keeps_secrets};
use crate::{Document, Secret};
use std::sync::Arc;

/// Longest URL, and longest value of a header [octets].
const LONGEST_URL: usize = 8192;
const LONGEST_HEADER: usize = 2048;
/// Longest body [octets].
const LONGEST_BODY: usize = 65_536;

/// What a request is made of beside the service.
#[derive(Debug, Clone)]
pub struct Context<'a> {
    /// The account in force: `%account[node]%` is any node of it.
    pub account: &'a Document,
    pub device: &'a Device,
    /// A laboratory: passwords may go out in the clear.
    pub insecure: bool,
    pub trust: Arc<Trust>,
    pub user_agent: &'a str,
    /// `%nonce%`: another one each time.
    pub nonce: u64,
}

/// Why no request can be made. The remedy lies in the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    Placeholder(UnknownPlaceholder),
    /// not http or https, or too long
    Url,
    /// the header of this name
    Header(String),
    Body,
    DialString(String),
}

/// The request of a service with these parameters (names without percent signs). Passwords are in it only if it goes
/// over https, stays in this machine, or the phone stands in a laboratory; elsewhere `***` stands for them. It goes to
/// the host of the URL and is not redirected to another.
///
/// # Errors
/// A template cannot be filled in, or what comes out is no request.
pub fn request(service: &Service, parameters: &[(&str, &str)], context: &Context<'_>) -> Result<FetchRequest, Unfit> {
    let account = Some(context.account);
    let values = Values { device: context.device, account, parameters, nonce: Some(context.nonce) };
    let masked = fill(&service.url, values, Place::Url, false)?;
    let reveal = context.insecure || keeps_secrets(&masked);
    let url = if reveal { fill(&service.url, values, Place::Url, true)? } else { masked };
    let lower = url.to_ascii_lowercase();
    let scheme = lower.starts_with("https://") || lower.starts_with("http://");
    if !scheme || url.len() > LONGEST_URL || url.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(Unfit::Url);
    }
    let mut headers = vec![("User-Agent".to_owned(), context.user_agent.to_owned())];
    let mut body = Vec::new();
    if !service.body.is_empty() && !["GET", "HEAD"].contains(&service.method) {
        let text = fill(&service.body, values, Place::of_body(&service.content_type), reveal)?;
        if text.len() > LONGEST_BODY {
            return Err(Unfit::Body);
        }
        body = text.into_bytes();
        headers.push(("Content-Type".to_owned(), service.content_type.clone()));
    }
    for (name, template) in &service.headers {
        let value = fill(template, values, Place::Text, reveal)?;
        if value.len() > LONGEST_HEADER {
            return Err(Unfit::Header(name.clone()));
        }
        headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        headers.push((name.clone(), value));
    }
    let username = fill(&service.username, values, Place::Text, reveal)?;
    // Digest does not send the password; Basic is the driver's to refuse, who knows where it would go.
    // A percent sign in a password need not be a placeholder.
    let written = service.password.reveal();
    let password = fill(written, values, Place::Text, true).unwrap_or_else(|_| written.to_owned());
    Ok(FetchRequest {
        method: service.method.to_owned(),
        headers,
        body,
        credentials: (!username.is_empty()).then(|| Credentials { username, password: Secret::new(password) }),
        insecure: context.insecure,
        only_home: true,
        trust: Arc::clone(&context.trust),
        max_bytes: MAX_ANSWER,
        timeout: service.timeout,
        ..FetchRequest::get(url)
    })
}

/// The dial string of a template (`axml.cth.02`). A PIN in a node of the administrator's own is filled in; the account's
/// passwords are not, since whoever answers would hear them.
///
/// # Errors
/// A placeholder that stands for nothing, or nothing that can be dialled.
pub fn dial_string(template: &str, target: &str, account: &Document, device: &Device) -> Result<DialString, Unfit> {
    let parameters = [("targetNumber", target)];
    if asks_for_password(template) {
        return Err(Unfit::DialString("a password of the account would be dialled".into()));
    }
    let text =
        fill(template, Values { parameters: &parameters, ..Values::new(device, Some(account)) }, Place::Text, true)?;
    DialString::parse(&text).map_err(Unfit::DialString)
}

impl From<UnknownPlaceholder> for Unfit {
    fn from(unknown: UnknownPlaceholder) -> Self {
        Self::Placeholder(unknown)
    }
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Placeholder(unknown) => write!(f, "{unknown}"),
            Self::Url => f.write_str("its URL is not usable"),
            Self::Header(name) => write!(f, "its header {name} is too long"),
            Self::Body => f.write_str("its body is too long"),
            Self::DialString(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Unfit {}
