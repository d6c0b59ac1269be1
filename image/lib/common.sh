# Shared by the scripts here. Sourced with `here` (this folder) and `root` (the repository) set.

say() { printf '==> %s\n' "$*" >&2; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# Names the Debian packages whose commands are missing.
need_commands() {
    local pair missing=()
    for pair in readelf:binutils cpio:cpio depmod:kmod mksquashfs:squashfs-tools mke2fs:e2fsprogs mkfs.vfat:dosfstools \
        mcopy:mtools sfdisk:fdisk genimage:genimage mkimage:u-boot-tools dtc:device-tree-compiler rauc:rauc \
        openssl:openssl lz4:lz4 python3:python3-minimal git:git apt-get:apt dpkg-deb:dpkg; do
        PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
    done
    [ ${#missing[@]} -eq 0 ] || die "missing Debian packages: ${missing[*]} (image/packages-build lists all of them)"
    export PATH=$PATH:/usr/sbin:/sbin
}

# load_board <name>: the facts of board/<name>/image.conf as variables, over the defaults.
load_board() {
    board=$1
    [ -f "$root/board/$board/image.conf" ] ||
        die "there is no board/$board/image.conf; boards with an image: $(cd "$root/board" && echo */image.conf | sed 's,/image.conf,,g')"
    FIRMWARE='' ARCH='' KERNEL='' PACKAGES='base net audio update' MODULES='' INITRD_MODULES='' CONSOLE='' ARGUMENTS=''
    KERNEL_COMPRESSION=none DTBS='' PI_FIRMWARE='' HAND=no
    BOOT_SIZE=192M KERNEL_SIZE=64M ROOT_SIZE=128M DATA_SIZE=32M
    # shellcheck disable=SC1090
    . "$root/board/$board/image.conf"
    case $ARCH in
        arm64) triple=aarch64-unknown-linux-gnu gnu=aarch64-linux-gnu ;;
        amd64) triple=x86_64-unknown-linux-gnu gnu=x86_64-linux-gnu ;;
        *) die "board/$board/image.conf: ARCH=$ARCH; it is arm64 or amd64" ;;
    esac
    compatible=offhook-$board
    out=$root/target/image/$board
}

# The list files' lines without comments.
list() { sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$@"; }

cache=${OFFHOOK_CACHE:-$root/target/cache}

# All files carry the time of the last commit; two builds of one commit are the same bytes.
set_epoch() {
    SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || echo 1700000000)}
    export SOURCE_DATE_EPOCH TZ=UTC LC_ALL=C
    umask 022
}

# Sizes such as 64M in bytes.
bytes() { numfmt --from=iec "$1"; }

# A UUID that is always the same for the same name.
fixed_uuid() {
    local h; h=$(printf '%s' "$1" | sha256sum)
    printf '%s-%s-4%s-a%s-%s\n' "${h:0:8}" "${h:8:4}" "${h:13:3}" "${h:17:3}" "${h:20:12}"
}
