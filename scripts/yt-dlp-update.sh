#!/bin/bash
# Puts the newest yt-dlp into a release's environment, tries it, and puts the version before back where it fails.
# Usage: scripts/yt-dlp-update.sh [--release DIR] [--log FILE] [--result FILE] [--lock FILE] [--user NAME] [--wait SECONDS]
#        scripts/yt-dlp-update.sh --version-of RELEASE | --recover
# A failure of network, index or the new version is logged and recorded, and the exit code stays 0; YTDLP_PIN= in .env
# keeps to one version. 1: nothing could be tried; 2: wrong usage.
set -u -o pipefail
umask 022

release=/opt/tg_video_streamer/current
log=/var/log/yt-dlp-update.log
result="" lock="" user=tgstream wait=600
action=update
env_file=''

usage() {
    sed -n '2,6s/^# //p' "$0" >&2
    exit 2
}

while [ $# -gt 0 ]; do
    case $1 in
        --release) release=${2:?} ;;
        --env-file) env_file=${2:?} ;;
        --log) log=${2:?} ;;
        --result) result=${2:?} ;;
        --lock) lock=${2:?} ;;
        --user) user=${2:?} ;;
        --wait) wait=${2:?} ;;
        --version-of) action=version release=${2:?} ;;
        --recover) action=recover; shift; continue ;;
        *) usage ;;
    esac
    shift 2
done

say() {
    printf '%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*" | tee -a "$log"
}

# Each line of a child's output with its time; the last ones are kept for the record.
logged() {
    while IFS= read -r line; do
        say "  $line"
    done
}

die() {
    echo "yt-dlp-update: $*" >&2
    exit 1
}

release=$(readlink -e "$release") || die "there is no such release; deploy one first, or name it with --release"
venv=$release/venv
python=$venv/bin/python
[ -x "$python" ] || die "$venv has no python; deploy the release again"
case $(basename "$(dirname "$release")") in
    releases) root=$(dirname "$(dirname "$release")") ;;
    *) root=$release ;;
esac
result=${result:-$root/yt-dlp-update.json}
lock=${lock:-$root/.deploy.lock}
env_file=${env_file:-$release/.env}

packages_of() {
    # Where pip installs to: no foreign code of the environment's packages runs for this.
    "$1/venv/bin/python" -I -S -c 'import sysconfig, sys; print(sysconfig.get_path("purelib", "venv", vars={"base": sys.argv[1]}))' "$1/venv"
}

# The version by its metadata, with which nothing of yt-dlp is run; empty where there is none.
version_in() {
    local info
    for info in "$1"/yt_dlp-*.dist-info; do
        if [ -f "$info/METADATA" ]; then
            sed -n 's/^Version: *//p;/^$/q' "$info/METADATA" | head -n 1
            return
        fi
    done
}

packages=$(packages_of "$release")
[ -d "$packages" ] || die "$venv has no packages; deploy the release again"
kept=$venv/yt-dlp-before

if [ "$action" = version ]; then
    version_in "$packages"
    exit 0
fi

[ "$(id -u)" = 0 ] || [ -w "$packages" ] || die "no right to write $packages; run it as root"
[ -e "$log" ] || (umask 027; : >>"$log") || die "cannot write $log; run it as root, or name another with --log"
chmod 0640 "$log"

# What belongs to yt-dlp in a folder of packages.
parts_of() {
    local part
    for part in "$1"/yt_dlp "$1"/yt_dlp-*.dist-info "$1"/yt_dlp_ejs "$1"/yt_dlp_ejs-*.dist-info; do
        [ ! -e "$part" ] || printf '%s\n' "$part"
    done
}

remove_installed() {
    parts_of "$packages" | while IFS= read -r part; do rm -rf "$part"; done
    # pip's own leavings of an uninstall that was cut short
    rm -rf "$packages"/~t_dlp* "$packages"/~t-dlp*
}

# Keep a copy of what is installed: hard links cost nothing, and pip writes new files. The name says that it is whole.
keep() {
    rm -rf "$kept.making" "$kept" && mkdir "$kept.making" || return 1
    parts_of "$packages" | while IFS= read -r part; do cp -al "$part" "$kept.making/" || exit 1; done || return 1
    mv "$kept.making" "$kept"
}

put_back() {
    [ -d "$kept" ] || return 0
    remove_installed
    cp -al "$kept"/. "$packages/" && rm -rf "$kept"
}

forget_kept() {
    # Renamed first: half a copy must never be put back.
    mv "$kept" "$kept.making" && rm -rf "$kept.making"
}

as_service() {
    # Without the right to be somebody else it is who it is: a release in a developer's folder.
    local become=()
    if [ "$(id -u)" = 0 ] && id "$user" >/dev/null 2>&1; then
        become=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --clear-groups --no-new-privs)
    elif [ "$(id -u)" = 0 ] && [ "$user" = tgstream ]; then
        become=(setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs)
    fi
    (cd / && env -i PATH=/usr/local/bin:/usr/bin:/bin HOME=/nonexistent LANG=C.UTF-8 "${become[@]}" timeout -k 5 "$@")
}

# New code is never run by root: as the service's user, the way in which the service runs it.
canary() {
    as_service 180 "$python" -I -m tg_video_streamer.resolve.canary 2>&1 | logged
    return "${PIPESTATUS[0]}"
}

# YTDLP_PIN as the service reads it, by its user: the folder of .env belongs to it and may hold anything.
pin() {
    as_service 20 "$python" -I -c '
import sys
from pathlib import Path
from tg_video_streamer.envfile.read import read_env_file
print(read_env_file(Path(sys.argv[1])).values.get("YTDLP_PIN", ""))' "$env_file" 2>/dev/null |
        tr -d ' ' | grep -E -x '[0-9]{4}(\.[0-9]+){2,3}' | sed -E 's/\.0+([0-9])/.\1/g'
}

# The record that the service reads: written whole, under another name, and moved.
record() {
    # shellcheck disable=SC2016 # Python, not the shell
    "$python" -I -S -c '
import json, os, sys, time
path, result, version, detail, trigger = sys.argv[1:]
try:
    with open(path) as file:
        known = json.load(file)
except (OSError, ValueError):
    known = {}
now = time.time()
counts = known.get("counts") or {}
counts[result] = counts.get(result, 0) + 1
ok = result in ("updated", "unchanged", "pinned")
record = {
    "time": now, "result": result, "version": version, "detail": detail, "counts": counts,
    "last_success": now if ok else known.get("last_success", 0.0),
    "requested": now if trigger else known.get("requested", 0.0),
}
with open(path + ".new", "w") as file:
    json.dump(record, file)
    file.write("\n")
    file.flush()
    os.fsync(file.fileno())
os.chmod(path + ".new", 0o644)
os.replace(path + ".new", path)' "$result" "$1" "$(version_in "$packages")" "$2" "${TRIGGER_PATH:-}"
    say "result: $1; yt-dlp $(version_in "$packages"); $2"
}

# The service may ask once a day, whatever becomes of it; the timer and people may always.
asked_too_often() {
    [ -n "${TRIGGER_PATH:-}" ] && "$python" -I -S -c '
import json, sys, time
try:
    with open(sys.argv[1]) as file:
        asked = json.load(file).get("requested", 0.0)
except (OSError, ValueError):
    asked = 0.0
sys.exit(not 0 <= time.time() - asked < 23 * 3600)' "$result"
}

# `pip install -U yt-dlp[default]` into the release; every other package stays as it is.
install() {
    local constraints status
    constraints=$(mktemp) || return 1
    "$venv/bin/pip" --disable-pip-version-check --no-input list --format=freeze |
        grep -v -i -E '^yt[-_.]dlp([-_.]ejs)?==' | grep '==' >"$constraints"
    "$venv/bin/pip" install -U --only-binary :all: --disable-pip-version-check --no-input --timeout 20 \
        --root-user-action ignore -c "$constraints" "$@" 2>&1 | logged
    status=${PIPESTATUS[0]}
    rm -f "$constraints"
    return "$status"
}

# pip is content with what is installed where no index answers, or where the newest cannot be installed with the other
# packages; a download is not. Sets newest to the version that the index has.
ask_index() {
    local folder status
    newest=''
    folder=$(mktemp -d) || return 1
    "$venv/bin/pip" download --no-deps --only-binary :all: --disable-pip-version-check --no-input --timeout 20 \
        --quiet -d "$folder" "$1" 2>&1 | logged
    status=${PIPESTATUS[0]}
    newest=$(find "$folder" -name 'yt_dlp-*.whl' -printf '%f' | cut -d - -f 2)
    rm -rf "$folder"
    return "$status"
}

update() {
    local pinned before after newest wanted='yt-dlp[default]'
    before=$(version_in "$packages")
    pinned=$(pin)
    if [ -n "$pinned" ]; then
        if [ "$before" = "$pinned" ]; then
            record pinned "YTDLP_PIN keeps it"
            return
        fi
        wanted="yt-dlp[default]==$pinned"
    fi
    say "begin: yt-dlp ${before:-none} in $release; wanted: $wanted"
    keep || { record failed "no copy of the installed version could be kept: is the disk full?"; return; }
    if ! install "$wanted" || { [ "$(version_in "$packages")" = "$before" ] && ! ask_index "$wanted"; }; then
        put_back
        record failed "pip could not install it: network, index or versions; see $log"
        return
    fi
    after=$(version_in "$packages")
    if [ "$before" = "$after" ] && [ "$(printf '%s\n' "$newest" "$after" | sort -V | tail -n 1)" != "$after" ]; then
        put_back
        record failed "yt-dlp $newest needs other packages than this release has; deploy a newer release"
        return
    fi
    if ! canary; then
        put_back
        record rolled_back "yt-dlp ${after:-none} does not work here; ${before:-none} was put back"
        canary || say "the version before does not pass the canary either"
        return
    fi
    forget_kept
    if [ -n "$pinned" ]; then
        record pinned "YTDLP_PIN wants it; it was ${before:-none}"
    elif [ "$before" = "$after" ]; then
        record unchanged "it is the newest"
    else
        record updated "it was ${before:-none}; used from the next item on"
    fi
}

# Ends with the version before, however an update was cut short.
recover() {
    if [ -d "$kept" ]; then
        put_back && say "an update was cut short; yt-dlp $(version_in "$packages") was put back"
    fi
    rm -rf "$kept.making"
}

# A deploy and a rollback take the same lock first of all.
exec 9>"$lock" || die "cannot open the lock $lock; run it as root"
if ! flock -w "$wait" 9; then
    say "not now: a deploy or another update has been running for $wait s"
    exit 0
fi
recover
[ "$action" = update ] || exit 0
if asked_too_often; then
    say "asked for again within a day: not tried"
    exit 0
fi
update
exit 0
