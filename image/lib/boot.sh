# What starts the root file system: initramfs, the slot's kernel partition, the boot partition, the boot loader's environment.

make_initramfs() {
    local tree=$work/initramfs file module
    say "initramfs"
    mkdir -p "$tree"/{bin,dev,proc,sys,run,root,modules}
    install -m 755 "$work/root/usr/bin/busybox" "$tree/bin/busybox"
    install -m 755 "$here/initramfs/init" "$tree/init"
    local applet
    for applet in mount insmod sed chroot switch_root sleep reboot; do ln -s busybox "$tree/bin/$applet"; done
    : >"$tree/modules/order"
    if [ -n "$KERNEL" ]; then
        # shellcheck disable=SC2086
        module_files "$work/kernel" $INITRD_MODULES | awk '!seen[$0]++' | while read -r file; do
            module=${file##*/}; module=${module%.xz}
            copy_module "$file" "$tree/modules/$module"
            echo "$module" >>"$tree/modules/order"
        done
    fi
    find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    (cd "$tree" && find . | sort | cpio --quiet --reproducible -o -H newc -R 0:0) | gzip -n -9 >"$work/initrd"
}

# fat <image> <size> <label> <folder>: a FAT file system with the folder's contents, the same bytes every time.
fat() {
    local image=$1 size=$2 label=$3 from=$4 id
    id=$(printf '%s' "$board $label" | sha256sum | cut -c 1-8)
    rm -f "$image"
    truncate -s "$size" "$image"
    mkfs.vfat --invariant -i "$id" -n "$label" "$image" >/dev/null
    find "$from" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    (cd "$from" && MTOOLS_SKIP_CHECK=1 mcopy -Q -s -m -i "$image" $(ls | sort) ::)
}

make_slot_kernel() {
    local folder=$work/slot-kernel
    mkdir -p "$folder"
    if [ -n "$KERNEL" ]; then
        local image=$work/kernel/boot/vmlinuz-$release_of_kernel
        case $KERNEL_COMPRESSION in
            none) cp "$image" "$folder/kernel" ;;
            # Independent blocks, which is what U-Boot reads.
            lz4) lz4 -q -9 -BI -f "$image" "$folder/kernel" ;;
            *) die "board/$board/image.conf: KERNEL_COMPRESSION is none or lz4" ;;
        esac
    else
        local linux=$root/target/image/$board/linux
        [ -f "$linux" ] || "$here/kernel/uml" >/dev/null
        cp "$linux" "$folder/kernel"
    fi
    cp "$work/initrd" "$folder/initrd"
    # `gpt`: when a power cut damages the first partition table, the kernel takes the second.
    printf 'arguments=%s gpt ro quiet panic=5 systemd.show_status=0%s\n' "${CONSOLE:+console=$CONSOLE}" "${ARGUMENTS:+ $ARGUMENTS}" \
        >"$folder/arguments"
    chmod 644 "$folder"/*
    say "kernel partition ($(du -ch "$folder"/* | tail -1 | cut -f1))"
    fat "$work/kernel.img" "$KERNEL_SIZE" KERNEL "$folder"
}

make_boot() {
    local folder=$work/boot
    mkdir -p "$folder/offhook/accounts"
    cp "$here/owner/README.txt" "$folder/offhook/README.txt"
    printf 'Account XML files in this folder, such as office.xml, are read at every start.\r\n' >"$folder/offhook/accounts/README.txt"
    case $FIRMWARE in
        u-boot-qemu) u_boot_qemu "$folder" ;;
        raspi) raspi "$folder" ;;
        # The test rig does what boot.cmd does.
        uml) ;;
        *) die "board/$board/image.conf: FIRMWARE is raspi, u-boot-qemu or uml" ;;
    esac
    fat "$work/boot.img" "$BOOT_SIZE" BOOT "$folder"
}

# boot_script <folder> <where variables name addresses>...
boot_script() {
    local folder=$1; shift
    { printf 'setenv %s\n' "$@"; cat "$here/boot.cmd"; } >"$work/boot.cmd"
    mkimage -q -A arm64 -T script -C none -n Offhook -d "$work/boot.cmd" "$folder/boot.scr" >/dev/null
}

u_boot_qemu() {
    # Memory begins at 1 GiB; QEMU puts its device tree there.
    boot_script "$1" 'scriptaddr_env 0x40380000' 'kernel_at 0x40400000' 'initrd_at 0x46000000'
    mkdir -p "$work/firmware"
    dpkg-deb --fsys-tarfile "$(debs u-boot-qemu)" | tar -x --no-same-owner -C "$work/firmware" ./usr/lib/u-boot/qemu_arm64
    # Nobody sits at the emulator's console to press a key in these two seconds; the disk is asked first.
    LC_ALL=C sed -e 's/bootdelay=2/bootdelay=0/' -e 's/boot_targets=qfw usb0 scsi0 virtio0 nvme0 dhcp /boot_targets=virtio0 qfw usb0 scsi0 nvme0 dhcp /' \
        "$work/firmware/usr/lib/u-boot/qemu_arm64/u-boot.bin" >"$out/u-boot.bin"
    cmp -s <(wc -c <"$out/u-boot.bin") <(wc -c <"$work/firmware/usr/lib/u-boot/qemu_arm64/u-boot.bin") || die "u-boot.bin changed its size"
}

# The firmware of the Pi, Debian's device trees, our overlay, U-Boot.
raspi() {
    local folder=$1 file name
    mkdir -p "$work/firmware" "$folder/overlays"
    unpack "$work/firmware" "$here/packages/raspi"
    for file in $PI_FIRMWARE; do cp "$work/firmware/usr/lib/raspi-firmware/$file" "$folder/"; done
    cp "$work/firmware/usr/lib/u-boot/rpi_arm64/u-boot.bin" "$folder/u-boot.bin"
    for file in $DTBS; do
        cp "$work/kernel/usr/lib/linux-image-$release_of_kernel/broadcom/$file" "$folder/"
        # The firmware asks for the Pi Foundation's name of the same chip.
        case $file in bcm2837-*) cp "$folder/$file" "$folder/bcm2710-${file#bcm2837-}" ;; esac
    done
    cat "$here/config.txt" >"$folder/config.txt"
    if [ -f "$root/board/$board/config.txt" ]; then { echo; cat "$root/board/$board/config.txt"; } >>"$folder/config.txt"; fi
    if [ -f "$root/board/$board/overlay.dts" ]; then
        name=$(sed -n 's/^dtoverlay=\(offhook-[^,]*\).*/\1/p' "$folder/config.txt" | head -1)
        [ -n "$name" ] || die "board/$board/config.txt loads no dtoverlay=offhook-..., but there is an overlay.dts"
        dtc -q -@ -I dts -O dtb -o "$folder/overlays/$name.dtbo" "$root/board/$board/overlay.dts"
    fi
    # Above the 60 MiB that a kernel may need, below what the smallest board has.
    boot_script "$folder" 'scriptaddr_env 0x02500000' 'kernel_at 0x0c000000' 'initrd_at 0x0a000000' \
        'kernel_comp_addr_r 0x10000000' 'kernel_comp_size 0x4000000'
    # Debian's U-Boot waits two seconds for a key and starts USB before it looks at the card.
    sed -e '/^#/d' "$here/uboot.env" >"$work/uboot.env"
    mkenvimage -s 0x4000 -o "$folder/uboot.env" "$work/uboot.env"
}

# One sector, as boot.cmd and fw_env.config have it.
make_env() {
    printf 'BOOT_ORDER=A B\nBOOT_A_LEFT=3\nBOOT_B_LEFT=3\n' >"$work/env.txt"
    mkenvimage -s 0x200 -p 0 -o "$work/env.img" "$work/env.txt"
}
