//! Values in the place of placeholders. A value is written as the place demands where it lands: a number with a quotation mark in it ends no JSON string, and
//! a line break ends no header.

use super::pieces::{Piece, pieces};
use super::{Device, UnknownPlaceholder, Values, is_short, lookup};
use crate::schema;
use ::sha1::Digest as _;

/// Where a value lands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Url,
    /// `application/x-www-form-urlencoded`
    Form,
    Json,
    Xml,
    /// Header values, dial strings, bodies of other types.
    Text,
    /// Of a function: as it is.
    Argument,
}

impl Place {
    /// Of a body with this content type.
    pub(crate) fn of_body(content_type: &str) -> Self {
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind {
            kind if kind == "application/json" || kind.ends_with("+json") => Self::Json,
            kind if kind.ends_with("/xml") || kind.ends_with("+xml") => Self::Xml,
            kind if kind.is_empty() || kind == "application/x-www-form-urlencoded" => Self::Form,
            _ => Self::Text,
        }
    }
}

/// The template with its values, secrets as `***` unless `reveal`.
pub(crate) fn fill(
    template: &str,
    values: Values<'_>,
    place: Place,
    reveal: bool,
) -> Result<String, UnknownPlaceholder> {
    let mut out = String::new();
    for piece in pieces(template) {
        // `host:port` of an account stays itself in the authority of a URL
        let in_authority =
            place == Place::Url && out.split_once("://").is_some_and(|(_, rest)| !rest.contains(['/', '?', '#']));
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Brace { name, at } => match (device_value(values.device, name), place) {
                (Some(value), _) => write(&mut out, value, place),
                (None, Place::Url) => return Err(UnknownPlaceholder { name: format!("{{{name}}}"), at }),
                (None, _) => {
                    out.push('{');
                    out.push_str(name);
                    out.push('}');
                }
            },
            Piece::Sha1 { argument, at, .. } if !reveal && asks_for_secret(argument) => {
                fill(argument, values, Place::Argument, false).map_err(|unknown| unknown.within(at))?;
                out.push_str("***");
            }
            Piece::Sha1 { argument, at, .. } => {
                let argument = fill(argument, values, Place::Argument, reveal).map_err(|unknown| unknown.within(at))?;
                out.push_str(&sha1(&argument));
            }
            Piece::Percent { name, at, whole } => {
                let parameter = values.parameters.iter().find(|(known, _)| *known == name);
                match (parameter, lookup(name, values.account), values.nonce) {
                    (Some((_, value)), ..) => write(&mut out, value, place),
                    (None, Some((_, true)), _) if !reveal => out.push_str("***"),
                    (None, Some((value, _)), _) if in_authority && schema::host_port(&value).is_ok() => {
                        out.push_str(&value);
                    }
                    (None, Some((value, _)), _) => write(&mut out, &value, place),
                    (None, None, Some(nonce)) if name == NONCE => out.push_str(&format!("{nonce:016x}")),
                    (None, None, _) => return Err(UnknownPlaceholder { name: whole.to_owned(), at }),
                }
            }
        }
    }
    Ok(out)
}

const NONCE: &str = "nonce";

pub(super) fn sha1(text: &str) -> String {
    ::sha1::Sha1::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All placeholders, also those in functions: names without percent signs, and with them.
fn placeholders(template: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for piece in pieces(template) {
        match piece {
            Piece::Percent { name, whole, .. } => found.push((name, whole)),
            Piece::Sha1 { argument, .. } => found.extend(placeholders(argument)),
            Piece::Text(_) | Piece::Brace { .. } => {}
        }
    }
    found
}

/// Nodes of the account that a template asks for.
fn keys(template: &str) -> impl Iterator<Item = &str> {
    placeholders(template)
        .into_iter()
        .map(|(name, _)| name.strip_prefix("account[").and_then(|rest| rest.strip_suffix(']')).unwrap_or(name))
}

/// Whether anything secret is asked for.
pub(crate) fn asks_for_secret(template: &str) -> bool {
    keys(template).any(|key| schema::is_secret(key) || key == super::CODE)
}

/// Whether one of the passwords that the table knows is asked for.
pub(crate) fn asks_for_password(template: &str) -> bool {
    keys(template).any(|key| schema::row(key).is_some_and(|row| row.kind == schema::Kind::Secret))
}

/// A placeholder of a web service that stands for nothing whatever the account holds: misspelt, most likely.
pub(crate) fn never_known<'t>(template: &'t str, parameters: &[&str]) -> Option<&'t str> {
    let unknown =
        |name: &str| !parameters.contains(&name) && !name.starts_with("account[") && !is_short(name) && name != NONCE;
    placeholders(template).into_iter().find_map(|(name, whole)| unknown(name).then_some(whole))
}

fn device_value<'d>(device: &'d Device, name: &str) -> Option<&'d str> {
    Some(match name {
        "mac" => &device.mac,
        "model" => &device.model,
        "serial" => &device.serial,
        "version" => &device.version,
        _ => return None,
    })
}

fn write(out: &mut String, value: &str, place: Place) {
    match place {
        Place::Url | Place::Form => encode(out, value),
        Place::Argument => out.push_str(value),
        Place::Text => out.extend(value.chars().map(|c| if c.is_control() { ' ' } else { c })),
        Place::Json => {
            for c in value.chars() {
                match c {
                    '"' | '\\' => out.extend(['\\', c]),
                    c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
                    c => out.push(c),
                }
            }
        }
        Place::Xml => {
            for c in value.chars() {
                match c {
                    '&' => out.push_str("&amp;"),
                    '<' => out.push_str("&lt;"),
                    '>' => out.push_str("&gt;"),
                    '"' => out.push_str("&quot;"),
                    '\'' => out.push_str("&apos;"),
                    c if c.is_control() => out.push(' '),
                    c => out.push(c),
                }
            }
        }
    }
}

pub(crate) fn encode(out: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}
