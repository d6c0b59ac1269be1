//! Where the placeholders of a template begin and end.

use super::SHORT;

pub(super) enum Piece<'t> {
    Text(&'t str),
    Brace {
        name: &'t str,
        at: usize,
    },
    /// `whole` has its percent signs.
    Percent {
        name: &'t str,
        whole: &'t str,
        at: usize,
    },
    /// `%sha1(argument)%`
    Sha1 {
        argument: &'t str,
        whole: &'t str,
        at: usize,
    },
}

const SHA1: &str = "sha1(";
/// Functions within functions that are looked into.
const DEEPEST: usize = 8;

pub(super) fn pieces(template: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut from = 0;
    let mut at = 0;
    while let Some(found) = template.get(at..).and_then(|rest| rest.find(['%', '{'])) {
        at += found;
        let rest = template.get(at..).unwrap_or_default();
        let inner = rest.get(1..).unwrap_or_default();
        let piece = if rest.starts_with('{') {
            inner
                .split_once('}')
                .filter(|(name, _)| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric()))
                .map(|(name, _)| (Piece::Brace { name, at }, name.len() + 2))
        } else if let Some(argument) = inner.strip_prefix(SHA1).and_then(argument) {
            let length = 1 + SHA1.len() + argument.len() + 2;
            let whole = rest.get(..length).unwrap_or_default();
            Some((Piece::Sha1 { argument, whole, at }, length))
        } else {
            placeholder_name(inner).map(|name| {
                let length = name.len() + 2;
                (Piece::Percent { name, whole: rest.get(..length).unwrap_or_default(), at }, length)
            })
        };
        match piece {
            Some((piece, length)) => {
                pieces.push(Piece::Text(template.get(from..at).unwrap_or_default()));
                pieces.push(piece);
                at += length;
                from = at;
            }
            None => at += 1,
        }
    }
    pieces.push(Piece::Text(template.get(from..).unwrap_or_default()));
    pieces
}

/// What stands before the `)%` that closes the function whose parenthesis was opened just before.
fn argument(rest: &str) -> Option<&str> {
    let mut depth = 1;
    let mut at = 0;
    while let Some(found) = rest.get(at..).and_then(|rest| rest.find(['%', ')'])) {
        at += found;
        let here = rest.get(at..).unwrap_or_default();
        if here.strip_prefix('%').is_some_and(|inner| inner.starts_with(SHA1)) {
            depth += 1;
            at += 1 + SHA1.len();
        } else if here.starts_with(")%") {
            depth -= 1;
            if depth == 0 {
                return rest.get(..at);
            }
            at += 2;
        } else {
            at += 1;
        }
        if depth > DEEPEST {
            return None;
        }
    }
    None
}

/// The name in `name%...`, unless the percent sign starts an escape such as `%c3`.
fn placeholder_name(inner: &str) -> Option<&str> {
    let end = inner.find('%')?;
    let name = inner.get(..end)?;
    if let Some(key) = name.strip_prefix("account[").and_then(|rest| rest.strip_suffix(']')) {
        return (!key.is_empty() && !key.chars().any(char::is_control)).then_some(name);
    }
    if SHORT.contains(&name) {
        return Some(name);
    }
    let escape = inner.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    let word = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.');
    (!escape && word).then_some(name)
}
