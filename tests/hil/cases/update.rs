//! Updates: one that is good, one that boots and is no phone, and those that must not be installed.

use super::office::{DIAL_TONE, Office, figure};
use crate::boards::Kind;
use crate::case::{Case, Outcome, find, skip};
use crate::hand::Hand;
use crate::{Entry, http, network, wait};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Newer than anything that is built by itself.
const NEWER: &str = "99.1";
const UNHEALTHY: &str = "99.2";
/// A system on trial gives up after so long here; a minute in a phone [s].
const TRIAL: &str = "20";

pub(super) fn cases() -> Vec<Entry> {
    let entry = |name, run, limit| Entry {
        name,
        run,
        boards: &Kind::ALL,
        needs: &[],
        alone: false,
        limit: Duration::from_secs(limit),
    };
    vec![
        entry("updates_itself", updates_itself, 600),
        // an emulated processor takes two minutes for each of four starts
        entry("comes_back_from_what_is_no_phone", comes_back, 1200),
    ]
}

/// Bundles of a board, made once for all cases; what they are made of has the image's own version.
pub(super) struct Bundles {
    folder: PathBuf,
}

impl Bundles {
    /// Makes those that are not there, by `image/bundle`.
    pub(super) fn make(kind: Kind) -> Outcome<Self> {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = kind.image().join("updates");
        let release = read(&kind.image().join("release.json"))?;
        let stamp = folder.join("of");
        if std::fs::read(&stamp).ok() != Some(release.clone()) {
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
            build(kind, NEWER, None, &folder.join("newer"))?;
            let overlay = folder.join("overlay");
            let put = |path: &str, text: String| {
                let path = overlay.join(path);
                std::fs::create_dir_all(path.parent().unwrap_or(&overlay)).map_err(|error| error.to_string())?;
                std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
            };
            // It boots, and its phone looks for a sound card that no board has.
            put(
                "usr/share/offhook/board/arguments",
                format!("--board {}\n--audio plughw:CARD=NoSuchCard\n", kind.name()),
            )?;
            let confirm =
                String::from_utf8_lossy(&read(&root().join("image/root/usr/lib/offhook/confirm"))?).into_owned();
            let shorter: String = confirm
                .lines()
                .map(|line| {
                    if line.starts_with("patience_s=") { format!("patience_s={TRIAL}\n") } else { format!("{line}\n") }
                })
                .collect();
            wait::ensure(shorter != confirm, || {
                "image/root/usr/lib/offhook/confirm has no patience_s= of its own".to_owned()
            })?;
            put("usr/lib/offhook/confirm", shorter)?;
            executable(&overlay.join("usr/lib/offhook/confirm"))?;
            build(kind, UNHEALTHY, Some(&overlay), &folder.join("unhealthy"))?;
            std::fs::write(&stamp, release).map_err(|error| error.to_string())?;
        }
        Ok(Self { folder })
    }

    pub(super) fn newer(&self) -> Outcome<Vec<u8>> {
        read(&self.folder.join("newer/update.raucb"))
    }

    fn unhealthy(&self) -> Outcome<Vec<u8>> {
        read(&self.folder.join("unhealthy/update.raucb"))
    }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn read(path: &Path) -> Outcome<Vec<u8>> {
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn executable(path: &Path) -> Outcome {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).map_err(|error| error.to_string())
}

fn build(kind: Kind, version: &str, overlay: Option<&Path>, out: &Path) -> Outcome {
    std::fs::create_dir_all(out).map_err(|error| error.to_string())?;
    let mut command = Command::new(root().join("image/bundle"));
    command.arg(kind.name()).arg(out.join("update.raucb")).args(["--version", version]);
    command.arg("--from").arg(kind.image().join("update.raucb"));
    if let Some(overlay) = overlay {
        command.arg("--overlay").arg(overlay);
    }
    let output = command.output().map_err(|error| format!("image/bundle: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    wait::ensure(output.status.success(), || {
        format!("image/bundle {} --version {version}: {}", kind.name(), said.trim())
    })
}

/// A bundle of a version with next to nothing inside, signed by `cert` and `key`: for what is refused before it is written.
fn small(case: &Case, kind: Kind, version: &str, cert: &Path, key: &Path) -> Outcome<Vec<u8>> {
    let rauc = find("rauc").ok_or_else(|| skip("no rauc here; apt install rauc"))?;
    let folder = case.path(format!("bundle-{version}-{}", key.file_name().unwrap_or_default().to_string_lossy()));
    let text = |error: std::io::Error| error.to_string();
    std::fs::create_dir_all(&folder).map_err(text)?;
    let compatible = format!("offhook-{}", kind.name());
    let manifest = format!(
        "[update]\ncompatible={compatible}\nversion={version}\n\n[bundle]\nformat=verity\n\n[image.rootfs]\nfilename=rootfs.img\n\n\
         [image.kernel]\nfilename=kernel.img\n"
    );
    let release = format!("NAME=Offhook\nVERSION={version}\nBOARD={}\nCOMPATIBLE={compatible}\n", kind.name());
    for (name, contents) in [
        ("manifest.raucm", manifest.into_bytes()),
        ("offhook-release", release.into_bytes()),
        ("rootfs.img", noise(7)),
        ("kernel.img", noise(8)),
    ] {
        std::fs::write(folder.join(name), contents).map_err(text)?;
    }
    let out = folder.with_extension("raucb");
    let mut command = Command::new(rauc);
    command.arg(format!("--cert={}", cert.display())).arg(format!("--key={}", key.display()));
    let output = command.arg("bundle").arg(&folder).arg(&out).output().map_err(text)?;
    wait::ensure(output.status.success(), || format!("rauc bundle: {}", String::from_utf8_lossy(&output.stderr)))?;
    read(&out)
}

/// What does not shrink when it is packed: a bundle must have some size.
fn noise(seed: u32) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..64 * 1024).map(|_| next()).collect()
}

/// Somebody else's key, with a certificate that he signed himself.
fn stranger(case: &Case) -> Outcome<(PathBuf, PathBuf)> {
    let (cert, key) = (case.path("stranger.cert.pem"), case.path("stranger.key.pem"));
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]);
    command.args(["-subj", "/O=Stranger/CN=Stranger"]).arg("-keyout").arg(&key).arg("-out").arg(&cert);
    let output = command.output().map_err(|error| skip(&format!("openssl: {error}; apt install openssl")))?;
    wait::ensure(output.status.success(), || format!("openssl: {}", String::from_utf8_lossy(&output.stderr)))?;
    Ok((cert, key))
}

/// What `offhook-update` said, and whether it agreed.
fn update(hand: &mut Hand, url: &str) -> Outcome<(bool, String)> {
    let (status, out, err) = hand.try_run(&format!("offhook-update --no-reboot {url}"), 400)?;
    Ok((status == Some(0), out + &err))
}

/// Version and slot that run.
fn running(hand: &mut Hand) -> Outcome<(String, String)> {
    let version = hand.run("sed -n 's/^VERSION=//p' /etc/offhook-release", 20)?.trim().to_owned();
    let slot = hand.run("sed -n 's/.*rauc.slot=\\([AB]\\).*/\\1/p' /proc/cmdline", 20)?.trim().to_owned();
    Ok((version, slot))
}

/// Covers: feat.96
fn updates_itself(case: &Case, kind: Kind) -> Outcome {
    let bundles = Bundles::make(kind)?;
    let mut office = Office::open(case, kind)?;
    let (first, slot) = running(&mut office.hand)?;
    wait::ensure(slot == "A", || format!("a new board runs slot {slot}"))?;

    // What is refused, each with its reason; the running system is not touched.
    let server = http::serve_on(network::rig(), bundles.newer()?)?;
    let url = server.url("update.raucb");
    let keys = root().join("target/image/keys");
    let (cert, key) = (keys.join("development.cert.pem"), keys.join("development.key.pem"));
    let (other_cert, other_key) = stranger(case)?;
    server.give(200, small(case, kind, "98.0", &other_cert, &other_key)?);
    let (agreed, said) = update(&mut office.hand, &url)?;
    wait::ensure(!agreed && said.contains("signature"), || {
        format!("signed by a stranger: agreed {agreed}, said {said}")
    })?;
    if cert.is_file() {
        server.give(200, small(case, kind, "0.0.1", &cert, &key)?);
        let (agreed, said) = update(&mut office.hand, &url)?;
        let why = office.hand.run("journalctl -u rauc --no-pager -o cat", 20)?;
        wait::ensure(!agreed && (said.contains("older") || why.contains("older")), || {
            format!("an older version: agreed {agreed}, said {said}; {why}")
        })?;
    }
    let mut damaged = bundles.newer()?;
    let middle = damaged.len() / 2;
    damaged.iter_mut().skip(middle).take(4096).for_each(|octet| *octet ^= 0x55);
    server.give(200, damaged);
    let (agreed, said) = update(&mut office.hand, &url)?;
    wait::ensure(!agreed, || format!("a damaged bundle was installed: {said}"))?;

    // What is good.
    server.give(200, bundles.newer()?);
    let begin = Instant::now();
    let (agreed, said) = update(&mut office.hand, &url)?;
    wait::ensure(agreed, || format!("the update was refused: {said}"))?;
    let installed = begin.elapsed().as_secs_f64();
    restart(&mut office)?;
    let (version, slot) = running(&mut office.hand)?;
    wait::ensure((version.as_str(), slot.as_str()) == (NEWER, "B"), || format!("{version} runs in slot {slot}"))?;
    confirmed(&mut office)?;
    figure(
        kind,
        &format!(
            "update from {first} installed in {installed:.0} s, confirmed in slot B {:.0} s after it was asked for",
            begin.elapsed().as_secs_f64()
        ),
    );

    Ok(())
}

/// What boots and is no phone: three tries, and back by itself.
///
/// Covers: feat.96
fn comes_back(case: &Case, kind: Kind) -> Outcome {
    let bundles = Bundles::make(kind)?;
    let mut office = Office::open(case, kind)?;
    let (first, home) = running(&mut office.hand)?;
    let server = http::serve_on(network::rig(), bundles.unhealthy()?)?;
    let (agreed, said) = update(&mut office.hand, &server.url("update.raucb"))?;
    wait::ensure(agreed, || format!("the unhealthy update was refused: {said}"))?;
    let (begin, starts, before) = (Instant::now(), office.board.starts()?, office.registrations());
    office.hand.ask("reboot")?;
    for tries in 0..5 {
        office.hand = office.board.wait_for_restart(starts + tries)?;
        let (version, slot) = running(&mut office.hand)?;
        crate::say(&format!("  {}: start {} is {version} in slot {slot}", kind.name(), tries + 1));
        if version == first {
            wait::ensure(tries > 0, || "the unhealthy update was never started".to_owned())?;
            wait::ensure(slot == home, || format!("{version} runs in slot {slot}"))?;
            office.wait_registrations(before + 1)?;
            let lifted = office.hand.lift()?;
            office.hand.hear(DIAL_TONE, lifted, 10)?;
            figure(
                kind,
                &format!(
                    "an update that is no phone: back by itself after {tries} tries, {:.0} s",
                    begin.elapsed().as_secs_f64()
                ),
            );
            return Ok(());
        }
        wait::ensure(version == UNHEALTHY, || format!("{version} runs, which nobody installed"))?;
    }
    Err("five starts, and the old version is not back".into())
}

/// Starts the board again and waits until it is registered.
fn restart(office: &mut Office) -> Outcome {
    let (starts, before) = (office.board.starts()?, office.registrations());
    office.hand.ask("reboot")?;
    office.hand = office.board.wait_for_restart(starts)?;
    office.wait_registrations(before + 1)
}

/// Waits until the running slot is no longer on trial.
fn confirmed(office: &mut Office) -> Outcome {
    let patience = office.board.kind.patience();
    wait::until(
        patience,
        || {
            let (_, trial, _) = office.hand.try_run("fw_printenv -n TRIAL 2>/dev/null", 20)?;
            let done = office.hand.try_run("systemctl is-active offhook-confirm.service", 20)?.0 == Some(0);
            std::thread::sleep(Duration::from_millis(300));
            Ok((trial.trim().is_empty() && done).then_some(()))
        },
        || "the update is not confirmed".to_owned(),
    )
}
