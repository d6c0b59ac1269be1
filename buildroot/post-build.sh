#!/usr/bin/env bash
# Buildroot calls this before it makes the root file system: post-build.sh <target folder> <board>.
# What image/build does to Debian's packages, from the same files: units, release file, keys, SBOM, applets.
set -euo pipefail
here=$(readlink -f "$(dirname "$0")/../image")
root=${here%/*}
tree=$1
. "$here/lib/common.sh"
. "$here/lib/root.sh"
. "$here/lib/bundle.sh"
. "$root/buildroot/common.sh"
load_board "$2"
buildroot_facts

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
update_keys
# Which services run is said in image/units and nowhere else; systemd's presets would add to it.
rm -rf "$tree"/usr/lib/systemd/system-generators
rm -rf "$tree"/usr/lib/systemd/system/*.wants "$tree"/etc/systemd/system/*.wants
mkdir -p "$tree/usr/lib/systemd/system-preset"
rm -f "$tree"/usr/lib/systemd/system-preset/*.preset
echo 'disable *' >"$tree/usr/lib/systemd/system-preset/00-offhook.preset"
units "$tree"
applets "$tree"
install -d "$tree/usr/share/offhook/board"
install -m 644 "$root/board/$board/board.toml" "$tree/usr/share/offhook/board/"
buildroot_packages >"$work/packages.txt"
release "$tree"
mkdir -p "$tree"/{data,boot,mnt}
