#!/bin/bash
# Puts plugins of yt-dlp into a release's environment, where the service loads those that YTDLP_PLUGINS names.
# Usage: scripts/yt-dlp-plugins.sh [--release DIR] [--newest] PLUGIN…     PLUGIN: bgutil
# The version is pinned in yt-dlp-plugins.txt beside this script; --newest takes the registry's newest one instead.
# A plugin that is there already stays if the download fails. 1: not installed; 2: wrong usage.
set -u -o pipefail
umask 022

here=$(cd "$(dirname "$0")" && pwd)
release=$(dirname "$here")
newest=''
names=()

usage() {
    sed -n '2,5s/^# //p' "$0" >&2
    exit 2
}

die() {
    echo "yt-dlp-plugins: $*" >&2
    exit 1
}

while [ $# -gt 0 ]; do
    case $1 in
        --release) [ $# -gt 1 ] || usage; release=$2; shift ;;
        --newest) newest=yes ;;
        bgutil) names+=("$1") ;;
        *) usage ;;
    esac
    shift
done
[ ${#names[@]} -gt 0 ] || usage

package_of() {
    case $1 in
        bgutil) echo bgutil-ytdlp-pot-provider ;;
    esac
}

venv=''
for folder in "$release/venv" "$release/.venv"; do
    if [ -x "$folder/bin/python" ]; then venv=$folder; fi
done
[ -n "$venv" ] || die "$release has no environment; name a release with --release, or run make setup"

making=$(mktemp -d "$venv/.yt-dlp-plugins.XXXXXX") || die "no right to write $venv; run it as root"
trap 'rm -rf "$making"' EXIT

for name in "${names[@]}"; do
    package=$(package_of "$name")
    if [ -n "$newest" ]; then
        wanted=("$package")
    else
        grep "^$package==" "$here/yt-dlp-plugins.txt" >"$making/wanted.txt" || die "$package has no pinned version; use --newest"
        wanted=(--require-hashes -r "$making/wanted.txt")
    fi
    mkdir "$making/$name"
    "$venv/bin/python" -I -m pip download --quiet --no-deps --only-binary :all: --disable-pip-version-check --no-input \
        --timeout 20 -d "$making/$name" "${wanted[@]}" || die "pip could not download $package; what was there stays"
    chmod -R a+rX "$making/$name"
    target=$venv/yt-dlp-plugins/$name
    mkdir -p "$venv/yt-dlp-plugins"
    rm -rf "$target.before"
    if [ -e "$target" ]; then mv "$target" "$target.before"; fi
    mv "$making/$name" "$target"
    rm -rf "$target.before"
    for wheel in "$target"/*.whl; do
        echo "yt-dlp-plugins: $(basename "$wheel") is installed; YTDLP_PLUGINS=$name in .env loads it"
    done
done
