//! The table of every node of the Account XML: the one place for names, types, defaults, limits and what a node
//! means on this phone. Parsing, defaults, reports, the control API's parameters and docs/account-xml.md come from it.
//!
//! [`read`] turns a node's text into its usable form or says what was expected; it does not know other nodes, so
//! rules between nodes (a port range, an Opus preset) are in `settings`.

mod check;
mod rows;

pub use check::{Usable, host_port, read, read_list};
pub(crate) use check::{shown, trim_secret};

/// What a node does on this phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// acts
    Acts,
    /// parsed, validated, kept; acts in a later version
    NotYet,
    /// kept and reported: no meaning on a desk phone
    NotApplicable,
}

/// What a node's text must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// Text that is never printed.
    Secret,
    /// `0` or `1`
    Bool,
    /// inclusive limits
    Integer {
        min: i64,
        max: i64,
    },
    Choice(&'static [&'static str]),
    /// Comma-separated items of this set, in an order that matters.
    List(&'static [&'static str]),
    /// `host`, `host:port`, `[ipv6]`, `[ipv6]:port`
    HostPort,
    /// http or https, placeholders allowed
    Url,
    /// A number, an extension or a SIP/tel URI.
    DialString,
    Tone,
    Container,
}

/// One row: `id` is the row's name in the specification (`axml.cred.02`).
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub id: &'static str,
    /// Element name; a path such as `blf/uri` for what stands inside another node.
    pub node: &'static str,
    pub kind: Kind,
    /// As it would be written; empty: no default.
    pub default: &'static str,
    pub effect: Effect,
    pub meaning: &'static str,
}

/// All rows, in the order of the reference.
pub fn rows() -> &'static [Row] {
    rows::ROWS
}

/// The row of a node name or path. `opusOptions/class` is the same as `opusOptions.class`.
pub fn row(node: &str) -> Option<&'static Row> {
    rows().iter().find(|row| row.node == node).or_else(|| {
        let (first, rest) = node.split_once('/')?;
        let dotted = format!("{first}.{rest}");
        rows().iter().find(|row| row.node == dotted)
    })
}

/// Whether a node's text must never be printed: a secret of the table, or an unknown node whose name sounds like one.
pub fn is_secret(node: &str) -> bool {
    if let Some(row) = row(node) {
        return row.kind == Kind::Secret;
    }
    let name = node.to_ascii_lowercase();
    ["pass", "pwd", "secret", "token", "apikey", "api_key", "credential", "pincode", "privatekey"]
        .iter()
        .any(|word| name.contains(word))
}

impl Effect {
    /// As the documents and reports say it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Acts => "acts",
            Self::NotYet => "accepted, not yet in effect",
            Self::NotApplicable => "kept, not applicable",
        }
    }
}

impl Kind {
    /// What the text must be, in words.
    pub fn expected(self) -> String {
        match self {
            Self::Text => "text".into(),
            Self::Secret => "text, never printed".into(),
            Self::Bool => "0 or 1".into(),
            Self::Integer { min, max } => format!("whole number {min} to {max}"),
            Self::Choice(choices) => {
                let words: Vec<&str> = choices.iter().map(|c| if c.is_empty() { "(empty)" } else { c }).collect();
                words.join(", ")
            }
            Self::List(items) => format!("comma-separated list of {}", items.join(", ")),
            Self::HostPort => "host or host:port, IPv6 in brackets".into(),
            Self::Url => "http or https URL".into(),
            Self::DialString => "number, extension or SIP address".into(),
            Self::Tone => "tone expression".into(),
            Self::Container => "nodes".into(),
        }
    }
}

/// The table as Markdown, for docs/account-xml.md.
pub fn to_markdown() -> String {
    let mut out = String::from(
        "# Account XML\n\n\
         Every node the phone knows, what it takes, and what it does. This page is made from the table that the\n\
         phone itself reads by (`firmware/account/src/schema`); after a change there run\n\n\
         ```\nUPDATE_DOCS=1 cargo test -p offhook-account documentation\n```\n\n\
         Effect: **acts** now; **accepted, not yet in effect** is checked, kept and reported; **kept, not applicable**\n\
         has no meaning on a desk phone and is given back unchanged. A value that cannot be used leaves the default in\n\
         place and is reported with line and column. A node named twice: the first counts.\n",
    );
    let mut chapter = "";
    for row in rows() {
        let of_row = row.id.split('.').nth(1).unwrap_or("");
        let own = row.id.starts_with("offhook.");
        let title = if own { "own" } else { of_row };
        if title != chapter {
            chapter = title;
            out.push_str(&format!(
                "\n## {}\n\n| node | takes | default | effect | meaning | row |\n|---|---|---|---|---|---|\n",
                chapter_title(chapter)
            ));
        }
        let cell = |text: &str| text.replace('|', "\\|");
        let default = if row.default.is_empty() { "-".to_owned() } else { format!("`{}`", row.default) };
        out.push_str(&format!(
            "| `{}` | {} | {} | {} | {} | {} |\n",
            row.node,
            cell(&row.kind.expected()),
            cell(&default),
            row.effect.label(),
            cell(row.meaning),
            row.id
        ));
    }
    out
}

fn chapter_title(chapter: &str) -> &str {
    match chapter {
        "root" => "The document",
        "cred" => "Credentials",
        "sipis" => "Push relay",
        "proxy" => "Servers",
        "voicemail" => "Voicemail",
        "codec" => "Audio codecs",
        "opus" => "Opus",
        "video" => "Video",
        "dtmf" => "DTMF",
        "nat" => "NAT and network",
        "hdr" => "Custom headers",
        "dnd" => "Do not disturb",
        "rew" => "Number rewriting",
        "inc" => "Incoming calls",
        "sec" => "Encrypted calls",
        "prov" => "External provisioning",
        "bal" => "Balance",
        "wcb" => "Web callback",
        "cth" => "Call-through",
        "fwd" => "Call forwarding",
        "cw" => "Call waiting",
        "misc" => "Miscellaneous",
        "tones" => "Tones",
        "aa" => "Auto answer",
        "blf" => "Lamp keys",
        "dav" => "Contacts",
        "push" => "Push options",
        "desk" => "Desktop options",
        "conf" => "Video conferences",
        "ref" => "Described elsewhere",
        _ => "Our own nodes",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_row_has_an_id_and_a_node_of_its_own() {
        let ids: BTreeSet<_> = rows().iter().map(|r| r.id).collect();
        let nodes: BTreeSet<_> = rows().iter().map(|r| r.node).collect();
        assert_eq!(ids.len(), rows().len());
        assert_eq!(nodes.len(), rows().len());
        assert_eq!(rows().iter().filter(|r| r.id.starts_with("axml.")).count(), 213);
    }

    #[test]
    fn ids_count_up_within_their_chapter() {
        let mut chapter = String::new();
        let mut number = 0;
        for row in rows() {
            let (head, last) = row.id.rsplit_once('.').unwrap();
            if head != chapter {
                chapter = head.to_owned();
                number = 0;
            }
            number += 1;
            assert_eq!(last.parse::<u32>().unwrap(), number, "{}", row.id);
        }
    }

    #[test]
    fn every_default_is_usable() {
        for row in rows().iter().filter(|r| !r.default.is_empty()) {
            let usable = read(row, row.default).unwrap();
            assert_eq!(usable.value, row.default, "{}", row.node);
            assert!(usable.notes.is_empty(), "{}", row.node);
        }
    }

    #[test]
    fn a_nested_spelling_finds_the_dotted_row() {
        assert_eq!(row("opusOptions/class").unwrap().id, "axml.opus.01");
        assert_eq!(row("blf/uri").unwrap().id, "axml.blf.02");
        assert!(row("futureNode").is_none());
    }

    #[test]
    fn names_that_sound_secret_are_secret() {
        for name in ["password", "cloud_password", "STUNPassword", "apiPass", "authToken"] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["username", "pushBlockReg", "host"] {
            assert!(!is_secret(name), "{name}");
        }
    }

    // The one test that writes a file, when asked to.
    #[allow(clippy::disallowed_methods)]
    #[test]
    fn documentation_is_made_from_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/account-xml.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, to_markdown()).unwrap();
        }
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            kept == to_markdown(),
            "docs/account-xml.md is stale: UPDATE_DOCS=1 cargo test -p offhook-account documentation"
        );
    }
}
