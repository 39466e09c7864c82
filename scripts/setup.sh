#!/bin/sh
# Makes the virtual environment and installs what is pinned; does nothing where that is done already.
# Usage: scripts/setup.sh run|dev    PYTHON= chooses the interpreter, VENV= the folder.
set -eu

kind=${1:?usage: scripts/setup.sh run|dev}
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        new_enough "$PYTHON" && echo "$PYTHON" && return
        echo "setup: PYTHON=$PYTHON is not there or older than 3.11" >&2
        return 1
    fi
    for candidate in python3 python3.12 python3.13 python3.11; do
        new_enough "$candidate" && echo "$candidate" && return
    done
    echo "setup: no Python 3.11 or newer; on Debian 12, Ubuntu 24.04 or newer run: sudo apt install python3 python3-venv" >&2
    return 1
}

make_venv() {
    python=$(find_python)
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        package=python$version-venv
        if [ "$(id -u)" = 0 ]; then
            as_root=
        elif sudo -n true 2>/dev/null; then
            as_root=sudo
        else
            echo "setup: Python's venv is missing; run: sudo apt install $package" >&2
            return 1
        fi
        echo "setup: installing $package"
        $as_root apt-get update -qq
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null
    fi
    echo "setup: making $venv with Python $version"
    "$python" -m venv --clear "$venv"
}

# An environment made by another PYTHON, or whose interpreter has gone, is made again.
if ! new_enough "$venv/bin/python"; then
    make_venv
elif [ -n "${PYTHON:-}" ]; then
    wanted=$("$(find_python)" -c 'import sys; print(sys.version)')
    [ "$("$venv/bin/python" -c 'import sys; print(sys.version)')" = "$wanted" ] || make_venv
fi

# Only a host of a fleet needs more packages.
if [ "$kind" = run ] && grep -qs '^FLEET=.' .env; then
    kind=fleet
fi

if [ "$kind" = dev ]; then
    set -- -r requirements-dev.txt
elif [ "$kind" = fleet ]; then
    set -- -r requirements-fleet.txt -r requirements-build.txt
else
    set -- -r requirements.txt -r requirements-build.txt
fi

# The stamp is what was installed: locks, metadata and place. The development environment has all of the other one.
fingerprint() {
    { pwd; cat pyproject.toml requirements*.txt; } | sha256sum | cut -d' ' -f1
}
now=$(fingerprint)
for done in "$kind" dev; do
    if [ "$(cat "$venv/.installed-$done" 2>/dev/null)" = "$now" ]; then
        exit 0
    fi
done

# pip says much that is of no use to who installs; it is shown where the installation fails.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
    if ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --root-user-action ignore "$@" >"$log" 2>&1; then
        cat "$log" >&2
        echo "setup: pip could not install the packages; what it said is above" >&2
        exit 1
    fi
}

echo "setup: installing the pinned packages (some minutes the first time)"
install --require-hashes "$@"
install --no-build-isolation --no-deps --editable .
echo "$now" >"$venv/.installed-$kind"
