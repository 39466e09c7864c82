#!/bin/sh
# Runs the tests. `short`: once, without those marked long. `long`: all of them, then the short ones on every other
# supported Python that is found, each in an environment of its own; the output is kept in bench/test-long.txt.
# Usage: scripts/test.sh short|long    ARGS= goes to pytest.
set -eu

kind=${1:?usage: scripts/test.sh short|long}
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}
WORKERS=${WORKERS:-5}

# What takes too long for a test to make: roots of Debian, long clips, a release. Needs no more than the environment.
PYTHONPATH="test" "$venv/bin/python" -m stands.prepare

run_pytest() {
    status=0
    # More at a time than there are cores: tests of services on air wait more than they compute. A file to a worker, in
    # the order that test/conftest.py gives them.
    # shellcheck disable=SC2086 # a list of arguments
    "$@" -n "$WORKERS" --dist loadfile --no-loadscope-reorder ${ARGS:-} || status=$?
    if [ "$status" = 5 ]; then
        echo "test: no test was selected, so nothing is proved" >&2
    fi
    return "$status"
}

if [ "$kind" = short ]; then
    run_pytest "$venv/bin/python" -m pytest -m "not long"
    exit
fi

# The other supported Pythons, in PATH or kept by pyenv: one "VERSION INTERPRETER" a line.
others() {
    ours=$("$venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    for version in 3.11 3.12 3.13; do
        [ "$version" != "$ours" ] || continue
        for python in "python$version" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/python; do
            if "$python" -c '' 2>/dev/null; then
                echo "$version $python"
                break
            fi
        done
    done
}

all() {
    failed=0
    echo "== all tests, $("$venv/bin/python" --version)"
    run_pytest "$venv/bin/python" -m pytest -m "long or not long" || failed=1
    others >"$list"
    while read -r version python; do
        echo "== the short tests, Python $version"
        # What an installation says is of this machine, and not of the record.
        if PYTHON=$python VENV=.venv-$version scripts/setup.sh dev </dev/null >&3 2>&3; then
            run_pytest ".venv-$version/bin/python" -m pytest -m "not long" </dev/null || failed=1
        else
            failed=1
        fi
    done <"$list"
    if [ "$failed" = 0 ]; then echo "== all passed"; else echo "== failed"; fi
}

# Calls into the event loop from other threads raise; it costs a tenth more computing.
export PYTHONASYNCIODEBUG=1
exec 3>&2
list=$(mktemp)
trap 'rm -f "$list"' EXIT
mkdir -p bench
# The record tells nothing of the folder that it was made in.
all 2>&1 | sed -u "s#$PWD#.#g" | tee bench/test-long.txt
tail -n 1 bench/test-long.txt | grep -q '^== all passed$'
