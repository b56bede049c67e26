#!/bin/sh
# SPDX-License-Identifier: MIT
# setup.sh build|test: installs what is missing, from Debian's packages, with sudo where needed.
# Quick when nothing is missing: dpkg is asked for each. Node and its npm may also come from elsewhere
# (its maker's own packages hold both and exclude Debian's npm), so for these the command decides.
set -eu
build="gcc make meson ninja-build pkg-config python3 librocksdb-dev libcurl4-openssl-dev libfyaml-dev
       libssl-dev libzstd-dev liblz4-dev libsnappy-dev zlib1g-dev libpcre2-dev libutf8proc-dev
       libxxhash-dev libedit-dev librdkafka-dev libcmocka-dev tzdata ca-certificates"
test="$build clang libclang-rt-14-dev clang-format curl zstd kcat python3-venv nodejs npm"
case ${1:-build} in
build) wanted=$build ;;
test) wanted=$test ;;
*) echo "usage: setup.sh build|test" >&2; exit 2 ;;
esac

missing=
for package in $wanted; do
    case $package in
    nodejs) command -v node >/dev/null && continue ;;
    npm) command -v npm >/dev/null && continue ;;
    esac
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
        missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null; then
    echo "millrace: please install:$missing" >&2
    exit 1
fi
root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "millrace: as root, please run: apt-get install$missing" >&2; exit 1; }
    root="sudo"
fi
echo "installing:$missing"
$root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
# shellcheck disable=SC2086
$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/tmp/millrace-setup.$$ 2>&1 ||
    { cat /tmp/millrace-setup.$$; exit 1; }
rm -f /tmp/millrace-setup.$$
