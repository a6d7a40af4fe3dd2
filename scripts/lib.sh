# Shared by the scripts in this directory: messages, Debian packages, Mbed TLS, build and test runs.
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
#   . "$(dirname "$0")/lib.sh"      sets usher_root and enters it
#   need_for PURPOSE..              installs the packages for build, test, fuzz, lint ..
#   need_packages PACKAGE..         installs what is missing
#   need_mbedtls                    fetches the Mbed TLS archive, or settles for the system's
#   build_usher DIR [OPTION..]      configures DIR as needed and builds everything; options in the
#                                   environment variable USHER_MESON_OPTIONS are added
#   run_tests DIR [ARG..]           meson test, adding to the totals
#   print_totals                    "N passed, N failed, N skipped"; fails unless all is well

set -euo pipefail

usher_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$usher_root"

# Tools say what they do in English, and a test that reads their words gets the words it knows.
export LC_ALL=C.UTF-8

# Debian packages by purpose; the names are the same in Debian 12 and 13.
declare -A packages_for=(
    [build]="gcc libc6-dev meson ninja-build pkg-config python3 ca-certificates
        libcoap3-dev libyaml-dev libmicrohttpd-dev libsqlite3-dev libjansson-dev libssl-dev
        libcurl4-openssl-dev libqrencode-dev"
    [quickstart]="curl openssl"
    [test]="libcmocka-dev libcbor-dev curl openssl mandoc python3-yaml python3-jsonschema"
    [browser]="chromium chromium-driver fonts-dejavu-core"
    [bench]="sqlite3"
    [fuzz]="clang llvm"
    [lint]="clang-format-19 shellcheck cppcheck"
    [system-mbedtls]="libmbedtls-dev"
)

mbedtls_version=3.6.6
mbedtls_archive=subprojects/packagecache/mbedtls-$mbedtls_version.tar.bz2
mbedtls_sha256=8fb65fae8dcae5840f793c0a334860a411f884cc537ea290ce1c52bb64ca007a
# Filled by need_mbedtls: bundled or system.
mbedtls_flavour=

preset_dir=build
preset_options=()
preset_test_options=()
script_arguments=()

tests_passed=0
tests_failed=0
tests_skipped=0

# --- messages -----------------------------------------------------------------------------------

say() {
    printf '==> %s\n' "$*" >&2
}

warn() {
    printf '%s: warning: %s\n' "${0##*/}" "$*" >&2
}

die() {
    printf '%s: error: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Prints the comment block at the head of a script as its help text.
print_help() {
    sed -n '/^# Usage:/,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$1"
}

# Runs a command with its output kept back; shows the end of it only when the command fails.
quietly() {
    local log status=0
    log=$(mktemp)
    "$@" >"$log" 2>&1 </dev/null || status=$?
    if [ "$status" -ne 0 ]; then
        tail -n 40 "$log" >&2
    fi
    rm -f "$log"
    return "$status"
}

# --- Debian packages ----------------------------------------------------------------------------

package_installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

need_packages() {
    local package missing=()
    command -v dpkg-query >/dev/null || die "needs Debian 12 or 13: no dpkg-query here.
Install by hand what stands for: $*"
    for package in "$@"; do
        package_installed "$package" || missing+=("$package")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0

    if [ "$(id -u)" -ne 0 ] && ! sudo -n true 2>/dev/null; then
        die "these packages are missing, and installing them needs root. Run:
  sudo apt-get install --no-install-recommends ${missing[*]}"
    fi
    say "installing ${missing[*]}"
    # Without fresh lists an older list may still do: only the install decides.
    quietly as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -o DPkg::Lock::Timeout=120 -o Acquire::Retries=2 update ||
        warn "apt-get update failed, trying with the package lists at hand"
    quietly as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y -o DPkg::Lock::Timeout=120 -o Acquire::Retries=2 \
        install --no-install-recommends "${missing[@]}" ||
        die "could not install: ${missing[*]}"
}

need_for() {
    local purpose names=()
    for purpose in "$@"; do
        read -r -d '' -a names < <(printf '%s %s\0' "${names[*]}" "${packages_for[$purpose]}")
    done
    need_packages "${names[@]}"
}

# --- Mbed TLS -----------------------------------------------------------------------------------

mbedtls_archive_good() {
    [ -f "$1" ] && echo "$mbedtls_sha256  $1" | sha256sum --check --status
}

# Keeps a fetched file only when it has the right content.
mbedtls_keep() {
    mbedtls_archive_good "$1" || return 1
    mkdir -p subprojects/packagecache
    cp "$1" "$mbedtls_archive.$$"
    mv "$mbedtls_archive.$$" "$mbedtls_archive"
}

# Downloads one file. Gives up after five seconds without an answer or without progress: a machine
# behind a wall should go on to the next source, not wait out the defaults of a download tool.
mbedtls_download() {
    timeout 120 python3 - "$1" "$2" <<'PYTHON' 2>/dev/null
import sys, urllib.request
with urllib.request.urlopen(sys.argv[1], timeout=5) as answer, open(sys.argv[2], "wb") as out:
    while chunk := answer.read(1 << 16):
        out.write(chunk)
PYTHON
}

mbedtls_from_upstream() {
    local url
    url=$(sed -n 's/^source_url *= *//p' subprojects/mbedtls.wrap)
    mbedtls_download "$url" "$1/upstream.tar.bz2" && mbedtls_keep "$1/upstream.tar.bz2"
}

# Writes an apt configuration of its own below $1: state, cache and sources apart from the
# system's, with the machine's way to the network (proxy, logins) and the mirrors it uses itself.
write_private_apt() {
    local dir=$1 codename uri release options=
    local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    mkdir -p "$dir"/state/lists/partial "$dir"/cache/archives/partial "$dir"/empty
    cat >"$dir/apt.conf" <<CONF
Dir::State "$dir/state/";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "$dir/cache/";
Dir::Etc::Main "/dev/null";
Dir::Etc::Parts "$dir/empty";
Dir::Etc::SourceList "$dir/sources.list";
Dir::Etc::SourceParts "$dir/empty";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "$dir/empty";
Dir::Etc::netrc "/etc/apt/auth.conf";
Dir::Etc::netrcparts "/etc/apt/auth.conf.d";
Dir::Etc::trusted "/etc/apt/trusted.gpg";
Dir::Etc::trustedparts "/etc/apt/trusted.gpg.d";
Acquire::Languages "none";
Acquire::Retries "1";
Acquire::http::Timeout "10";
Acquire::https::Timeout "10";
CONF
    # The private directory is closed to others, the user _apt included.
    [ "$(id -u)" -ne 0 ] || echo 'APT::Sandbox::User "root";' >>"$dir/apt.conf"
    apt-config dump | grep -E '^Acquire::(https?::(Proxy|Verify|CA|Ssl)|Check-|Force)' \
        >>"$dir/apt.conf" || true

    [ ! -e "$keyring" ] || options="[signed-by=$keyring] "
    codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    # shellcheck disable=SC2016 # the format is apt's, not the shell's
    apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' | sort -u |
        while read -r uri release; do
            case $release in
            "$codename" | stable | oldstable) echo "deb-src ${options}$uri trixie main" ;;
            "$codename-security") echo "deb-src ${options}$uri trixie-security main" ;;
            esac
        done >"$dir/sources.list"
    [ -s "$dir/sources.list" ]
}

# Debian 13 builds its package from the same archive.
mbedtls_from_debian() {
    local dir=$1/apt version
    write_private_apt "$dir" || return 1
    local -x APT_CONFIG=$dir/apt.conf
    # One source of several may fail; what counts is whether the version is found.
    quietly apt-get -q update || true
    version=$(apt-cache showsrc mbedtls 2>/dev/null |
        sed -n "s/^Version: \($mbedtls_version-.*\)/\1/p" | head -n 1)
    [ -n "$version" ] || return 1
    (cd "$dir" && quietly apt-get -q source --download-only --tar-only "mbedtls=$version") || return 1
    mbedtls_keep "$dir/mbedtls_$mbedtls_version.orig.tar.bz2"
}

mbedtls_fetch() {
    local dir status=0
    dir=$(mktemp -d)
    say "fetching Mbed TLS $mbedtls_version from its upstream"
    mbedtls_from_upstream "$dir" || {
        say "upstream out of reach; fetching Mbed TLS $mbedtls_version from Debian's source package"
        mbedtls_from_debian "$dir" || status=1
    }
    rm -rf "$dir"
    return "$status"
}

use_system_mbedtls() {
    need_for system-mbedtls
    mbedtls_flavour=system
}

# Chooses bundled when its archive is here or can be had, otherwise the system's library.
need_mbedtls() {
    [ -z "$mbedtls_flavour" ] || return 0
    if [ -f "subprojects/mbedtls-$mbedtls_version/library/ssl_tls.c" ] ||
        mbedtls_archive_good "$mbedtls_archive" || mbedtls_fetch; then
        mbedtls_flavour=bundled
        return 0
    fi
    use_system_mbedtls
    local installed
    installed=$(dpkg-query -W -f='${Version}' libmbedtls-dev)
    warn "building with the system's Mbed TLS $installed: $mbedtls_version cannot be fetched from here,
neither from its upstream nor from the sources of Debian 13. Each session takes more memory, and
before 3.6 there is no Connection ID. To build with $mbedtls_version, put its archive at
$mbedtls_archive"
}

# --- build and test -----------------------------------------------------------------------------

# Meson copies our build files into the unpacked archive only once.
refresh_mbedtls_overlay() {
    local overlay=subprojects/packagefiles/mbedtls unpacked=subprojects/mbedtls-$mbedtls_version file
    [ -d "$unpacked" ] || return 0
    for file in "$overlay"/*; do
        cmp -s "$file" "$unpacked/${file##*/}" || cp "$file" "$unpacked/"
    done
}

# Sets for a preset its build directory and its options for meson setup and meson test.
# shellcheck disable=SC2034 # read by the scripts
choose_preset() {
    preset_dir=build-$1
    preset_options=()
    preset_test_options=()
    case $1 in
    default) preset_dir=build ;;
    release) preset_options=(-Dbuildtype=release -Dstrip=true) ;;
    asan)
        preset_options=("-Db_sanitize=address,undefined")
        preset_test_options=(--timeout-multiplier 3)
        export ASAN_OPTIONS=halt_on_error=1:detect_stack_use_after_return=1
        export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
        ;;
    tsan)
        preset_options=(-Db_sanitize=thread)
        preset_test_options=(--timeout-multiplier 5)
        export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:allocator_may_return_null=1
        # The sanitizer's memory map and wide address randomisation do not go together.
        if setarch -R true 2>/dev/null; then
            preset_test_options+=(--wrapper "setarch -R")
        fi
        ;;
    system) use_system_mbedtls ;;
    own-crypto) preset_options=(-Dcrypto=mbedtls) ;;
    *) die "no preset '$1'; there are: default release asan tsan system own-crypto" ;;
    esac
}

# Takes --help and --preset off a script's arguments; the rest is in script_arguments.
# shellcheck disable=SC2034 # read by the scripts
read_arguments() {
    local preset=default
    case ${1-} in
    -h | --help)
        print_help "$0"
        exit 0
        ;;
    --preset)
        [ $# -ge 2 ] || die "--preset needs a name, see --help"
        preset=$2
        shift 2
        ;;
    esac
    script_arguments=("$@")
    choose_preset "$preset"
}

# The tests are built when what they need is here; scripts/test sees to that.
build_usher() {
    local dir=$1 options tests=true package
    shift
    need_mbedtls
    for package in ${packages_for[test]}; do
        package_installed "$package" || tests=false
    done
    read -ra options <<<"-Dmbedtls=$mbedtls_flavour -Dtests=$tests ${USHER_MESON_OPTIONS-}"
    refresh_mbedtls_overlay
    if [ -f "$dir/build.ninja" ]; then
        options=(--reconfigure "${options[@]}")
    fi
    say "building in $dir"
    quietly meson setup "$dir" "${options[@]}" "$@" || die "configuring $dir failed, see above"
    if [ -t 2 ]; then
        ninja -C "$dir" >&2 </dev/null || die "building in $dir failed, see above"
    else
        quietly ninja -C "$dir" || die "building in $dir failed, see above"
    fi
}

# One check that is not a meson test: counts as passed or failed.
run_check() {
    local name=$1
    shift
    if quietly "$@"; then
        say "ok: $name"
        tests_passed=$((tests_passed + 1))
    else
        say "FAILED: $name"
        tests_failed=$((tests_failed + 1))
    fi
}

# Adds up the lines with which meson test closes ("Ok: 12", "Fail: 0", ...).
add_totals() {
    local passed failed skipped
    read -r passed failed skipped < <(awk -F: '
        /^(Ok|Expected Fail): +[0-9]+/ { passed += $2 }
        /^(Fail|Unexpected Pass|Timeout): +[0-9]+/ { failed += $2 }
        /^Skipped: +[0-9]+/ { skipped += $2 }
        END { print passed + 0, failed + 0, skipped + 0 }' "$1")
    tests_passed=$((tests_passed + passed))
    tests_failed=$((tests_failed + failed))
    tests_skipped=$((tests_skipped + skipped))
}

run_tests() {
    local dir=$1 log status=0
    shift
    log=$(mktemp)
    local before=$((tests_passed + tests_failed + tests_skipped))
    meson test -C "$dir" --no-rebuild --print-errorlogs "${preset_test_options[@]}" "$@" \
        </dev/null 2>&1 | tee "$log" || status=$?
    add_totals "$log"
    rm -f "$log"
    if [ "$status" -ne 0 ] && [ "$tests_failed" -eq 0 ]; then
        die "meson test ended with $status before its totals"
    fi
    [ $((tests_passed + tests_failed + tests_skipped)) -gt "$before" ] ||
        die "no test ran in $dir with: $*"
}

# The last line of a run. Fails when a test failed and when none passed.
print_totals() {
    printf '%d passed, %d failed, %d skipped\n' "$tests_passed" "$tests_failed" "$tests_skipped"
    [ "$tests_failed" -eq 0 ] && [ "$tests_passed" -gt 0 ]
}
