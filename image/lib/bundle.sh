# Keys and signed updates.

# OFFHOOK_RAUC_CERT and OFFHOOK_RAUC_KEY name the signer; phones trust OFFHOOK_RAUC_KEYRING (default: the certificate itself).
update_keys() {
    local keys=$root/target/image/keys
    if [ -n "${OFFHOOK_RAUC_CERT:-}" ] || [ -n "${OFFHOOK_RAUC_KEY:-}" ]; then
        cert=${OFFHOOK_RAUC_CERT:?name the certificate too} key=${OFFHOOK_RAUC_KEY:?name the key too}
        keyring=${OFFHOOK_RAUC_KEYRING:-$cert}
        local file
        for file in "$cert" "$key" "$keyring"; do
            case $file in pkcs11:*) ;; *) [ -r "$file" ] || die "the signing file $file cannot be read" ;; esac
        done
        return
    fi
    cert=$keys/development.cert.pem key=$keys/development.key.pem keyring=$keys/development.ca.pem
    if [ ! -s "$cert" ]; then development_keys "$keys"; fi
    say "ATTENTION: updates are signed with the DEVELOPMENT KEY in target/image/keys. Whoever has that folder can update these"
    say "phones. For phones in use name your own: OFFHOOK_RAUC_CERT, OFFHOOK_RAUC_KEY, OFFHOOK_RAUC_KEYRING (docs/flash.md)"
}

# An authority that phones trust, and a signer under it, so that the signer can change without a new image.
development_keys() {
    local keys=$1 new
    new=$keys.new.$$
    rm -rf "$new"; mkdir -p -m 700 "$new" "${keys%/*}"
    (
        cd "$new"
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 7300 -subj '/O=Offhook/CN=Offhook development CA' \
            -keyout ca.key.pem -out development.ca.pem -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/O=Offhook/CN=Offhook development signer' \
            -keyout development.key.pem -out signer.csr
        openssl x509 -req -in signer.csr -CA development.ca.pem -CAkey ca.key.pem -days 7300 -out development.cert.pem \
            -extfile <(printf 'basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\n')
        rm -f signer.csr
    ) >/dev/null 2>&1 || die "openssl could not make development keys"
    mv -T "$new" "$keys" 2>/dev/null || rm -rf "$new"
}

# make_bundle <root image> <kernel image> <release file> <result>
make_bundle() {
    local folder=$work/bundle
    say "update"
    rm -rf "$folder" "$4"; mkdir -p "$folder"
    ln "$1" "$folder/rootfs.img" 2>/dev/null || cp "$1" "$folder/rootfs.img"
    ln "$2" "$folder/kernel.img" 2>/dev/null || cp --sparse=always "$2" "$folder/kernel.img"
    # The phone's pre-install handler reads it there.
    cp "$3" "$folder/offhook-release"
    cat >"$folder/manifest.raucm" <<T
[update]
compatible=$(sed -n 's/^COMPATIBLE=//p' "$3")
version=$(sed -n 's/^VERSION=//p' "$3")
build=$(sed -n 's/^BUILD=//p' "$3")

[bundle]
format=verity

[image.rootfs]
filename=rootfs.img

[image.kernel]
filename=kernel.img
T
    rauc --cert="$cert" --key="$key" bundle "$folder" "$4" >"$work/rauc.log" 2>&1 || die "rauc bundle: $(tail -5 "$work/rauc.log")"
}
