//! One value against its row: the usable form, or what was expected instead. Never prints the value itself, so that
//! what it says about a secret is safe to show.

use super::{Effect, Kind, Row};

/// A text that can be used, in its canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usable {
    pub value: String,
    /// What was changed or left out to make it usable.
    pub notes: Vec<String>,
}

impl Usable {
    fn plain(value: &str) -> Self {
        Self { value: value.to_owned(), notes: Vec::new() }
    }
    fn noted(value: impl Into<String>, note: impl Into<String>) -> Self {
        Self { value: value.into(), notes: vec![note.into()] }
    }
}

/// Longest tone expression [characters] and deepest nesting.
const TONE_LENGTH: usize = 4096;
const TONE_DEPTH: u32 = 8;

/// Reads a node's text by its row. Empty text stands for the default and is usable, except for a list that has one.
///
/// # Errors
/// What was expected, in words.
pub fn read(row: &Row, text: &str) -> Result<Usable, String> {
    if row.kind == Kind::Secret {
        let value = trim_secret(text);
        return match value.chars().any(char::is_control) {
            true => Err("a secret cannot have control characters".into()),
            false => Ok(Usable::plain(value)),
        };
    }
    let text = text.trim();
    match row.kind {
        Kind::List(items) if !row.default.is_empty() => return read_list(items, text),
        Kind::Choice(choices) => return read_choice(choices, text),
        _ if text.is_empty() => return Ok(Usable::plain("")),
        _ => {}
    }
    match row.kind {
        Kind::Bool => read_bool(text),
        Kind::Integer { min, max } => {
            let number = integer(text).ok_or_else(|| row.kind.expected())?;
            if !(min..=max).contains(&number) {
                return Err(row.kind.expected());
            }
            Ok(Usable::plain(text))
        }
        Kind::List(items) => read_list(items, text),
        Kind::HostPort => host_port(text).map(|()| Usable::plain(text)),
        Kind::Url => read_url(row, text),
        Kind::DialString => read_dial_string(text),
        Kind::Tone => match tone_is_well_formed(text) {
            true => Ok(Usable::plain(text)),
            false => Err("a tone expression such as periodic(sine(500ms,2000,400Hz),silence(500ms))".into()),
        },
        Kind::Text => Ok(read_text(row, text)),
        Kind::Choice(_) | Kind::Secret | Kind::Container => Ok(Usable::plain(text)),
    }
}

/// Reads a comma-separated list: unknown and repeated items are left out with a note.
///
/// # Errors
/// When nothing usable is left.
pub fn read_list(items: &[&str], text: &str) -> Result<Usable, String> {
    let mut kept: Vec<&str> = Vec::new();
    let mut notes: Vec<String> = Vec::new();
    let mut repeated = 0_usize;
    let mut unknown: Vec<String> = Vec::new();
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        match items.iter().find(|known| known.eq_ignore_ascii_case(item)) {
            Some(known) if kept.contains(known) => repeated += 1,
            Some(known) => kept.push(known),
            None => unknown.push(shown(item)),
        }
    }
    if kept.is_empty() {
        return Err(Kind::List(&[]).expected_list(items));
    }
    if !unknown.is_empty() {
        let more = unknown.len().saturating_sub(5);
        let named = unknown.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        let tail = if more == 0 { String::new() } else { format!(" and {more} more") };
        notes.push(format!("not known and left out: {named}{tail}"));
    }
    if repeated > 0 {
        notes.push(format!("{repeated} repeated items left out"));
    }
    Ok(Usable { value: kept.join(","), notes })
}

/// Whether this is `host`, `host:port`, `[ipv6]` or `[ipv6]:port` that may stand in a SIP URI.
///
/// # Errors
/// What is wrong, in words.
pub fn host_port(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("a host name is missing".into());
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("a host cannot have spaces, line breaks or control characters".into());
    }
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((address, after)) = rest.split_once(']') else {
            return Err("the bracket of the IPv6 address is not closed".into());
        };
        if address.parse::<std::net::Ipv6Addr>().is_err() {
            return Err("between the brackets is no IPv6 address".into());
        }
        match after.strip_prefix(':') {
            Some(port) => (None, Some(port)),
            None if after.is_empty() => (None, None),
            None => return Err("after ] only :port may follow".into()),
        }
    } else if text.matches(':').count() > 1 {
        return Err("write an IPv6 address in brackets, [2001:db8::1] or [2001:db8::1]:5060".into());
    } else {
        match text.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(text), None),
        }
    };
    if let Some(host) = host {
        host_name(host)?;
    }
    match port {
        None => Ok(()),
        Some(port) => match integer(port) {
            Some(1..=65_535) => Ok(()),
            _ => Err("the port must be 1 to 65535".into()),
        },
    }
}

/// A decimal number in ASCII digits, nothing around it.
pub(crate) fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// A secret as meant: white space around it goes only if a line break is part of it (a pretty-printed document).
pub(crate) fn trim_secret(text: &str) -> &str {
    let trimmed = text.trim();
    match text.contains('\n') {
        true => trimmed,
        false => text,
    }
}

/// A piece of a value for a message: short, no control characters.
pub(crate) fn shown(text: &str) -> String {
    let mut out: String = text.chars().take(40).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(40).is_some() {
        out.push('…');
    }
    format!("'{out}'")
}

impl Kind {
    fn expected_list(self, items: &[&str]) -> String {
        format!("at least one of {}", items.join(", "))
    }
}

fn host_name(host: &str) -> Result<(), String> {
    if host.is_empty() || host.len() > 253 {
        return Err("the host name is empty or too long".into());
    }
    if !host.is_ascii() {
        return Err("write an international host name in its xn-- form".into());
    }
    let dotted_numbers = host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if dotted_numbers {
        return match host.parse::<std::net::Ipv4Addr>() {
            Ok(_) => Ok(()),
            Err(_) => Err("this looks like an IPv4 address and is none".into()),
        };
    }
    for label in host.strip_suffix('.').unwrap_or(host).split('.') {
        let good = !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-');
        if !good {
            return Err("this is no host name".into());
        }
    }
    Ok(())
}

fn read_bool(text: &str) -> Result<Usable, String> {
    match text {
        "0" | "1" => Ok(Usable::plain(text)),
        _ if text.eq_ignore_ascii_case("true") => Ok(Usable::noted("1", "read as 1")),
        _ if text.eq_ignore_ascii_case("false") => Ok(Usable::noted("0", "read as 0")),
        _ => Err(Kind::Bool.expected()),
    }
}

fn read_choice(choices: &'static [&'static str], text: &str) -> Result<Usable, String> {
    if text.is_empty() || choices.contains(&text) {
        return Ok(Usable::plain(text));
    }
    // Found in the wild: `tls+sip` without its colon, and words in capitals.
    let loose = |word: &str| word.trim_end_matches(':').to_ascii_lowercase();
    match choices.iter().find(|choice| !choice.is_empty() && loose(choice) == loose(text)) {
        Some(choice) => Ok(Usable::noted(*choice, format!("read as {choice}"))),
        None => Err(format!("one of {}", Kind::Choice(choices).expected())),
    }
}

fn read_url(row: &Row, text: &str) -> Result<Usable, String> {
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("a URL cannot have spaces or control characters".into());
    }
    let lower = text.to_ascii_lowercase();
    let host = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"));
    match host {
        Some(host) if !host.is_empty() && !host.starts_with('/') => Ok(Usable::plain(text)),
        Some(_) => Err("the URL has no host".into()),
        // C-21: the reference's own sample has no scheme.
        None if row.id == "axml.dav.02" && host_port(text.split('/').next().unwrap_or_default()).is_ok() => {
            Ok(Usable::noted(format!("https://{text}"), "no scheme: https is assumed"))
        }
        None => Err("an http:// or https:// URL".into()),
    }
}

/// A number (white space and the usual separators go), an extension or user name, or a SIP, SIPS or tel URI.
fn read_dial_string(text: &str) -> Result<Usable, String> {
    let wrong = || Err("a number, an extension or a SIP address".to_owned());
    if text.len() > 255 || text.chars().any(char::is_control) {
        return wrong();
    }
    let lower = text.to_ascii_lowercase();
    if ["sip:", "sips:", "tel:"].iter().any(|scheme| lower.starts_with(scheme)) {
        let unfit = |c: char| c.is_whitespace() || "<>\"\\^`{|}".contains(c);
        return if text.chars().any(unfit) || text.ends_with(':') { wrong() } else { Ok(Usable::plain(text)) };
    }
    if text.chars().all(|c| c.is_ascii_digit() || "*#+,-.() /".contains(c)) {
        let digits: String = text.chars().filter(|c| !"-.() /".contains(*c)).collect();
        return match digits {
            digits if digits.is_empty() => wrong(),
            digits if digits == text => Ok(Usable::plain(text)),
            digits => {
                let note = format!("read as {digits}");
                Ok(Usable::noted(digits, note))
            }
        };
    }
    let (user, host) = match text.rsplit_once('@') {
        Some((user, host)) => (user, Some(host)),
        None => (text, None),
    };
    let user_fits = !user.is_empty() && user.chars().all(|c| c.is_alphanumeric() || "-_.!~*'()&=+$,#".contains(c));
    let host_fits = host.is_none_or(|host| host_port(host).is_ok());
    if user_fits && host_fits { Ok(Usable::plain(text)) } else { wrong() }
}

fn read_text(row: &Row, text: &str) -> Usable {
    // Bodies and header lists of web services have their lines, and so have certificates; everything else that acts is one
    // line.
    let lines = |end| row.node.ends_with(end);
    let several_lines = row.effect != Effect::Acts
        || text.contains("-----BEGIN ")
        || lines("PostData")
        || lines("postData")
        || lines("CustomHeaders")
        || lines("customHeaders");
    let unfit = |c: char| c.is_control() && !(several_lines && matches!(c, '\n' | '\t'));
    if !text.chars().any(unfit) {
        return Usable::plain(text);
    }
    let value: String = text.chars().map(|c| if unfit(c) { ' ' } else { c }).collect();
    Usable::noted(value, "line breaks and control characters are read as spaces")
}

/// The notation of `axml.tones.*`: a function of the five with arguments, each a number with anything behind it,
/// a string, or a function again.
fn tone_is_well_formed(text: &str) -> bool {
    if text.len() > TONE_LENGTH {
        return false;
    }
    let mut rest = text;
    tone_function(&mut rest, 0).is_some() && rest.trim().is_empty()
}

fn tone_function(rest: &mut &str, depth: u32) -> Option<()> {
    if depth > TONE_DEPTH {
        return None;
    }
    let open = rest.find('(')?;
    let name = rest.get(..open)?.trim();
    let mut inner = rest.get(open + 1..)?;
    let takes_tones = match name {
        "sine" | "silence" | "wav" => false,
        "periodic" | "compound" => true,
        _ => return None,
    };
    let mut arguments = 0_u32;
    loop {
        inner = inner.trim_start();
        if takes_tones {
            tone_function(&mut inner, depth + 1)?;
        } else if name == "wav" {
            let quoted = inner.strip_prefix('"')?;
            let end = quoted.find('"')?;
            inner = quoted.get(end + 1..)?;
        } else {
            let end = inner.find([',', ')', '('])?;
            let argument = inner.get(..end)?.trim();
            let digits = argument.strip_prefix('-').unwrap_or(argument);
            if !digits.starts_with(|c: char| c.is_ascii_digit()) {
                return None;
            }
            inner = inner.get(end..)?;
        }
        arguments += 1;
        inner = inner.trim_start();
        if let Some(after) = inner.strip_prefix(')') {
            *rest = after;
            break;
        }
        inner = inner.strip_prefix(',')?;
    }
    match name {
        "sine" => arguments >= 3,
        "silence" | "wav" => arguments == 1,
        _ => true,
    }
    .then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::row;

    fn value(node: &str, text: &str) -> Result<String, String> {
        read(row(node).unwrap(), text).map(|usable| usable.value)
    }

    #[test]
    fn numbers_are_ascii_digits_within_their_limits() {
        assert_eq!(value("expires", " 600 ").unwrap(), "600");
        for text in
            ["0", "-1", "29", "4294967296", "99999999999999999999", "600s", "0x258", "NaN", "٦٠٠", "+600", "6e2"]
        {
            assert!(value("expires", text).is_err(), "{text}");
        }
    }

    /// Covers: axml.cred.09
    #[test]
    fn hosts_are_names_or_addresses_with_an_optional_port() {
        for good in [
            "pbx",
            "pbx.example.net",
            "pbx.example.net:5070",
            "192.0.2.1",
            "192.0.2.1:5060",
            "[2001:db8::1]",
            "[2001:db8::1]:5061",
            "a_b.example.",
        ] {
            assert!(host_port(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "pbx example",
            "pbx:0",
            "pbx:99999",
            "pbx:",
            "2001:db8::1",
            "2001:db8::1:5060",
            "[2001:db8::1",
            "[pbx]",
            "[::1]x",
            "-pbx",
            "pbx..net",
            "300.1.1.1",
            "a\r\nb",
            "pbx/x",
            "u@pbx",
            "pbx;lr",
            "pbx>",
        ] {
            assert!(host_port(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn dial_strings_lose_their_separators_and_nothing_else() {
        assert_eq!(value("voiceMailNumber", "*97").unwrap(), "*97");
        assert_eq!(value("voiceMailNumber", "+1 (222) 333-4455").unwrap(), "+12223334455");
        assert_eq!(value("voiceMailNumber", "sip:vm@pbx.example;x=1").unwrap(), "sip:vm@pbx.example;x=1");
        assert_eq!(value("voiceMailNumber", "voicemail@pbx").unwrap(), "voicemail@pbx");
        for bad in ["*97;rm -rf /", "sip:", "sip:a b", "a<b>", "a\nb", "x@b c", " - "] {
            assert!(value("voiceMailNumber", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lists_keep_their_order_and_lose_what_is_unknown_or_repeated() {
        let usable = read(row("codecOrder").unwrap(), "0,0,0,0,999,abc").unwrap();
        assert_eq!((usable.value.as_str(), usable.notes.len()), ("0", 2));
        assert_eq!(value("codecOrder", " 8 , 0 ").unwrap(), "8,0");
        assert!(value("codecOrder", "").is_err());
        assert!(value("dtmfOrder", "telephathy").is_err());
    }

    /// Covers: axml.tones.01, axml.tones.02, axml.tones.04, axml.tones.05
    #[test]
    fn tone_notation_is_checked_before_it_is_used() {
        for good in [
            "sine(50ms,500,440Hz)",
            "sine(50, -24, 440, 480)",
            "silence(4000ms)",
            "periodic(sine(400ms,2500,400Hz,450Hz),silence(200ms),sine(400ms,2500,400Hz,450Hz),silence(2000ms))",
            "compound( sine(1,1,1) , periodic(sine(1,1,1)))",
            "wav(\"ring.wav\")",
        ] {
            assert!(tone_is_well_formed(good), "{good}");
        }
        for bad in [
            "",
            "beep",
            "sine(1,2)",
            "silence()",
            "silence(1,2)",
            "periodic(1)",
            "sine(1,1,1",
            "sine(a,1,1)",
            "sine(1,1,1))",
            "wav(x)",
            "exec(1)",
        ] {
            assert!(!tone_is_well_formed(bad), "{bad}");
        }
        let deep = "periodic(".repeat(1000) + "silence(1)" + &")".repeat(1000);
        assert!(!tone_is_well_formed(&deep));
    }

    #[test]
    fn words_from_the_wild_are_read_with_a_note() {
        let usable = read(row("transport").unwrap(), "tls+sip").unwrap();
        assert_eq!((usable.value.as_str(), usable.notes.len()), ("tls+sip:", 1));
        assert_eq!(value("transport", "UDP ").unwrap(), "udp");
        assert!(value("transport", "sctp").is_err());
        assert_eq!(value("allowMessage", "true").unwrap(), "1");
        assert!(value("allowMessage", "maybe").is_err());
        assert!(value("allowMessage", "2").is_err());
    }

    #[test]
    fn only_carddav_may_leave_the_scheme_out() {
        assert_eq!(value("cardDavPrincipalUrl", "somecarddavurl.com").unwrap(), "https://somecarddavurl.com");
        assert!(value("extProvUrl", "my.server.com/x").is_err());
        assert!(value("extProvUrl", "file:///etc/passwd").is_err());
        assert!(value("extProvUrl", "https:///x").is_err());
        assert!(value("extProvUrl", "HTTPS://my.server.com/x?u=%account[username]%").is_ok());
    }
}
