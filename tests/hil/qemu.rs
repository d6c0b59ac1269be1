//! The board `qemu-virt`: an arm64 machine of QEMU with U-Boot in its flash, the same code from reset to shutdown as on a
//! board of metal.

use crate::case::{Outcome, find};
use crate::disk::Disk;
use crate::network::{MAC, TAP};
use std::path::Path;
use std::process::Command;

/// More options for the emulator, such as `-smp 1 -icount shift=0`: a nanosecond of the board's time for each instruction.
const MORE: &str = "OFFHOOK_HIL_QEMU";

/// The emulator from reset on. `pieces` is the folder with U-Boot.
pub(crate) fn command(pieces: &Path, disk: &Disk) -> Outcome<Command> {
    let emulator = find("qemu-system-aarch64").ok_or("no qemu-system-aarch64 here; apt install qemu-system-arm")?;
    let mut command = Command::new(emulator);
    // Two of the four processors that a board has: with one, Opus in software leaves nothing to the hand that listens.
    command.args(["-machine", "virt", "-cpu", "cortex-a53", "-smp", "2", "-m", "512", "-nodefaults"]);
    command.arg("-bios").arg(pieces.join("u-boot.bin"));
    // `writeback`: what the board has flushed survives a power cut, what it has not may be lost.
    command.args(["-device", "virtio-blk-pci,drive=disk", "-drive"]);
    command.arg(format!("if=none,id=disk,format=raw,cache=writeback,file={}", disk.path().display()));
    command.arg("-netdev").arg(format!("tap,id=lan,ifname={TAP},script=no,downscript=no"));
    command.arg("-device").arg(format!("virtio-net-pci,netdev=lan,mac={MAC},romfile="));
    command.args(["-device", "virtio-rng-pci"]);
    // A watchdog that resets the machine as that of a Pi does.
    command.args(["-device", "i6300esb", "-action", "watchdog=reset"]);
    // As a board without a battery: the date must come from the network.
    command.args(["-rtc", "base=2001-01-01"]);
    command.args(["-display", "none", "-monitor", "none", "-serial", "stdio"]);
    if let Some(more) = std::env::var(MORE).ok().filter(|more| !more.trim().is_empty()) {
        command.args(more.split_whitespace());
    }
    Ok(command)
}
