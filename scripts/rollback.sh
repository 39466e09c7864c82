#!/bin/bash
# Puts an earlier release back on air: the one before the running one, or VERSION. Settings and session are untouched.
# Usage: scripts/rollback.sh [--no-restart] [VERSION]    as root, on the host
set -euo pipefail

program=rollback
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=scripts/deploy_library.sh
. "$here/deploy_library.sh"

restart=1 version=''
for word in "$@"; do
    case $word in
        --no-restart) restart=0 ;;
        -*)
            sed -n '3p' "$0" >&2
            exit 2
            ;;
        *) version=$word ;;
    esac
done

check_rights
[ -d "$base/shared" ] || fail "nothing is deployed in $base"
take_lock "$@"
now=$(serving_version)
: "${version:=$(basename "$(readlink "$base/previous" || true)")}"
[ -n "$version" ] || fail "there is no release before $now"
case $version in .* | */*) fail "'$version' is no name for a release" ;; esac
complete "$version" || fail "$base/releases/$version is not there, or was never whole; there are: $(ls "$base/releases")"
carry_ytdlp "$now" "$version"
install_units "$version"
switch_to "$version"
if [ "$restart" = 1 ]; then
    restart_and_wait "$version" '{}' || fail "$version does not come up either; see journalctl -u $service"
    say "health: $version is on air"
fi
say "done: $version"
