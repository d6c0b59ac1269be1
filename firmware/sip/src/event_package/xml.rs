//! The small part of XML that notification bodies are written in: elements, attributes, text, CDATA,
//! comments, processing instructions, the five entities and character references. No DTD, so nothing
//! can expand; names are told apart without their namespace prefix.

/// What came next in the document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// `name` without prefix. An empty element is a `Start` and an `End`.
    Start {
        name: &'a str,
        attributes: Vec<Attribute<'a>>,
    },
    /// Text between tags, entities resolved; may come in pieces.
    Text(String),
    End,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Attribute<'a> {
    pub(super) name: &'a str,
    pub(super) value: String,
}

/// Octet offset and what is wrong there.
pub(super) type Fault = (usize, &'static str);

/// Open elements at most.
const DEPTH: usize = 32;
/// Attributes of one element at most.
const ATTRIBUTES: usize = 64;

/// Reads one document, tag by tag; `Ok(None)` when it has ended as it should.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Whole names of the open elements.
    open: Vec<&'a str>,
    root_seen: bool,
    /// The last start tag was `<name/>`.
    pending_end: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let at = if text.starts_with('\u{feff}') { 3 } else { 0 };
        Self { text, at, open: Vec::new(), root_seen: false, pending_end: false }
    }

    /// Offset of what comes next.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn next(&mut self) -> Result<Option<Event<'a>>, Fault> {
        if std::mem::take(&mut self.pending_end) {
            self.open.pop();
            return Ok(Some(Event::End));
        }
        loop {
            let rest = self.rest();
            if rest.is_empty() {
                return match (self.open.is_empty(), self.root_seen) {
                    (true, true) => Ok(None),
                    (true, false) => Err((self.at, "no element")),
                    (false, _) => Err((self.at, "ends inside an element")),
                };
            }
            if let Some(comment) = rest.strip_prefix("<!--") {
                self.skip_past(comment, "-->", "comment without end")?;
            } else if let Some(instruction) = rest.strip_prefix("<?") {
                self.skip_past(instruction, "?>", "processing instruction without end")?;
            } else if let Some(data) = rest.strip_prefix("<![CDATA[") {
                let end = data.find("]]>").ok_or((self.at, "CDATA without end"))?;
                let (data, _) = data.split_at(end);
                if self.open.is_empty() {
                    return Err((self.at, "text outside of the root element"));
                }
                check_chars(data, self.at)?;
                self.at += "<![CDATA[".len() + end + "]]>".len();
                return Ok(Some(Event::Text(data.to_owned())));
            } else if rest.starts_with("<!") {
                return Err((self.at, "document type declarations are refused"));
            } else if let Some(tag) = rest.strip_prefix("</") {
                return self.end_tag(tag).map(Some);
            } else if let Some(tag) = rest.strip_prefix('<') {
                return self.start_tag(tag).map(Some);
            } else {
                let (text, _) = rest.split_at(rest.find('<').unwrap_or(rest.len()));
                let at = self.at;
                self.at += text.len();
                if !self.open.is_empty() {
                    return Ok(Some(Event::Text(unescape(text, at)?)));
                }
                if !text.trim_matches(is_space).is_empty() {
                    return Err((at, "text outside of the root element"));
                }
            }
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_past(&mut self, rest: &str, end: &str, fault: &'static str) -> Result<(), Fault> {
        let length = rest.find(end).ok_or((self.at, fault))?;
        self.at = self.text.len() - rest.len() + length + end.len();
        Ok(())
    }

    fn end_tag(&mut self, tag: &'a str) -> Result<Event<'a>, Fault> {
        let at = self.at;
        let (name, rest) = split_name(tag);
        let rest = rest.trim_start_matches(is_space).strip_prefix('>').ok_or((at, "end tag without >"))?;
        if self.open.pop() != Some(name) {
            return Err((at, "end tag does not match"));
        }
        self.at = self.text.len() - rest.len();
        Ok(Event::End)
    }

    fn start_tag(&mut self, tag: &'a str) -> Result<Event<'a>, Fault> {
        let at = self.at;
        if self.open.is_empty() && std::mem::replace(&mut self.root_seen, true) {
            return Err((at, "a second root element"));
        }
        if self.open.len() >= DEPTH {
            return Err((at, "nested too deeply"));
        }
        let (name, mut rest) = split_name(tag);
        if name.is_empty() {
            return Err((at, "no element name"));
        }
        let mut attributes = Vec::new();
        loop {
            let spaced = rest.trim_start_matches(is_space);
            let here = self.text.len() - spaced.len();
            if let Some(after) = spaced.strip_prefix("/>") {
                self.pending_end = true;
                rest = after;
                break;
            } else if let Some(after) = spaced.strip_prefix('>') {
                rest = after;
                break;
            } else if spaced.is_empty() {
                return Err((here, "ends inside a tag"));
            } else if spaced.len() == rest.len() {
                return Err((here, "no blank before an attribute"));
            }
            let (attribute, after) = self.attribute(spaced, here)?;
            attributes.push(attribute);
            if attributes.len() > ATTRIBUTES {
                return Err((here, "too many attributes"));
            }
            rest = after;
        }
        self.open.push(name);
        self.at = self.text.len() - rest.len();
        Ok(Event::Start { name: local(name), attributes })
    }

    fn attribute(&self, text: &'a str, at: usize) -> Result<(Attribute<'a>, &'a str), Fault> {
        let (name, rest) = split_name(text);
        if name.is_empty() {
            return Err((at, "no attribute name"));
        }
        let rest = rest.trim_start_matches(is_space).strip_prefix('=').ok_or((at, "attribute without value"))?;
        let rest = rest.trim_start_matches(is_space);
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or((at, "attribute without quotes"))?;
        let inner = rest.get(1..).unwrap_or_default();
        let (value, after) = inner.split_once(quote).ok_or((at, "attribute value without end"))?;
        if value.contains('<') {
            return Err((at, "< in an attribute value"));
        }
        // XML 1.0 section 3.3.3: line ends and tabs written as such are spaces.
        let value = unescape(&value.replace("\r\n", " ").replace(['\r', '\n', '\t'], " "), at)?;
        Ok((Attribute { name: local(name), value }, after))
    }
}

/// Writes `text` as the value of an attribute or the text of an element. Characters that no XML
/// document can hold become U+FFFD.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\r' | '\n' | '\t' => escaped.push_str(&format!("&#{};", u32::from(c))),
            c if is_char(c) => escaped.push(c),
            _ => escaped.push('\u{fffd}'),
        }
    }
    escaped
}

fn unescape(text: &str, at: usize) -> Result<String, Fault> {
    check_chars(text, at)?;
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        result.push_str(before);
        let here = at + text.len() - after.len() - 1;
        // The longest reference is `&#x10FFFF;`; nobody searches the whole text for a semicolon.
        let end = after.bytes().take(12).position(|b| b == b';').ok_or((here, "& that starts no reference"))?;
        let name = after.get(..end).unwrap_or_default();
        let number = match name.strip_prefix('#').map(|n| (n, n.strip_prefix('x'))) {
            Some((_, Some(digits))) => {
                Some(digits).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit())).map(|d| u32::from_str_radix(d, 16))
            }
            Some((digits, None)) => Some(digits).filter(|d| d.bytes().all(|b| b.is_ascii_digit())).map(str::parse),
            None => None,
        };
        let c = match (name, number) {
            ("amp", _) => Some('&'),
            ("lt", _) => Some('<'),
            ("gt", _) => Some('>'),
            ("quot", _) => Some('"'),
            ("apos", _) => Some('\''),
            (_, Some(Ok(number))) => char::from_u32(number).filter(|c| is_char(*c)),
            _ => None,
        };
        result.push(c.ok_or((here, "unknown entity or illegal character reference"))?);
        rest = after.get(end + 1..).unwrap_or_default();
    }
    result.push_str(rest);
    Ok(result)
}

/// XML 1.0 section 2.2.
const fn is_char(c: char) -> bool {
    !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

fn check_chars(text: &str, at: usize) -> Result<(), Fault> {
    match text.char_indices().find(|(_, c)| !is_char(*c)) {
        Some((offset, _)) => Err((at + offset, "a character that XML does not allow")),
        None => Ok(()),
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// The name at the start, prefix included, and what follows it.
fn split_name(text: &str) -> (&str, &str) {
    text.split_at(
        text.find(|c: char| is_space(c) || matches!(c, '/' | '>' | '=' | '<' | '"' | '\'' | '&')).unwrap_or(text.len()),
    )
}

fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}
