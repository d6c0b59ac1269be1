//! Everything that is wrong with a document, each mistake with its place and what to do about it: for the person who
//! writes the template. [`inspect`] accepts exactly what [`Document::parse`] accepts, and where that stops at the first
//! reason it goes on as far as the text can be read: it looks into every account and at every credential.
//!
//! No text here has the value of a secret or of a URL in it.

use crate::{
    Document, Rejection, Settings,
    document::{Finding, FindingKind, MAX_DOCUMENT, Node},
    schema::{self, Kind},
    services, template, xml,
};

/// How much a mistake matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// nothing is wrong: said so that nobody expects more
    Note,
    /// accepted as it was probably meant
    Warning,
    /// the value does not count: its default is used
    Mistake,
    /// the whole document is refused
    Refused,
}

/// One place that an administrator should look at. Their order is that of the document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// 1-based; 0 when it is no single place
    pub line: u32,
    pub column: u32,
    /// `expires`; empty for the text as a whole
    pub node: String,
    pub severity: Severity,
    pub what: String,
    /// What to write instead; empty when nothing needs to be done.
    pub remedy: String,
}

/// What became of a document.
#[derive(Debug, Clone, Default)]
pub struct Inspection {
    /// In the order of the document; empty when its text cannot be read.
    pub accounts: Vec<Inspected>,
    /// By line.
    pub mistakes: Vec<Mistake>,
}

/// One account, whether or not it can be used.
#[derive(Debug, Clone)]
pub struct Inspected {
    pub document: Document,
    pub settings: Settings,
}

impl Inspection {
    /// Whether the phone would take the document.
    pub fn accepted(&self) -> bool {
        self.worst() < Some(Severity::Refused)
    }

    /// The severity of the worst mistake.
    pub fn worst(&self) -> Option<Severity> {
        self.mistakes.iter().map(|mistake| mistake.severity).max()
    }
}

/// Reads a document as the phone does.
pub fn inspect(bytes: &[u8]) -> Inspection {
    let mut inspection = Inspection::default();
    let verdict = Document::parse(bytes);
    match tree(bytes) {
        Ok((root, findings)) => {
            inspection.mistakes.extend(findings.into_iter().map(Mistake::from));
            let accounts: Vec<Node> = match root.name.as_str() {
                "account" => vec![root],
                "accounts" => root.children.into_iter().filter(|node| node.name == "account").collect(),
                _ => Vec::new(),
            };
            for account in accounts {
                inspection.account(account);
            }
        }
        // Of a text that cannot be read, the first place is all there is.
        Err(rejection) => inspection.mistakes.push(rejection.into()),
    }
    match verdict {
        Ok((_, findings)) => {
            // An account that is left out does not take the others with it.
            for mistake in &mut inspection.mistakes {
                mistake.severity = mistake.severity.min(Severity::Mistake);
            }
            inspection.mistakes.extend(findings.into_iter().map(Mistake::from));
        }
        Err(rejection) if inspection.accepted() => inspection.mistakes.push(rejection.into()),
        Err(_) => {}
    }
    inspection.mistakes.sort();
    inspection.mistakes.dedup();
    inspection
}

impl Inspection {
    fn account(&mut self, account: Node) {
        let (line, column) = (account.line, account.column);
        let document = Document { nodes: account.children };
        let (settings, mut findings) = Settings::of(&document);
        for name in ["username", "password", "host"] {
            if let Some(rejection) = credential(&document, name, line, column) {
                // Once is enough.
                findings.retain(|finding| finding.node != name);
                self.mistakes.push(rejection.into());
            }
        }
        self.mistakes.extend(findings.into_iter().chain(document.duplicates()).map(Mistake::from));
        for node in &document.nodes {
            self.placeholders(&document, node);
        }
        self.accounts.push(Inspected { document, settings });
    }

    /// `%account[name]%` that no node will ever fill, and secrets that will not be filled in.
    fn placeholders(&mut self, document: &Document, node: &Node) {
        let is_url = schema::row(&node.name).is_some_and(|row| row.kind == Kind::Url);
        let mut rest = node.text.as_str();
        while is_url && let Some((_, after)) = rest.split_once("%account[") {
            let Some((name, behind)) = after.split_once("]%") else { break };
            rest = behind;
            let at = |severity, what: String, remedy: String| Mistake {
                line: node.line,
                column: node.column,
                node: node.name.clone(),
                severity,
                what,
                remedy,
            };
            let named = schema::shown(name);
            if schema::row(name).is_none() && document.node(name).is_none() {
                self.mistakes.push(at(
                    Severity::Mistake,
                    format!("the placeholder {named} stands for nothing: the URL cannot be used"),
                    "name a node of the account, or add one of that name".into(),
                ));
            } else if schema::is_secret(name) && !template::keeps_secrets(&node.text) {
                self.mistakes.push(at(
                    Severity::Mistake,
                    format!("{named} is a secret and the URL is not https: *** is sent instead"),
                    "write https://".into(),
                ));
            }
        }
    }
}

/// The text as a tree, and what had to be repaired.
fn tree(bytes: &[u8]) -> Result<(Node, Vec<Finding>), Rejection> {
    if bytes.len() > MAX_DOCUMENT {
        return match Document::parse(bytes) {
            Err(rejection) => Err(rejection),
            Ok(_) => Err(Rejection { line: 0, column: 0, reason: "the document is too large".into() }),
        };
    }
    let text = xml::decode(bytes)?;
    let (root, repairs) = xml::read_tree(&text, xml::DOCUMENT)?;
    let findings = repairs.into_iter().map(|repair| Finding {
        line: repair.line,
        column: repair.column,
        node: if repair.node.is_empty() { "account".into() } else { repair.node },
        kind: FindingKind::Repaired,
        message: repair.message.to_owned(),
    });
    Ok((root, findings.collect()))
}

/// Why an account cannot be used, as the phone would say it if nothing else were wrong.
fn credential(document: &Document, name: &str, line: u32, column: u32) -> Option<Rejection> {
    let mut rest = document.clone();
    // Good ones in place of the others, so that the check gets to this one.
    for (other, good) in [("username", "user"), ("password", ""), ("host", "host")] {
        if other != name {
            rest.set(other, good);
        }
    }
    let missing = rest.node(name).is_none();
    let rejection = rest.check_credentials((line, column)).err()?;
    Some(match missing {
        true => Rejection { line, column, ..rejection },
        false => rejection,
    })
}

impl From<Finding> for Mistake {
    fn from(finding: Finding) -> Self {
        let severity = match finding.kind {
            FindingKind::BadValue | FindingKind::Duplicate => Severity::Mistake,
            FindingKind::Repaired => Severity::Warning,
            FindingKind::Unknown if finding.message.contains("did you mean") => Severity::Warning,
            FindingKind::Unknown | FindingKind::NotApplicable | FindingKind::NotYet => Severity::Note,
        };
        let remedy = remedy(&finding);
        Self { line: finding.line, column: finding.column, node: finding.node, severity, what: finding.message, remedy }
    }
}

impl From<Rejection> for Mistake {
    fn from(rejection: Rejection) -> Self {
        let node = rejection.reason.strip_prefix('<').and_then(|rest| rest.split_once('>')).map(|(name, _)| name);
        Self {
            line: rejection.line,
            column: rejection.column,
            node: node.unwrap_or_default().to_owned(),
            severity: Severity::Refused,
            remedy: remedy_of_refusal(&rejection.reason).to_owned(),
            what: rejection.reason,
        }
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Mistake => "mistake",
            Self::Refused => "refused",
        })
    }
}

fn remedy(finding: &Finding) -> String {
    let row = schema::row(&finding.node);
    match finding.kind {
        FindingKind::NotApplicable | FindingKind::NotYet => String::new(),
        FindingKind::Duplicate => "take this one out".into(),
        FindingKind::Unknown => match finding.message.split_once("did you mean ") {
            Some((_, name)) => format!("write <{}>", name.trim_end_matches('?')),
            None => String::new(),
        },
        FindingKind::Repaired if finding.message.contains("&amp;") => "write &amp; in place of &".into(),
        FindingKind::Repaired => match finding.message.strip_prefix("read as ") {
            Some(read) if row.is_some() => format!("write {read}"),
            _ => String::new(),
        },
        FindingKind::BadValue => bad_value(&finding.node, row, &finding.message),
    }
}

/// Rules between nodes first: there the row alone would send the reader to the wrong node.
fn bad_value(node: &str, row: Option<&schema::Row>, message: &str) -> String {
    let special = [
        ("attribute priority", "write a whole number such as priority=\"50\", or take the attribute out"),
        ("attribute operation", "write operation=\"replace\" or operation=\"subnode-union\""),
        ("text between the nodes", "put every value into a node of its own"),
        ("no account without it", "give it a value"),
        ("outboundProxy_host is missing", "add <outboundProxy_host>, or set outboundProxy_enabled to 0"),
        ("forwardingNumber is missing", "add <forwardingNumber>, or set forwardingEnabled to 0"),
        ("has no room for 4 ports", "make rtpPortRangeEnd at least rtpPortRangeStart + 3"),
        ("opusOptions.class is", "write <opusOptions.class/> (empty), or take this node out"),
        ("multiple of 10 ms", "write 10, 20, 30, 40, 50 or 60"),
        ("usable forcedContact", "add <forcedContact>, or write internal"),
        ("none of these codecs", "add one of 103, 9, 0, 8"),
        ("must be empty, 0, or 1025", "write 0 or 1025 to 65535, or take the node out"),
        ("text outside of <uri>", "put every extension into a <uri>"),
        ("key must be 1 to 255", "write key=\"1\" to key=\"255\", or take the attribute out"),
        ("name or method is no token", "write name=\"X-Something\" and method=\"INVITE\" or method=\"*\""),
        ("is written by the phone itself", "choose another header name"),
        ("longer than 1024", "make it shorter"),
        ("not known and left out", "take the unknown items out"),
        ("repeated items left out", "name every item once"),
    ];
    if let Some((_, remedy)) = special.iter().find(|(words, _)| message.contains(words)) {
        return (*remedy).to_owned();
    }
    if message.contains("stands for nothing")
        && let Some(known) = services::placeholders(node)
    {
        return format!("write one of {}", known.join(", "));
    }
    match row {
        Some(row) if row.kind != Kind::Container && !row.default.is_empty() => {
            format!("write {}, or take <{node}> out to have {}", row.kind.expected(), row.default)
        }
        Some(row) if row.kind != Kind::Container => format!("write {}, or take <{node}> out", row.kind.expected()),
        _ => "correct it, or take it out".into(),
    }
}

fn remedy_of_refusal(reason: &str) -> &'static str {
    let table = [
        ("it was cut off", "send the whole file; compare its length with Content-Length"),
        ("web page", "the URL answers with a page for people: check its path and whether it asks for a login"),
        ("DTD", "take the <!DOCTYPE line out: entities are never expanded and nothing else is fetched"),
        ("entity", "write the character itself, or &#number;"),
        ("is missing", "add the node; <password/> may be empty"),
        ("is empty", "give it a value"),
        ("larger than the limit", "keep contacts and other long lists out of the account"),
        ("more elements than the limit", "keep contacts and other long lists out of the account"),
        ("more attributes than the limit", "take attributes out"),
        ("needs more memory", "keep contacts and other long lists out of the account"),
        ("longer than", "make it shorter"),
        ("nested deeper", "an account needs no more than four levels"),
        ("closes nothing", "take the end tag out, or add its start tag"),
        ("closed by", "close every element in the order in which they were opened"),
        ("is not closed", "close every element in the order in which they were opened"),
        ("twice", "name every attribute once"),
        ("after the end of the document", "one <account> is the whole document; several stand in <accounts>"),
        ("text before the first element", "the document begins with <account>"),
        ("no element in the document", "the document begins with <account>"),
        ("not UTF-8", "save the file as UTF-8"),
        ("UTF-16", "save the file as UTF-8"),
        ("encoding", "save the file as UTF-8"),
        ("declaration can only", "write <?xml ...?> first, or leave it out"),
        ("cannot stand in XML", "take the character out; XML has no control characters"),
        ("port must be", "write host or host:port with a port of 1 to 65535"),
        ("IPv6", "write [2001:db8::1] or [2001:db8::1]:5060"),
        ("is not usable", "write a host name or an address, such as pbx.example.net or 192.0.2.1:5060"),
        ("spaces, line breaks", "write the user name alone, without blanks or line breaks"),
        ("line breaks or control", "write the password on one line"),
        ("elements in it where text belongs", "write text only"),
        ("is no element name", "a name begins with a letter and has no blanks; write &lt; for a < in a text"),
        ("attribute", "write name=\"value\", with &lt; and &quot; inside"),
        ("not well-formed", "write &lt; for < in texts, and close every element"),
        ("", "the document is <account>...</account>, or several of them in <accounts>"),
    ];
    table.iter().find(|(words, _)| reason.contains(words)).map_or("", |(_, remedy)| remedy)
}
