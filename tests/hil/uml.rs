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
const ATTEMPTS: &str = "3";

/// Chooses the slot as `image/boot.cmd` does: the first of BOOT_ORDER with attempts left loses one; with none left all
/// slots get their attempts back, because a phone that tries again beats one that is dead.
pub(crate) fn choose_slot(env: &mut Env) -> Outcome<String> {
    let order = env.get("BOOT_ORDER").unwrap_or("A B").to_owned();
    let slots = || order.split_whitespace().filter(|slot| ["A", "B"].contains(slot));
    if slots().next().is_none() {
        return Err(format!("BOOT_ORDER={order} names no slot"));
    }
    if slots().all(|slot| env.left(slot) == 0) {
        slots().for_each(|slot| env.set(&format!("BOOT_{slot}_LEFT"), ATTEMPTS));
    }
    let slot = slots().find(|slot| env.left(slot) > 0).ok_or("no slot has attempts left")?.to_owned();
    let left = env.left(&slot) - 1;
    env.set(&format!("BOOT_{slot}_LEFT"), format!("{left:x}"));
    Ok(slot)
}

/// From reset to Linux. `scratch` is a folder for kernel and initramfs.
pub(crate) fn command(scratch: &Path, disk: &Disk) -> Outcome<Command> {
    let mut env = Env::read(disk)?;
    let slot = choose_slot(&mut env)?;
    env.write(disk)?;
    let (kernel, initrd) = (scratch.join(format!("linux-{slot}")), scratch.join(format!("initrd-{slot}")));
    let partition = format!("kernel-{}", slot.to_lowercase());
    disk.take(&partition, "linux", &kernel)?;
    disk.take(&partition, "initrd.img", &initrd)?;
    std::fs::set_permissions(&kernel, std::fs::Permissions::from_mode(0o755)).map_err(|error| error.to_string())?;
    let mut command = Command::new(&kernel);
    // It keeps the board's memory in a file.
    command.env("TMPDIR", "/dev/shm");
    command.arg("mem=384M").arg(format!("initrd={}", initrd.display()));
    command.arg(format!("ubd0={}", disk.path().display()));
    command.arg(format!("vec0:transport=tap,ifname={TAP},mac={MAC},depth=64,gro=0"));
    // Standard output is the serial line; `noreboot` ends the program, so that the next start chooses its slot again.
    command.args(["con=null", "con0=null,fd:1", "ssl=null", "console=tty0", "noreboot", "panic=5"]);
    command.arg(format!("rauc.slot={slot}"));
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
        assert_eq!(choose_slot(&mut env).as_deref(), Ok("B"));
        assert_eq!((env.left("A"), env.left("B")), (3, 1));
    }

    #[test]
    fn a_slot_without_attempts_is_passed_over() {
        assert_eq!(choose_slot(&mut env("B A", "1", "0")).as_deref(), Ok("A"));
    }

    #[test]
    fn with_no_attempts_left_all_begin_anew() {
        let mut env = env("A B", "0", "0");
        assert_eq!(choose_slot(&mut env).as_deref(), Ok("A"));
        assert_eq!((env.left("A"), env.left("B")), (2, 3));
    }
}
