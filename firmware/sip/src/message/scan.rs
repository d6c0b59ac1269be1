//! Lexical pieces shared by the readers of this module (RFC 3261 section 25.1): tokens, quoted
//! strings, lists, parameters. Every function walks its text once.

use super::Param;

/// `token` characters.
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9'
        | b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
}

pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// Linear white space as it is left after unfolding.
pub(crate) const fn is_lws(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// All digits and nothing else; what does not fit saturates.
pub(crate) fn saturating_number(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.bytes().fold(0_u32, |n, b| n.saturating_mul(10).saturating_add(u32::from(b - b'0'))))
}

/// Pieces of a text between separators that are outside of quoted strings and angle brackets, trimmed.
pub(crate) struct Split<'a> {
    rest: Option<&'a str>,
    separator: u8,
}

/// Splits at `separator` (an ASCII character).
pub(crate) const fn split(text: &str, separator: u8) -> Split<'_> {
    Split { rest: Some(text), separator }
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.rest?;
        let (mut quoted, mut escaped, mut angle) = (false, false, false);
        for (at, byte) in text.bytes().enumerate() {
            if escaped {
                escaped = false;
            } else if quoted {
                match byte {
                    b'\\' => escaped = true,
                    b'"' => quoted = false,
                    _ => {}
                }
            } else if angle {
                angle = byte != b'>';
            } else if byte == self.separator {
                self.rest = text.get(at + 1..);
                return text.get(..at).map(trim);
            } else if byte == b'"' {
                quoted = true;
            } else if byte == b'<' {
                angle = true;
            }
        }
        self.rest = None;
        Some(trim(text))
    }
}

/// Reads a quoted string at the start of `text`: its unescaped content and what follows it.
pub(crate) fn quoted_string(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut content = String::new();
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        if escaped {
            content.push(c);
            escaped = false;
        } else {
            match c {
                '\\' => escaped = true,
                '"' => return Some((content, inner.get(at + 1..)?)),
                _ => content.push(c),
            }
        }
    }
    None
}

/// Writes a quoted string; what must not stand in one bare is escaped, line ends become spaces.
pub(crate) fn write_quoted(f: &mut std::fmt::Formatter<'_>, text: &str) -> std::fmt::Result {
    use std::fmt::Write;
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '\r' | '\n' => f.write_char(' ')?,
            '"' | '\\' | '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}' => {
                f.write_char('\\')?;
                f.write_char(c)?;
            }
            _ => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

/// What to do with `;;`, which no grammar allows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum EmptyParam {
    Skip,
    Refuse,
}

/// Reads `;name=value;name` (with its leading semicolon) of a header field.
pub(crate) fn header_params(text: &str, empty: EmptyParam) -> Option<Vec<Param>> {
    let text = trim(text);
    if text.is_empty() {
        return Some(Vec::new());
    }
    let mut params = Vec::new();
    for piece in split(text.strip_prefix(';')?, b';') {
        if piece.is_empty() {
            if empty == EmptyParam::Skip {
                continue;
            }
            return None;
        }
        let (name, value) = match piece.split_once('=') {
            Some((name, value)) => (trim(name), Some(trim(value))),
            None => (piece, None),
        };
        if !is_token(name) || !value.is_none_or(is_param_value) {
            return None;
        }
        params.push(Param { name: name.to_owned(), value: value.map(str::to_owned) });
    }
    Some(params)
}

/// A token, a host, a quoted string, or anything else without blanks.
fn is_param_value(value: &str) -> bool {
    if value.starts_with('"') {
        // Counting quotes is enough: the closing one has to be the last octet.
        let mut escaped = false;
        let mut closed = false;
        for byte in value.bytes().skip(1) {
            if closed {
                return false;
            }
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => closed = true,
                _ => {}
            }
        }
        return closed;
    }
    !value.bytes().any(|b| is_lws(b) || matches!(b, b'"' | b'<' | b'>' | b','))
}

pub(crate) fn find_param<'a>(params: &'a [Param], name: &str) -> Option<&'a Param> {
    params.iter().find(|p| p.name.eq_ignore_ascii_case(name))
}

pub(crate) fn set_param(params: &mut Vec<Param>, name: &str, value: Option<&str>) {
    match params.iter_mut().find(|p| p.name.eq_ignore_ascii_case(name)) {
        Some(param) => param.value = value.map(str::to_owned),
        None => params.push(Param { name: name.to_owned(), value: value.map(str::to_owned) }),
    }
}

/// `;name=value` for each. Line ends, which only a caller of ours could have put there, are left out.
pub(crate) fn write_params(f: &mut std::fmt::Formatter<'_>, params: &[Param]) -> std::fmt::Result {
    for param in params {
        write!(f, ";{param}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_inside_quotes_and_brackets_do_not_split() {
        let text = r#""a,\",b" <sip:x,y@z> , "c" ,d"#;
        assert_eq!(split(text, b',').collect::<Vec<_>>(), vec![r#""a,\",b" <sip:x,y@z>"#, r#""c""#, "d"]);
    }

    #[test]
    fn a_number_too_large_saturates_and_a_sign_is_no_number() {
        assert_eq!(saturating_number("0068"), Some(68));
        assert_eq!(saturating_number("99999999999999999999"), Some(u32::MAX));
        assert_eq!(saturating_number("-1"), None);
        assert_eq!(saturating_number(""), None);
    }
}
