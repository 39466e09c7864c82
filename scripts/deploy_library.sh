# shellcheck shell=bash disable=SC2154 # program, here and restart are the caller's
# What remote_deploy.sh and rollback.sh share: places, rights, the lock, the switch of releases, units, health.
# In shared/, a folder of the service's user, root never follows a link: deploy_files.py does what is done there.

base=${TG_BASE:-/opt/tg_video_streamer}
units=${TG_UNITS:-/etc/systemd/system}
logrotate=${TG_LOGROTATE:-/etc/logrotate.d}
tmpfiles=${TG_TMPFILES:-/etc/tmpfiles.d}
state=/var/lib/tg_video_streamer
account=tgstream
service=tg_video_streamer.service
wait_seconds=${TG_WAIT_SECONDS:-60}

say() {
    echo "$program: $*"
}

fail() {
    echo "$program: $*" >&2
    exit 1
}

have_account() {
    getent passwd "$account" >/dev/null && getent group "$account" >/dev/null
}

# Whose the shared folder is: the service's user where it is there and we may give files away, else ours.
owner() {
    if [ "$(id -u)" = 0 ] && have_account; then echo "$account"; else id -un; fi
}

new_enough() {
    "$1" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

# The interpreter itself, not a link or an environment that leads to it: one that is made with a link looks for its
# library next to the link.
interpreter() {
    "$1" -I -c 'import os, sys; print(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))'
}

find_python() {
    local candidate
    if [ -n "${PYTHON:-}" ]; then
        new_enough "$PYTHON" || fail "PYTHON=$PYTHON is not there or older than 3.11"
        interpreter "$PYTHON"
        return
    fi
    for candidate in python3.12 python3.14 python3.13 python3.11 python3; do
        if new_enough "$candidate"; then
            interpreter "$candidate"
            return
        fi
    done
    fail "no Python 3.11 or newer; run: apt install python3 python3-venv"
}

# Each right that is missing is named; root has them all.
check_rights() {
    local missing=() folder
    [ "$(id -u)" != 0 ] || return 0
    for folder in "$base" "$units" "$logrotate" "$tmpfiles"; do
        writable "$folder" || missing+=("to write $folder")
    done
    [ ! -e "$base/shared" ] || [ -w "$base/shared" ] || missing+=("to write $base/shared")
    [ "${create_user:-0}" = 0 ] || have_account || missing+=("to make the user $account")
    if [ "$restart" = 1 ] && ! sudo -n -l systemctl restart "$service" >/dev/null 2>&1; then
        missing+=("to restart $service")
    fi
    [ ${#missing[@]} = 0 ] && return
    printf -v missing '%s, ' "${missing[@]}"
    fail "$(id -un) lacks the right ${missing%, }; run it as root: sudo $0"
}

# A folder that is there and may be written, or that may be made.
writable() {
    local folder=$1
    while [ ! -e "$folder" ]; do folder=$(dirname "$folder"); done
    [ -w "$folder" ]
}

# The lock of the settings file, which session renewals take too, is held until this process and its children end: the
# script runs itself again below the program that took it.
take_lock() {
    local python
    if [ -z "${TG_LOCK_HELD:-}" ]; then
        # First the lock of yt-dlp's update, which may take minutes, while no session renewal has to wait.
        exec 8>"$base/.deploy.lock"
        flock -w 600 8 || fail "an update of yt-dlp has been running for 600 s; see /var/log/yt-dlp-update.log"
        # -I: nothing of the caller's environment or folder is imported
        python=$(find_python)
        exec "$python" -I "$here/deploy_files.py" lock "$base/shared" "$(owner)" "$0" "$@"
    fi
}

as_service() {
    local words=(env -i "PATH=/usr/local/bin:/usr/bin:/bin" LANG=C.UTF-8 "HOME=$state" "STATE_DIRECTORY=$state")
    if [ "$(id -u)" = 0 ] && have_account; then
        setpriv --reuid "$account" --regid "$account" --clear-groups -- "${words[@]}" "$@"
    else
        "${words[@]}" "$@"
    fi
}

control() {
    if [ "$(id -u)" = 0 ]; then systemctl "$@"; else sudo -n systemctl "$@"; fi
}

complete() {
    [ -e "$base/releases/$1/.complete" ]
}

current_version() {
    [ ! -L "$base/current" ] || basename "$(readlink "$base/current")"
}

# The release whose code the process on air runs; the current one where none runs, or we may not look.
serving_version() {
    local pid folder version=''
    pid=$(systemctl show -P MainPID "$service" 2>/dev/null) || pid=0
    folder=$(readlink "/proc/${pid:-0}/cwd") || folder=''
    case $folder in "$base"/releases/*) version=${folder##*/} ;; esac
    if [ -n "$version" ] && complete "$version"; then echo "$version"; else current_version; fi
}

# A link is replaced by a rename: at every moment it leads to the one or the other.
point() {
    ln -sfn "releases/$2" "$base/.$1.new"
    mv -T "$base/.$1.new" "$base/$1"
}

# What was on air is the way back, also where a release in between was never started.
switch_to() {
    local before
    before=$(serving_version)
    if [ -n "$before" ] && [ "$before" != "$1" ]; then point previous "$before"; fi
    point current "$1"
    sync -f "$base"
    say "switch: current is $1"
}

# One file of a release into a folder of the host, whole or not at all; true where it changed.
install_file() {
    local from=$1 to=$2/${1##*/}
    if cmp -s "$from" "$to"; then return 1; fi
    install -m 0644 "$from" "$2/.${1##*/}.new"
    mv -T "$2/.${1##*/}.new" "$to"
}

install_units() {
    local release=$base/releases/$1 file changed=0
    mkdir -p "$units" "$logrotate" "$tmpfiles"
    for file in "$release"/deploy/systemd/*.{service,timer,path,socket}; do
        if [ -f "$file" ] && install_file "$file" "$units"; then changed=1; fi
    done
    for file in "$release"/deploy/logrotate/*; do
        if [ -f "$file" ]; then install_file "$file" "$logrotate" || true; fi
    done
    for file in "$release"/deploy/tmpfiles.d/*.conf; do
        if [ -f "$file" ] && install_file "$file" "$tmpfiles"; then systemd-tmpfiles --create "$tmpfiles/${file##*/}"; fi
    done
    say "units: installed from $1"
    if [ "$changed" = 1 ] && [ -d /run/systemd/system ]; then control daemon-reload; fi
}

# What is enabled with the service; templates are for those who have several channels.
companions() {
    local file
    for file in "$base/releases/$1"/deploy/systemd/*.{timer,path}; do
        case $file in *@*) continue ;; esac
        [ ! -f "$file" ] || echo "${file##*/}"
    done
}

enable_units() {
    local names
    [ -d /run/systemd/system ] || return 0
    control enable --quiet "$service"
    mapfile -t names < <(companions "$1")
    [ ${#names[@]} = 0 ] || control enable --quiet --now "${names[@]}"
}

# As before the first deploy, but for the settings and the unit files, which nothing starts.
withdraw() {
    local names
    mapfile -t names < <(companions "$1")
    control disable --quiet --now "$service" "${names[@]}"
    control reset-failed "$service" 2>/dev/null || true
    rm -f "$base/current" "$base/previous" "$base/releases/$1/.complete"
}

# A yt-dlp that was updated since is worth more than the one of the release's own day.
carry_ytdlp() {
    local from=$base/releases/$1/venv to=$base/releases/$2/venv
    if [ "$1" = "$2" ] || [ ! -x "$from/bin/python" ]; then return 0; fi
    "$to/bin/python" -I "$here/deploy_files.py" carry "$from" "$to" | sed "s/^/$program: yt-dlp: /"
}

# Within so many seconds: on a host that has much to do the command itself takes a while to start.
service_status() {
    local release=$base/releases/$1
    as_service timeout "${2:-15}" "$release/venv/bin/tg-video-streamer" status --json --env-file "$base/shared/.env" 2>/dev/null || echo '{}'
}

# Active, READY for systemd, and no less healthy than `before` (a status, or {}) within the time; else why not.
wait_healthy() {
    local version=$1 before=$2 python deadline left pid='' last='' reason=unknown good=0
    python=$base/releases/$version/venv/bin/python
    deadline=$((SECONDS + wait_seconds))
    while left=$((deadline - SECONDS)) && [ "$left" -gt 0 ]; do
        sleep 0.5
        pid=$(systemctl show -P MainPID "$service")
        if [ "$(systemctl is-active "$service")" != active ] || [ "$pid" != "$last" ]; then
            reason="$service is $(systemctl is-active "$service") ($(systemctl show -P Result "$service"))"
            last=$pid good=0
            continue
        fi
        if reason=$("$python" -I "$here/deploy_files.py" compare "$before" "$(service_status "$version" "$left")"); then
            good=$((good + 1))
            [ "$good" -lt 3 ] || return 0
            reason="it has been well for $good of 3 looks only"
        else
            good=0
        fi
    done
    say "health: after $wait_seconds s $reason" >&2
    return 1
}

restart_and_wait() {
    say "restart: $service"
    control reset-failed "$service" 2>/dev/null || true
    control restart --no-block "$service"
    wait_healthy "$1" "$2"
}
