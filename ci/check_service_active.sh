#!/bin/bash
# Waits until a systemd unit is active, stays so with the same process, and its health check answers 200.
# Usage: ci/check_service_active.sh [UNIT] [SECONDS]     defaults: tg_video_streamer 60
# 0: it is on air. 1: it is not, and why on stderr. 2: wrong usage.
# STEADY_SECONDS=10    how long it must stay so without a break; RestartSec= of a unit that dies over and over is longer
# HEALTH_URL=http://127.0.0.1:8080/healthz    `none`: do not ask, as for a channel that was not healthy before either
# Needs no root, and nothing but bash and systemd: it can be sent to a host with `ssh HOST bash -s UNIT SECONDS`.
set -uo pipefail

unit=${1:-tg_video_streamer}
seconds=${2:-60}
steady=${STEADY_SECONDS:-10}
health_url=${HEALTH_URL:-http://127.0.0.1:8080/healthz}
case $unit in *.*) ;; *) unit=$unit.service ;; esac

usage() {
    echo "check_service_active: $1; usage: check_service_active.sh [UNIT] [SECONDS]" >&2
    exit 2
}
[[ $# -le 2 ]] || usage "too many arguments"
[[ $unit != -* ]] || usage "$unit is no unit"
[[ $seconds =~ ^[1-9][0-9]{0,4}$ ]] || usage "$seconds is no number of seconds"
[[ $steady =~ ^[0-9]{1,4}$ ]] || usage "STEADY_SECONDS=$steady is no number of seconds"
[[ $health_url = none || $health_url =~ ^http://([0-9A-Za-z.-]+):([0-9]{1,5})(/[!-~]*)$ ]] ||
    usage "HEALTH_URL=$health_url is not like http://127.0.0.1:8080/healthz"
host=${BASH_REMATCH[1]:-} port=${BASH_REMATCH[2]:-} path=${BASH_REMATCH[3]:-}

fail() {
    echo "check_service_active: $unit $1" >&2
    exit 1
}

# Sets load, active, sub, pid, restarts, job and result; false where systemd does not answer.
look() {
    local line answer
    load='' active='' sub='' pid=0 restarts=0 job=0 result=''
    answer=$(timeout 10 systemctl show -p LoadState -p ActiveState -p SubState -p MainPID -p NRestarts -p Job \
        -p Result -- "$unit" 2>/dev/null) || return 1
    while IFS= read -r line; do
        case $line in
            LoadState=*) load=${line#*=} ;;
            ActiveState=*) active=${line#*=} ;;
            SubState=*) sub=${line#*=} ;;
            MainPID=*) pid=${line#*=} ;;
            NRestarts=*) restarts=${line#*=} ;;
            Job=*) job=${line#*=} ;;
            Result=*) result=${line#*=} ;;
        esac
    done <<<"$answer"
}

# One HTTP request; a process that hangs accepts the connection and never answers. Prints why not, if not.
health() {
    local answer
    [[ $health_url != none ]] || return 0
    # shellcheck disable=SC2016 # the inner shell expands it
    answer=$(timeout 3 bash -c '
        exec 3<>"/dev/tcp/$1/$2" || exit 1
        printf "GET %s HTTP/1.0\r\nHost: %s:%s\r\nConnection: close\r\n\r\n" "$3" "$1" "$2" >&3
        IFS= read -r line <&3 || exit 1
        printf "%s\n" "$line"
        while IFS= read -r line <&3 && [ "${line%$'"'\r'"'}" ]; do :; done
        head -n 3 <&3' - "$host" "$port" "$path" 2>/dev/null | tr -d '\r\000')
    case $answer in
        "HTTP/1."[01]" 200"*) return 0 ;;
        HTTP/*)
            answer=${answer#HTTP/* }
            echo "its health check says ${answer//$'\n'/; }"
            ;;
        *) echo "its health check at $health_url does not answer" ;;
    esac
    return 1
}

start=$SECONDS since='' seen='' deaths=0 reason="was not looked at"
while :; do
    if ! look; then
        reason="cannot be asked for: systemd does not answer" since=''
    elif [[ $load = not-found || $load = masked ]]; then
        fail "does not exist on this host (LoadState=$load)"
    elif [[ $active = failed ]]; then
        fail "has failed (Result=$result)"
    elif [[ $active = inactive && ( -z $job || $job = 0 ) ]]; then
        fail "is not running (ActiveState=inactive) and nothing is about to start it"
    elif [[ $active != active || $pid = 0 ]]; then
        reason="is $active ($sub, Result=$result)" since=''
    else
        if [[ -n $seen && $seen != "$pid:$restarts" ]]; then
            deaths=$((deaths + 1)) since=''
        fi
        seen=$pid:$restarts
        if ! why=$(health); then
            reason="is active, but $why" since=''
        elif [[ -z $since ]]; then
            since=$SECONDS
        fi
        if [[ -n $since ]]; then
            reason="has been well for $((SECONDS - since)) s only, of $steady s that are asked for"
            # A second more, since both ends of the time are rounded.
            [[ $steady = 0 || $((SECONDS - since)) -gt $steady ]] && exit 0
        fi
    fi
    if ((SECONDS - start >= seconds)); then
        ((deaths == 0)) || reason="does not stay active: it died $deaths time(s) meanwhile; now it $reason"
        fail "$reason (asked for $seconds s)"
    fi
    sleep 0.5
done
