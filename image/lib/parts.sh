# The parts of an image, for image/check: each function is a check and says what is wrong.

declare -A start size
partitions=()

# Where the partitions of the disk lie [octets].
read_table() {
    local name at length
    while read -r name at length; do
        partitions+=("$name"); start[$name]=$at; size[$name]=$length
    done < <(sfdisk -J "$1" | python3 -c '
import json, sys
for p in json.load(sys.stdin)["partitiontable"]["partitions"]:
    print(p["name"], p["start"] * 512, p["size"] * 512)')
    root_size_of_release=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["root"]["size"])' "$out/release.json")
}

take_partition() { dd if="$1" of="$3" bs=1M iflag=skip_bytes,count_bytes skip="${start[$2]}" count="${size[$2]}" conv=sparse status=none; }

fat_contents() { mcopy -Q -s -n -i "$1@@${start[$2]}" '::*' "$3/"; }

environment_is_fresh() {
    dd if="$disk" of="$work/env" bs=512 iflag=skip_bytes skip="${start[env]}" count=1 status=none
    python3 - "$work/env" <<'T'
import sys, zlib
data = open(sys.argv[1], "rb").read()
if int.from_bytes(data[:4], "little") != zlib.crc32(data[4:]):
    sys.exit("the checksum is wrong")
values = dict(v.split("=", 1) for v in data[4:].split(b"\0\0")[0].decode().split("\0"))
want = {"BOOT_ORDER": "A B", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "3"}
if values != want:
    sys.exit(f"it holds {values}")
T
    # The board's own tool reads it too.
    printf '%s 0x0 0x200\n' "$work/env" >"$work/fw_env.config"
    [ "$(fw_printenv -c "$work/fw_env.config" -n BOOT_ORDER)" = "A B" ]
}

data_is_clean() { take_partition "$disk" data "$work/data.img"; e2fsck -f -n "$work/data.img"; }

fat_is_clean() {
    local name
    for name; do take_partition "$disk" "$name" "$work/fat.img"; fsck.vfat -n "$work/fat.img" || return 1; done
}

cmp_slots() { cmp "$work/root-a.img" "$work/root-b.img" && diff -r "$work/kernel-a" "$work/kernel-b"; }

slot_is_complete() {
    local file
    for file in kernel initrd arguments; do [ -s "$1/$file" ] || { echo "no $file"; return 1; }; done
    grep -q '^arguments=.*gpt' "$1/arguments" || { echo "arguments: $(cat "$1/arguments")"; return 1; }
}

initramfs_is_complete() {
    local list file
    list=$(gzip -dc "$work/kernel-a/initrd" | cpio -t --quiet)
    for file in init bin/busybox bin/insmod modules/order; do grep -qx "$file" <<<"$list" || { echo "no $file"; return 1; }; done
    gzip -dc "$work/kernel-a/initrd" | cpio -i --quiet --to-stdout modules/order | while read -r file; do
        grep -qx "modules/$file" <<<"$list" || { echo "no $file"; return 1; }
    done
}

everything_is_roots() {
    local others; others=$(unsquashfs -q -n -lln "$work/root-a.img" | awk '$2 != "0/0" && NF > 3' | head -5)
    [ -z "$others" ] || { echo "$others"; return 1; }
}
nothing_is_setuid() { local found; found=$(find "$tree" -perm /6000 -type f); [ -z "$found" ] || { echo "$found"; return 1; }; }
no_passwords() { ! awk -F: '$2 !~ /^[!*]/' "$tree/etc/shadow" | grep . && ! awk -F: '$2 != "x"' "$tree/etc/passwd" | grep .; }
no_ssh_keys() { ! find "$tree" "$boot" -name 'authorized_keys*' -o -name '*_host_key*' | grep . && ! grep -rlE 'BEGIN [A-Z ]*PRIVATE KEY' "$tree/etc" "$boot"; }
no_getty() { ! find "$tree/usr/lib/systemd/system" "$tree/etc/systemd" -path '*.wants/*' \( -name '*getty*' -o -name 'debug-shell*' -o -name 'emergency*' \) | grep .; }

units_are_there() {
    local link bad=0
    while read -r link; do [ -e "$link" ] || { echo "${link#"$tree"}"; bad=1; }; done < <(find "$tree/usr/lib/systemd/system" -path '*.wants/*')
    local unit
    for unit in offhookd pbxd offhook-confirm offhook-setup systemd-networkd systemd-resolved systemd-timesyncd; do
        [ -n "$(find "$tree/usr/lib/systemd/system" -path "*.wants/$unit.service" -print -quit)" ] || { echo "$unit is not wanted"; bad=1; }
    done
    return $bad
}

libraries_are_there() {
    find "$tree/usr" -type f \( -perm /111 -o -name '*.so*' \) ! -name '*.ko' -print0 | { xargs -0 readelf -d 2>/dev/null || true; } |
        sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u | while read -r library; do
            [ -n "$(find "$tree/usr/lib" "$tree"/usr/lib64* -name "$library" -print -quit 2>/dev/null)" ] || { echo "no $library"; exit 1; }
        done
}

programs_are_there() {
    local program bad=0
    while read -r program; do
        [ -x "$tree$program" ] || { [ -L "$tree$program" ] && [ -x "$tree$(readlink "$tree$program")" ]; } || { echo "no $program"; bad=1; }
    done < <(cd "$tree/usr/lib/systemd/system" && for unit in *.wants/*.service offhook*.service; do
        sed -n 's/^Exec[A-Za-z]*=[-+!@:]*\(\/[^ ]*\).*/\1/p' "$unit"; done | sort -u)
    return $bad
}

phone_is_hardened() {
    local unit=$tree/usr/lib/systemd/system/offhookd.service line
    for line in Type=notify User=offhook NoNewPrivileges=yes ProtectSystem=strict CapabilityBoundingSet= Restart=always \
        DevicePolicy=closed MemoryDenyWriteExecute=yes; do
        grep -qx "$line" "$unit" || { echo "no $line"; return 1; }
    done
    grep -q '^WatchdogSec=' "$unit" && grep -q '^SystemCallFilter=@' "$unit"
}

release_is_complete() {
    local file=$tree/etc/offhook-release
    grep -qx NAME=Offhook "$file" && grep -qx "BOARD=$board" "$file" && grep -qx "COMPATIBLE=$compatible" "$file" &&
        grep -q '^VERSION=.' "$file" && grep -q '^BUILD=.' "$file" && [ -s "$tree$(sed -n 's/^SBOM=//p' "$file")" ]
}

sbom_is_complete() {
    python3 - "$tree/usr/share/offhook/sbom.spdx.json" <<'T'
import json, sys
document = json.load(open(sys.argv[1]))
purls = [r["referenceLocator"] for p in document["packages"] for r in p.get("externalRefs", [])]
for need in ("pkg:deb/debian/libc6@", "pkg:deb/debian/systemd@", "pkg:cargo/tokio@"):
    if not any(p.startswith(need) for p in purls):
        sys.exit(f"nothing begins with {need}")
ids = [p["SPDXID"] for p in document["packages"]]
if len(ids) != len(set(ids)):
    sys.exit("an SPDXID appears twice")
T
}

sums_match() {
    python3 - "$out" <<'T'
import hashlib, json, os, sys
for name, file in json.load(open(os.path.join(sys.argv[1], "release.json")))["files"].items():
    with open(os.path.join(sys.argv[1], name), "rb") as opened:
        if hashlib.file_digest(opened, "sha256").hexdigest() != file["sha256"]:
            sys.exit(f"{name} is another one")
T
}

nothing_of_the_hand() { ! find "$tree" \( -name '*offhook-hand*' -o -name '*gpio-sim*' -o -name 'offhook-contacts*' -o -name 'simulate' \) | grep .; }

modules_match() {
    local release; release=$(ls "$tree/usr/lib/modules")
    case $KERNEL_COMPRESSION in
        none) cp "$work/kernel-a/kernel" "$work/Image" ;;
        lz4) lz4 -dcf "$work/kernel-a/kernel" >"$work/Image" ;;
    esac
    grep -aq "Linux version $release " "$work/Image"
}

is_script() { mkimage -l "$boot/boot.scr" | grep -q 'Script'; }
firmware_is_there() {
    local file
    for file in $PI_FIRMWARE $DTBS u-boot.bin config.txt uboot.env boot.scr; do [ -s "$boot/$file" ] || { echo "no $file"; return 1; }; done
}
config_starts_uboot() { grep -qx kernel=u-boot.bin "$boot/config.txt" && grep -qx arm_64bit=1 "$boot/config.txt"; }
overlays_are_there() {
    local name
    for name in $(sed -n 's/^dtoverlay=\([^,]*\).*/\1/p' "$boot/config.txt"); do
        [ -s "$boot/overlays/$name.dtbo" ] || { echo "no overlays/$name.dtbo"; return 1; }
    done
}
overlays_apply() {
    local name tree_of_devices
    for name in $(sed -n 's/^dtoverlay=\([^,]*\).*/\1/p' "$boot/config.txt"); do
        for tree_of_devices in $DTBS; do
            fdtoverlay -i "$boot/$tree_of_devices" -o "$work/merged.dtb" "$boot/overlays/$name.dtbo" || return 1
        done
    done
}
hybrid_table() {
    python3 - "$disk" "${start[boot]}" <<'T'
import struct, sys
with open(sys.argv[1], "rb") as file:
    sector = file.read(512)
entries = [(sector[o + 4], struct.unpack_from("<I", sector, o + 8)[0] * 512) for o in range(446, 510, 16)]
if (0x0C, int(sys.argv[2])) not in entries or not any(kind == 0xEE for kind, _ in entries):
    sys.exit(f"the old table holds {entries}")
T
}

bundle_verifies() { rauc info --keyring="$tree/etc/rauc/keyring.pem" "$out/update.raucb"; }

bundle_is_ours() {
    local info version; info=$(rauc info --keyring="$out/keyring.pem" --output-format=shell "$out/update.raucb" 2>/dev/null)
    version=$(sed -n 's/^VERSION=//p' "$tree/etc/offhook-release")
    grep -q "^RAUC_MF_COMPATIBLE='$compatible'" <<<"$info" && grep -qF "RAUC_MF_VERSION='$version'" <<<"$info" || { echo "$info" | head -5; return 1; }
}

# extract <bundle> <into>: with the signature checked; rauc wants to make the folder itself.
extract() { rm -rf "$2"; rauc extract --keyring="$out/keyring.pem" "$1" "$2"; }

bundle_payload() {
    extract "$out/update.raucb" "$work/payload" || return 1
    cmp -n "$(stat -c %s "$work/payload/rootfs.img")" "$work/payload/rootfs.img" "$work/root-a.img" || return 1
    take_partition "$disk" kernel-a "$work/kernel-a.img"
    cmp -n "$(stat -c %s "$work/payload/kernel.img")" "$work/payload/kernel.img" "$work/kernel-a.img"
    cmp "$work/payload/offhook-release" "$tree/etc/offhook-release"
}

# One bit in the middle of the payload.
damaged_bundle_is_rejected() {
    cp "$out/update.raucb" "$work/damaged.raucb"
    python3 - "$work/damaged.raucb" <<'T'
import os, sys
with open(sys.argv[1], "r+b") as file:
    at = os.path.getsize(sys.argv[1]) // 2
    file.seek(at); octet = file.read(1)
    file.seek(at); file.write(bytes([octet[0] ^ 1]))
T
    ! extract "$work/damaged.raucb" "$work/damaged"
}

strangers_bundle_is_rejected() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=stranger \
        -keyout "$work/stranger.key" -out "$work/stranger.pem" >/dev/null 2>&1
    [ -d "$work/payload" ] || extract "$out/update.raucb" "$work/payload"
    rauc --cert="$work/stranger.pem" --key="$work/stranger.key" bundle "$work/payload" "$work/stranger.raucb" >/dev/null 2>&1 || return 1
    ! extract "$work/stranger.raucb" "$work/stranger"
}

# The handler that the phone runs, with a release file of another board.
foreign_bundle_is_refused() {
    mkdir -p "$work/foreign"
    sed 's/^COMPATIBLE=.*/COMPATIBLE=offhook-toaster/' "$tree/etc/offhook-release" >"$work/foreign/offhook-release"
    local script=$work/pre-install
    # As on the phone, but with this tree's files instead of the running system's.
    sed -e "s,/usr/lib/offhook/common,$work/common," "$tree/usr/lib/offhook/pre-install" >"$script"
    sed -e "s,/etc/offhook-release,$tree/etc/offhook-release," "$tree/usr/lib/offhook/common" >"$work/common"
    local output
    if output=$(RAUC_BUNDLE_MOUNT_POINT=$work/foreign sh "$script" 2>&1); then echo "it is accepted"; return 1; fi
    grep -q 'offhook-toaster' <<<"$output"
}
