#!/usr/bin/env bash
# Makes the certificates of the tests anew. They are valid for a hundred years, and good for nothing but these tests.
set -euo pipefail
cd "$(dirname "$0")"

days=36500
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" 2>/dev/null; }

key authority
openssl req -x509 -new -key authority.key -days $days -subj "/CN=Offhook test authority" -out authority.pem \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign"

# name, extensions, begin, end
signed() {
    key "$1"
    openssl req -new -key "$1.key" -subj "/CN=Offhook test $1" -out "$1.csr"
    openssl ca -batch -config <(printf '%s\n' "[ca]" "default_ca=own" "[own]" "database=$work/index" "new_certs_dir=$work" \
        "rand_serial=yes" "default_md=sha256" "policy=any" "[any]" "commonName=supplied" "[ext]" \
        "basicConstraints=CA:FALSE" "$2") -extensions ext -notext -cert authority.pem -keyfile authority.key \
        -startdate "$3" -enddate "$4" -in "$1.csr" -out "$1.pem" 2>/dev/null
    rm "$1.csr"
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
touch "$work/index"
signed server "subjectAltName=DNS:localhost,IP:127.0.0.1" 20200101000000Z 21200101000000Z
signed other-name "subjectAltName=DNS:other.test" 20200101000000Z 21200101000000Z
signed phone "extendedKeyUsage=clientAuth" 20200101000000Z 21200101000000Z
signed expired "subjectAltName=DNS:localhost,IP:127.0.0.1" 20100101000000Z 20110101000000Z
rm authority.key
