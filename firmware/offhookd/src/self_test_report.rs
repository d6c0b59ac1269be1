//! The self-test on the command line: what is to be done goes to standard error, the result to standard output.

use offhook_phone::self_test::Verdict;
use offhook_phone::{SelfTestView, View};
use serde_json::json;
use std::io::Write;

/// Follows a test and reports its end.
#[derive(Debug)]
pub(crate) struct Report {
    json: bool,
    prompted: String,
    passed: Option<bool>,
}

impl Report {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, prompted: String::new(), passed: None }
    }

    /// `true`: the test is over and was reported.
    pub(crate) fn follow(&mut self, view: &View) -> bool {
        let Some(test) = &view.self_test else { return self.passed.is_some() };
        if let Some(prompt) = prompt(test).filter(|prompt| *prompt != self.prompted) {
            eprintln!("{prompt}");
            self.prompted = prompt;
        }
        if !test.finished {
            return false;
        }
        if self.passed.is_none() {
            self.passed = Some(test.passed());
            let text = if self.json { as_json(view, test) } else { as_text(test) };
            // A closed standard output does not change the verdict.
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        }
        true
    }

    pub(crate) fn passed(&self) -> bool {
        self.passed.unwrap_or(false)
    }
}

/// The result of a test that could not even begin.
pub(crate) fn failure(error: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!("{}\n", json!({ "finished": false, "passed": false, "error": error, "steps": [], "version": version }))
}

fn prompt(test: &SelfTestView) -> Option<String> {
    let running = test.steps.iter().find(|step| step.verdict == Verdict::Running)?;
    Some(format!("{}: {}", running.step.name(), running.text))
}

fn as_json(view: &View, test: &SelfTestView) -> String {
    let mut report = test.to_json();
    report["version"] = json!(view.version);
    report["hostname"] = json!(view.hostname);
    format!("{report}\n")
}

fn as_text(test: &SelfTestView) -> String {
    let mut lines: Vec<String> = test
        .steps
        .iter()
        .map(|step| format!("{:<8} {:<13} {}", step.verdict.name(), step.step.name(), step.text))
        .collect();
    let count = |verdict| test.steps.iter().filter(|step| step.verdict == verdict).count();
    lines.push(format!(
        "{} passed, {} failed, {} skipped\n",
        count(Verdict::Passed),
        count(Verdict::Failed),
        count(Verdict::Skipped)
    ));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use offhook_phone::self_test::{Step, StepView};

    fn view(verdict: Verdict, finished: bool) -> View {
        let step = |step, verdict, text: &str| StepView { step, verdict, text: text.into(), figures: json!(null) };
        let steps =
            vec![step(Step::Keys, Verdict::Skipped, "needs a person"), step(Step::Network, verdict, "10.0.2.15")];
        View { self_test: Some(SelfTestView { steps, finished }), version: "1.2.3".into(), ..View::default() }
    }

    #[test]
    fn result_is_one_line_of_json_with_the_version_or_a_table_with_a_closing_line() {
        let passed = view(Verdict::Passed, true);
        let Some(test) = &passed.self_test else { return };
        let text = as_json(&passed, test);
        assert!(text.contains("\"passed\":true") && text.contains("1.2.3") && text.trim_end().lines().count() == 1);
        let table = as_text(test);
        assert!(table.contains("skipped  keys          needs a person"), "{table}");
        assert!(table.ends_with("1 passed, 0 failed, 1 skipped\n"), "{table}");
    }

    #[test]
    fn report_ends_when_the_test_does_and_keeps_its_verdict_when_the_test_is_gone() {
        let mut report = Report::new(true);
        assert!(!report.follow(&view(Verdict::Running, false)) && !report.passed());
        assert!(report.follow(&view(Verdict::Failed, true)) && !report.passed());
        assert!(report.follow(&View::default()));
        let mut report = Report::new(false);
        assert!(report.follow(&view(Verdict::Passed, true)) && report.passed());
    }
}
