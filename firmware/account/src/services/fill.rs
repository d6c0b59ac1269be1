//! Placeholders of web services: those of every template, and the parameters of the service (`%targetNumber%`, `%uri%`).
//! A value is written as the place demands where it lands: a number with a quotation mark in it ends no JSON string, and
//! a line break ends no header.

use crate::Document;
use crate::schema;
use crate::template::{Device, Piece, UnknownPlaceholder, encode, is_short, lookup, pieces};

/// Where a value lands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Url,
    /// `application/x-www-form-urlencoded`
    Form,
    Json,
    Xml,
    /// Header values, dial strings, bodies of other types.
    Text,
}

impl Place {
    /// Of a body with this content type.
    pub(super) fn of_body(content_type: &str) -> Self {
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind {
            kind if kind == "application/json" || kind.ends_with("+json") => Self::Json,
            kind if kind.ends_with("/xml") || kind.ends_with("+xml") => Self::Xml,
            kind if kind.is_empty() || kind == "application/x-www-form-urlencoded" => Self::Form,
            _ => Self::Text,
        }
    }
}

/// What templates may ask for.
#[derive(Clone, Copy)]
pub(super) struct Values<'v> {
    pub(super) device: &'v Device,
    pub(super) account: &'v Document,
    /// names without percent signs
    pub(super) parameters: &'v [(&'v str, &'v str)],
}

/// The template with its values, secrets as `***` unless `reveal`.
pub(super) fn fill(
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
            Piece::Percent { name, at, whole } => {
                let parameter = values.parameters.iter().find(|(known, _)| *known == name);
                match (parameter, lookup(name, Some(values.account))) {
                    (Some((_, value)), _) => write(&mut out, value, place),
                    (None, Some((_, true))) if !reveal => out.push_str("***"),
                    (None, Some((value, _))) if in_authority && schema::host_port(&value).is_ok() => {
                        out.push_str(&value);
                    }
                    (None, Some((value, _))) => write(&mut out, &value, place),
                    (None, None) => return Err(UnknownPlaceholder { name: whole.to_owned(), at }),
                }
            }
        }
    }
    Ok(out)
}

/// Nodes of the account that a template asks for.
fn keys(template: &str) -> Vec<&str> {
    let key = |piece| match piece {
        Piece::Percent { name, .. } => {
            Some(name.strip_prefix("account[").and_then(|rest| rest.strip_suffix(']')).unwrap_or(name))
        }
        _ => None,
    };
    pieces(template).into_iter().filter_map(key).collect()
}

/// Whether anything secret is asked for.
pub(super) fn asks_for_secret(template: &str) -> bool {
    keys(template).into_iter().any(schema::is_secret)
}

/// Whether one of the passwords that the table knows is asked for.
pub(super) fn asks_for_password(template: &str) -> bool {
    keys(template).into_iter().any(|key| schema::row(key).is_some_and(|row| row.kind == schema::Kind::Secret))
}

/// Placeholders that stand for nothing whatever the account holds: misspelt, or functions.
pub(super) fn never_known<'t>(template: &'t str, parameters: &[&str]) -> Option<&'t str> {
    pieces(template).into_iter().find_map(|piece| match piece {
        Piece::Percent { name, whole, .. }
            if !parameters.contains(&name) && !name.starts_with("account[") && !is_short(name) =>
        {
            Some(whole)
        }
        _ => None,
    })
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
