//! `docs/control-api.md`, made from the tables.

use crate::function::{self, Does, Function, Returns};
use crate::parameter::{self, Effect};
use crate::status::{GENERAL_STATES, LINE_STATES};
use std::fmt::Write;

/// The page about the control API, in Markdown: the introduction written by hand, then every state, function and
/// parameter.
pub fn documentation() -> String {
    let mut page = String::from(include_str!("introduction.md"));
    states(&mut page);
    functions(&mut page);
    parameters(&mut page);
    page
}

fn states(page: &mut String) {
    page.push_str(
        "### States of a line\n\nThe number is that of `API_GetLineStatus`.\n\n| | state | meaning |\n|---|---|---|\n",
    );
    for (number, (word, meaning)) in LINE_STATES.iter().enumerate() {
        let _ = writeln!(page, "| {number} | `{word}` | {} |", used(meaning));
    }
    page.push_str("\n### General states\n\n| state | meaning |\n|---|---|\n");
    for (word, meaning) in GENERAL_STATES {
        let _ = writeln!(page, "| `{word}` | {} |", used(meaning));
    }
}

fn used(meaning: &'static str) -> &'static str {
    if meaning.is_empty() { "not sent by this version" } else { meaning }
}

fn functions(page: &mut String) {
    page.push_str(
        "\n## Functions\n\nMade from the table that dispatches them (`firmware/api/src/function.rs`); after a change there \
         run\n\n```\nUPDATE_DOCS=1 cargo test -p offhook-api documentation\n```\n",
    );
    type Choice = fn(&Does) -> bool;
    let groups: [(&str, Choice); 3] = [
        ("There", |does| matches!(does, Does::Act(_))),
        ("Not part of this version", |does| matches!(does, Does::NotYet)),
        ("Not applicable on this device", |does| matches!(does, Does::NotApplicable(_))),
    ];
    for (title, belongs) in groups {
        let _ = write!(page, "\n### {title}\n\n| function | answers | meaning | row |\n|---|---|---|---|\n");
        for function in function::all().iter().filter(|function| belongs(&function.does)) {
            let returns = match function.returns {
                Returns::Bool => "OK or ERROR",
                Returns::Number => "number",
                Returns::Text => "text",
            };
            let why = match function.does {
                Does::NotApplicable(why) => format!(" Here {why}."),
                _ => String::new(),
            };
            let row = if function.id.is_empty() { "this phone's own" } else { function.id };
            let _ = writeln!(page, "| `{}` | {returns} | {}{why} | {row} |", signature(function), function.meaning);
        }
    }
}

/// `API_Hold,line,hold`
fn signature(function: &Function) -> String {
    let names = function.parameters.iter().map(|parameter| parameter.name);
    [function.name].into_iter().chain(names).collect::<Vec<_>>().join(",")
}

fn parameters(page: &mut String) {
    page.push_str(
        "\n## Parameters\n\nFor `API_SetParameter` and `API_SetParameters`. What is kept is given back by \
         `API_GetParameter` on the same connection and answered `OK`, with an `EVENT,WARNING` that says so. An N in a name \
         stands for 2 to 99. Besides these, every node of the [Account XML](account-xml.md) can be set by its own \
         name.\n\n| parameter | effect | meaning | row |\n|---|---|---|---|\n",
    );
    for parameter in parameter::all() {
        let names: Vec<String> = parameter.names.iter().map(|name| format!("`{name}`")).collect();
        let effect = match &parameter.effect {
            Effect::Credential(_) => "acts: main account".into(),
            Effect::Node { nodes, .. } => {
                let nodes: Vec<String> = nodes.iter().map(|node| format!("`{node}`")).collect();
                format!("acts: {}", nodes.join(", "))
            }
            Effect::Volume(_) => "acts: volume".into(),
            Effect::Session(_) => "acts: this connection".into(),
            Effect::Fixed(how) => format!("kept; {how}"),
            Effect::Kept => "kept, not yet in effect".into(),
            Effect::NotApplicable => "kept, not applicable".to_owned(),
        };
        let _ = writeln!(page, "| {} | {effect} | {} | {} |", names.join(", "), parameter.meaning, parameter.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The one test that writes a file, when asked to.
    #[allow(clippy::disallowed_methods)]
    #[test]
    fn documentation_is_made_from_the_tables() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/control-api.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, documentation()).unwrap();
        }
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            kept == documentation(),
            "docs/control-api.md is stale: UPDATE_DOCS=1 cargo test -p offhook-api documentation"
        );
    }

    #[test]
    fn every_row_has_one_line_and_no_cell_breaks_the_table() {
        let page = documentation();
        for function in function::all() {
            assert_eq!(page.matches(&format!("| `{}` |", signature(function))).count(), 1, "{}", function.name);
        }
        // A pipe in a text would be one cell more.
        let rows =
            page.lines().filter(|line| line.starts_with("| `") && line.contains("ctl.") && !line.contains("ctl.ntf"));
        for line in rows {
            assert_eq!(line.matches('|').count(), 5, "{line}");
        }
    }
}
