# Debian packages of the board's architecture: fetched with a package list of our own, so that this machine's apt stays as it
# is, and unpacked without their scripts.

# The machine's own sources, with the component that holds the firmware of Pi and Wi-Fi chips.
debian_setup() {
    apt=$cache/apt-$ARCH
    mkdir -p "$apt/sources" "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/debs"
    local file
    for file in /etc/apt/sources.list.d/*.sources; do
        grep -q bookworm "$file" 2>/dev/null || continue
        sed 's/^Components:.*/Components: main non-free-firmware/' "$file" >"$apt/sources/${file##*/}"
    done
    if [ -s /etc/apt/sources.list ]; then
        sed -n 's/^\(deb .*bookworm[^ ]*\) main.*/\1 main non-free-firmware/p' /etc/apt/sources.list >"$apt/sources/machine.list"
    fi
    find "$apt/sources" -size 0 -delete
    [ -n "$(ls "$apt/sources")" ] || die "this machine's apt has no Debian 12 (bookworm) sources; add them under /etc/apt/sources.list.d"
    cat >"$apt/apt.conf" <<T
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$apt/sources";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
APT::Architecture "$ARCH";
APT::Architectures { "$ARCH"; };
APT::Install-Recommends "false";
APT::Sandbox::User "";
Acquire::Languages "none";
T
    : >"$apt/status"
    if [ -z "$(find "$apt/lists" -name '*_Packages*' -mmin -360 -print -quit)" ]; then
        say "package lists for $ARCH"
        APT_CONFIG=$apt/apt.conf apt-get update -q >"$apt/update.log" 2>&1 || die "apt-get update failed: $(tail -3 "$apt/update.log")"
        find "$apt/lists" -name '*_Packages*' -exec touch {} +
    fi
}

apt_cache() { APT_CONFIG=$apt/apt.conf apt-cache "$@"; }

# The version-carrying package behind a kernel's meta package.
kernel_package() {
    local package
    package=$(apt_cache depends "$1" 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -1)
    echo "${package:-$1}"
}

# debs <package>...: paths of their files in the same order, fetched if they are not here yet.
debs() {
    local package version file missing=() paths=() known
    known=$(apt_cache policy "$@" | awk '/^[^ ]/ { name = $1; sub(":.*", "", name) } /^  Candidate:/ { print name, $2 }')
    for package; do
        version=$(awk -v p="$package" '$1 == p { print $2; exit }' <<<"$known")
        case $version in ''|'(none)') die "Debian 12 has no package $package for $ARCH" ;; esac
        file=$apt/debs/${package}_${version//:/%3a}
        compgen -G "${file}_*.deb" >/dev/null || missing+=("$package")
        paths+=("$file")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        say "fetching ${#missing[@]} packages"
        (cd "$apt/debs" && APT_CONFIG=$apt/apt.conf apt-get download -q "${missing[@]}" >"$apt/download.log" 2>&1) ||
            die "apt-get download failed: $(tail -3 "$apt/download.log")"
    fi
    for file in "${paths[@]}"; do compgen -G "${file}_*.deb" | head -1; done
}

# unpack <folder> <list file>...: what the lists name. `package: path path` takes only these paths.
unpack() {
    local into=$1 line package paths file pattern part; shift
    local lines; mapfile -t lines < <(list "$@" | sort -u)
    local names=("${lines[@]%%:*}") files
    mapfile -t files < <(debs "${names[@]}")
    [ ${#files[@]} -eq ${#names[@]} ] || die "not every package could be fetched"
    local i
    for i in "${!lines[@]}"; do
        line=${lines[$i]} package=${names[$i]} file=${files[$i]} paths=''
        [ "$line" = "$package" ] || paths=${line#*:}
        if [ -z "$paths" ]; then
            dpkg-deb --fsys-tarfile "$file" | tar -x --keep-directory-symlink --no-same-owner -C "$into"
        else
            part=$(mktemp -d "$work/part.XXXXXX")
            dpkg-deb --fsys-tarfile "$file" | tar -x --no-same-owner -C "$part"
            for pattern in $paths; do
                compgen -G "$part/$pattern" >/dev/null || die "package $package has no $pattern (image/packages)"
                (cd "$part" && tar -c $pattern) | tar -x --keep-directory-symlink --no-same-owner -C "$into"
            done
            rm -rf "$part"
        fi
        { dpkg-deb -f "$file" Package Version Architecture Source Maintainer Homepage; echo; } >>"$work/packages.txt"
    done
}
