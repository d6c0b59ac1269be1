//! One Account XML document as an ordered tree of nodes, kept whole: unknown nodes come back as they came.
//!
//! [`Document::parse`] refuses what is not one whole, usable account, so that a refused document leaves no trace; what
//! is merely wrong in places is accepted with a finding for each place. Which value a setting then has is decided in
//! [`Settings::of`](crate::Settings::of), whose findings `parse` already includes.

use crate::{
    schema::{self, Effect},
    settings::Settings,
    xml,
};
use std::fmt::Write as _;

/// One element: name, attributes in order, text or children. Debug output masks the text of secret nodes.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Node {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub text: String,
    pub children: Vec<Self>,
    /// 1-based, where it started
    pub line: u32,
    pub column: u32,
}

/// A read document: root `account`. Debug output masks secret nodes.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Document {
    pub nodes: Vec<Node>,
}

/// Why a document was refused as a whole: the phone stays exactly as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// 1-based; 0 when the place has no meaning (too large)
    pub line: u32,
    pub column: u32,
    pub reason: String,
}

/// Something in an accepted document that the administrator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub line: u32,
    pub column: u32,
    /// node name, such as `expires`
    pub node: String,
    pub kind: FindingKind,
    pub message: String,
}

/// What sort of finding it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingKind {
    /// value unusable: the default is used
    BadValue,
    /// named twice: the first counts
    Duplicate,
    /// nobody knows this node; kept
    Unknown,
    /// known, kept, without meaning on a desk phone
    NotApplicable,
    /// valid, kept, acts in a later version
    NotYet,
    /// accepted after a repair (bare `&`)
    Repaired,
}

/// One account of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The attribute `id`: the same account, whatever its address becomes.
    pub id: Option<String>,
    /// 1-based, where it started
    pub line: u32,
    pub column: u32,
    pub document: Document,
    /// by line
    pub findings: Vec<Finding>,
}

/// Most accounts of one document.
pub const MAX_ACCOUNTS: usize = 64;
/// Largest document [octets].
pub const MAX_DOCUMENT: usize = 1_048_576;

impl Document {
    /// Reads one `<account>`, or the first of several; the rules of tests/corpora/index.csv (A: accepted, R: refused, N:
    /// accepted with a finding). Checks that username, password and host are usable. The findings are those of the text
    /// itself (repairs, nodes named twice) and those of [`Settings::of`], by line.
    ///
    /// # Errors
    /// Where and why the document is unusable.
    pub fn parse(bytes: &[u8]) -> Result<(Self, Vec<Finding>), Rejection> {
        let mut accounts = Self::parse_all(bytes)?.into_iter();
        let Some(mut first) = accounts.next() else { return Err(Rejection::nowhere("there is no account in it")) };
        for other in accounts {
            first.findings.push(Finding {
                line: other.line,
                column: other.column,
                node: "account".into(),
                kind: FindingKind::NotYet,
                message: "one account is asked for here: this one is not read".into(),
            });
        }
        Ok((first.document, first.findings))
    }

    /// Reads an `<account>` or all of an `<accounts>` (`axml.root.02`), as [`Document::parse`] reads one. Never empty. One
    /// account that is not usable refuses them all; one that is named twice counts once.
    ///
    /// # Errors
    /// Where and why the document is unusable.
    pub fn parse_all(bytes: &[u8]) -> Result<Vec<Account>, Rejection> {
        let (root, mut repairs) = read(bytes)?;
        let several = match root.name.as_str() {
            "account" => vec![root],
            "accounts" if root.children.is_empty() => return Err(root.refused("is empty")),
            "accounts" if root.children.len() > MAX_ACCOUNTS => {
                return Err(root.refused(&format!("has more than {MAX_ACCOUNTS} accounts")));
            }
            "accounts" if root.children.iter().all(|node| node.name == "account") => {
                repairs.extend(not_kept(&root, &[]));
                root.children
            }
            _ => return Err(not_an_account(&root)),
        };
        let places: Vec<(u32, u32)> = several.iter().map(|node| (node.line, node.column)).collect();
        let mut accounts: Vec<Account> = Vec::with_capacity(several.len());
        for (at, node) in several.into_iter().enumerate() {
            let end = places.get(at + 1).copied().unwrap_or((u32::MAX, 0));
            // what was found on the way to the first account is its affair, too
            let (own, later) = repairs.into_iter().partition(|finding| (finding.line, finding.column) < end);
            repairs = later;
            let account = Account::of(node, own)?;
            match accounts.iter_mut().find(|earlier| earlier.is_same(&account)) {
                Some(earlier) => earlier.findings.push(Finding {
                    line: account.line,
                    column: account.column,
                    node: "account".into(),
                    kind: FindingKind::Duplicate,
                    message: format!("named twice: the account of line {} counts", earlier.line),
                }),
                None => accounts.push(account),
            }
        }
        Ok(accounts)
    }

    /// Reads values for whatever account there is: an `<account>` that need not name user, password and host.
    ///
    /// # Errors
    /// Where and why the document is unusable.
    pub fn parse_values(bytes: &[u8]) -> Result<(Self, Vec<Finding>), Rejection> {
        let (root, mut findings) = read(bytes)?;
        if root.name != "account" {
            return Err(not_an_account(&root));
        }
        findings.extend(not_kept(&root, &[]));
        let document = Self { nodes: root.children };
        findings.extend(document.duplicates());
        let missing = |finding: &Finding| finding.line == 0;
        findings.extend(Settings::of(&document).1.into_iter().filter(|finding| !missing(finding)));
        findings.sort_by_key(|finding| (finding.line, finding.column));
        Ok((document, findings))
    }

    /// The document as XML, nodes in their order, unknown ones included. Reading it gives an equal document
    /// (but for the positions).
    pub fn to_xml(&self) -> String {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<account>\n");
        for node in &self.nodes {
            xml::write_node(&mut out, node, 1);
        }
        out.push_str("</account>\n");
        out
    }

    /// The first node of this name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// The text of the first node of this name, without white space around it (a secret keeps its blanks).
    pub fn value(&self, name: &str) -> Option<&str> {
        self.node(name).map(Node::value)
    }

    /// Gives the first node of this name a new text, or adds the node at the end. A name that XML cannot carry is
    /// ignored.
    pub fn set(&mut self, name: &str, value: &str) {
        if !xml::is_name(name) {
            return;
        }
        match self.nodes.iter_mut().find(|node| node.name == name) {
            Some(node) => {
                node.text = value.to_owned();
                node.children.clear();
            }
            None => self.nodes.push(Node::with_text(name, value)),
        }
    }

    /// The same document without the values of secrets, for showing or exporting.
    #[must_use]
    pub fn without_secrets(&self) -> Self {
        let mut copy = self.clone();
        for node in &mut copy.nodes {
            node.mask();
        }
        copy
    }

    pub(crate) fn duplicates(&self) -> Vec<Finding> {
        let mut seen: std::collections::BTreeMap<&str, u32> = std::collections::BTreeMap::new();
        let mut findings = Vec::new();
        for node in &self.nodes {
            match seen.get(node.name.as_str()) {
                Some(first) => {
                    let message = format!("named twice: the one of line {first} counts");
                    findings.push(Finding::at(node, FindingKind::Duplicate, message));
                }
                None => {
                    seen.insert(&node.name, node.line);
                }
            }
        }
        findings
    }

    /// `axml.cred.02`, `.03`, `.09`: without these there is no account. An empty `<password/>` is a statement (the
    /// server asks for none), a missing one is a mistake.
    pub(crate) fn check_credentials(&self, place: (u32, u32)) -> Result<(), Rejection> {
        let required = |name: &str| {
            self.node(name).ok_or_else(|| Rejection {
                line: place.0,
                column: place.1,
                reason: format!("<{name}> is missing"),
            })
        };
        let username = required("username")?;
        let text = username.value();
        let unfit = |c: char| c.is_control() || c.is_whitespace() || "<>\"".contains(c);
        if text.is_empty() {
            return Err(username.refused("is empty"));
        }
        if text.len() > 255 {
            return Err(username.refused("is longer than 255 octets"));
        }
        if text.chars().any(unfit) {
            return Err(username.refused("has spaces, line breaks, control characters or one of < > \" in it"));
        }
        let host = required("host")?;
        schema::host_port(host.value()).map_err(|reason| host.refused(&format!("is not usable: {reason}")))?;
        let password = required("password")?;
        if password.value().chars().any(char::is_control) {
            return Err(password.refused("has line breaks or control characters in it"));
        }
        match [username, host, password].into_iter().find(|node| !node.children.is_empty()) {
            Some(node) => Err(node.refused("has elements in it where text belongs")),
            None => Ok(()),
        }
    }
}

impl Account {
    fn of(node: Node, mut findings: Vec<Finding>) -> Result<Self, Rejection> {
        findings.extend(not_kept(&node, &["id"]));
        let id = node.attribute("id").map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned);
        let Node { line, column, children, .. } = node;
        let document = Document { nodes: children };
        document.check_credentials((line, column))?;
        findings.extend(document.duplicates());
        findings.extend(Settings::of(&document).1);
        findings.sort_by_key(|finding| (finding.line, finding.column));
        Ok(Self { id, line, column, document, findings })
    }

    /// The same `id`; without one, the same user at the same host.
    fn is_same(&self, other: &Self) -> bool {
        match (&self.id, &other.id) {
            (Some(one), Some(other)) => one == other,
            (None, None) => {
                let value = |account: &Self, name| account.document.value(name).map(str::to_ascii_lowercase);
                self.document.value("username") == other.document.value("username")
                    && value(self, "host") == value(other, "host")
            }
            _ => false,
        }
    }
}

impl Rejection {
    fn nowhere(reason: impl Into<String>) -> Self {
        Self { line: 0, column: 0, reason: reason.into() }
    }
}

impl Node {
    /// A leaf.
    pub fn with_text(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), text: text.to_owned(), ..Self::default() }
    }

    /// The value of the first attribute of this name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The text without white space around it (a secret keeps its blanks).
    pub fn value(&self) -> &str {
        match schema::is_secret(&self.name) {
            true => schema::trim_secret(&self.text),
            false => self.text.trim(),
        }
    }

    /// Equal but for where it stood.
    pub fn same(&self, other: &Self) -> bool {
        self.name == other.name
            && self.attributes == other.attributes
            && self.text == other.text
            && self.children.len() == other.children.len()
            && self.children.iter().zip(&other.children).all(|(a, b)| a.same(b))
    }

    fn mask(&mut self) {
        if schema::is_secret(&self.name) && !self.text.is_empty() {
            self.text = "***".into();
        }
        for (name, value) in &mut self.attributes {
            if schema::is_secret(name) && !value.is_empty() {
                *value = "***".into();
            }
        }
        for child in &mut self.children {
            child.mask();
        }
    }

    fn refused(&self, what: &str) -> Rejection {
        Rejection { line: self.line, column: self.column, reason: format!("<{}> {what}", self.name) }
    }
}

impl Finding {
    pub(crate) fn at(node: &Node, kind: FindingKind, message: impl Into<String>) -> Self {
        Self { line: node.line, column: node.column, node: node.name.clone(), kind, message: message.into() }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.node, self.message),
            line => write!(f, "line {line}, column {}: {}: {}", self.column, self.node, self.message),
        }
    }
}

impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            0 => f.write_str(&self.reason),
            line => write!(f, "line {line}, column {}: {}", self.column, self.reason),
        }
    }
}

impl std::error::Error for Rejection {}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.nodes).finish()
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut copy = self.clone();
        copy.mask();
        write!(f, "<{}", copy.name)?;
        for (name, value) in &copy.attributes {
            write!(f, " {name}={value:?}")?;
        }
        write!(f, "> {:?}", copy.text)?;
        if copy.children.is_empty() { Ok(()) } else { f.debug_list().entries(&copy.children).finish() }
    }
}

/// What a server said instead of an account: the text of `<message>`, `<error>` or `<reason>` in a short XML answer.
pub(crate) fn answer_message(root: &Node) -> Option<String> {
    let mut words: Option<String> = None;
    let mut left = vec![root];
    while let Some(node) = left.pop() {
        let telling = ["message", "error", "reason", "description"].contains(&node.name.as_str());
        let text: String = node.text.trim().chars().filter(|c| !c.is_control()).take(200).collect();
        let is_code = text.chars().all(|c| c.is_ascii_digit());
        if telling && !text.is_empty() && (words.is_none() || !is_code) {
            words = Some(text);
            if !is_code {
                break;
            }
        }
        left.extend(node.children.iter().rev());
    }
    words
}

/// The root of an answer that is no account: bounded as documents are.
pub(crate) fn read_root(body: &[u8]) -> Result<Node, Rejection> {
    read(body).map(|(root, _)| root)
}

/// [`answer_message`] of a body that may be anything.
pub fn message_in(body: &[u8]) -> Option<String> {
    let (root, _) = read(body.get(..body.len().min(65_536))?).ok()?;
    if root.name == "account" { None } else { answer_message(&root) }
}

/// What the phone made of a document, as text for the log and the screen: what acts, what waits, what has no meaning,
/// what nobody knows, and everything that was wrong. No value of any node is in it.
pub fn report(document: &Document, findings: &[Finding]) -> String {
    let mut names: [(&str, Vec<&str>); 4] = [
        ("acts", Vec::new()),
        ("accepted, not yet in effect", Vec::new()),
        ("kept, not applicable to a desk phone", Vec::new()),
        ("unknown, kept", Vec::new()),
    ];
    for node in &document.nodes {
        let place = match schema::row(&node.name).map(|row| row.effect) {
            Some(Effect::Acts) => 0,
            None if crate::settings::is_nested_options(node) => 0,
            Some(Effect::NotYet) => 1,
            Some(Effect::NotApplicable) => 2,
            None => 3,
        };
        if let Some((_, list)) = names.get_mut(place)
            && !list.contains(&node.name.as_str())
        {
            list.push(&node.name);
        }
    }
    let mut out = String::new();
    for (title, list) in names.iter().filter(|(_, list)| !list.is_empty()) {
        let _ = writeln!(out, "{title} ({}): {}", list.len(), list.join(", "));
    }
    let wrong = |finding: &&Finding| {
        matches!(finding.kind, FindingKind::BadValue | FindingKind::Duplicate | FindingKind::Repaired)
    };
    let mut first = true;
    for finding in findings.iter().filter(wrong) {
        if std::mem::take(&mut first) {
            out.push_str("to look at:\n");
        }
        let _ = writeln!(out, "  {finding}");
    }
    out
}

fn read(bytes: &[u8]) -> Result<(Node, Vec<Finding>), Rejection> {
    if bytes.len() > MAX_DOCUMENT {
        let reason = format!("the document is larger than the limit of {MAX_DOCUMENT} octets");
        return Err(Rejection::nowhere(reason));
    }
    let text = xml::decode(bytes)?;
    let (root, repairs) = xml::read_tree(&text, xml::DOCUMENT)?;
    let findings = repairs
        .into_iter()
        .map(|repair| Finding {
            line: repair.line,
            column: repair.column,
            node: if repair.node.is_empty() { "account".into() } else { repair.node },
            kind: FindingKind::Repaired,
            message: repair.message.to_owned(),
        })
        .collect();
    Ok((root, findings))
}

/// What stands at an element that should have nothing but elements in it.
fn not_kept(node: &Node, known: &[&str]) -> Vec<Finding> {
    let attributes = node.attributes.iter().filter(|(name, _)| !known.contains(&name.as_str()));
    let mut findings: Vec<Finding> = attributes
        .map(|(name, _)| {
            let message = format!("the attribute {name} of the document is not kept");
            Finding::at(node, FindingKind::Unknown, message)
        })
        .collect();
    if !node.text.trim().is_empty() {
        findings.push(Finding::at(node, FindingKind::BadValue, "text between the nodes is not kept"));
    }
    findings
}

fn not_an_account(root: &Node) -> Rejection {
    let name: String = root.name.chars().take(40).collect();
    let reason = match answer_message(root) {
        _ if name.eq_ignore_ascii_case("html") => "this is a web page, not an account".to_owned(),
        Some(message) => format!("the server answered: {message}"),
        None => format!("the document is <{name}>, not <account>"),
    };
    Rejection { line: root.line, column: root.column, reason }
}
