//! XML text to a tree of nodes and back (XML 1.0, fifth edition), over quick-xml's event reader.
//!
//! Everything is bounded (depth, nodes, attributes, length of a value), nothing is fetched or expanded: a document
//! type declaration is refused, and so is every entity but the five of XML. Depth is counted here because the reader
//! reaches the end of a truncated document without an error. A bare `&`, as scripts write it in URLs, is repaired and
//! told. Comments and processing instructions are skipped; an element's text is kept as written.
//!
//! Memory is bounded as well as time: a document of any shape that is refused has cost less than 2 MB beside its own
//! octets (`examples/parse_account.rs` measures it).

use crate::document::{Node, Rejection};
use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};
use std::borrow::Cow;

/// Deepest nesting of elements.
pub(crate) const MAX_DEPTH: usize = 32;
/// Most elements in one document.
pub(crate) const MAX_NODES: usize = 10_000;
/// Most attributes of one element.
pub(crate) const MAX_ATTRIBUTES: usize = 32;
/// Longest text or attribute value [octets].
pub(crate) const MAX_VALUE: usize = 65_536;

/// Longest name of a reference [octets].
const MAX_REFERENCE: usize = 256;
/// Most repairs that are told one by one.
const MAX_REPAIRS: usize = 500;
/// Longest text after decoding from something else than UTF-8 [octets]: it is there twice.
const MAX_RECODED: usize = 400_000;

/// How much is read before giving up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) depth: usize,
    pub(crate) nodes: usize,
}

impl Limits {
    /// Most memory of a tree [octets], without the slack of its lists: so many bare elements, or fewer with more in
    /// them.
    fn octets(self) -> usize {
        self.nodes.saturating_mul(size_of::<Node>() + 16)
    }
}

/// For documents from outside.
pub(crate) const DOCUMENT: Limits = Limits { depth: MAX_DEPTH, nodes: MAX_NODES };

/// What had to be mended or left out: `(line, column, element, what)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repair {
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) node: String,
    pub(crate) message: &'static str,
}

/// Octets to characters: UTF-8 with or without a byte order mark, UTF-16 with one (or with the look of it), and
/// declared ISO-8859-1. Anything else is refused by its name.
pub(crate) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Rejection> {
    if let Some(rest) = bytes.strip_prefix(b"\xff\xfe") {
        return utf16(rest, u16::from_le_bytes).map(Cow::Owned);
    }
    if let Some(rest) = bytes.strip_prefix(b"\xfe\xff") {
        return utf16(rest, u16::from_be_bytes).map(Cow::Owned);
    }
    match bytes {
        [b'<', 0, ..] => return utf16(bytes, u16::from_le_bytes).map(Cow::Owned),
        [0, b'<', ..] => return utf16(bytes, u16::from_be_bytes).map(Cow::Owned),
        _ => {}
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match declared_encoding(bytes).as_deref() {
        None | Some("utf-8" | "utf8" | "us-ascii" | "ascii") => {}
        Some("iso-8859-1" | "latin1" | "latin-1" | "iso8859-1") => {
            return recoded(bytes.iter().map(|&b| Ok(char::from(b)))).map(Cow::Owned);
        }
        Some(other) => {
            let reason = format!("the encoding {other} is not understood: write UTF-8");
            return Err(Rejection { line: 1, column: 1, reason });
        }
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(error) => {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let mut place = Place::new(std::str::from_utf8(good).unwrap_or_default());
            let (line, column) = place.at(good.len());
            Err(Rejection { line, column, reason: "not UTF-8: an octet that does not belong".into() })
        }
    }
}

/// Reads one element and what is in it; nothing but white space, comments and processing instructions around it.
pub(crate) fn read_tree(text: &str, limits: Limits) -> Result<(Node, Vec<Repair>), Rejection> {
    let mut place = Place::new(text);
    if let Some((at, unfit)) = text.char_indices().find(|(_, c)| !is_xml_char(*c)) {
        let reason = format!("the character U+{:04X} cannot stand in XML", u32::from(unfit));
        return Err(place.rejection(at, reason));
    }
    if text.trim().is_empty() {
        return Err(Rejection { line: 0, column: 0, reason: "the document is empty".into() });
    }
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    let mut tree = Tree {
        text,
        place,
        open: Vec::new(),
        root: None,
        pending: None,
        nodes: 0,
        octets: 0,
        limits,
        repairs: Vec::new(),
    };
    loop {
        let start = offset(reader.buffer_position());
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(error) => {
                // Text that has no place there is the earlier mistake.
                tree.flush_text()?;
                let at = offset(reader.error_position()).max(start);
                // The reason is ours: the library's words may quote the document.
                let reason = match error {
                    quick_xml::Error::Syntax(error) => format!("not well-formed: {error}"),
                    quick_xml::Error::IllFormed(_) => "not well-formed".to_owned(),
                    _ => "unreadable".to_owned(),
                };
                return Err(tree.place.rejection(at, tree.inside(&reason)));
            }
        };
        let end = offset(reader.buffer_position());
        match event {
            Event::Text(_) | Event::GeneralRef(_) => {
                tree.pending = Some((tree.pending.map_or(start, |(first, _)| first), end));
                continue;
            }
            _ => tree.flush_text()?,
        }
        match event {
            Event::Start(tag) => {
                let node = tree.element(&tag, start)?;
                tree.open.push(node);
            }
            Event::Empty(tag) => {
                let node = tree.element(&tag, start)?;
                tree.close(node);
            }
            Event::End(tag) => {
                let name = tag.name().as_ref().to_owned();
                match tree.open.pop() {
                    Some(node) if node.name == name => tree.close(node),
                    Some(node) => {
                        let reason = format!(
                            "</{}> closes nothing: <{}> of line {} is open",
                            short(&name),
                            node.name,
                            node.line
                        );
                        return Err(tree.place.rejection(start, reason));
                    }
                    None => {
                        let reason = format!("</{}> closes nothing", short(&name));
                        return Err(tree.place.rejection(start, reason));
                    }
                }
            }
            Event::CData(data) => tree.characters(&normalise_line_ends(&data), start)?,
            Event::DocType(_) => {
                let reason = match tree.text.get(start..).is_some_and(looks_like_html) {
                    true => "this is a web page, not an account",
                    false => "a document type declaration (DTD) is not allowed",
                };
                return Err(tree.place.rejection(start, reason));
            }
            Event::Decl(_) => {
                if !text.get(..start).unwrap_or_default().trim().is_empty() {
                    return Err(tree.place.rejection(start, "an XML declaration can only stand at the start"));
                }
                if start > 0 {
                    tree.repaired(start, "", "white space before the XML declaration");
                }
            }
            Event::Comment(_) | Event::PI(_) | Event::Text(_) | Event::GeneralRef(_) => {}
            Event::Eof => break,
        }
    }
    tree.flush_text()?;
    if let Some(node) = tree.open.last() {
        let reason = format!("the document ends inside <{}> of line {}: it was cut off", node.name, node.line);
        return Err(tree.place.rejection(text.len(), reason));
    }
    match tree.root {
        Some(root) => Ok((root, tree.repairs)),
        None => Err(tree.place.rejection(text.len(), "there is no element in the document")),
    }
}

/// Writes an element so that [`read_tree`] gives it back. Names and characters that XML cannot carry are left out.
pub(crate) fn write_node(out: &mut String, node: &Node, indent: usize) {
    if !is_name(&node.name) {
        return;
    }
    let margin = "  ".repeat(indent.min(MAX_DEPTH));
    out.push_str(&margin);
    out.push('<');
    out.push_str(&node.name);
    for (index, (name, value)) in node.attributes.iter().enumerate() {
        let repeated = node.attributes.iter().take(index).any(|(other, _)| other == name);
        if is_name(name) && !repeated {
            out.push(' ');
            out.push_str(name);
            out.push_str("=\"");
            escape(out, value, true);
            out.push('"');
        }
    }
    if node.children.is_empty() {
        if node.text.is_empty() {
            out.push_str("/>\n");
            return;
        }
        out.push('>');
        escape(out, &node.text, false);
    } else {
        out.push('>');
        escape(out, &node.text, false);
        out.push('\n');
        for child in &node.children {
            write_node(out, child, indent + 1);
        }
        out.push_str(&margin);
    }
    out.push_str("</");
    out.push_str(&node.name);
    out.push_str(">\n");
}

/// Whether this can be an element or attribute name (XML 1.0 section 2.3, without the rarer ranges spelt out).
pub(crate) fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    let first = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_' || c == ':');
    first && name.len() <= 256 && chars.all(|c| c.is_alphanumeric() || "_:.-".contains(c) || c == '\u{b7}')
}

struct Tree<'t> {
    text: &'t str,
    place: Place<'t>,
    open: Vec<Node>,
    root: Option<Node>,
    /// Text and references since the last markup: one stretch of the document.
    pending: Option<(usize, usize)>,
    nodes: usize,
    /// Memory so far, as [`Limits::octets`] counts it.
    octets: usize,
    limits: Limits,
    repairs: Vec<Repair>,
}

impl Tree<'_> {
    fn element(&mut self, tag: &BytesStart<'_>, start: usize) -> Result<Node, Rejection> {
        let name = tag.name().as_ref().to_owned();
        let (line, column) = self.place.at(start);
        let refuse = |reason: String| Rejection { line, column, reason };
        if !is_name(&name) {
            return Err(refuse(format!("<{}> is no element name", short(&name))));
        }
        if self.open.is_empty() && self.root.is_some() {
            return Err(refuse(format!("<{name}> after the end of the document")));
        }
        if self.open.len() >= self.limits.depth {
            return Err(refuse(format!("elements are nested deeper than the limit of {}", self.limits.depth)));
        }
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            return Err(refuse(format!("more elements than the limit of {}", self.limits.nodes)));
        }
        self.octets += size_of::<Node>() + name.len();
        let mut attributes: Vec<(String, String)> = Vec::new();
        for attribute in tag.attributes().with_checks(false) {
            let Ok(attribute) = attribute else {
                return Err(refuse(format!("<{name}> has an attribute that is not well-formed")));
            };
            if attributes.len() >= MAX_ATTRIBUTES {
                return Err(refuse(format!("<{name}> has more attributes than the limit of {MAX_ATTRIBUTES}")));
            }
            let key = attribute.key.as_ref().to_owned();
            if !is_name(&key) {
                return Err(refuse(format!("<{name}> has an attribute whose name is none: {}", short(&key))));
            }
            if attributes.iter().any(|(other, _)| *other == key) {
                return Err(refuse(format!("<{name}> has the attribute {key} twice")));
            }
            let raw: &str = attribute.value.as_ref();
            self.octets += size_of::<(String, String)>() + key.len() + raw.len();
            if raw.len() > MAX_VALUE {
                return Err(refuse(format!("the attribute {key} is longer than the limit of {MAX_VALUE} octets")));
            }
            if raw.contains('<') {
                return Err(refuse(format!("the attribute {key} has a < in it")));
            }
            let flat: String = raw.replace("\r\n", " ").replace(['\r', '\n', '\t'], " ");
            let value = match unescape(&flat) {
                Ok(value) => value,
                Err((_, reason)) => return Err(refuse(reason)),
            };
            if value.repaired.is_some() {
                self.repair(Repair { line, column, node: name.clone(), message: BARE_AMPERSAND });
            }
            attributes.push((key, value.text));
        }
        if self.octets > self.limits.octets() {
            return Err(refuse(TOO_MUCH.to_owned()));
        }
        attributes.shrink_to_fit();
        Ok(Node { name, attributes, text: String::new(), children: Vec::new(), line, column })
    }

    fn close(&mut self, mut node: Node) {
        if !node.children.is_empty() {
            node.text = node.text.trim().to_owned();
        }
        node.text.shrink_to_fit();
        match self.open.last_mut() {
            Some(parent) => {
                let children = &mut parent.children;
                // A quarter of slack in place of the usual half.
                if children.len() == children.capacity() {
                    children.reserve_exact((children.len() / 4).max(4));
                }
                children.push(node);
            }
            None => self.root = Some(node),
        }
    }

    fn flush_text(&mut self) -> Result<(), Rejection> {
        let Some((start, end)) = self.pending.take() else {
            return Ok(());
        };
        let Some(raw) = self.text.get(start..end) else {
            return Ok(());
        };
        if self.open.is_empty() {
            let first = raw.len() - raw.trim_start().len();
            if first == raw.len() {
                return Ok(());
            }
            let reason = match self.root {
                Some(_) => "text after the end of the document",
                None => "this is not XML: there is text before the first element",
            };
            return Err(self.place.rejection(start + first, reason));
        }
        match unescape(raw) {
            Ok(value) => {
                if let Some(at) = value.repaired {
                    let node = self.open.last().map(|node| node.name.clone()).unwrap_or_default();
                    self.repaired(start + at, &node, BARE_AMPERSAND);
                }
                self.characters(&value.text, start)
            }
            Err((at, reason)) => Err(self.place.rejection(start + at, reason)),
        }
    }

    fn characters(&mut self, text: &str, start: usize) -> Result<(), Rejection> {
        let Some(node) = self.open.last_mut() else {
            return Err(self.place.rejection(start, "text outside of the document's element"));
        };
        if node.text.len() + text.len() > MAX_VALUE {
            let reason = format!("the value of <{}> is longer than the limit of {MAX_VALUE} octets", node.name);
            return Err(self.place.rejection(start, reason));
        }
        self.octets += text.len();
        if self.octets > self.limits.octets() {
            return Err(self.place.rejection(start, TOO_MUCH));
        }
        node.text.push_str(text);
        Ok(())
    }

    fn repaired(&mut self, at: usize, node: &str, message: &'static str) {
        let (line, column) = self.place.at(at);
        self.repair(Repair { line, column, node: node.to_owned(), message });
    }

    fn repair(&mut self, repair: Repair) {
        if self.repairs.len() < MAX_REPAIRS {
            self.repairs.push(repair);
        }
    }

    fn inside(&self, reason: &str) -> String {
        match self.open.last() {
            Some(node) => format!("{reason} (inside <{}> of line {})", node.name, node.line),
            None => reason.to_owned(),
        }
    }
}

const TOO_MUCH: &str = "the document needs more memory than the limit";
const BARE_AMPERSAND: &str = "a bare & was read as &amp;";

struct Unescaped {
    text: String,
    /// Where the first bare `&` was.
    repaired: Option<usize>,
}

/// References to characters. The error has the place within `raw`.
fn unescape(raw: &str) -> Result<Unescaped, (usize, String)> {
    let mut text = String::new();
    let mut repaired = None;
    let mut rest = raw;
    while let Some(at) = rest.find('&') {
        // It will be refused for its length: no more work for it.
        if text.len() > MAX_VALUE {
            return Ok(Unescaped { text, repaired });
        }
        let (before, reference) = rest.split_at(at);
        text.push_str(&normalise_line_ends(before));
        let place = raw.len() - reference.len();
        let body = reference.get(1..).unwrap_or_default();
        let (character, length) = match reference_name(body) {
            Some(name) if is_numeric_reference(name) => match numeric(name) {
                Some(c) => (c, name.len() + 2),
                None => {
                    return Err((place, format!("&{}; is a character that cannot stand in XML", short(name))));
                }
            },
            Some("amp") => ('&', 5),
            Some("lt") => ('<', 4),
            Some("gt") => ('>', 4),
            Some("quot") => ('"', 6),
            Some("apos") => ('\'', 6),
            Some(name) if is_name(name) => {
                return Err((place, format!("the entity &{}; is not defined", short(name))));
            }
            _ => {
                repaired = repaired.or(Some(place));
                ('&', 1)
            }
        };
        text.push(character);
        rest = reference.get(length..).unwrap_or_default();
    }
    text.push_str(&normalise_line_ends(rest));
    Ok(Unescaped { text, repaired })
}

/// What stands before the semicolon. Only as far as a name can go: a text of a million bare `&` is looked through once,
/// not a million times.
fn reference_name(body: &str) -> Option<&str> {
    let fits = |b: &u8| b.is_ascii_alphanumeric() || !b.is_ascii() || b"#_:.-".contains(b);
    let end = body.bytes().take(MAX_REFERENCE).take_while(fits).count();
    (body.as_bytes().get(end) == Some(&b';')).then(|| body.get(..end)).flatten()
}

fn is_numeric_reference(name: &str) -> bool {
    match name.strip_prefix('#') {
        Some(digits) => match digits.strip_prefix('x') {
            Some(hex) => !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit()),
            None => !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()),
        },
        None => false,
    }
}

fn numeric(name: &str) -> Option<char> {
    let digits = name.strip_prefix('#')?;
    let code = match digits.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => digits.parse().ok()?,
    };
    char::from_u32(code).filter(|c| is_xml_char(*c))
}

/// XML 1.0 section 2.2.
fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// XML 1.0 section 2.11.
fn normalise_line_ends(text: &str) -> String {
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text.to_owned() }
}

fn escape(out: &mut String, text: &str, attribute: bool) {
    for c in text.chars().filter(|c| is_xml_char(*c)) {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if attribute => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\n' if attribute => out.push_str("&#10;"),
            '\t' if attribute => out.push_str("&#9;"),
            c => out.push(c),
        }
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, Rejection> {
    let wrong = || Rejection { line: 0, column: 0, reason: "not UTF-16 as it claims to be".into() };
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(wrong());
    }
    recoded(char::decode_utf16(pairs.iter().map(|pair| unit(*pair))).map(|c| c.map_err(|_| wrong())))
}

fn recoded(characters: impl Iterator<Item = Result<char, Rejection>>) -> Result<String, Rejection> {
    let mut text = String::new();
    for character in characters {
        text.push(character?);
        if text.len() > MAX_RECODED {
            let reason = format!("a document that is not UTF-8 is larger than the limit of {MAX_RECODED} octets");
            return Err(Rejection { line: 0, column: 0, reason });
        }
    }
    Ok(text)
}

/// The `encoding` of an XML declaration at the very start, in lower case.
fn declared_encoding(bytes: &[u8]) -> Option<String> {
    let head = bytes.get(..bytes.len().min(256))?;
    let end = head.windows(2).position(|pair| pair == b"?>")?;
    let declaration = head.get(..end)?;
    if !declaration.trim_ascii_start().starts_with(b"<?xml") {
        return None;
    }
    let text = String::from_utf8_lossy(declaration).into_owned();
    let (_, after) = text.split_once("encoding")?;
    let value = after.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let name = value.get(1..)?.split(quote).next()?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    Some(name.chars().filter(|c| fits(*c)).take(40).collect::<String>().to_ascii_lowercase())
}

fn looks_like_html(text: &str) -> bool {
    text.get(..40.min(text.len())).unwrap_or_default().to_ascii_lowercase().starts_with("<!doctype html")
}

fn short(name: &str) -> String {
    name.chars().take(40).filter(|c| !c.is_control()).collect()
}

fn offset(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

/// Octet offsets to lines and columns, both from 1. Asked in rising order it walks the text once.
struct Place<'t> {
    text: &'t str,
    offset: usize,
    line: u32,
    column: u32,
}

impl<'t> Place<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, offset: 0, line: 1, column: 1 }
    }

    fn at(&mut self, offset: usize) -> (u32, u32) {
        if offset < self.offset {
            (self.offset, self.line, self.column) = (0, 1, 1);
        }
        let rest = self.text.get(self.offset..).unwrap_or_default();
        for (at, c) in rest.char_indices() {
            if self.offset + at >= offset {
                break;
            }
            if c == '\n' {
                self.line = self.line.saturating_add(1);
                self.column = 1;
            } else {
                self.column = self.column.saturating_add(1);
            }
        }
        self.offset = offset.min(self.text.len());
        (self.line, self.column)
    }

    fn rejection(&mut self, offset: usize, reason: impl Into<String>) -> Rejection {
        let (line, column) = self.at(offset);
        Rejection { line, column, reason: reason.into() }
    }
}
