# Sourced by post-build.sh and post-image.sh, after image/lib: what image/build takes from Debian, from Buildroot instead.

# Sets version, build and SOURCE_DATE_EPOCH. PATH gets Buildroot's tools first.
buildroot_facts() {
    export PATH=$HOST_DIR/bin:$HOST_DIR/sbin:$PATH LC_ALL=C TZ=UTC
    [ "$FIRMWARE" = raspi ] || die "board/$board/image.conf: FIRMWARE=$FIRMWARE; only boards of the Raspberry Pi are built here"
    # The kernel of the Raspberry Pi has what Debian's loads as modules (linux.fragment), so there is none to list.
    KERNEL='' MODULES='' INITRD_MODULES=''
    # The small UART is the first one there, the second one in the upstream kernel.
    CONSOLE=${CONSOLE/ttyS1/ttyS0}
    local package
    package=$(sed -n 's/^OFFHOOK_VERSION = //p' "$root/buildroot/package/offhook/offhook.mk")
    set_epoch
    # Not OFFHOOK_VERSION: that is a variable of the package's makefile, which make hands on with its own value.
    version=${OFFHOOK_IMAGE_VERSION:-$package+$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S)}
    build=$(git -C "$root" rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
}

# The packages in the image, in dpkg's notation, which image/sbom reads. Buildroot's list names what installed files;
# the version is in the name of the folder it was built in.
buildroot_packages() {
    local name folder
    cut -d , -f 1 "$BUILD_DIR/packages-file-list.txt" | sort -u | while read -r name; do
        for folder in "$BUILD_DIR/$name"-[0-9a-f]*; do
            [ -d "$folder" ] || continue
            printf 'Package: %s\nVersion: %s\nArchitecture: %s\n\n' "$name" "${folder##*/"$name"-}" "$ARCH"
            break
        done
    done
}
