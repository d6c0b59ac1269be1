//! What became of each node of a document: the rows of the report that goes back to the administrator.

use crate::document::{Document, Finding, FindingKind};
use crate::layers::{Change, Layers, Source};
use crate::schema::{self, Effect, Kind};

/// What became of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// in force, and another value than before
    Applied,
    /// in force, as before
    Unchanged,
    /// kept, but a value of a higher rank is in force
    Overruled,
    /// valid, kept, acts in a later version
    NotYet,
    /// kept, without meaning on a desk phone
    NotApplicable,
    /// nobody knows it; kept
    Unknown,
    /// its value cannot be used: the default is in force, or the value of a lower rank
    Wrong,
    /// not in the document any more: the default is in force, or the value of a lower rank
    Gone,
}

/// One row of the report. Secrets are never in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub node: String,
    /// Id of its row of the table.
    pub row: Option<&'static str>,
    pub outcome: Outcome,
    /// 1-based; 0: it is not in the document
    pub line: u32,
    pub column: u32,
    /// In force before and after, if that is not the same.
    pub change: Option<(Option<String>, Option<String>)>,
    /// What the value should have been.
    pub expected: Option<String>,
    /// Everything else worth knowing.
    pub notes: Vec<String>,
}

impl Outcome {
    /// As the report says it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Overruled => "overruled",
            Self::NotYet => "not yet in effect",
            Self::NotApplicable => "not applicable",
            Self::Unknown => "unknown",
            Self::Wrong => "wrong",
            Self::Gone => "gone",
        }
    }
}

/// What became of `document`, which `source` gave: `findings` as it was read, `changes` as it was merged, `layers` after
/// that. In the order of the document; what it does not name any more comes last.
pub fn verdicts(
    document: &Document,
    findings: &[Finding],
    changes: &[Change],
    layers: &Layers,
    source: Source,
) -> Vec<Verdict> {
    let mut list: Vec<Verdict> = Vec::with_capacity(document.nodes.len());
    for node in &document.nodes {
        if list.iter().any(|earlier| earlier.node == node.name) {
            continue;
        }
        // `blf/uri` and `opusOptions.class` are findings of what stands in a node
        let prefix = |finding: &&Finding| {
            let rest = finding.node.strip_prefix(node.name.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '.'])) && finding.line > 0
        };
        let own: Vec<&Finding> = findings.iter().filter(prefix).collect();
        let row = schema::row(&node.name);
        let change = changes.iter().find(|change| change.node == node.name);
        let wrong = own.iter().any(|finding| finding.kind == FindingKind::BadValue);
        let held = layers.origin(&node.name).is_some_and(|(by, _)| by != source);
        let effect = match row {
            Some(row) => Some(row.effect),
            None if crate::settings::is_nested_options(node) => Some(Effect::Acts),
            None => None,
        };
        let outcome = match (effect, change) {
            (None, _) => Outcome::Unknown,
            (Some(Effect::NotApplicable), _) => Outcome::NotApplicable,
            _ if wrong => Outcome::Wrong,
            (Some(Effect::NotYet), _) => Outcome::NotYet,
            (Some(Effect::Acts), Some(_)) => Outcome::Applied,
            (Some(Effect::Acts), None) if held => Outcome::Overruled,
            (Some(Effect::Acts), None) => Outcome::Unchanged,
        };
        let said = |kind| matches!(kind, FindingKind::NotYet);
        let mut notes: Vec<String> =
            own.iter().filter(|finding| !said(finding.kind)).map(|finding| finding.message.clone()).collect();
        if outcome == Outcome::Overruled
            && let Some((by, rank)) = layers.origin(&node.name)
        {
            notes.push(format!("{}, priority {rank}", by.phrase()));
        }
        list.push(Verdict {
            node: node.name.clone(),
            row: row.map(|row| row.id),
            outcome,
            line: node.line,
            column: node.column,
            change: change.map(|change| (change.before.clone(), change.after.clone())),
            expected: row.filter(|row| wrong && row.kind != Kind::Container).map(|row| row.kind.expected()),
            notes,
        });
    }
    for change in changes {
        if document.node(&change.node).is_none() {
            list.push(Verdict {
                node: change.node.clone(),
                row: schema::row(&change.node).map(|row| row.id),
                outcome: Outcome::Gone,
                line: 0,
                column: 0,
                change: Some((change.before.clone(), change.after.clone())),
                expected: None,
                notes: Vec::new(),
            });
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(nodes: &str) -> (Document, Vec<Finding>) {
        let text =
            format!("<account>\n<username>1</username><password>geheim</password><host>h</host>{nodes}</account>");
        Document::parse(text.as_bytes()).unwrap()
    }

    /// Covers: feat.94
    #[test]
    fn every_node_gets_one_verdict_with_place_and_remedy_and_no_secret() {
        let mut layers = Layers::new();
        layers.merge(Source::Provisioning, &read("<proxy>old</proxy><ptime>20</ptime>").0);
        layers.set(Source::Gui, "callWaiting", Some("0")).unwrap();
        let (document, findings) = read(
            "\n<expires>never</expires><ptime>30</ptime><callWaiting>1</callWaiting>\n<sdesIncoming>enabled</sdesIncoming>\
             <pushBlockReg>1</pushBlockReg><ownKey>1</ownKey><authUsername>x</authUsername>",
        );
        let changes = layers.merge(Source::Provisioning, &document);
        let list = verdicts(&document, &findings, &changes, &layers, Source::Provisioning);
        let of = |name: &str| list.iter().find(|verdict| verdict.node == name).unwrap();
        let expires = of("expires");
        assert_eq!((expires.outcome, expires.line, expires.column), (Outcome::Wrong, 3, 1));
        assert!(expires.expected.as_deref().unwrap().starts_with("whole number"));
        assert_eq!(of("ptime").outcome, Outcome::Applied);
        assert_eq!(of("ptime").change, Some((Some("20".into()), Some("30".into()))));
        assert_eq!(of("callWaiting").outcome, Outcome::Overruled);
        assert_eq!(of("callWaiting").notes, ["set by you, priority 40"]);
        assert_eq!(of("username").outcome, Outcome::Unchanged);
        assert_eq!(of("sdesIncoming").outcome, Outcome::NotYet);
        assert_eq!(of("pushBlockReg").outcome, Outcome::NotApplicable);
        assert_eq!(of("ownKey").outcome, Outcome::Unknown);
        assert_eq!((of("proxy").outcome, of("proxy").line), (Outcome::Gone, 0));
        let all = format!("{list:?}");
        assert!(!all.contains("geheim"), "{all}");
    }
}
