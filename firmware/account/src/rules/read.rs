//! `<rewriting>`, `<incomingRewriting>` and `<doNotDisturb>` as they stand in a document. What cannot be understood is
//! reported, and its rule or entry does not act: a rule without one of its conditions would act too often.

use super::rewriting::{Action, Condition, Rewriting, Rule};
use super::schedule::{DndContact, DndEntry, DoNotDisturb, TimeOfDay};
use super::{DialAction, Zone, bare};
use crate::document::{Finding, FindingKind, Node};
use crate::schema::{self, Kind};
use crate::settings::{is_owned_header, is_token, one_line};
use crate::template;
use crate::{ContactSource, Document};

/// More rules or entries than any administrator writes are left out, with a finding: they are walked through at
/// every call.
const MOST: usize = 500;
/// Longest parameter [octets].
const LONGEST: usize = 256;

/// Which calls a rule is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Out,
    In,
}

/// `axml.rew.*`, with C-16: incoming rules stand in `incomingRewriting`, or in `rewriting` with `direction="in"`.
pub(crate) fn rewriting(document: &Document, findings: &mut Vec<Finding>) -> Rewriting {
    let mut result = Rewriting::default();
    for (name, usual) in [("rewriting", Direction::Out), ("incomingRewriting", Direction::In)] {
        let Some(list) = document.node(name) else { continue };
        let mut reader = Reader { document, list: name, findings };
        for (index, node) in reader.children(list, name, "rule").into_iter().enumerate() {
            let direction = match node.attribute("direction").map(str::trim) {
                None | Some("") => usual,
                Some(word) if word.eq_ignore_ascii_case("in") => Direction::In,
                Some(word) if word.eq_ignore_ascii_case("out") => Direction::Out,
                Some(word) => {
                    let message =
                        format!("direction {} is neither in nor out: the rule is not used", schema::shown(word));
                    reader.wrong(node, "rule", message);
                    continue;
                }
            };
            let Some(rule) = reader.rule(node, direction, index + 1) else { continue };
            match direction {
                Direction::Out => result.outgoing.push(rule),
                Direction::In => result.incoming.push(rule),
            }
        }
    }
    result
}

/// The rules in a node of the list named `list`, with or without `<rewriting>` around them; all are for calls that are made
/// here.
pub(crate) fn read_rules(
    document: &Document,
    list: &'static str,
    node: &Node,
    findings: &mut Vec<Finding>,
) -> Vec<Rule> {
    let mut reader = Reader { document, list, findings };
    let around = node.children.iter().find(|child| child.name == "rewriting");
    let nodes = reader.children(around.unwrap_or(node), "", "rule");
    let rules = nodes.into_iter().enumerate();
    rules.filter_map(|(index, node)| reader.rule(node, Direction::Out, index + 1)).collect()
}

/// `axml.dnd.*`
pub(crate) fn do_not_disturb(document: &Document, findings: &mut Vec<Finding>) -> DoNotDisturb {
    let mut result = DoNotDisturb::default();
    let Some(list) = document.node("doNotDisturb") else { return result };
    let mut reader = Reader { document, list: "doNotDisturb", findings };
    result.zone = reader.zone(list);
    for (index, node) in reader.children(list, "doNotDisturb", "dndEntry").into_iter().enumerate() {
        result.entries.extend(reader.dnd_entry(node, index + 1));
    }
    result
}

struct Reader<'a> {
    document: &'a Document,
    /// Name of the node at the top, for findings.
    list: &'static str,
    findings: &'a mut Vec<Finding>,
}

impl Reader<'_> {
    fn find(&mut self, node: &Node, path: &str, kind: FindingKind, message: impl Into<String>) {
        self.findings.push(Finding {
            line: node.line,
            column: node.column,
            node: format!("{}/{path}", self.list),
            kind,
            message: message.into(),
        });
    }

    fn wrong(&mut self, node: &Node, path: &str, message: impl Into<String>) {
        self.find(node, path, FindingKind::BadValue, message);
    }

    /// The children of this name; others are named, and text between them.
    fn children<'n>(&mut self, node: &'n Node, path: &str, wanted: &str) -> Vec<&'n Node> {
        let path = path.strip_prefix(self.list).unwrap_or(path).trim_start_matches('/').to_owned();
        let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
        if !node.text.trim().is_empty() {
            self.wrong(node, &below(wanted), format!("text outside of <{wanted}> has no effect"));
        }
        let mut list = Vec::new();
        for child in &node.children {
            if child.name != wanted {
                self.find(child, &below(&child.name), FindingKind::Unknown, "not known, kept");
            } else if list.len() < MOST {
                list.push(child);
            } else {
                self.wrong(child, &below(wanted), format!("more than {MOST}: this one and what follows is not used"));
                break;
            }
        }
        list
    }

    fn rule(&mut self, node: &Node, direction: Direction, number: usize) -> Option<Rule> {
        let mut rule = Rule { conditions: Vec::new(), actions: Vec::new(), number, line: node.line };
        let mut usable = true;
        for child in &node.children {
            match child.name.as_str() {
                "conditions" => {
                    for condition in self.children(child, "rule/conditions", "condition") {
                        match condition_of(condition) {
                            Ok(condition) => rule.conditions.push(condition),
                            Err((kind, what)) => {
                                usable = false;
                                let message = format!("{what}: the rule is not used");
                                self.find(condition, "rule/condition", kind, message);
                            }
                        }
                    }
                }
                "actions" => {
                    for action in self.children(child, "rule/actions", "action") {
                        match self.action(action, direction) {
                            Ok(action) => rule.actions.push(action),
                            Err((kind, what)) => self.find(action, "rule/action", kind, what),
                        }
                    }
                }
                _ => {
                    let path = format!("rule/{}", child.name);
                    self.find(child, &path, FindingKind::Unknown, "not known, kept");
                }
            }
        }
        if usable && rule.actions.is_empty() {
            self.wrong(node, "rule", "no usable action: the rule does nothing");
            return None;
        }
        let matches = |condition: &Condition| matches!(condition, Condition::StartsWith(_) | Condition::Equals(_));
        let replaces = rule.actions.iter().any(|action| matches!(action, Action::Replace(_)));
        if replaces && !rule.conditions.iter().any(matches) {
            self.wrong(node, "rule/action", "replace needs a condition startsWith or equals: it changes nothing");
        }
        usable.then_some(rule)
    }

    fn action(&mut self, node: &Node, direction: Direction) -> Result<Action, (FindingKind, String)> {
        let bad = |what: String| (FindingKind::BadValue, what);
        let kind = node.attribute("type").unwrap_or_default().trim();
        let param = node.attribute("param").unwrap_or_default().trim();
        if param.len() > LONGEST || param.chars().any(char::is_control) {
            return Err(bad(format!(
                "param of {} is too long or has line breaks in it: left out",
                schema::shown(kind)
            )));
        }
        let needed = |what: &str| match param.is_empty() {
            true => Err(bad(format!("{kind} needs {what} in param: left out"))),
            false => Ok(param.to_owned()),
        };
        let action = match kind.to_ascii_lowercase().as_str() {
            "replace" => Action::Replace(param.to_owned()),
            "prepend" => Action::Prepend(needed("what to put in front")?),
            "append" => Action::Append(needed("what to put behind")?),
            "continue" => Action::Continue,
            "recordcall" => {
                self.find(node, "rule/action", FindingKind::NotYet, "recordCall is accepted, not yet in effect");
                Action::RecordCall
            }
            "dialout" => Action::DialOut(needed("the account")?),
            "confirm" | "drop" => {
                let message = format!("{kind} has no meaning in the reference: it does nothing");
                self.find(node, "rule/action", FindingKind::NotApplicable, message);
                if kind.eq_ignore_ascii_case("confirm") { Action::Confirm } else { Action::Drop }
            }
            "callthrough" => Action::CallThrough,
            "overridedialaction" => match DialAction::from_word(param) {
                Some(action) => {
                    if matches!(action, DialAction::GsmCall | DialAction::Text) {
                        let message = format!("{} is nothing that a desk phone can do", action.word());
                        self.find(node, "rule/action", FindingKind::NotApplicable, message);
                    }
                    Action::OverrideDialAction(action)
                }
                None if self.is_programmed(param) => Action::OverrideProgrammed(param.to_owned()),
                None => {
                    let words = DialAction::ALL.map(DialAction::word).join(", ");
                    let message =
                        format!("overrideDialAction needs one of {words}, or an id of dialActions, in param: left out");
                    return Err(bad(message));
                }
            },
            "setheader" => {
                let (name, value) = param.split_once(':').unwrap_or((param, ""));
                let (name, value) = (name.trim(), one_line(&template::expand_text(value, self.document)));
                if !is_token(name) || value.is_empty() || value.len() > 1024 {
                    return Err(bad("setHeader needs Name: value in param: left out".into()));
                }
                if is_owned_header(name) {
                    return Err(bad(format!("{name} is written by the phone itself: left out")));
                }
                Action::SetHeader(name.to_owned(), value)
            }
            "rejectcall" => Action::RejectCall,
            "forwardcall" => {
                let target = needed("where to")?;
                let row = schema::row("forwardingNumber");
                match row.map(|row| schema::read(row, &target)) {
                    Some(Ok(usable)) if !usable.value.is_empty() => Action::ForwardCall(usable.value),
                    _ => {
                        return Err(bad(format!(
                            "forwardCall needs {} in param: left out",
                            Kind::DialString.expected()
                        )));
                    }
                }
            }
            "answerimmediately" => Action::AnswerImmediately,
            "" => return Err(bad("an action needs a type: left out".into())),
            _ => return Err((FindingKind::Unknown, format!("the action {} is not known, kept", schema::shown(kind)))),
        };
        let place = match action {
            Action::RejectCall | Action::ForwardCall(_) | Action::AnswerImmediately => Some(Direction::In),
            Action::DialOut(_)
            | Action::CallThrough
            | Action::OverrideDialAction(_)
            | Action::OverrideProgrammed(_)
            | Action::SetHeader(..) => Some(Direction::Out),
            _ => None,
        };
        match place {
            Some(Direction::In) if direction == Direction::Out => {
                Err(bad(format!("{kind} is for incoming calls (incomingRewriting, or direction=\"in\"): left out")))
            }
            Some(Direction::Out) if direction == Direction::In => {
                Err(bad(format!("{kind} is for calls that are made here: left out")))
            }
            _ => Ok(action),
        }
    }

    /// Whether the account has a dial action of this id.
    fn is_programmed(&self, id: &str) -> bool {
        let actions = self.document.node("dialActions").map(|list| list.children.as_slice()).unwrap_or_default();
        !id.is_empty() && actions.iter().any(|node| node.attribute("id").map(str::trim) == Some(id))
    }

    fn zone(&mut self, list: &Node) -> Option<Zone> {
        if let Some(name) = list.attribute("tz").map(str::trim).filter(|name| !name.is_empty()) {
            match Zone::named(name) {
                Some(zone) => return Some(zone),
                None => {
                    self.find_here(list, format!("tz {} is no time zone such as Europe/Berlin", schema::shown(name)));
                }
            }
        }
        let text = list.attribute("gmtOffsetInMinutes").map(str::trim).filter(|text| !text.is_empty())?;
        match whole("doNotDisturb@gmtOffsetInMinutes", text).and_then(Zone::fixed) {
            Some(zone) => Some(zone),
            None => {
                let shown = schema::shown(text);
                let message = format!("gmtOffsetInMinutes {shown} is not -1440 to 1440: the phone's own zone is used");
                self.find_here(list, message);
                None
            }
        }
    }

    fn find_here(&mut self, node: &Node, message: String) {
        self.findings.push(Finding::at(node, FindingKind::BadValue, message));
    }

    fn dnd_entry(&mut self, node: &Node, number: usize) -> Option<DndEntry> {
        let known = ["from", "to", "weekdays", "contacts", "enabled", "comment"];
        for child in node.children.iter().filter(|child| !known.contains(&child.name.as_str())) {
            let path = format!("dndEntry/{}", child.name);
            self.find(child, &path, FindingKind::Unknown, "not known, kept");
        }
        let child = |name: &str| node.children.iter().find(|child| child.name == name);
        let text = |name: &str| child(name).map(|child| child.text.trim()).unwrap_or_default();
        let mut wrong: Vec<(&'static str, &'static str)> = Vec::new();
        let mut time = |name: &'static str| {
            let time = TimeOfDay::parse(text(name));
            if time.is_none() {
                wrong.push((name, "must be a time of day, HH:MM"));
            }
            time
        };
        let (from, to) = (time("from"), time("to"));
        let weekdays =
            whole("doNotDisturb/dndEntry/weekdays", text("weekdays")).and_then(|mask| u8::try_from(mask).ok());
        if weekdays.is_none() {
            wrong.push(("weekdays", "must be 0 to 127, the sum of 1 Monday to 64 Sunday"));
        }
        for (name, what) in &wrong {
            let message = format!("{what}: the entry is not used");
            self.wrong(child(name).unwrap_or(node), &format!("dndEntry/{name}"), message);
        }
        let enabled = match text("enabled") {
            "" | "1" => true,
            word if word.eq_ignore_ascii_case("true") => true,
            "0" => false,
            word => {
                if !word.eq_ignore_ascii_case("false") {
                    let message = "is neither 0 nor 1: the entry is off";
                    self.wrong(child("enabled").unwrap_or(node), "dndEntry/enabled", message);
                }
                false
            }
        };
        let contacts = match child("contacts") {
            Some(list) => {
                let nodes = self.children(list, "dndEntry/contacts", "contactInfo");
                nodes.into_iter().map(|node| self.dnd_contact(node)).collect()
            }
            None => Vec::new(),
        };
        Some(DndEntry {
            from: from?,
            to: to?,
            weekdays: weekdays?,
            contacts,
            enabled,
            comment: one_line(text("comment")),
            number,
        })
    }

    /// A contact that cannot be used stays and matches nobody: without it the entry would be about everybody.
    fn dnd_contact(&mut self, node: &Node) -> DndContact {
        const PATH: &str = "dndEntry/contacts/contactInfo";
        let attribute = |name: &str| one_line(node.attribute(name).unwrap_or_default());
        let (identifier, source, phone) = (attribute("identifier"), attribute("source"), attribute("phone"));
        let identifier = (!identifier.is_empty() && !source.is_empty()).then(|| (identifier, source.clone()));
        match &identifier {
            Some(_) if ContactSource::from_word(&source).is_none() => {
                let message = format!("this phone has no book {}: it matches nobody", schema::shown(&source));
                self.find(node, PATH, FindingKind::NotApplicable, message);
            }
            Some(_) => {}
            None if bare(&phone).is_empty() => {
                self.wrong(node, PATH, "neither phone nor identifier and source: it matches nobody");
            }
            None => {}
        }
        DndContact { name: attribute("name"), phone, identifier }
    }
}

/// A whole number within the limits of this row.
fn whole(row: &str, text: &str) -> Option<i32> {
    let usable = schema::read(schema::row(row)?, text).ok()?;
    usable.value.parse().ok()
}

fn condition_of(node: &Node) -> Result<Condition, (FindingKind, String)> {
    let bad = |what: String| (FindingKind::BadValue, what);
    let kind = node.attribute("type").unwrap_or_default().trim();
    let param = node.attribute("param").unwrap_or_default().trim();
    if param.len() > LONGEST || param.chars().any(char::is_control) {
        return Err(bad(format!("param of {} is too long or has line breaks in it", schema::shown(kind))));
    }
    let text = || param.to_owned();
    let needed = |what: &str| match param.is_empty() {
        true => Err(bad(format!("{kind} needs {what} in param"))),
        false => Ok(param.to_owned()),
    };
    let length = || {
        let digits = !param.is_empty() && param.bytes().all(|byte| byte.is_ascii_digit());
        let number = if digits { param.parse::<usize>().ok().filter(|number| *number <= 255) } else { None };
        number.ok_or_else(|| bad(format!("{kind} needs a number 0 to 255 in param")))
    };
    let source = || {
        let words = ["ab", "dav", "qd", "ws", "google", "office365"];
        let word = words.into_iter().find(|word| word.eq_ignore_ascii_case(param));
        word.ok_or_else(|| bad(format!("{kind} needs one of {} in param", words.join(", "))))
    };
    Ok(match kind.to_ascii_lowercase().as_str() {
        "startswith" => Condition::StartsWith(text()),
        "doesntstartwith" => Condition::DoesntStartWith(text()),
        "equals" => Condition::Equals(text()),
        "lengthequals" => Condition::LengthEquals(length()?),
        "shorterthan" => Condition::ShorterThan(length()?),
        "longerthan" => Condition::LongerThan(length()?),
        "contains" => Condition::Contains(needed("what to look for")?),
        "isnumeric" => Condition::IsNumeric(!["0", "false"].contains(&param.to_ascii_lowercase().as_str())),
        "networktype" => {
            let words = ["wifi", "ethernet", "cellular", "any", "none"];
            let word = words.into_iter().find(|word| word.eq_ignore_ascii_case(param));
            Condition::NetworkType(
                word.ok_or_else(|| bad(format!("networkType needs one of {} in param", words.join(", "))))?,
            )
        }
        "ssid" => Condition::Ssid(needed("the name of the Wi-Fi network")?),
        "contactisfromsource" => Condition::ContactIsFromSource(source()?),
        "contactisnotfromsource" => Condition::ContactIsNotFromSource(source()?),
        "contactlabelmatches" => Condition::ContactLabelMatches(needed("a label")?),
        "contactlabeldoesnotmatch" => Condition::ContactLabelDoesNotMatch(needed("a label")?),
        "" => return Err(bad("a condition needs a type".into())),
        _ => return Err((FindingKind::Unknown, format!("the condition {} is not known", schema::shown(kind)))),
    })
}
