#!/bin/bash
# Puts a release on air on this host, and the one before back where it does not come up. Run it as root, on the host.
#   --artifact FILE     what `make release` made; FILE.sha256 lies next to it
#   --sha256 HEX        the checksum, where it came another way
#   --version NAME      the release's name; without it the artefact's own. One that is there already needs no artefact
#   --create-user       make the user and group tgstream
#   --keep N            how many releases stay besides the running one and the one before (3)
#   --no-restart        everything but the restart
#   --dry-run           say what would be done
# PYTHON= chooses the interpreter. Killed at any moment it leaves the old release running; run it again then.
set -euo pipefail

program=deploy
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=scripts/deploy_library.sh
. "$here/deploy_library.sh"

artifact='' sha256='' version='' keep=3 restart=1 dry_run=0 create_user=0

usage() {
    sed -n '2,10p' "$0" >&2
    exit 2
}

read_arguments() {
    while [ $# -gt 0 ]; do
        case $1 in
            --artifact | --sha256 | --version | --keep) [ $# -gt 1 ] || usage ;;
        esac
        case $1 in
            --artifact) artifact=$(realpath -e "$2") || fail "$2 is not there" && shift ;;
            --sha256) sha256=$2 && shift ;;
            --version) version=$2 && shift ;;
            --keep) keep=$2 && shift ;;
            --no-restart) restart=0 ;;
            --dry-run) dry_run=1 ;;
            --create-user) create_user=1 ;;
            *) usage ;;
        esac
        shift
    done
    [ -n "$artifact$version" ] || usage
    case $keep in '' | *[!0-9]*) usage ;; esac
}

# A private copy is what is verified and unpacked: no one can change it in between.
verify_artifact() {
    [ -n "$artifact" ] || return 0
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    cp "$artifact" "$work/artifact"
    if [ -z "$sha256" ]; then
        [ -r "$artifact.sha256" ] || fail "$artifact.sha256 is not there; copy it too, or give --sha256"
        read -r sha256 _ <"$artifact.sha256"
    fi
    echo "$sha256  $work/artifact" | sha256sum --check --status || fail "$artifact is damaged: its sha256 is another one"
    : "${version:=$(tar -xzOf "$work/artifact" --occurrence=1 --wildcards '*/VERSION')}"
    say "verify: $artifact is whole, version $version"
}

check_version() {
    case $version in '' | .* | *[!A-Za-z0-9._+-]*) fail "'$version' is no name for a release" ;; esac
    if [ -z "$artifact" ] && ! complete "$version"; then
        fail "$base/releases/$version is not there; give its --artifact"
    fi
}

make_account() {
    if ! have_account && [ "$create_user" = 1 ]; then
        groupadd --system --force "$account"
        getent passwd "$account" >/dev/null ||
            useradd --system --gid "$account" --home-dir "$state" --no-create-home --shell /usr/sbin/nologin "$account"
        say "account: user and group $account made"
    elif ! have_account; then
        say "WARNING: there is no user and group $account, so the settings stay $(id -un)'s and the service cannot start;" \
            "run this again with --create-user" >&2
    fi
}

make_folders() {
    mkdir -p "$base/releases"
    [ ! -L "$base/shared" ] || fail "$base/shared is a link; make it a folder"
    if [ ! -d "$base/shared" ]; then mkdir -m 0700 "$base/shared"; fi
    # The folder lies in one of root's, so no one else can have put a link there in the meantime.
    chmod 0700 "$base/shared"
    [ "$(id -u)" != 0 ] || chown "$(owner):" "$base/shared"
    # As StateDirectory= of the unit makes it; the release is tried out before the unit first runs.
    if [ "$(owner)" = "$account" ] && [ ! -e "$state" ]; then install -d -m 0700 -o "$account" -g "$account" "$state"; fi
    # Made while there was no such user; only root could have put a link into it since.
    if [ "$(owner)" = "$account" ] && [ "$(stat -c %u "$state")" = 0 ]; then
        chmod 0700 "$state"
        chown -R --no-dereference "$account:$account" "$state"
    fi
    say "folders: $base"
}

unpack() {
    release=$base/releases/$version
    if complete "$version"; then
        say "unpack: $version is there already"
        if [ -n "$artifact" ] && [ -e "$release/.sha256" ] && [ "$sha256" != "$(cat "$release/.sha256")" ]; then
            say "WARNING: $version was made from another artefact and stays as it is;" \
                "--version NAME installs this one as well" >&2
        fi
        return
    fi
    rm -rf "$release"
    mkdir -m 0755 "$release"
    echo "$sha256" >"$release/.sha256"
    tar -xzf "$work/artifact" -C "$release" --strip-components=1 --no-same-owner --no-same-permissions
    say "unpack: $release"
}

# Only a host of a fleet needs more packages.
requirements() {
    if grep -qs '^FLEET=.' "$base/shared/.env" && [ -e "$release/requirements-fleet.txt" ]; then
        echo requirements-fleet.txt
    else
        echo requirements.txt
    fi
}

build_venv() {
    local python packages=("$release"/wheels/*.whl) pip
    complete "$version" && return
    python=$(find_python)
    say "venv: with $("$python" --version) ($python)"
    "$python" -m venv "$release/venv"
    pip=("$release/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-compile)
    export PIP_ROOT_USER_ACTION=ignore
    if [ -e "${packages[0]}" ]; then
        "${pip[@]}" --no-index --find-links "$release/wheels" --require-hashes -r "$release/requirements-wheels.txt"
    else
        "${pip[@]}" --require-hashes -r "$release/$(requirements)"
    fi
    "${pip[@]}" --no-index --no-deps "$release"/wheel/*.whl
    # The service cannot write next to the code, so what Python would keep there is made now.
    "$release/venv/bin/python" -m compileall -q -j 0 "$release/venv/lib" >/dev/null || true
    rm -rf "$release/wheels"
    say "venv: built"
}

make_private() {
    local name
    if [ -f "$release/playlist.txt" ] && [ ! -L "$release/playlist.txt" ]; then
        mv "$release/playlist.txt" "$release/playlist.template.txt"
    fi
    "$release/venv/bin/python" -I "$here/deploy_files.py" private "$base/shared" "$(owner)" \
        ".env=$release/.env.template" "playlist.txt=$release/playlist.template.txt" "schedule.toml=" |
        sed "s/^/$program: settings: /"
    for name in .env .env.lock playlist.txt schedule.toml; do
        ln -sfn "../../shared/$name" "$release/$name"
    done
    say "settings: $base/shared is private"
}

# As the service's own user, who must be able to read all of it.
try_release() {
    as_service "$release/venv/bin/tg-video-streamer" check --no-playlist --env-file "$base/shared/.env" ||
        fail "$version does not pass its own check, so it is not put on air; correct what is named above"
    touch "$release/.complete"
    say "check: $version is in order"
}

prune() {
    local folder name left=$keep
    while read -r folder; do
        name=$(basename "$folder")
        case $name in "$version" | "$(current_version)" | "$(basename "$(readlink "$base/previous" || true)")") continue ;; esac
        if complete "$name" && [ "$left" -gt 0 ]; then
            left=$((left - 1))
        else
            rm -rf "$folder"
            say "prune: $name is gone"
        fi
    done < <(find "$base/releases" -mindepth 1 -maxdepth 1 -type d -printf '%T@ %p\n' | sort -rn | cut -d' ' -f2-)
}

# Back to the release that was on air, or for the one that runs already to the one before it. What is broken is built again
# when it comes again.
give_up() {
    local before=$1 earlier=$2 status=$3
    systemctl status --no-pager --lines=15 "$service" >&2 || true
    if [ "$before" = "$version" ]; then before=$earlier earlier=''; fi
    if [ -z "$before" ] || ! complete "$before"; then give_up_alone; fi
    say "rollback: to $before" >&2
    carry_ytdlp "$version" "$before"
    install_units "$before"
    point current "$before"
    if [ -n "$earlier" ]; then point previous "$earlier"; else rm -f "$base/previous"; fi
    rm -f "$release/.complete"
    restart_and_wait "$before" "$status" || fail "$version does not come up, and neither does $before again; see journalctl -u $service"
    fail "$version did not come up; $before is on air again; see journalctl -u $service"
}

# One that was on air once may come up when the host is mended, so it stays in place; one that never was does not.
give_up_alone() {
    if [ -e "$release/.proven" ]; then
        fail "$version does not come up again, and there is no release before it; the service keeps trying;" \
            "see journalctl -u $service"
    fi
    withdraw "$version"
    fail "$version does not come up, and there is no release before it; the service is stopped and disabled, the settings" \
        "stay in $base/shared; see journalctl -u $service, and deploy again"
}

deploy() {
    local before earlier status
    unpack
    build_venv
    before=$(serving_version)
    earlier=$(basename "$(readlink "$base/previous" || true)")
    [ -z "$before" ] || carry_ytdlp "$before" "$version"
    make_private
    try_release
    status='{}'
    if [ -n "$before" ] && [ "$restart" = 1 ] && systemctl is-active --quiet "$service"; then
        status=$(service_status "$before")
    fi
    install_units "$version"
    switch_to "$version"
    if [ -d /run/systemd/system ] && have_account; then enable_units "$version"; fi
    if [ "$restart" = 0 ]; then
        say "restart: left to you: systemctl restart $service"
    elif ! have_account; then
        fail "$version is in place, but cannot run without the user $account; run this again with --create-user"
    elif ! restart_and_wait "$version" "$status"; then
        give_up "$before" "$earlier" "$status"
    else
        touch "$release/.proven"
        say "health: $version is on air"
    fi
    prune
}

arguments=("$@")
read_arguments "$@"
check_rights
if [ "$dry_run" = 1 ]; then
    verify_artifact
    check_version
    say "dry run: would build $base/releases/$version with $(find_python), check it, and switch from" \
        "'$(current_version)' to it; restart: $restart"
    exit 0
fi
umask 022
if [ -z "${TG_LOCK_HELD:-}" ]; then
    make_account
    make_folders
fi
take_lock "${arguments[@]}"
verify_artifact
check_version
deploy
say "done: $version"
