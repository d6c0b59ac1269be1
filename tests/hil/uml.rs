//! The board `uml`: Linux as a program of this machine. It has no boot loader, so the rig does here what `image/boot.cmd` does
//! on the others: choose a slot, count the attempt, start its kernel.

use crate::case::Outcome;
use crate::disk::Disk;
use crate::env::Env;
use crate::network::{MAC, TAP};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Attempts that a slot gets anew when no slot has any left.
const ATTEMPTS: u32 = 3;
/// Resets before the rig says that no slot holds anything to start.
const RESETS: usize = 8;

/// Chooses the slot: the first of BOOT_ORDER with attempts left loses one. With none left all get their attempts back,
/// because a phone that tries again beats one that is dead.
pub(crate) fn choose_slot(env: &mut Env) -> String {
    let order = env.get("BOOT_ORDER").unwrap_or("A B").to_owned();
    for slot in ["A", "B"] {
        if env.get(&format!("BOOT_{slot}_LEFT")).is_none() {
            env.set_left(slot, ATTEMPTS);
        }
    }
    loop {
        if let Some(slot) = order.split_whitespace().find(|slot| ["A", "B"].contains(slot) && env.left(slot) > 0) {
            env.set_left(slot, env.left(slot) - 1);
            return slot.to_owned();
        }
        ["A", "B"].into_iter().for_each(|slot| env.set_left(slot, ATTEMPTS));
        if !order.contains(['A', 'B']) {
            return choose_slot(&mut Env::default());
        }
    }
}

/// From reset to Linux. `scratch` is a folder for what is started.
pub(crate) fn command(scratch: &Path, disk: &Disk) -> Outcome<Command> {
    let mut trouble = String::new();
    for _ in 0..RESETS {
        // A damaged environment is as good as none, to a boot loader.
        let mut env = Env::read(disk).unwrap_or_default();
        let slot = choose_slot(&mut env);
        env.write(disk)?;
        match start(scratch, disk, &slot) {
            Ok(command) => return Ok(command),
            Err(why) => trouble = why,
        }
    }
    Err(format!("no slot starts: {trouble}"))
}

fn start(scratch: &Path, disk: &Disk, slot: &str) -> Outcome<Command> {
    let partition = format!("kernel-{}", slot.to_lowercase());
    let take = |name: &str| {
        let path = scratch.join(format!("{name}-{slot}"));
        // A process of the board without power may still be about to end, and nobody writes to what runs.
        let _ = std::fs::remove_file(&path);
        disk.take(&partition, name, &path).map(|()| path)
    };
    let (kernel, initrd) = (take("kernel")?, take("initrd")?);
    let text = |error: std::io::Error| error.to_string();
    let arguments = std::fs::read_to_string(take("arguments")?).map_err(text)?;
    let arguments = arguments.lines().find_map(|line| line.strip_prefix("arguments=")).ok_or("no arguments=")?;
    std::fs::set_permissions(&kernel, std::fs::Permissions::from_mode(0o755)).map_err(text)?;
    let mut command = Command::new(&kernel);
    // It keeps the board's memory in a file.
    command.env("TMPDIR", "/dev/shm").arg("mem=384M").arg(format!("initrd={}", initrd.display()));
    command.arg(format!("ubd0={}", disk.path().display()));
    command.arg(format!("vec0:transport=tap,ifname={TAP},mac={MAC},depth=64,gro=0"));
    // Standard output is the serial line; `noreboot` ends the program, so that the next start chooses its slot again.
    command.args(["con=null", "con0=null,fd:1", "ssl=null", "noreboot"]).arg(format!("uml_dir={}/", scratch.display()));
    command.args(arguments.split_whitespace()).arg(format!("rauc.slot={slot}"));
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(order: &str, a: &str, b: &str) -> Env {
        let mut env = Env::default();
        env.set("BOOT_ORDER", order);
        env.set("BOOT_A_LEFT", a);
        env.set("BOOT_B_LEFT", b);
        env
    }

    #[test]
    fn the_first_slot_with_attempts_loses_one() {
        let mut env = env("B A", "3", "2");
        assert_eq!(choose_slot(&mut env), "B");
        assert_eq!((env.left("A"), env.left("B")), (3, 1));
    }

    #[test]
    fn a_slot_without_attempts_is_passed_over() {
        assert_eq!(choose_slot(&mut env("B A", "1", "0")), "A");
    }

    #[test]
    fn with_no_attempts_left_all_begin_anew() {
        let mut env = env("A B", "0", "0");
        assert_eq!(choose_slot(&mut env), "A");
        assert_eq!((env.left("A"), env.left("B")), (2, 3));
    }

    #[test]
    fn a_lost_environment_starts_slot_a() {
        assert_eq!(choose_slot(&mut Env::default()), "A");
        assert_eq!(choose_slot(&mut env("", "0", "0")), "A");
    }
}
