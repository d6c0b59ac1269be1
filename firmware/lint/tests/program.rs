//! The program as a script sees it: exit status, output, and what it opens.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use rustix::fs::inotify;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const GOOD: &str = "<account><title>T</title><username>1</username><password/><host>h</host></account>";

fn run(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_offhook-lint"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that ends without reading is no failure of the test.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// Covers: feat.95
#[test]
fn the_exit_status_is_that_of_the_worst_file() {
    let status = |arguments: &[&str], input: &str| run(arguments, input).status.code().unwrap();
    let wrong = GOOD.replace("<host>", "<expires>1</expires><host>");
    let repaired = GOOD.replace("<host>", "<extProvUrl>https://h/?a&b</extProvUrl><host>");
    assert_eq!(status(&["-"], GOOD), 0);
    assert_eq!(status(&["-"], &wrong), 1);
    assert_eq!((status(&["-"], &repaired), status(&["--strict", "-"], &repaired)), (0, 1));
    assert_eq!(status(&["-"], "<account/>"), 2);
    for arguments in [&["/nowhere/account.xml"][..], &["--nonsense"], &[]] {
        let output = run(arguments, "");
        assert_eq!(output.status.code(), Some(3), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).starts_with("offhook-lint: "));
    }
    let folder = tempfile::tempdir().unwrap();
    let good = written(folder.path(), "good.xml", GOOD);
    let bad = written(folder.path(), "bad.xml", &wrong);
    let output = run(&["--quiet", good.to_str().unwrap(), bad.to_str().unwrap()], "");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.starts_with(&format!("{}:1:", bad.display())) && text.contains("mistake: expires"), "{text}");
}

#[test]
fn json_and_schema_are_json() {
    for (arguments, key) in [(&["--json", "--all", "-"][..], "files"), (&["--schema"], "properties")] {
        let output = run(arguments, GOOD);
        assert_eq!(output.status.code(), Some(0));
        let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(value.get(key).is_some());
    }
    let output = run(&["--json", "-"], GOOD);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["files"][0]["accounts"][0]["values"]["username"], "1");
    assert_eq!(value["files"][0]["good"], true);
}

#[test]
fn the_manual_page_names_every_option_of_the_help() {
    let page = include_str!("../offhook-lint.1").replace("\\-", "-");
    let help = String::from_utf8(run(&["--help"], "").stdout).unwrap();
    let options: Vec<&str> = help.split([' ', ',', '\n']).filter(|word| word.starts_with("--")).collect();
    assert!(options.len() >= 6, "{options:?}");
    for option in options {
        assert!(page.contains(option), "{option}");
    }
}

/// Nothing is opened by an external entity: a file that one names is watched by the kernel, and nobody knocks at the
/// address that another names.
#[test]
fn an_external_entity_opens_neither_a_file_nor_a_connection() {
    let folder = tempfile::tempdir().unwrap();
    let secret = written(folder.path(), "secret.txt", "hunter2");
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let address = server.local_addr().unwrap();
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC).unwrap();
    inotify::add_watch(&watch, &secret, inotify::WatchFlags::OPEN | inotify::WatchFlags::ACCESS).unwrap();
    let touched = || rustix::io::read(&watch, &mut [0_u8; 4096]).is_ok();

    for system in [format!("file://{}", secret.display()), secret.display().to_string(), format!("http://{address}/x")]
    {
        for declaration in [
            format!("<!DOCTYPE account [<!ENTITY x SYSTEM \"{system}\">]>"),
            format!("<!DOCTYPE account [<!ENTITY % x SYSTEM \"{system}\"> %x;]>"),
            format!("<!DOCTYPE account SYSTEM \"{system}\">"),
        ] {
            let text = format!("{declaration}{}", GOOD.replace("<title>T", "<title>&x;"));
            let output = run(&["--json", "-"], &text);
            assert_eq!(output.status.code(), Some(2), "{text}");
            assert!(!String::from_utf8_lossy(&output.stdout).contains("hunter2"));
        }
        let included = format!("<xi:include xmlns:xi=\"http://www.w3.org/2001/XInclude\" href=\"{system}\"/>");
        let output = run(&["--json", "-"], &GOOD.replace("<host>", &format!("{included}<host>")));
        assert!(!String::from_utf8_lossy(&output.stdout).contains("hunter2"));
    }
    assert!(!touched(), "the file was opened");
    assert_eq!(server.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "a connection was made");
    // That both would have been noticed:
    std::fs::read(&secret).unwrap();
    let _client = std::net::TcpStream::connect(address).unwrap();
    assert!(touched() && server.accept().is_ok());
}
