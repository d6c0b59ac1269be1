#!/usr/bin/env bash
# Buildroot calls this last: post-image.sh <images folder> <board>. Makes disk.img and update.raucb there, with the same
# functions, layout and environment as image/build.
set -euo pipefail
here=$(readlink -f "$(dirname "$0")/../image")
root=${here%/*}
images=$1
. "$here/lib/common.sh"
. "$here/lib/boot.sh"
. "$here/lib/disk.sh"
. "$here/lib/bundle.sh"
. "$root/buildroot/common.sh"
load_board "$2"
buildroot_facts

work=$(mktemp -d "$BUILD_DIR/offhook-image.XXXXXX")
trap 'rm -rf "$work"' EXIT

slot_kernel() {
    local folder=$work/slot-kernel
    mkdir -p "$folder"
    # U-Boot unpacks it; gzip is on every machine.
    gzip -n -9 -c "$images/Image" >"$folder/kernel"
    cp "$work/initrd" "$folder/initrd"
    printf 'arguments=%s gpt ro quiet panic=5 systemd.show_status=0%s\n' \
        "${CONSOLE:+console=$CONSOLE}" "${ARGUMENTS:+ $ARGUMENTS}" >"$folder/arguments"
    chmod 644 "$folder"/*
    fat "$work/kernel.img" "$KERNEL_SIZE" KERNEL "$folder"
}

# The firmware, the device trees and the overlays that were built here, U-Boot, our overlay.
boot_partition() {
    local folder=$work/boot name
    mkdir -p "$folder/offhook/accounts" "$folder/overlays"
    cp "$here/owner/README.txt" "$folder/offhook/README.txt"
    printf 'Account XML files in this folder, such as office.xml, are read at every start.\r\n' \
        >"$folder/offhook/accounts/README.txt"
    find "$images/rpi-firmware" -maxdepth 1 \( -name '*.elf' -o -name '*.dat' -o -name '*.bin' \) -exec cp {} "$folder/" \;
    cp "$images/rpi-firmware"/overlays/*.dtbo "$folder/overlays/"
    cp "$images"/bcm27*.dtb "$images/u-boot.bin" "$folder/"
    # The device trees have the names of the Raspberry Pi's kernel here, not those of the upstream one.
    { sed -e '/upstream_kernel/d' -e '/as the kernel names it/d' "$here/config.txt"; echo; cat "$root/board/$board/config.txt"; } >"$folder/config.txt"
    if [ -f "$root/board/$board/overlay.dts" ]; then
        name=$(sed -n 's/^dtoverlay=\(offhook-[^,]*\).*/\1/p' "$folder/config.txt" | head -1)
        [ -n "$name" ] || die "board/$board/config.txt loads no dtoverlay=offhook-..., but there is an overlay.dts"
        dtc -q -@ -I dts -O dtb -o "$folder/overlays/$name.dtbo" "$root/board/$board/overlay.dts"
    fi
    # As raspi() in image/lib/boot.sh; a test compares them.
    boot_script "$folder" 'scriptaddr_env 0x02500000' 'kernel_at 0x0c000000' 'initrd_at 0x0a000000' \
        'kernel_comp_addr_r 0x10000000' 'kernel_comp_size 0x4000000'
    sed -e '/^#/d' "$here/uboot.env" >"$work/uboot.env"
    mkenvimage -s 0x4000 -o "$folder/uboot.env" "$work/uboot.env"
    fat "$work/boot.img" "$BOOT_SIZE" BOOT "$folder"
}

update_keys
ln -s "$TARGET_DIR" "$work/root"
cp "$images/rootfs.squashfs" "$work/rootfs.squashfs"
size=$(stat -c %s "$work/rootfs.squashfs")
[ "$size" -le "$(bytes "$ROOT_SIZE")" ] || die "the root file system is larger than its partition ($ROOT_SIZE)"
make_initramfs
slot_kernel
boot_partition
make_env
make_data
make_disk
mv "$work/disk.img" "$images/disk.img"
make_bundle "$work/rootfs.squashfs" "$work/kernel.img" "$TARGET_DIR/etc/offhook-release" "$images/update.raucb"
