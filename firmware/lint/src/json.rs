//! The verdict for programs. The values of an account have the shape of [`json_schema`](crate::json_schema).

use crate::ask::Answer;
use crate::effective::{Effective, effective};
use crate::{Checked, Status};
use offhook_account::document::Node;
use offhook_account::inspect::{Inspected, Mistake};
use offhook_account::schema::{self, Kind};
use serde_json::{Map, Value, json};

/// All files. `all`: with the defaults of what is not given.
pub fn report(checked: &[Checked], all: bool) -> Value {
    let files: Vec<Value> = checked
        .iter()
        .map(|checked| {
            let accepted = checked.inspection.accepted();
            let accounts: Vec<Value> = match accepted {
                true => {
                    let accounts = checked.inspection.accounts.iter().enumerate();
                    let answers = |at: usize| checked.answers.get(at).map(Vec::as_slice).unwrap_or_default();
                    accounts.map(|(at, inspected)| account(inspected, all, answers(at))).collect()
                }
                false => Vec::new(),
            };
            json!({
                "file": checked.name,
                "accepted": accepted,
                "good": checked.status == Status::Good,
                "mistakes": checked.inspection.mistakes.iter().map(mistake).collect::<Vec<_>>(),
                "accounts": accounts,
            })
        })
        .collect();
    json!({ "files": files })
}

fn mistake(mistake: &Mistake) -> Value {
    json!({
        "line": mistake.line,
        "column": mistake.column,
        "node": mistake.node,
        "severity": mistake.severity.to_string(),
        "what": mistake.what,
        "remedy": mistake.remedy,
    })
}

fn account(inspected: &Inspected, all: bool, answers: &[Answer]) -> Value {
    let rows = effective(&inspected.document, &inspected.settings);
    let given: Vec<&str> = rows.iter().filter(|row| row.given).map(|row| row.row.node).collect();
    let answers: Vec<&Value> = answers.iter().map(|answer| &answer.json).collect();
    let values = values(inspected, all);
    json!({ "title": inspected.settings.title, "given": given, "values": values, "answers": answers })
}

/// The values of one account; what has no value is left out.
pub fn values(inspected: &Inspected, all: bool) -> Value {
    let document = inspected.document.without_secrets();
    let mut values = Map::new();
    for effective in effective(&inspected.document, &inspected.settings) {
        if !effective.given && !all {
            continue;
        }
        let value = match effective.row.kind {
            Kind::Container => document.node(effective.row.node).map(tree),
            _ => value(&effective),
        };
        if let Some(value) = value {
            values.insert(effective.row.node.to_owned(), value);
        }
    }
    for node in document.nodes.iter().filter(|node| schema::row(&node.name).is_none()) {
        values.entry(&node.name).or_insert_with(|| tree(node));
    }
    Value::Object(values)
}

fn value(effective: &Effective) -> Option<Value> {
    let text = effective.value.as_str();
    if text.is_empty() && !matches!(effective.row.kind, Kind::Choice(choices) if choices.contains(&"")) {
        return None;
    }
    Some(match effective.row.kind {
        Kind::Bool => json!(text == "1"),
        Kind::Integer { .. } => json!(text.parse::<i64>().ok()?),
        Kind::List(_) => json!(text.split(',').collect::<Vec<_>>()),
        _ => json!(text),
    })
}

/// An element with others in it: attributes as `@name`, its text as `#text`, children by name in lists.
fn tree(node: &Node) -> Value {
    let mut object = Map::new();
    for (name, value) in &node.attributes {
        object.insert(format!("@{name}"), json!(value));
    }
    if !node.text.trim().is_empty() {
        object.insert("#text".into(), json!(node.text.trim()));
    }
    for child in &node.children {
        if let Value::Array(list) = object.entry(&child.name).or_insert_with(|| json!([])) {
            list.push(tree(child));
        }
    }
    Value::Object(object)
}
