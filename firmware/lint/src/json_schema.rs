//! The table as a JSON schema (draft 2020-12): what an account is, for programs that write or check one.
//!
//! A node is a property; what stands inside a node is `@attribute`, `#text`, or a list of elements by name.

use offhook_account::schema::{self, Kind, Row};
use serde_json::{Map, Value, json};

/// The schema of one account, as `offhook-lint --json` gives its values.
pub fn account() -> Value {
    let mut properties = Map::new();
    for row in crate::effective::rows() {
        let mut property = match row.kind {
            Kind::Container => element(row.node),
            kind => scalar(kind),
        };
        describe(&mut property, row);
        properties.insert(row.node.to_owned(), property);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Account XML",
        "description": "One account of an Offhook phone. Properties that are not named here are kept and have no effect.",
        "type": "object",
        "required": ["username", "host"],
        "properties": properties,
        "$defs": { "rule": rule() },
    })
}

fn describe(property: &mut Value, row: &Row) {
    let Value::Object(property) = property else { return };
    property.insert("description".into(), json!(row.meaning));
    property.insert("x-effect".into(), json!(row.effect.label()));
    property.insert("x-row".into(), json!(row.id));
    if let Some(default) = default(row) {
        property.insert("default".into(), default);
    }
}

fn default(row: &Row) -> Option<Value> {
    if row.default.is_empty() {
        return None;
    }
    Some(match row.kind {
        Kind::Bool => json!(row.default == "1"),
        Kind::Integer { .. } => json!(row.default.parse::<i64>().ok()?),
        Kind::List(_) => json!(row.default.split(',').collect::<Vec<_>>()),
        _ => json!(row.default),
    })
}

fn scalar(kind: Kind) -> Value {
    match kind {
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Choice(choices) => json!({ "type": "string", "enum": choices }),
        Kind::List(items) => {
            json!({ "type": "array", "items": { "enum": items }, "minItems": 1, "uniqueItems": true })
        }
        Kind::Secret => json!({ "type": "string", "writeOnly": true }),
        Kind::HostPort => {
            json!({ "type": "string", "pattern": r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?$" })
        }
        Kind::Url => json!({ "type": "string", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[^/\\s]" }),
        Kind::Text | Kind::DialString | Kind::Tone => json!({ "type": "string" }),
        Kind::Container => json!({ "type": "object" }),
    }
}

/// A node with others in it, from the rows whose path begins with it. Attributes and texts are strings here: they
/// are judged one by one, and one that is wrong is told with its place.
fn element(path: &str) -> Value {
    let mut properties = Map::new();
    if path.ends_with("ewriting") {
        properties.insert("rule".into(), json!({ "type": "array", "items": { "$ref": "#/$defs/rule" } }));
    }
    for row in schema::rows() {
        let Some(rest) = row.node.strip_prefix(path) else { continue };
        let mut string = json!({ "type": "string" });
        if let Some(attribute) = rest.strip_prefix('@') {
            describe(&mut string, row);
            properties.insert(format!("@{attribute}"), string);
        } else if let Some(child) = rest.strip_prefix('/').and_then(|rest| rest.split(['/', '@']).next()) {
            let whole = format!("{path}/{child}");
            if !properties.contains_key(child) {
                let mut items = element(&whole);
                if let Some(row) = schema::rows().iter().find(|row| row.node == whole) {
                    describe(&mut items, row);
                }
                properties.insert(child.to_owned(), json!({ "type": "array", "items": items }));
            }
        }
    }
    properties.insert("#text".into(), json!({ "type": "string" }));
    json!({ "type": "object", "properties": properties })
}

/// A rewriting rule: its conditions and actions are rows of their own.
fn rule() -> Value {
    let part = |kind: &str| {
        let words: Vec<Value> = schema::rows()
            .iter()
            .filter_map(|row| {
                let word = row.node.strip_prefix(kind)?.strip_prefix('[')?.strip_suffix(']')?;
                Some(json!({ "const": word, "description": row.meaning, "x-effect": row.effect.label(), "x-row": row.id }))
            })
            .collect();
        let one = json!({
            "type": "object",
            "properties": { "@type": { "type": "string", "examples": words }, "@param": { "type": "string" } },
        });
        let mut list = Map::new();
        list.insert(kind.to_owned(), json!({ "type": "array", "items": one }));
        json!({ "type": "array", "items": { "type": "object", "properties": list } })
    };
    let mut rule = json!({
        "type": "object",
        "properties": { "conditions": part("condition"), "actions": part("action") },
    });
    if let Some(row) = schema::row("rewriting/rule") {
        describe(&mut rule, row);
    }
    rule
}
