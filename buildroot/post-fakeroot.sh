#!/bin/sh
# Buildroot calls this when owners and modes are set: post-fakeroot.sh <target folder> <board>. The few programs that are setuid
# have no reason to be here, as in the image of Debian parts.
set -eu
find "$1" -xdev -type f -perm /6000 -exec chmod ug-s {} +
