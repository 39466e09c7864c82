#!/bin/bash
# Boots Debian with its real systemd in a throw-away container, without a network. Root only; the stand
# test/stands/systemd_container.py drives it.
#   build SUITE            make the pristine root of bookworm or trixie, once (needs Debian's mirror)
#   new NAME SUITE OWNER   a writable layer over it at run/NAME/root; goes when the process OWNER has gone
#   start NAME [OPTION…]   boot it with further options of systemd-nspawn, and wait until it is running
#   sh NAME COMMAND        run COMMAND in it as root; input, output and exit status pass through
#   stop NAME              orderly shutdown; the disk is kept, so that another start is a reboot
#   kill NAME              pull the plug; the disk is kept
#   down NAME              stop it and remove every trace
#   sweep                  `down` whatever a killed test run has left
set -euo pipefail

base=${TG_TEST_SYSTEMD_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/tg_video_streamer/systemd-container}
groups=/sys/fs/cgroup/unified # a host with both versions of cgroups, else with the second alone
[ -e "$groups/cgroup.procs" ] || groups=/sys/fs/cgroup
# python: what the service runs on · logrotate, sudo: deploy/ has rules for them · openssl, ssh: signatures
# procps: pidof and pgrep for the tests
packages=systemd,systemd-sysv,dbus,python3,python3-venv,tzdata,logrotate,sudo,openssl,openssh-client,procps

fail() {
    echo "systemd container: $*" >&2
    exit 1
}

build() {
    local suite=$1 root=$base/root.$1 unit
    mkdir -p "$base"
    exec 9>"$base/build.$suite.lock"
    flock 9
    [ ! -e "$root/.built" ] || return 0
    rm -rf "$root.new"
    if ! debootstrap --variant=minbase --include=$packages "$suite" "$root.new" >"$base/build.$suite.log" 2>&1; then
        fail "debootstrap of $suite failed: $(tail -n 1 "$base/build.$suite.log"); see $base/build.$suite.log"
    fi
    rm -rf "$root.new"/var/cache/apt/archives/*.deb "$root.new"/var/cache/apt/*.bin "$root.new"/var/lib/apt/lists/* \
        "$root.new"/usr/share/{doc,man,locale}/*
    ln -sf /usr/share/zoneinfo/UTC "$root.new/etc/localtime"
    : >"$root.new/etc/machine-id"
    for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer ssh.service; do
        ln -sfn /dev/null "$root.new/etc/systemd/system/$unit"
    done
    touch "$root.new/.built"
    mv "$root.new" "$root"
}

alive() {
    [ -s "$base/run/$1/guard" ] && kill -0 "$(cat "$base/run/$1/guard")" 2>/dev/null
}

new() {
    local name=$1 suite=$2 owner=$3 run=$base/run/$1
    [ -e "$base/root.$suite/.built" ] || fail "no root of $suite; build it first"
    [ ! -e "$run" ] || down "$name"
    mkdir -p "$run"/{upper,work,root}
    echo "$owner" >"$run/owner"
    mount -t overlay overlay -o "lowerdir=$base/root.$suite,upperdir=$run/upper,workdir=$run/work" "$run/root"
}

# The guard has a process namespace of its own: one KILL takes nspawn and the whole container with it.
guard() {
    local name=$1 run=$base/run/$1
    shift
    echo $BASHPID >"$groups/$name/cgroup.procs"
    export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 SYSTEMD_NSPAWN_LOCK=0 TMPDIR="$run"
    exec setsid unshare --pid --fork --kill-child --mount-proc \
        systemd-nspawn --quiet --boot -D "$run/root" -M "$name" --register=no --keep-unit --settings=no --link-journal=no \
        --private-network --resolv-conf=off --timezone=off --console=pipe "$@" </dev/null >>"$run/console.log" 2>&1
}

# The container's first process is the one whose innermost number is 1.
find_init() {
    local process
    while read -r process; do
        if [ "$(awk '/^NSpid:/ {print $NF}' "/proc/$process/status" 2>/dev/null)" = 1 ]; then
            echo "$process"
            return
        fi
    done < <(cat "$groups/$1/payload/init.scope/cgroup.procs" 2>/dev/null)
}

start() {
    local name=$1 run=$base/run/$1 init='' try
    shift
    ! alive "$name" || fail "$name is running"
    rm -f "$run/init"
    mkdir -p "$groups/$name"
    guard "$name" "$@" &
    echo $! >"$run/guard"
    disown
    for try in $(seq 600); do
        alive "$name" || fail "$name did not boot: $(tail -n 5 "$run/console.log")"
        [ -n "$init" ] || init=$(find_init "$name")
        [ -z "$init" ] || echo "$init" >"$run/init"
        if [ -n "$init" ] && inside "$name" test -S /run/systemd/private 2>/dev/null; then break; fi
        [ "$try" -lt 600 ] || fail "$name has no first process after 30 s"
        sleep 0.05
    done
    # `degraded` (a unit failed) is for the tests to judge.
    inside "$name" timeout 60 systemctl is-system-running --wait >/dev/null || true
}

inside() {
    local name=$1
    shift
    nsenter -t "$(cat "$base/run/$name/init")" -m -u -i -n -p -C -r -w -- \
        env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@"
}

stop() {
    local name=$1
    if alive "$name" && [ -s "$base/run/$name/init" ]; then
        kill -s RTMIN+4 "$(cat "$base/run/$name/init")" 2>/dev/null || true # systemd: orderly poweroff
        for _ in $(seq 200); do
            alive "$name" || break
            sleep 0.1
        done
    fi
    plug "$name"
}

plug() {
    local name=$1 folder
    ! alive "$name" || kill -KILL "$(cat "$base/run/$name/guard")"
    for folder in "$groups" /sys/fs/cgroup/systemd; do # nspawn mirrors its group into the first version where there is one
        for _ in $(seq 100); do
            [ -e "$folder/$name" ] || break
            find "$folder/$name" -depth -type d -exec rmdir {} \; 2>/dev/null || true
            [ ! -e "$folder/$name" ] || sleep 0.1
        done
    done
    rm -rf "/run/systemd/nspawn/propagate/$name" "$base/run/$name/guard" "$base/run/$name/init"
}

down() {
    plug "$1"
    umount "$base/run/$1/root" 2>/dev/null || true
    ! mountpoint -q "$base/run/$1/root" || fail "$base/run/$1/root is still mounted"
    rm -rf "${base:?}/run/$1"
}

sweep() {
    local run
    for run in "$base"/run/*/; do
        [ -e "$run/owner" ] || continue
        kill -0 "$(cat "$run/owner")" 2>/dev/null || down "$(basename "$run")"
    done
}

verb=${1:-}
[ $# = 0 ] || shift
case $verb in
    build | new | start | stop | down | sweep) "$verb" "$@" ;;
    kill) plug "$@" ;;
    sh) inside "$1" sh -c "$2" ;;
    *)
        sed -n '2,13p' "$0" >&2
        exit 2
        ;;
esac
