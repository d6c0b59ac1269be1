//! Counts which rows of the specification tables a test names in its doc comment (`/// Covers: axml.nat.04, …`; `/// Accepts:`
//! for what is read, checked, kept and told as not yet in effect), and writes `docs/coverage.md`. Without `--write` it only says whether that page is up to date.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// One row of a table: id, name, who does it.
struct Row {
    id: String,
    name: String,
    verdict: String,
}

fn main() -> ExitCode {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let page = root.join("docs/coverage.md");
    let (text, strangers) = match report(root) {
        Ok(made) => made,
        Err(error) => {
            eprintln!("coverage: {error}");
            return ExitCode::FAILURE;
        }
    };
    for (id, place) in &strangers {
        eprintln!("coverage: {place} names {id}, which is in no table");
    }
    if !strangers.is_empty() {
        return ExitCode::FAILURE;
    }
    if std::env::args().any(|arg| arg == "--write") {
        return match std::fs::write(&page, text) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("coverage: {}: {error}", page.display());
                ExitCode::FAILURE
            }
        };
    }
    if std::fs::read_to_string(&page).is_ok_and(|old| old == text) {
        ExitCode::SUCCESS
    } else {
        eprintln!("coverage: docs/coverage.md is out of date; `./dev coverage` writes it");
        ExitCode::FAILURE
    }
}

/// The page, and ids that tests name but no table has.
fn report(root: &Path) -> Result<(String, Vec<(String, String)>), String> {
    let tables = tables(&root.join("tests/spec"))?;
    let known: BTreeSet<&str> = tables.iter().flat_map(|(_, rows)| rows.iter().map(|row| row.id.as_str())).collect();
    let mut covered: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut accepted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut strangers = Vec::new();
    for folder in ["firmware", "hal", "board", "tests"] {
        for file in sources(&root.join(folder)) {
            for (claim, id, test) in claims(&file)? {
                let place = file.strip_prefix(root).unwrap_or(&file).display().to_string();
                if known.contains(id.as_str()) {
                    let rows = if claim == Claim::Covers { &mut covered } else { &mut accepted };
                    rows.entry(id).or_default().insert(test);
                } else {
                    strangers.push((id, place));
                }
            }
        }
    }
    // what acts is more than accepted
    accepted.retain(|id, _| !covered.contains_key(id));
    let mut text = String::from(
        "# Coverage\n\nWhat of the specification tables is done: a row counts when a test names it in its doc comment \
         (`/// Covers: id`). What is accepted and does not act yet is read, checked, kept and reported as such, and a test shows that \
         (`/// Accepts: id`). Written by `./dev coverage`; CI refuses an outdated page.\n\n\
         | table | rows for the phone | done | accepted, not yet in effect | rows for the PBX | done | kept and reported | shown by a test |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for (name, rows) in &tables {
        let count = |of: &[&str]| {
            let rows = rows.iter().filter(|row| of.contains(&row.verdict.as_str()));
            let (all, done): (Vec<_>, Vec<_>) = rows.map(|row| (row, covered.contains_key(&row.id))).unzip();
            (all.len(), done.into_iter().filter(|done| *done).count())
        };
        let (phone, phone_done) = count(&["phone", "phone+pbx"]);
        let (pbx, pbx_done) = count(&["pbx"]);
        let waiting = rows.iter().filter(|row| accepted.contains_key(&row.id)).count();
        let (kept, kept_done) = count(&["keep+report"]);
        let _ = writeln!(
            text,
            "| {name} | {phone} | {phone_done} | {waiting} | {pbx} | {pbx_done} | {kept} | {kept_done} |"
        );
    }
    for (name, rows) in &tables {
        let _ = write!(text, "\n## {name}\n\n| row | what | done, shown by |\n|---|---|---|\n");
        for row in rows {
            let shown = match (covered.get(&row.id), accepted.get(&row.id)) {
                (Some(tests), _) => names(tests),
                (None, Some(tests)) => format!("accepted, not yet in effect: {}", names(tests)),
                (None, None) => format!("– ({})", row.verdict),
            };
            let _ = writeln!(text, "| {} | {} | {shown} |", row.id, row.name.replace('|', "\\|"));
        }
    }
    Ok((text, strangers))
}

fn names(tests: &BTreeSet<String>) -> String {
    let mut names: Vec<_> = tests.iter().take(3).map(|test| format!("`{test}`")).collect();
    if tests.len() > 3 {
        names.push(format!("and {} more", tests.len() - 3));
    }
    names.join(", ")
}

fn tables(folder: &Path) -> Result<Vec<(String, Vec<Row>)>, String> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(|error| format!("{}: {error}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "csv"))
        .collect();
    files.sort();
    let mut tables = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let rows = text.lines().skip(1).filter_map(|line| {
            let mut fields = line.splitn(3, ';');
            Some(Row { id: fields.next()?.into(), verdict: fields.next()?.into(), name: fields.next()?.into() })
        });
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        tables.push((name, rows.collect()));
    }
    Ok(tables)
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Claim {
    Covers,
    Accepts,
}

/// `Covers:` and `Accepts:` lines, and the name of the function after them.
fn claims(file: &Path) -> Result<Vec<(Claim, String, String)>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut claims = Vec::new();
    let mut waiting = Vec::new();
    let mut listing = None;
    for line in text.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("///") {
            let comment = comment.trim();
            let begins = [("Covers:", Claim::Covers), ("Accepts:", Claim::Accepts)]
                .into_iter()
                .find_map(|(word, claim)| Some((comment.strip_prefix(word)?, claim)));
            let (ids, claim) = match (begins, listing) {
                (Some(begins), _) => begins,
                // A long list goes on in the next line.
                (None, Some(claim)) => (comment, claim),
                (None, None) => continue,
            };
            listing = ids.trim_end().ends_with(',').then_some(claim);
            let ids = ids.split([',', ' ']).map(|id| id.trim_end_matches('.')).filter(|id| id.contains('.'));
            waiting.extend(ids.map(|id| (claim, id.to_owned())));
        } else {
            listing = None;
            let function = line.split("fn ").nth(1).filter(|_| line.starts_with("fn ") || line.contains(" fn "));
            if let Some(function) = function {
                let name: String = function.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                claims.extend(waiting.drain(..).map(|(claim, id)| (claim, id, name.clone())));
            }
        }
    }
    Ok(claims)
}
