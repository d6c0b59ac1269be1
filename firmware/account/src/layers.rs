//! Merging of sources by priority (`axml.root.03`): factory (the defaults of the table) < this place (5) < initial
//! provisioning (10) < external provisioning (20) < the user at the phone (40).
//!
//! Every source's nodes are kept beside each other, so that a value that goes away uncovers the one below it. A
//! node's `priority` attribute takes the place of its source's rank. The higher rank wins; at equal rank the newer
//! value, where a document that repeats a value it already gave does not make it newer: a PBX that sends
//! `priority="40"` every hour does not undo what the user changed in between. Above 40 the user is locked out.
//! `operation="subnode-union"` adds a list to what is stored, from the same source and from lower ranks; entries are
//! the same if their `id` is, or else their name and text, and `action="remove"` takes one out.

use crate::{
    Document,
    document::{Node, Rejection},
    schema, xml,
};
use std::collections::BTreeMap;

/// Who gave a value, with its implicit rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// values of this place for all its phones
    Site,
    Provisioning,
    ExtProv,
    Gui,
}

impl Source {
    pub fn rank(self) -> u32 {
        match self {
            Self::Site => 5,
            Self::Provisioning => 10,
            Self::ExtProv => 20,
            Self::Gui => 40,
        }
    }

    /// For people.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Site => "set for this place",
            Self::Provisioning | Self::ExtProv => "set by the PBX",
            Self::Gui => "set by you",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Provisioning => "provisioning",
            Self::ExtProv => "extProv",
            Self::Gui => "gui",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Site, Self::Provisioning, Self::ExtProv, Self::Gui].into_iter().find(|source| source.word() == word)
    }
}

/// The merged account with the origin of every key.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// By source, in the order of its document; one per source and name.
    kept: Vec<Kept>,
    /// Rises with every merge and every hand-set value.
    clock: u64,
}

/// One key whose value in force is another now. Secrets are `***`; a list is shown as XML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub node: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// A value in force and where it comes from. A secret is `***`; a list is shown as XML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub node: String,
    pub value: String,
    pub source: Source,
    pub rank: u32,
}

impl Origin {
    /// The user cannot change it.
    pub fn is_locked(&self) -> bool {
        self.source != Source::Gui && self.rank > Source::Gui.rank()
    }
}

/// The value has a priority above 40: the user may not change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    pub node: String,
}

impl std::fmt::Display for Locked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is set by the PBX and locked", self.node)
    }
}

impl std::error::Error for Locked {}

impl Layers {
    pub fn new() -> Self {
        Self::default()
    }

    /// Merges a document; answers what changed (secret values masked). A provisioned document replaces what its
    /// source said before: a node that it no longer has falls back to lower ranks or the default. A document of the
    /// user ([`Source::Gui`]) adds to what the user set before.
    pub fn merge(&mut self, source: Source, document: &Document) -> Vec<Change> {
        let before = self.merged();
        self.clock += 1;
        let (old, others): (Vec<Kept>, Vec<Kept>) =
            std::mem::take(&mut self.kept).into_iter().partition(|kept| kept.source == source);
        let mut fresh: Vec<Kept> = Vec::new();
        if source == Source::Gui {
            fresh.extend(old.iter().filter(|kept| document.node(&kept.node.name).is_none()).cloned());
        }
        let mut names = std::collections::BTreeSet::new();
        for node in document.nodes.iter().filter(|node| xml::is_name(&node.name)) {
            if !names.insert(node.name.as_str()) {
                continue;
            }
            let stored = old.iter().find(|kept| kept.node.name == node.name);
            let mut node = node.clone();
            forget_places(&mut node);
            if let (true, Some(stored)) = (adds(&node), stored) {
                node = united(&stored.node, &node);
            }
            let since = match stored {
                Some(stored) if stored.node.same(&node) => stored.since,
                _ => self.clock,
            };
            fresh.push(Kept { source, since, node });
        }
        self.kept = others;
        self.kept.extend(fresh);
        self.kept.sort_by_key(|kept| kept.source);
        changes(&before, &self.merged())
    }

    /// One value set by hand (control API, screen). `None` removes the hand-set value. A name that XML cannot carry
    /// and a value longer than a document may have are ignored; control characters are left out.
    ///
    /// # Errors
    /// [`Locked`] if the user sets a value that the PBX holds with a priority above 40.
    pub fn set(&mut self, source: Source, node: &str, value: Option<&str>) -> Result<Vec<Change>, Locked> {
        let held = self.winner(node);
        if source == Source::Gui
            && held.is_some_and(|held| held.source != Source::Gui && held.rank() > Source::Gui.rank())
        {
            return Err(Locked { node: node.to_owned() });
        }
        if !xml::is_name(node) || value.is_some_and(|value| value.len() > xml::MAX_VALUE) {
            return Ok(Vec::new());
        }
        let before = self.merged();
        self.clock += 1;
        self.kept.retain(|kept| kept.source != source || kept.node.name != node);
        if let Some(value) = value {
            let text: String = value.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
            self.kept.push(Kept { source, since: self.clock, node: Node::with_text(node, &text) });
            self.kept.sort_by_key(|kept| kept.source);
        }
        Ok(changes(&before, &self.merged()))
    }

    /// The account in force: the winning value of every key, lists united where they ask for it.
    pub fn merged(&self) -> Document {
        let mut by_name: BTreeMap<&str, Vec<&Kept>> = BTreeMap::new();
        let mut order: Vec<&str> = Vec::new();
        for kept in &self.kept {
            let name = kept.node.name.as_str();
            let entry = by_name.entry(name).or_default();
            if entry.is_empty() {
                order.push(name);
            }
            entry.push(kept);
        }
        let mut nodes = Vec::with_capacity(order.len());
        for name in order {
            let Some(mut candidates) = by_name.remove(name) else { continue };
            candidates.sort_by_key(|kept| kept.weight());
            let mut value: Option<Node> = None;
            for kept in candidates {
                value = Some(match value {
                    Some(below) if adds(&kept.node) => united(&below, &kept.node),
                    _ => kept.node.clone(),
                });
            }
            nodes.extend(value);
        }
        Document { nodes }
    }

    /// Every value in force and where it comes from; what is not among them has the default of the factory.
    pub fn origins(&self) -> Vec<Origin> {
        let merged = self.merged();
        let origin = |node: &Node| {
            let (source, rank) = self.origin(&node.name)?;
            Some(Origin { node: node.name.clone(), value: shown(node), source, rank })
        };
        merged.nodes.iter().filter_map(origin).collect()
    }

    /// What this source says, with its ranks and operations.
    pub fn of(&self, source: Source) -> Document {
        Document {
            nodes: self.kept.iter().filter(|kept| kept.source == source).map(|kept| kept.node.clone()).collect(),
        }
    }

    /// Who gave the value in force, and its rank.
    pub fn origin(&self, node: &str) -> Option<(Source, u32)> {
        self.winner(node).map(|kept| (kept.source, kept.rank()))
    }

    /// For the store; `restore` reads it back. Versioned, with a checksum, so that a torn or foreign file is noticed.
    /// Secrets are in it in clear: the file belongs to the phone alone.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut payload = format!("<layers clock=\"{}\">\n", self.clock);
        for kept in &self.kept {
            payload.push_str(&format!("<kept source=\"{}\" since=\"{}\">\n", kept.source.word(), kept.since));
            xml::write_node(&mut payload, &kept.node, 1);
            payload.push_str("</kept>\n");
        }
        payload.push_str("</layers>\n");
        let mut bytes = format!("{MAGIC} {VERSION} {} {:016x}\n", payload.len(), fnv1a(payload.as_bytes()));
        bytes.push_str(&payload);
        bytes.into_bytes()
    }

    /// Reads what [`Layers::to_bytes`] wrote.
    ///
    /// # Errors
    /// A file that is cut, changed, from another program or from a version that is not known.
    pub fn restore(bytes: &[u8]) -> Result<Self, Rejection> {
        let refuse = |reason: &str| Rejection { line: 0, column: 0, reason: reason.to_owned() };
        let foreign = || refuse("not a settings file of this phone");
        let text = std::str::from_utf8(bytes).map_err(|_| foreign())?;
        let (head, payload) = text.split_once('\n').ok_or_else(foreign)?;
        let mut words = head.split(' ');
        if words.next() != Some(MAGIC) {
            return Err(foreign());
        }
        if words.next() != Some(VERSION) {
            return Err(refuse("a settings file of another version"));
        }
        let length = words.next().and_then(|word| word.parse::<usize>().ok());
        let sum = words.next().and_then(|word| u64::from_str_radix(word, 16).ok());
        if length != Some(payload.len()) || sum != Some(fnv1a(payload.as_bytes())) {
            return Err(refuse("the settings file is torn: its length or checksum is wrong"));
        }
        let (root, _) = xml::read_tree(payload, STORED)?;
        let number = |node: &Node, name: &str| node.attribute(name).and_then(|text| text.parse::<u64>().ok());
        let mut layers = Self { kept: Vec::new(), clock: number(&root, "clock").ok_or_else(foreign)? };
        for entry in root.children {
            let source = entry.attribute("source").and_then(Source::from_word).ok_or_else(foreign)?;
            let since = number(&entry, "since").ok_or_else(foreign)?;
            let mut node = entry.children.into_iter().next().ok_or_else(foreign)?;
            forget_places(&mut node);
            layers.kept.push(Kept { source, since, node });
        }
        Ok(layers)
    }

    fn winner(&self, node: &str) -> Option<&Kept> {
        self.kept.iter().filter(|kept| kept.node.name == node).max_by_key(|kept| kept.weight())
    }
}

const MAGIC: &str = "offhook-settings";
const VERSION: &str = "1";
/// Most entries of a list that grows by `subnode-union`.
const MAX_UNITED: usize = 2000;

/// Three documents of the largest kind, one level deeper each.
const STORED: xml::Limits = xml::Limits { depth: xml::MAX_DEPTH + 2, nodes: 8 * xml::MAX_NODES };

#[derive(Debug, Clone)]
struct Kept {
    source: Source,
    /// Clock of the merge that brought this value.
    since: u64,
    node: Node,
}

impl Kept {
    fn rank(&self) -> u32 {
        let given = self.node.attribute("priority").and_then(|text| text.trim().parse().ok());
        given.unwrap_or_else(|| self.source.rank())
    }

    fn weight(&self) -> (u32, u64, Source) {
        (self.rank(), self.since, self.source)
    }
}

fn adds(node: &Node) -> bool {
    node.attribute("operation").is_some_and(|operation| operation.trim() == "subnode-union")
}

/// `more` with the entries of `base` in front. What both have stands once, as `more` has it.
fn united(base: &Node, more: &Node) -> Node {
    let mut result = more.clone();
    let mut entries = base.children.clone();
    for child in &more.children {
        let place = entries.iter().position(|entry| same_entry(entry, child));
        let remove = child.attribute("action").is_some_and(|action| action.trim() == "remove");
        match place {
            Some(place) if remove => {
                entries.remove(place);
            }
            Some(place) => {
                if let Some(entry) = entries.get_mut(place) {
                    *entry = child.clone();
                }
            }
            None if remove || entries.len() >= MAX_UNITED => {}
            None => entries.push(child.clone()),
        }
    }
    result.children = entries;
    result
}

fn same_entry(a: &Node, b: &Node) -> bool {
    match (a.attribute("id"), b.attribute("id")) {
        (Some(a), Some(b)) => a == b,
        (None, None) => a.name == b.name && a.value() == b.value() && a.children.is_empty(),
        _ => false,
    }
}

/// A value in force comes from several documents: a line number would say nothing.
fn forget_places(node: &mut Node) {
    (node.line, node.column) = (0, 0);
    for child in &mut node.children {
        forget_places(child);
    }
}

fn changes(before: &Document, after: &Document) -> Vec<Change> {
    let index = |document: &'_ Document| -> BTreeMap<String, usize> {
        document.nodes.iter().enumerate().map(|(at, node)| (node.name.clone(), at)).collect()
    };
    let (old, new) = (index(before), index(after));
    let names = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name)));
    let mut list = Vec::new();
    for name in names {
        let was = old.get(name).and_then(|at| before.nodes.get(*at));
        let is = new.get(name).and_then(|at| after.nodes.get(*at));
        let equal = match (was, is) {
            (Some(was), Some(is)) => bare(was).same(&bare(is)),
            (was, is) => was.is_none() && is.is_none(),
        };
        if !equal {
            list.push(Change { node: name.clone(), before: was.map(shown), after: is.map(shown) });
        }
    }
    list
}

/// Without what only concerns the merging.
fn bare(node: &Node) -> Node {
    let mut node = node.clone();
    node.attributes.retain(|(name, _)| !["priority", "source", "operation"].contains(&name.as_str()));
    node
}

fn shown(node: &Node) -> String {
    if schema::is_secret(&node.name) {
        return "***".into();
    }
    if node.children.is_empty() {
        // Provisioning and service URLs carry tokens.
        let url = schema::row(&node.name).is_some_and(|row| row.kind == schema::Kind::Url);
        return if url { crate::template::without_secrets(node.value()) } else { node.value().to_owned() };
    }
    let masked = Document { nodes: node.children.clone() }.without_secrets();
    let mut out = String::new();
    for child in &masked.nodes {
        xml::write_node(&mut out, child, 0);
    }
    out.trim_end().to_owned()
}

/// FNV-1a, 64 bits: notices a torn file, proves nothing against an attacker.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
