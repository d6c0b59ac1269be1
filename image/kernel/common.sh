# Shared by the scripts here: Debian's kernel packages, unpacked without being installed, and the cache.
# Sourced with `here` (this folder) and `root` (the repository) set.

say() { printf '==> %s\n' "$*" >&2; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# need <command> <Debian package>
need() { command -v "$1" >/dev/null || die "no $1 here; apt install $2"; }

cache=${OFFHOOK_CACHE:-$root/target/cache}

# The version of a package that apt would fetch. For another architecture: name:arch.
candidate() {
    local version
    version=$(apt-cache policy "$1" | sed -n 's/^  Candidate: //p')
    [ -n "$version" ] && [ "$version" != "(none)" ] ||
        die "apt knows no package $1; it is in Debian 12's security suite (apt-get update; for arm64: dpkg --add-architecture arm64)"
    echo "$version"
}

# fetch <folder> <package=version>...: downloads and unpacks the packages there.
fetch() {
    local into=$1 debs package; shift
    debs=$(mktemp -d "$into/debs.XXXXXX")
    # apt's sandbox user must be able to write there.
    chmod 755 "$debs"; [ "$(id -u)" != 0 ] || chown _apt "$debs" 2>/dev/null || true
    (cd "$debs" && apt-get download -q "$@" >&2) || die "apt-get could not download $*"
    for package in "$debs"/*.deb; do dpkg -x "$package" "$into"; done
    rm -rf "$debs"
}

# key <text>...: names a set of inputs.
key() { printf '%s\n' "$@" | sha256sum | cut -c1-16; }

# Runs the function named second, which fills the folder $work/out, unless the cache has that folder already; then says
# where it is. A build that is broken off leaves nothing that could be taken for a result.
cached() {
    local name=$1 make=$2 work
    if [ ! -d "$cache/$name" ]; then
        mkdir -p "$cache"
        work=$(mktemp -d "${TMPDIR:-/tmp}/offhook-kernel.XXXXXX")
        # shellcheck disable=SC2064 # the folder of this build
        trap "rm -rf '$work'" EXIT
        chmod 755 "$work"
        mkdir "$work/out"
        "$make" "$work" >&2
        rm -rf "$cache/$name.part"
        cp -a "$work/out" "$cache/$name.part"
        mv -T "$cache/$name.part" "$cache/$name" 2>/dev/null || rm -rf "$cache/$name.part"
        rm -rf "$work"
        trap - EXIT
    fi
    echo "$cache/$name"
}
