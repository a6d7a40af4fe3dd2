#!/bin/bash
# Certificates for development: the right ones, once, and with keys that only their owner may read.
# SPDX-License-Identifier: Apache-2.0
#
# Usage: test_certs.sh SOURCE-DIRECTORY
set -euo pipefail

make=$1/certs/make-dev-certs
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

check() {
    local name=$1
    shift
    if "$@" >"$work.log" 2>&1; then
        echo "ok: $name"
    else
        echo "FAILED: $name"
        cat "$work.log"
        failures=$((failures + 1))
    fi
    rm -f "$work.log"
}

shows() {
    openssl x509 -in "$work/$1.pem" -noout -text | grep -q "$2"
}

refuses() {
    ! "$make" "$@" "$work/refused" && [ ! -e "$work/refused" ]
}

device=urn:dev:os:0042-lamp7
check "makes all" "$make" --device "$device" --device meter-1 "$work"
for name in server urn_dev_os_0042-lamp7 meter-1; do
    check "$name is the authority's" openssl verify -CAfile "$work/ca.pem" "$work/$name.pem"
    check "$name is P-256" shows "$name" prime256v1
    check "the key of $name is its owner's" test "$(stat -c %a "$work/$name.key")" = 600
done
check "the server is for servers" openssl verify -purpose sslserver -CAfile "$work/ca.pem" "$work/server.pem"
check "the device is for clients" openssl verify -purpose sslclient -CAfile "$work/ca.pem" "$work/meter-1.pem"
check "the server is localhost" openssl verify -verify_hostname localhost -CAfile "$work/ca.pem" "$work/server.pem"
# OpenSSL 3.5 writes no blanks here, 3.0 does.
check "the device is named" shows urn_dev_os_0042-lamp7 "CN *= *$device"
before=$(sha256sum "$work"/*.pem)
check "a second time" "$make" --device "$device" --device meter-1 "$work"
check "changes nothing" test "$before" = "$(sha256sum "$work"/*.pem)"
check "an unknown option is refused" refuses --devise x
check "a name with a path is refused" refuses --device ../x
check "an empty name is refused" refuses --device ""
check "a name that is taken is refused" refuses --device server
check "keys are no part of the repository" grep -qxF '/certs/*.key' "$1/.gitignore"
[ "$failures" -eq 0 ]
