#!/bin/bash
# Tests what scripts/lib.sh decides: totals, exit codes, which archive it trusts, what it would install.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317,SC2329 # the checks are called by name, and override functions of lib.sh

. "$(dirname "$0")/../../scripts/lib.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

check() {
    local name=$1
    shift
    if ("$@"); then
        echo "ok: $name"
    else
        echo "FAILED: $name"
        failures=$((failures + 1))
    fi
}

# A meson that prints the closing lines of `meson test` and ends with a given code.
fake_meson() {
    printf '#!/bin/sh\nprintf "%s"\nexit %d\n' "$1" "$2" >"$work/meson"
    chmod +x "$work/meson"
    PATH=$work:$PATH
}

totals_after() {
    fake_meson "$1" "$2"
    (run_tests build && print_totals) 2>&1 | tail -n 1
}

counts_every_kind() {
    local text='Ok:  12\nExpected Fail:  1\nFail:  2\nUnexpected Pass:  1\nSkipped:  4\nTimeout:  1\n'
    [ "$(totals_after "$text" 1)" = "13 passed, 4 failed, 4 skipped" ]
}

failed_test_fails_the_run() {
    fake_meson 'Ok:  3\nFail:  1\n' 1
    ! (run_tests build && print_totals) >/dev/null 2>&1
}

good_run_succeeds() {
    fake_meson 'Ok:  3\nFail:  0\nSkipped:  1\n' 0
    (run_tests build && print_totals) >/dev/null
}

no_test_fails_the_run() {
    fake_meson 'No suitable tests defined.\n' 0
    ! (run_tests build && print_totals) >/dev/null 2>&1
}

only_skipped_fails_the_run() {
    fake_meson 'Ok:  0\nSkipped:  2\n' 0
    ! (run_tests build && print_totals) >/dev/null 2>&1
}

broken_meson_fails_the_run() {
    fake_meson 'Traceback\n' 1
    ! (run_tests build && print_totals) >/dev/null 2>&1
}

refuses_a_wrong_archive() {
    echo "not Mbed TLS" >"$work/wrong.tar.bz2"
    mbedtls_archive=$work/kept.tar.bz2
    ! mbedtls_keep "$work/wrong.tar.bz2" && [ ! -e "$work/kept.tar.bz2" ]
}

wrap_and_scripts_agree() {
    grep -q "^source_hash = $mbedtls_sha256\$" subprojects/mbedtls.wrap &&
        grep -q "^source_filename = ${mbedtls_archive##*/}\$" subprojects/mbedtls.wrap
}

falls_back_to_the_system() {
    mbedtls_archive=$work/none.tar.bz2
    mbedtls_version=0.0.0
    mbedtls_fetch() { return 1; }
    need_packages() { echo "$*" >"$work/wanted"; }
    need_mbedtls 2>"$work/said" &&
        [ "$mbedtls_flavour" = system ] &&
        [ "$(cat "$work/wanted")" = libmbedtls-dev ] &&
        grep -q "the system's Mbed TLS" "$work/said"
}

installs_only_what_is_missing() {
    package_installed() { [ "$1" != meson ]; }
    as_root() { echo "$*" >>"$work/commands"; }
    sudo() { :; }
    need_packages gcc meson ninja-build 2>/dev/null
    grep -q 'install --no-install-recommends meson$' "$work/commands"
}

asks_nothing_when_all_is_there() {
    package_installed() { :; }
    as_root() { false; }
    need_packages gcc meson
}

purposes_add_up() {
    need_packages() { printf '%s\n' "$@" >"$work/wanted"; }
    need_for build test
    grep -qx gcc "$work/wanted" && grep -qx libcmocka-dev "$work/wanted" &&
        ! grep -qvx '[a-z0-9.+-]*' "$work/wanted"
}

unknown_preset_is_an_error() {
    ! (choose_preset nosuch) 2>/dev/null
}

for name in counts_every_kind failed_test_fails_the_run good_run_succeeds no_test_fails_the_run \
    only_skipped_fails_the_run broken_meson_fails_the_run refuses_a_wrong_archive \
    wrap_and_scripts_agree falls_back_to_the_system installs_only_what_is_missing \
    asks_nothing_when_all_is_there purposes_add_up unknown_preset_is_an_error; do
    check "$name" "$name"
done
[ "$failures" -eq 0 ]
