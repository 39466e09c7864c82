"""Artefacts as `make release` makes them: whole ones, light ones for a host that has the packages bound in, spoilt ones.

A deployment cannot tell a light one from a whole one: its single wheel holds nothing but the way to `PACKAGES`, where the
packages of this environment are; so what is built of it on the host takes seconds.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from stands.made import REPOSITORY, content, made_once

PACKAGES = "/usr/local/lib/tg_video_streamer_packages"
"""Where a host of the tests has this environment's packages."""
_LIGHT = "light"
_SPOILT_CALL = b"async def prepare(*_a, **_k):\n    raise SystemExit(3)\n\n\nasync def _prepare("


def artefact(folder: Path, version: str) -> Path:
    """The file of a version in a folder of artefacts."""
    return folder / f"tg_video_streamer-{version}.tar.gz"


def make_release(folder: Path, version: str, **environment: str) -> None:
    """Run the release script; every wheel is in, downloaded or built where WHEEL_CACHE has none: minutes."""
    settings = {"DIST": str(folder), "VERSION": version, "WHEELS": "1", **environment}
    subprocess.run(
        [REPOSITORY / "scripts/release.sh"],
        env={**os.environ, **settings},
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


def make_light_release(folder: Path, version: str, *more_wheels: Path) -> None:
    """The same by the same script, whose cache of wheels holds a light one and `more_wheels`."""

    def make(target: Path) -> None:
        target.mkdir()
        make_release(target, version, **light_wheels(target / "light", *more_wheels))
        shutil.rmtree(target / "light")

    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True).stdout
    files = (REPOSITORY / name for name in listed.decode().split("\0") if name and not name.startswith("bench/"))
    code = content(*(path for path in files if path.is_file()), *more_wheels)
    made_once(folder, make, version, code, sys.version, PACKAGES)


def light_wheels(folder: Path, *more_wheels: Path) -> dict[str, str]:
    """What the release script reports where its cache, made in `folder`, holds a light wheel and `more_wheels` alone."""
    cache = folder / "light-wheels"
    pins = (REPOSITORY / "requirements.txt").read_bytes()
    kept = cache / hashlib.sha256(pins + f"{_LIGHT}\n".encode()).hexdigest()[:16]
    kept.mkdir(parents=True, exist_ok=True)
    write_wheel(kept, "light_packages", "1", {"light_packages.pth": f"{PACKAGES}\n".encode()})
    for wheel in more_wheels:
        shutil.copy(wheel, kept)
    return {"WHEELS": "1", "WHEEL_CACHE": str(cache), "WHEEL_PYTHONS": _LIGHT}


def write_wheel(folder: Path, name: str, version: str, files: Mapping[str, bytes]) -> Path:
    """A wheel for every Python with these files and without dependencies."""
    about = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n"
    kind = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    every = {**files, f"{about}/METADATA": metadata.encode(), f"{about}/WHEEL": kind.encode()}
    record = "".join(f"{inside},,\n" for inside in [*every, f"{about}/RECORD"])
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for inside, content in {**every, f"{about}/RECORD": record.encode()}.items():
            wheel.writestr(inside, content)
    return path


def make_spoilt(folder: Path, work: Path, *, source: str, version: str) -> None:
    """`version` is `source` with a service that passes its check and ends as it starts."""
    with tarfile.open(artefact(folder, source)) as archive:
        archive.extractall(work, filter="data")
    (root,) = work.iterdir()
    (root / "VERSION").write_text(f"{version}\n")
    (wheel,) = (root / "wheel").iterdir()
    spoilt = work / "spoilt.whl"
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(spoilt, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "tg_video_streamer/preparation.py":
                content = content.replace(b"async def prepare(", _SPOILT_CALL)
            new.writestr(name, content)
    shutil.move(spoilt, wheel)
    target = artefact(folder, version)
    with tarfile.open(target, "w:gz", compresslevel=1) as archive:
        archive.add(root, arcname=f"tg_video_streamer-{version}")
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    Path(f"{target}.sha256").write_text(f"{digest}  {target.name}\n")
