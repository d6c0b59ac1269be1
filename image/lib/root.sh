# The root file system: packages, pruned; our overlay; the programs; the kernel's modules.

make_root() {
    local tree=$work/root dir
    mkdir -p "$tree"
    # Debian's packages still carry /bin, /lib and /sbin; unpacked through these links they land under /usr.
    for dir in bin sbin lib; do mkdir -p "$tree/usr/$dir"; ln -s "usr/$dir" "$tree/$dir"; done
    if [ "$ARCH" = amd64 ]; then mkdir -p "$tree/usr/lib64"; ln -s usr/lib64 "$tree/lib64"; fi
    say "unpacking Debian packages ($ARCH)"
    local lists=() name
    for name in $PACKAGES; do lists+=("$here/packages/$name"); done
    unpack "$tree" "${lists[@]}"
    certificates "$tree"
    prune "$tree"
    applets "$tree"
    say "overlay, programs"
    cp -a "$here/root/." "$tree/"
    systemd_names "$tree"
    if [ "$HAND" = yes ]; then cp -a "$here/root-emulated/." "$tree/"; fi
    programs "$tree"
    modules "$tree"
    units "$tree"
    release "$tree"
    check_libraries "$tree"
    mkdir -p "$tree"/{dev,proc,sys,run,tmp,var,data,mnt,boot}
    # Files of the repository may be writable for a group here.
    find "$tree" ! -type l -exec chmod go-w {} +
    find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

# Debian has these in packages of their own, and Buildroot's systemd installs them itself: its trees have no folder
# /usr/sbin, so they cannot be in the folder that both share.
systemd_names() {
    local name
    ln -sf ../lib/systemd/systemd "$1/usr/sbin/init"
    for name in halt poweroff reboot; do ln -sf ../bin/systemctl "$1/usr/sbin/$name"; done
}

# What update-ca-certificates would do.
certificates() {
    mkdir -p "$1/etc/ssl/certs"
    find "$1/usr/share/ca-certificates" -name '*.crt' | sort | xargs cat >"$1/etc/ssl/certs/ca-certificates.crt"
}

# Nobody reads manuals on the phone, and what is not there needs no update and has no hole.
prune() {
    local tree=$1 pattern
    while read -r pattern; do
        # shellcheck disable=SC2086 # a pattern
        (cd "$tree" && rm -rf $pattern)
    done < <(list "$here/packages/prune")
    # Which services run is said in image/units and nowhere else.
    rm -rf "$tree"/usr/lib/systemd/system/*.wants "$tree"/etc/systemd/system/*
    # The few programs that are setuid in Debian have no reason to be here.
    find "$tree" -xdev -type f -perm /6000 -exec chmod ug-s {} +
}

applets() {
    local tree=$1 line folder name
    while read -r line; do
        case $line in
            /*:*) folder=${line%%:*} line=${line#*:} ;;
            *) folder=/bin ;;
        esac
        for name in $line; do
            [ -e "$tree/bin/$name" ] || [ -e "$tree/sbin/$name" ] || ln -s /usr/bin/busybox "$tree/usr$folder/$name"
        done
    done < <(list "$here/packages/applets")
}

programs() {
    local tree=$1 name from=${OFFHOOK_PROGRAMS:-$root/target/cross/$triple/release} names=(offhookd pbxd)
    if [ "$HAND" = yes ]; then names+=(offhook-hand); fi
    for name in "${names[@]}"; do
        [ -f "$from/$name" ] || die "no $from/$name: build it with cross/build $ARCH$([ "$name" != offhook-hand ] || echo ' -p offhook-hand')"
        install -m 755 "$from/$name" "$tree/usr/bin/$name"
    done
    if [ "$ARCH" = amd64 ]; then strip "${names[@]/#/$tree/usr/bin/}"; else "$gnu-strip" "${names[@]/#/$tree/usr/bin/}"; fi
    install -d "$tree/usr/share/offhook/board"
    install -m 644 "$root/board/$board/board.toml" "$tree/usr/share/offhook/board/"
}

# The kernel's modules that the board's list names, with what they depend on; uncompressed, because the file system compresses.
modules() {
    local tree=$1 kernel=$work/kernel file module
    [ -n "$KERNEL" ] || return 0
    mkdir -p "$kernel"
    local package; package=$(kernel_package "$KERNEL")
    release_of_kernel=${package#linux-image-}
    say "kernel $release_of_kernel"
    dpkg-deb --fsys-tarfile "$(debs "$package")" | tar -x --no-same-owner -C "$kernel" --wildcards \
        './boot/*' './lib/modules/*' './usr/lib/linux-image-*/broadcom/*'
    local package_file; package_file=$(debs "$package")
    { dpkg-deb -f "$package_file" Package Version Architecture Source Maintainer Homepage; echo; } >>"$work/packages.txt"
    local tree_of_kernel=$kernel/lib/modules/$release_of_kernel
    if [ "$HAND" = yes ]; then
        local simulated; simulated=$("$here/kernel/gpio-modules" "$release_of_kernel")
        install -m 644 "$simulated"/*.ko "$tree_of_kernel/kernel/drivers/gpio/"
    fi
    depmod -b "$kernel" "$release_of_kernel"
    local into=$tree/usr/lib/modules/$release_of_kernel
    # shellcheck disable=SC2086
    module_files "$kernel" $MODULES $INITRD_MODULES | sort -u | while read -r file; do
        module=${file#"$kernel/lib/modules/$release_of_kernel/"}
        mkdir -p "$into/${module%/*}"
        copy_module "$file" "$into/${module%.xz}"
    done
    cp "$tree_of_kernel"/modules.{builtin,builtin.modinfo,order} "$into/"
    depmod -b "$tree/usr" "$release_of_kernel" 2>/dev/null || depmod -b "$tree" "$release_of_kernel"
}

copy_module() { case $1 in *.xz) xz -dc "$1" >"$2" ;; *) cp "$1" "$2" ;; esac; chmod 644 "$2"; }

# module_files <kernel tree> <module>...: files to load, what is needed first comes first. A builtin one needs none.
module_files() {
    local tree=$1 module found; shift
    for module; do
        found=$(modprobe -d "$tree" -S "$release_of_kernel" --show-depends --ignore-install "$module" 2>/dev/null) ||
            die "board/$board/image.conf: the kernel has no module $module"
        awk '$1 == "insmod" { print $2 }' <<<"$found"
    done
}

# image/units: `<target>.wants/<unit>` or `-> name target`, one a line.
units() {
    local tree=$1/usr/lib/systemd/system line unit target
    while read -r unit target; do
        case $target in
            @*) ln -sfn "${target#@}" "$tree/$unit" ;;
            *)
                [ -e "$tree/$unit" ] || die "image/units: there is no unit $unit in the image"
                mkdir -p "$tree/$target"; ln -sf "../$unit" "$tree/$target/$unit" ;;
        esac
    done < <({ list "$here/units"; if [ "$HAND" = yes ]; then list "$here/units-emulated"; fi
        case " $PACKAGES " in *' wifi '*) echo 'offhook-wifi.service multi-user.target.wants' ;; esac; })
    case " $PACKAGES " in *' wifi '*) ;; *) rm "$tree/offhook-wifi.service" ;; esac
}

# Who am I: for people, for RAUC, for support.
release() {
    local tree=$1
    cat >"$tree/etc/offhook-release" <<T
NAME=Offhook
VERSION=$version
BOARD=$board
COMPATIBLE=$compatible
BUILD=$build
BUILD_DATE=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
SBOM=/usr/share/offhook/sbom.spdx.json
T
    cat >"$tree/etc/os-release" <<T
NAME=Offhook
PRETTY_NAME="Offhook $version"
ID=offhook
ID_LIKE=debian
VERSION_ID=$version
T
    # systemd and timesyncd take the time of this file as the earliest that can be true.
    : >"$tree/usr/lib/clock-epoch"
    mkdir -p "$tree/etc/rauc"
    install -m 644 "$keyring" "$tree/etc/rauc/keyring.pem"
    sed -e "s/@COMPATIBLE@/$compatible/" "$here/rauc/system.conf" >"$tree/etc/rauc/system.conf"
    python3 - "$root/board/$board/board.toml" >"$tree/etc/systemd/system.conf.d/watchdog.conf" <<'T'
import sys, tomllib
with open(sys.argv[1], "rb") as file:
    watchdog = tomllib.load(file).get("watchdog")
if watchdog:
    print("# As board.toml says: who restarts the board when systemd itself hangs.\n[Manager]")
    print(f"WatchdogDevice={watchdog['device']}\nRuntimeWatchdogSec={watchdog['timeout_s']}s")
T
    echo "--board /usr/share/offhook/board" >"$tree/usr/share/offhook/board/arguments"
    local programs=(--program offhookd --program pbxd)
    if [ "$HAND" = yes ]; then programs+=(--program offhook-hand); fi
    "$here/sbom" "${programs[@]}" --version "$version" --board "$board" --packages "$work/packages.txt" --lock "$root/Cargo.lock" \
        --epoch "$SOURCE_DATE_EPOCH" >"$tree/usr/share/offhook/sbom.spdx.json"
}

# A library that is missing would show on the board as a program that does not start.
check_libraries() {
    local tree=$1 missing
    find "$tree/usr" -type f \( -perm /111 -o -name '*.so*' \) ! -name '*.ko' -print0 | sort -z |
        xargs -0 readelf -d 2>/dev/null >"$work/dynamic" || true
    missing=$(awk -v tree="$tree" '
        /^File: /   { file = substr($0, 7); sub(tree, "", file) }
        /\(NEEDED\)/ { name = $NF; gsub(/[][]/, "", name); print name, file }' "$work/dynamic" |
        while read -r name file; do
            compgen -G "$tree/usr/lib*/$name" >/dev/null || compgen -G "$tree/usr/lib/$gnu/$name" >/dev/null ||
                compgen -G "$tree/usr/lib/$gnu/systemd/$name" >/dev/null || echo "$file needs $name"
        done)
    [ -z "$missing" ] || die "libraries are missing; add their packages to image/packages:
$missing"
}
