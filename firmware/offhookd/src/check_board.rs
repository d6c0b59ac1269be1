//! `--check-board`: the board in words, what the sound card agrees to, and what of the board this machine does not have.

use offhook_board::Board;
use offhook_board::check::{Finding, Severity, explain, missing};
use offhook_hal_linux::machine::machine;
use offhook_hal_linux::open_audio;
use serde_json::json;
use std::io::Write;

/// Prints it; `true`: nothing is missing.
pub(crate) fn run(board: &Board, as_json: bool) -> bool {
    let explained = explain(board);
    let findings = missing(board, &machine(board));
    // What does not open is among the findings.
    let sound = open_audio("", &board.audio).map(|audio| audio.facts()).unwrap_or_default();
    let complete = is_complete(&findings);
    let text = if as_json { json(board, &explained, &sound, &findings) } else { text(&explained, &sound, &findings) };
    // A closed standard output does not change what is missing.
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    complete
}

/// What may come later is not missing.
fn is_complete(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.severity != Severity::Error)
}

fn text(explained: &[String], sound: &[String], findings: &[Finding]) -> String {
    let mut lines = explained.to_vec();
    lines.extend(sound.iter().map(|fact| format!("sound: {fact}")));
    lines.push(String::new());
    lines.extend(findings.iter().map(ToString::to_string));
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    lines.push(format!("{} missing, {} warnings\n", count(Severity::Error), count(Severity::Warning)));
    lines.join("\n")
}

fn json(board: &Board, explained: &[String], sound: &[String], findings: &[Finding]) -> String {
    let findings_json: Vec<_> = findings
        .iter()
        .map(|finding| {
            let severity = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Note => "note",
            };
            json!({
                "severity": severity, "place": finding.place, "problem": finding.problem, "remedy": finding.remedy,
            })
        })
        .collect();
    let value = json!({
        "board": board.name, "model": board.model, "complete": is_complete(findings), "wiring": explained,
        "sound": sound, "findings": findings_json,
    });
    format!("{value}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(severity: Severity) -> Finding {
        Finding { severity, place: "[panel] chip".into(), problem: "no such chip".into(), remedy: "load it".into() }
    }

    #[test]
    fn only_what_the_phone_cannot_be_used_without_is_missing() {
        let (error, warning, note) = (finding(Severity::Error), finding(Severity::Warning), finding(Severity::Note));
        assert!(is_complete(&[warning.clone(), note.clone()]) && !is_complete(&[note.clone(), error.clone()]));
        let text = text(&["hook: line 17".into()], &["16000 Hz".into()], &[error, warning, note]);
        assert!(text.starts_with("hook: line 17\nsound: 16000 Hz\n\nmissing: [panel] chip: no such chip: load it\n"));
        assert!(text.ends_with("1 missing, 1 warnings\n"), "{text}");
    }

    #[test]
    fn json_is_one_line_with_place_problem_and_remedy() {
        let Ok(board) = crate::device::board("laptop") else { return };
        let text = json(&board, &[], &[], &[finding(Severity::Error)]);
        assert!(text.contains("\"complete\":false") && text.contains("\"remedy\":\"load it\""), "{text}");
        assert_eq!(text.lines().count(), 1);
    }
}
