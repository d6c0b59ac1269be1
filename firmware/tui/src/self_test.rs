//! The self-test, step by step, and the countdown of a factory reset.

use crate::bars::fit;
use offhook_phone::View;
use offhook_phone::self_test::{StepView, Verdict};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};

/// A test is under way.
pub(crate) fn runs(view: &View) -> bool {
    view.self_test.as_ref().is_some_and(|test| !test.finished)
}

pub(crate) fn draw(view: &View, area: Rect, frame: &mut Frame<'_>) {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let width = usize::from(area.width);
    let Some(test) = &view.self_test else {
        let lines = [
            Line::styled("Self-test", bold),
            Line::raw(""),
            Line::raw(" Keys, lamps, hook, sound, network,"),
            Line::raw(" provisioning, registration."),
            Line::raw(" Enter (OK) starts it."),
        ];
        return frame.render_widget(Paragraph::new(lines.to_vec()), area);
    };
    let title = match (test.finished, test.passed()) {
        (false, _) => "Self-test  (Enter: next, Esc: end)",
        (true, true) => "Self-test passed  (Esc puts it away)",
        (true, false) => "Self-test FAILED  (Esc puts it away)",
    };
    let mut lines = vec![Line::styled(fit(title, width), bold)];
    // Seven steps fit any screen; what is to be done has the rows that are left.
    lines.extend(test.steps.iter().map(|step| Line::raw(fit(&row(step), width))));
    let shown = test.steps.iter().find(|step| step.verdict == Verdict::Running);
    let shown = shown.or_else(|| test.steps.iter().find(|step| step.verdict == Verdict::Failed));
    if let Some(step) = shown {
        lines.push(Line::styled(fit(&step.text, width.saturating_mul(2)), bold));
    }
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), area);
}

fn row(step: &StepView) -> String {
    let sign = match step.verdict {
        Verdict::Waiting => " ",
        Verdict::Running => ">",
        Verdict::Passed => "+",
        Verdict::Failed => "!",
        Verdict::Skipped => "-",
    };
    let text = if step.verdict == Verdict::Running { "" } else { &step.text };
    format!("{sign} {:<12} {text}", step.step.name())
}

pub(crate) fn factory_reset(seconds: u8, area: Rect, frame: &mut Frame<'_>) {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let lines = if seconds == 0 {
        vec![Line::raw(""), Line::styled(" Factory reset", bold), Line::raw(""), Line::raw(" Everything is forgotten.")]
    } else {
        let count = format!(" Factory reset in {seconds} s");
        vec![
            Line::raw(""),
            Line::styled(count, bold),
            Line::raw(""),
            Line::raw(" Let go of the keys to keep everything."),
        ]
    };
    frame.render_widget(Paragraph::new(lines), area);
}
