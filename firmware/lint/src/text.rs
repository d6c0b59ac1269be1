//! The verdict for people: one line a mistake, in the form that editors jump to, with the remedy below it.

use crate::ask::Answer;
use crate::effective::{Effective, effective};
use crate::{Checked, Status};
use offhook_account::inspect::{Inspected, Inspection, Mistake, Severity};
use offhook_account::schema::{self, Effect, Kind};
use std::fmt::Write;

/// Most characters of a value.
const WIDTH: usize = 100;

/// `all`: defaults too. `quiet`: mistakes and answers only.
pub fn report(checked: &Checked, all: bool, quiet: bool) -> String {
    let mut out = String::new();
    let name = printable(&checked.name);
    for mistake in &checked.inspection.mistakes {
        // What is merely not in effect is listed below by name.
        if mistake.severity == Severity::Note {
            continue;
        }
        let node = if mistake.node.is_empty() { String::new() } else { format!("{}: ", mistake.node) };
        let (line, column) = (mistake.line.max(1), mistake.column.max(1));
        let what = printable(&format!("{node}{}", mistake.what));
        let _ = writeln!(out, "{name}:{line}:{column}: {}: {what}", mistake.severity);
        if !mistake.remedy.is_empty() {
            let _ = writeln!(out, "    {}", printable(&mistake.remedy));
        }
    }
    if quiet {
        for (account, answers) in checked.inspection.accounts.iter().zip(&checked.answers) {
            // whose answers, where that is a question
            let title = match checked.answers.len() {
                0 | 1 => String::new(),
                _ => format!("{}: ", printable(&account.settings.title)),
            };
            answered(&mut out, answers, &title);
        }
        return out;
    }
    let count = |severity| checked.inspection.mistakes.iter().filter(|mistake| mistake.severity == severity).count();
    let refused = checked.status == Status::Refused;
    let verdict = if refused { "the phone would refuse this and stay as it is" } else { "accepted" };
    // "no mistakes" beside a refusal would be no help
    let tally = [(Severity::Mistake, "mistake"), (Severity::Warning, "warning")]
        .map(|(severity, word)| (count(severity), word))
        .into_iter()
        .filter(|(count, _)| *count > 0 || !refused)
        .map(|(count, word)| plural(count, word))
        .collect::<Vec<_>>()
        .join(", ");
    let behind = if tally.is_empty() { "" } else { "; " };
    let _ = writeln!(out, "{name}: {verdict}{behind}{tally}");
    if checked.inspection.accepted() {
        for (at, account) in checked.inspection.accounts.iter().enumerate() {
            out.push_str(&in_effect(account, all, &checked.inspection));
            if let Some(answers) = checked.answers.get(at) {
                answered(&mut out, answers, "  ");
            }
        }
    }
    out
}

fn in_effect(account: &Inspected, all: bool, inspection: &Inspection) -> String {
    let settings = &account.settings;
    let mut out = String::new();
    let title = printable(&format!("{} ({}@{})", settings.title, settings.username, settings.host));
    let _ = writeln!(out, "\n{title}\n  in effect:");
    let rows = effective(&account.document, settings);
    for effective in rows.iter().filter(|effective| effective.row.effect == Effect::Acts && (all || effective.given)) {
        let node = effective.row.node;
        let not_yet = |mistake: &Mistake| mistake.node == node && mistake.what.contains(Effect::NotYet.label());
        let note = match effective.given {
            false => "  (default)",
            // A value of a node that otherwise acts, such as a transport.
            true if inspection.mistakes.iter().any(not_yet) => "  (accepted, not yet in effect)",
            true => "",
        };
        let _ = writeln!(out, "    {:<28} {}{note}", node, shown(effective, account));
    }
    for (effect, title) in [
        (Effect::NotYet, "accepted, not yet in effect"),
        (Effect::NotApplicable, "kept, without a meaning on a desk phone"),
    ] {
        list(&mut out, title, rows.iter().filter(|e| e.given && e.row.effect == effect).map(|e| e.row.node));
    }
    let unknown = account.document.nodes.iter().map(|node| node.name.as_str());
    let options = ["opusOptions", "opusOptions3G"];
    list(&mut out, "unknown, kept", unknown.filter(|name| schema::row(name).is_none() && !options.contains(name)));
    out
}

fn answered(out: &mut String, answers: &[Answer], margin: &str) {
    for answer in answers {
        let _ = writeln!(out, "{margin}{}", printable(&answer.text));
    }
}

fn list<'a>(out: &mut String, title: &str, names: impl Iterator<Item = &'a str>) {
    let names: Vec<&str> = names.collect();
    if !names.is_empty() {
        let _ = writeln!(out, "  {title}: {}", names.join(", "));
    }
}

fn shown(effective: &Effective, account: &Inspected) -> String {
    if effective.row.kind == Kind::Container {
        let entries = account.document.node(effective.row.node).map_or(0, |node| node.children.len());
        return format!("({})", if entries == 1 { "1 entry".into() } else { format!("{entries} entries") });
    }
    let text = printable(&effective.value);
    match text.char_indices().nth(WIDTH) {
        Some((at, _)) => format!("{}...", text.get(..at).unwrap_or_default()),
        None => text,
    }
}

fn plural(count: usize, word: &str) -> String {
    match count {
        0 => format!("no {word}s"),
        1 => format!("1 {word}"),
        count => format!("{count} {word}s"),
    }
}

/// A document must not command the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
