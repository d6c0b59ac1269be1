//! The rows of the report: on standard output, and between two markers of `docs/performance.md`.

use std::path::Path;
use std::sync::Mutex;

static ROWS: Mutex<Vec<Row>> = Mutex::new(Vec::new());

const BEGIN: &str = "<!-- bench: begin -->";
const END: &str = "<!-- bench: end -->";

/// One figure.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) goal: String,
    pub(crate) reached: String,
    /// `None`: there is no goal, or it could not be measured.
    pub(crate) met: Option<bool>,
}

impl Row {
    /// A figure that shall be at most `goal`.
    pub(crate) fn at_most(what: &str, goal: f64, reached: f64, unit: &str, note: &str) -> Self {
        let goal_text = format!("≤ {goal} {unit}");
        let note = if note.is_empty() { String::new() } else { format!(" ({note})") };
        let reached_text = format!("**{}{}{unit}**{note}", round(reached), if unit.is_empty() { "" } else { " " });
        Self { what: what.into(), goal: goal_text.trim_end().into(), reached: reached_text, met: Some(reached <= goal) }
    }

    /// A figure that explains others.
    pub(crate) fn besides(what: &str, reached: &str) -> Self {
        Self { what: what.into(), goal: String::new(), reached: reached.into(), met: None }
    }

    pub(crate) fn skipped(what: &str, goal: &str, why: &str) -> Self {
        Self { what: what.into(), goal: goal.into(), reached: format!("skipped: {}", in_a_cell(why)), met: None }
    }

    /// It should have been measured, and was not.
    pub(crate) fn failed(what: &str, goal: &str, why: &str) -> Self {
        let reached = format!("not measured: {}", in_a_cell(why));
        Self { what: what.into(), goal: goal.into(), reached, met: Some(false) }
    }

    fn verdict(&self) -> &'static str {
        match self.met {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "",
        }
    }
}

fn in_a_cell(text: &str) -> String {
    text.replace('\n', "; ").replace('|', "/")
}

/// Three significant digits.
pub(crate) fn round(value: f64) -> String {
    let digits = match value.abs() {
        value if value >= 100.0 => 0,
        value if value >= 10.0 => 1,
        value if value >= 0.1 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

/// Many measurements of one thing.
#[derive(Debug, Default)]
pub(crate) struct Sample(Vec<f64>);

impl Sample {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_by(f64::total_cmp);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The value that this share of the others do not exceed; 0 without any.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let last = self.0.len().saturating_sub(1) as f64;
        self.0.get((last * share).round() as usize).copied().unwrap_or(0.0)
    }

    pub(crate) fn median(&self) -> f64 {
        let n = self.0.len();
        if n > 0 && n.is_multiple_of(2) { f64::midpoint(self.0[n / 2 - 1], self.0[n / 2]) } else { self.quantile(0.5) }
    }

    /// Least and most.
    pub(crate) fn range(&self) -> String {
        format!("{} to {}", round(self.quantile(0.0)), round(self.quantile(1.0)))
    }
}

/// Shows a figure and keeps it for the table.
pub(crate) fn report(row: Row) {
    println!("{}", plain(&row));
    if let Ok(mut rows) = ROWS.lock() {
        rows.push(row);
    }
}

/// Every figure so far.
pub(crate) fn rows() -> Vec<Row> {
    ROWS.lock().map(|rows| rows.clone()).unwrap_or_default()
}

/// The table in Markdown.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut text = String::from("| figure | goal | reached | |\n|---|---|---|---|\n");
    for row in rows {
        text += &format!("| {} | {} | {} | {} |\n", row.what, row.goal, row.reached, row.verdict());
    }
    text
}

/// For a terminal.
fn plain(row: &Row) -> String {
    let clean = |text: &str| text.replace("**", "");
    let goal = if row.goal.is_empty() { String::new() } else { format!(" [goal {}]", row.goal) };
    let verdict = clean(row.verdict());
    format!("{:<64} {}{goal} {verdict}", row.what, clean(&row.reached)).trim_end().to_owned()
}

/// Puts the table where the page has it.
pub(crate) fn write(page: &Path, table: &str) -> Result<(), String> {
    let text = std::fs::read_to_string(page).map_err(|error| format!("{}: {error}", page.display()))?;
    let lost = || format!("{}: the lines {BEGIN} and {END} are not there", page.display());
    let (before, rest) = text.split_once(BEGIN).ok_or_else(lost)?;
    let (_, after) = rest.split_once(END).ok_or_else(lost)?;
    std::fs::write(page, format!("{before}{BEGIN}\n{table}{END}{after}"))
        .map_err(|error| format!("{}: {error}", page.display()))
}

/// Which machine, and when.
pub(crate) fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpu.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    // A Raspberry Pi says what board it is.
    let model = field("Model").or_else(|| field("model name")).unwrap_or_else(|| "unknown processor".into());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let said = |program: &str, arguments: &[&str]| {
        let output = std::process::Command::new(program).args(arguments).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    };
    let (kernel, date) = (said("uname", &["-sr"]), said("date", &["-u", "+%F"]));
    format!("Machine: {model}, {cores} cores, {}, {kernel}. {date}.", std::env::consts::ARCH)
}
