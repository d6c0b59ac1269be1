//! What Cargo cannot see about the shape of the workspace.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod buildroot;
mod cross;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::Command;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A check that needs something absent is named at the end of `./dev test`.
fn skipped(what: &str) {
    eprintln!("skipped: {what}");
    if let Some(path) = std::env::var_os("OFFHOOK_SKIPPED") {
        let file = std::fs::File::options().append(true).create(true).open(path);
        let _ = file.and_then(|mut file| writeln!(file, "{what}"));
    }
}

/// Who may depend on which of ours, at any distance (dev-dependencies aside).
fn allowed() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let table: [(&str, &[&str]); 15] = [
        ("offhook-sip", &[]),
        ("offhook-media", &[]),
        ("offhook-account", &[]),
        ("offhook-contacts", &[]),
        ("offhook-hal", &[]),
        ("offhook-board", &["hal"]),
        ("offhook-hal-linux", &["hal", "board"]),
        ("offhook-phone", &["sip", "media", "account", "contacts", "hal"]),
        ("offhook-api", &["phone", "sip", "media", "account", "contacts", "hal"]),
        ("offhook-tui", &["phone", "sip", "media", "account", "contacts", "hal"]),
        ("offhook-pbx", &["sip", "media", "account"]),
        ("offhook-net", &["sip", "account"]),
        (
            "offhookd",
            &["phone", "media", "api", "tui", "hal-linux", "board", "net", "sip", "account", "contacts", "hal"],
        ),
        ("offhook-lint", &["account"]),
        ("pbxd", &["pbx", "media", "net", "sip", "account"]),
    ];
    table.into_iter().map(|(name, of)| (name, of.iter().copied().collect())).collect()
}

/// Foreign crates that machines must never meet.
const DRIVERS_ONLY: [&str; 6] = ["tokio", "ureq", "hickory-resolver", "hyper", "alsa", "gpiocdev"];

fn tree(package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--no-dedupe", "--edges", "normal", "--prefix", "none", "-p", package])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split_whitespace().next()).skip(1).map(str::to_owned).collect()
}

#[test]
fn crates_depend_only_on_those_below_them() {
    for (package, of) in allowed() {
        for found in tree(package) {
            if let Some(ours) = found.strip_prefix("offhook-") {
                assert!(of.contains(ours), "{package} must not depend on {found}");
            }
        }
    }
}

#[test]
fn machines_know_no_runtime_no_socket_crate_and_no_device_crate() {
    for package in ["sip", "media", "account", "contacts", "hal", "board", "phone", "api", "tui", "pbx"] {
        let package = format!("offhook-{package}");
        let tree = tree(&package);
        for driver in DRIVERS_ONLY {
            assert!(!tree.contains(driver), "{package} must not depend on {driver}");
        }
    }
}

#[test]
fn every_machine_crate_forbids_clocks_threads_and_randomness_of_the_system() {
    for folder in [
        "firmware/sip",
        "firmware/media",
        "firmware/account",
        "firmware/contacts",
        "firmware/phone",
        "firmware/pbx",
        "firmware/api",
        "hal",
    ] {
        let path = root().join(folder).join(".clippy.toml");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for method in ["std::time::Instant::now", "std::time::SystemTime::now", "std::thread::spawn"] {
            assert!(text.contains(method), "{} does not disallow {method}", path.display());
        }
    }
}

#[test]
fn no_source_file_is_longer_than_a_thousand_lines() {
    let mut folders = vec![root().join("firmware"), root().join("hal"), root().join("board"), root().join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let lines = std::fs::read_to_string(&path).unwrap().lines().count();
                assert!(lines <= 1000, "{}: {lines} lines; look for the second idea in it", path.display());
            }
        }
    }
}
