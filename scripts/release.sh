#!/bin/bash
# Makes the artefact of a release and its checksum in dist/: code, pinned requirements, scripts, units and documents.
# Usage: scripts/release.sh    VERSION= names it; WHEELS=1 adds every wheel, for hosts that reach no registry;
# WHEEL_PYTHONS= says for which Pythons ("3.11 3.12 3.13"), WHEEL_CACHE= names a folder that keeps them for the next time.
set -euo pipefail

cd "$(dirname "$0")/.."
python=${VENV:-.venv}/bin/python
dist=${DIST:-dist}
pip=("$python" -m pip --quiet --disable-pip-version-check --no-input)
contents=(.env.template playlist.txt requirements.txt requirements-fleet.txt main.py utils.py CHANGELOG.md LICENSE README.md scripts deploy ci specs
    docs test/auto_session_runner.py test/smoke)

name_version() {
    local number commit
    number=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml | head -n 1)
    commit=$(git rev-parse --short HEAD 2>/dev/null) || commit=''
    echo "$number${commit:+-$commit}"
}

# What was made from source has another checksum than the source, which pip has verified; so the wheels get a list of
# their own, which the artefact's checksum covers.
list_wheels() {
    "$python" - "$1" <<'PYTHON'
import collections
import hashlib
import pathlib
import sys

found = collections.defaultdict(list)
for wheel in sorted(pathlib.Path(sys.argv[1]).glob("*.whl")):
    name, version = wheel.name.split("-")[:2]
    found[f"{name.replace('_', '-')}=={version}"].append(hashlib.sha256(wheel.read_bytes()).hexdigest())
for pin, sums in found.items():
    print(pin, *(f"--hash=sha256:{one}" for one in sums), sep=" \\\n    ")
PYTHON
}

# The entries of the lock that are there as wheels: those that were built here have no wheel under a hash of the lock.
pins_of_wheels() {
    "$python" - "$1" <<'PYTHON'
import hashlib
import pathlib
import re
import sys

here = {wheel: hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in pathlib.Path(sys.argv[1]).glob("*.whl")}
for entry in re.split(r"\n(?=[^\s#])", pathlib.Path("requirements.txt").read_text()):
    name = re.split(r"==", entry)[0].replace("-", "_").lower()
    made = [total for wheel, total in here.items() if wheel.name.lower().split("-")[0].replace(".", "_") == name]
    if all(total in entry for total in made):
        print(entry)
PYTHON
}

collect_wheels() {
    local into=$1 version tags=()
    for version in $(seq 5 36); do tags+=(--platform "manylinux_2_${version}_$(uname -m)"); done
    for version in manylinux2014 manylinux2010 manylinux1 linux; do tags+=(--platform "${version}_$(uname -m)"); done
    # What comes as source alone is built here; with the hashes of the lock.
    "${pip[@]}" wheel --require-hashes --no-deps --wheel-dir "$into" -r requirements.txt
    pins_of_wheels "$into" >"$work/pins"
    for version in ${WHEEL_PYTHONS:-3.11 3.12 3.13}; do
        "${pip[@]}" download --only-binary :all: --no-deps --dest "$into" "${tags[@]}" --python-version "$version" \
            --implementation cp --require-hashes -r "$work/pins"
    done
}

# From WHEEL_CACHE where they are those of this lock, and into it.
provide_wheels() {
    local into=$1 kept=${WHEEL_CACHE:+$WHEEL_CACHE/$( (cat requirements.txt && echo "${WHEEL_PYTHONS:-}") | sha256sum | cut -c1-16)}
    if [ -z "$kept" ]; then
        collect_wheels "$into"
        return
    fi
    if [ ! -d "$kept" ]; then
        collect_wheels "$work/wheels"
        mkdir -p "$WHEEL_CACHE"
        cp -R "$work/wheels" "$kept.$$"
        mv -T "$kept.$$" "$kept"
    fi
    cp -R "$kept" "$into"
}

version=${VERSION:-$(name_version)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/tg_video_streamer-$version
mkdir -p "$root/test" "$dist"
for item in "${contents[@]}"; do
    [ ! -e "$item" ] || cp -R --no-dereference --parents "$item" "$root"
done
find "$root" -name __pycache__ -prune -exec rm -rf {} +
echo "$version" >"$root/VERSION"
"${pip[@]}" wheel --no-deps --no-build-isolation --wheel-dir "$root/wheel" .
if [ "${WHEELS:-}" = 1 ]; then
    provide_wheels "$root/wheels"
    list_wheels "$root/wheels" >"$root/requirements-wheels.txt"
fi
chmod -R u+rwX,go+rX,go-w "$root"
archive=$dist/tg_video_streamer-$version.tar.gz
tar --sort=name --owner=0 --group=0 --numeric-owner -C "$work" -cf - "tg_video_streamer-$version" | gzip -n1 >"$archive.new"
mv "$archive.new" "$archive"
(cd "$dist" && sha256sum "${archive##*/}" >"${archive##*/}.sha256")
echo "release: $archive"
