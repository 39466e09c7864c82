#!/bin/sh
# Kills the running service with SIGKILL and waits until an item is on air again: 0 within the limit, 1 not, 2 wrong usage.
# For a real host: viewers see the gap. As root. Usage: test_systemd_restart.sh [UNIT] [SECONDS]
set -eu

unit=${1:-tg_video_streamer.service}
limit=${2:-12}
case $unit in *.service) ;; *) unit=$unit.service ;; esac
case $limit in '' | *[!0-9]*) echo "restart: SECONDS must be a whole number" >&2 && exit 2 ;; esac

fail() {
    echo "restart: $*" >&2
    systemctl --no-pager --lines=10 status "$unit" >&2 || true
    exit 1
}

show() {
    systemctl show --value --property="$1" "$unit"
}

[ "$(id -u)" = 0 ] || fail "it takes root to kill the service and to ask it"
[ "$(show ActiveState)" = active ] || fail "$unit is not active, so there is nothing to kill"
before=$(show MainPID)
# The program that the unit starts, its interpreter and its settings file.
command=$(show ExecStart)
program=$(echo "$command" | sed -n 's/.*path=\([^ ;]*\).*/\1/p')
settings=$(echo "$command" | sed -n 's/.*--env-file \([^ ;]*\).*/\1/p')
state=/var/lib/$(show StateDirectory)

# Prints when the item that is on air went on air, in milliseconds since 1970; fails where none is.
on_air_since() {
    STATE_DIRECTORY=$state "$program" status --json --env-file "$settings" 2>/dev/null |
        "${program%/*}/python" -c '
import json, sys
status = json.load(sys.stdin)
if status["channel_state"] != "on_air" or not status["healthy"]:
    sys.exit(1)
print(int(status["since_wall"] * 1000))' 2>/dev/null
}

on_air_since >/dev/null || fail "$unit is not on air, so it cannot come back"
killed=$(date +%s%3N)
kill -KILL "$before"
# Beyond the limit too, so that the figure is told.
deadline=$((killed + limit * 1000 + 30000))
while [ "$(date +%s%3N)" -lt "$deadline" ]; do
    # Asking the service costs a program's start, which would slow down what is measured: not before there is an answer.
    if [ "$(show ActiveState)" = active ] && since=$(on_air_since) && [ "$since" -gt "$killed" ]; then
        after=$(show MainPID)
        [ "$after" != "$before" ] || fail "the process that was killed still runs"
        took=$((since - killed))
        printf 'restart: on air again after %d.%03d s\n' $((took / 1000)) $((took % 1000))
        [ "$took" -le $((limit * 1000)) ] || fail "that is more than $limit s"
        exit 0
    fi
    sleep 0.2
done
fail "not on air $((limit + 30)) s after the kill"
