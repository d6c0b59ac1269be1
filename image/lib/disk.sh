# The disk: GPT with two slots. No root and no loop device is needed.

make_data() {
    say "data partition"
    rm -f "$work/data.img"
    truncate -s "$DATA_SIZE" "$work/data.img"
    # Everything that could differ between two builds is given: identifiers, hash seed, times.
    E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH mke2fs -q -t ext4 -L data -U "$(fixed_uuid "$board data")" \
        -E "hash_seed=$(fixed_uuid "$board seed"),lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0,resize=67108864" \
        -O ^metadata_csum_seed,^orphan_file -m 1 "$work/data.img" >/dev/null
}

make_disk() {
    local rootfs_a=$work/rootfs.squashfs config=$work/genimage.cfg linux=0FC63DAF-8483-4772-8E79-3D69D8477DE4
    say "disk"
    rm -rf "$work/genimage"; mkdir -p "$work"/genimage/{root,tmp,in,out}
    ln "$work/boot.img" "$work/env.img" "$work/kernel.img" "$rootfs_a" "$work/data.img" "$work/genimage/in/"
    {
        printf 'image disk.img {\n  hdimage {\n    partition-table-type = "%s"\n    disk-uuid = "%s"\n' \
            "$([ "$FIRMWARE" = raspi ] && echo hybrid || echo gpt)" "$(fixed_uuid "$board disk")"
        printf '    align = 1M\n  }\n'
        partition boot boot.img EBD0A0A2-B9E5-4433-87C0-68B6B72699C7 "$BOOT_SIZE"
        partition env env.img "$linux" 1M
        partition kernel-a kernel.img "$linux" "$KERNEL_SIZE"
        partition kernel-b kernel.img "$linux" "$KERNEL_SIZE"
        partition root-a rootfs.squashfs "$linux" "$ROOT_SIZE"
        partition root-b rootfs.squashfs "$linux" "$ROOT_SIZE"
        partition data data.img "$linux" "$DATA_SIZE"
        echo '}'
    } >"$config"
    genimage --rootpath "$work/genimage/root" --tmppath "$work/genimage/tmp" --inputpath "$work/genimage/in" \
        --outputpath "$work/genimage/out" --config "$config" >"$work/genimage.log" 2>&1 || die "genimage: $(tail -3 "$work/genimage.log")"
    cp --sparse=always "$work/genimage/out/disk.img" "$work/disk.img"
}

partition() {
    printf '  partition %s {\n    image = "%s"\n    partition-type-uuid = "%s"\n    partition-uuid = "%s"\n    size = %s\n' \
        "$1" "$2" "$3" "$(fixed_uuid "$board $1")" "$4"
    # The first stage of a Pi reads the old kind of table: the boot partition stands in both.
    if [ "$FIRMWARE" = raspi ] && [ "$1" = boot ]; then printf '    partition-type = 0xC\n    bootable = true\n'; fi
    printf '  }\n'
}
