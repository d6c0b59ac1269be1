# Sourced by the scripts in this folder: the environment in which cargo builds for another machine.

say() { printf '==> %s\n' "$*" >&2; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# cross_names <arch>: sets triple (Rust's name), gnu (the C compiler's and library folders' name).
cross_names() {
    case $1 in
        arm64) triple=aarch64-unknown-linux-gnu gnu=aarch64-linux-gnu ;;
        armhf) triple=armv7-unknown-linux-gnueabihf gnu=arm-linux-gnueabihf ;;
        amd64) triple=x86_64-unknown-linux-gnu gnu=x86_64-linux-gnu ;;
        *) die "$1 is no machine this builds for; arm64, armhf or amd64" ;;
    esac
}

# cross_packages <arch>: what building for that machine needs, one package a line, from the list beside this file.
cross_packages() {
    cross_names "$1"
    sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' -e "s/aarch64-linux-gnu/$gnu/; s/arm64/$1/" \
        "$(dirname "${BASH_SOURCE[0]}")/packages"
}

# cross_environment <arch>: sets cargo, and exports what it needs to build for that machine, the same bytes every time.
cross_environment() {
    local arch=$1 root rustc upper lower
    cross_names "$arch"
    root=$PWD
    if [ "$arch" = amd64 ]; then
        cargo=$(command -v cargo) || die "no cargo; ./dev setup build installs one"
        rustc=${RUSTC:-rustc}
    else
        check_packages "$arch"
        cargo=/usr/bin/cargo rustc=/usr/bin/rustc
        export RUSTC=$rustc RUSTDOC=/usr/bin/rustdoc
        [ -d "$("$rustc" --print sysroot)/lib/rustlib/$triple/lib" ] ||
            die "$("$rustc" --version) has no standard library for $triple; libstd-rust-web-dev:$arch must be of the same version as rustc-web"
    fi
    lower=${triple//-/_} upper=${lower^^}
    export CARGO_TARGET_DIR=target/cross CARGO_INCREMENTAL=0
    SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
    export SOURCE_DATE_EPOCH
    # Paths of this machine would end up in messages of panics. Cargo leaves these flags out of its hashes.
    local home=${CARGO_HOME:-$HOME/.cargo} sep=$'\x1f'
    CARGO_ENCODED_RUSTFLAGS="--remap-path-prefix=$root=/offhook${sep}--remap-path-prefix=$home=/cargo"
    CARGO_ENCODED_RUSTFLAGS+="${sep}--remap-path-prefix=$("$rustc" --print sysroot)=/rust"
    export CARGO_ENCODED_RUSTFLAGS
    unset RUSTFLAGS
    export "CFLAGS_$lower=-ffile-prefix-map=$root=/offhook -ffile-prefix-map=$home=/cargo"
    export PKG_CONFIG_ALLOW_CROSS=1
    export "PKG_CONFIG_LIBDIR_$lower=/usr/lib/$gnu/pkgconfig:/usr/share/pkgconfig"
    if [ "$arch" != amd64 ]; then
        export "CARGO_TARGET_${upper}_LINKER=$gnu-gcc"
        export "CC_$lower=$gnu-gcc" "AR_$lower=$gnu-ar"
    fi
}

# check_packages <arch>: names what is missing, and how to get it.
check_packages() {
    local missing=() package rustc std
    while read -r package; do
        dpkg-query -W -f='${Status}\n' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done < <(cross_packages "$1")
    [ ${#missing[@]} -gt 0 ] || return 0
    # A standard library of another version than the compiler is of no use, and apt says so only at length.
    rustc=$(candidate rustc-web) std=$(candidate "libstd-rust-web-dev:$1")
    [ "$rustc" = "$std" ] || die "$1 cannot be built on Debian alone here: rustc-web is ${rustc:-not to be had}, \
libstd-rust-web-dev:$1 is ${std:-not to be had}, and they must be of one version. Has apt the security suite's list for $1 \
(apt-get update after dpkg --add-architecture $1)? Otherwise use \`cross\`: docs/cross.md"
    die "missing Debian packages: ${missing[*]}
  to install them: dpkg --add-architecture $1 && apt-get update && apt-get install --no-install-recommends ${missing[*]}"
}

# candidate <package>: the version that apt would install.
candidate() { apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: //p' | grep -v '(none)' || true; }
