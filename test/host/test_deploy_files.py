"""What a deployment does with yt-dlp between two environments: the newer one goes along, whole or not at all."""

from __future__ import annotations

import runpy
import signal
import subprocess
import sys
from pathlib import Path

from stands.made import REPOSITORY

SCRIPT = REPOSITORY / "scripts" / "deploy_files.py"
OURS, NEWER = "2026.01.31", "2099.1.2"
_KILLED_BEFORE_STEP = """
import os, runpy, signal, sys
steps = 0
def count(event, _arguments):
    global steps
    if event in {"os.rename", "os.mkdir", "os.rmdir", "os.remove", "shutil.copytree", "subprocess.Popen"}:
        steps += 1
        if steps == int(sys.argv[4]):
            os.kill(os.getpid(), signal.SIGKILL)
carry = runpy.run_path(sys.argv[1])["carry"]
sys.addaudithook(count)
carry(sys.argv[2], sys.argv[3])
"""


def _environment(folder: Path, number: str) -> Path:
    """A virtual environment as far as it is looked at; its yt-dlp starts."""
    packages = _packages(folder)
    (packages / "yt_dlp" / "extractor").mkdir(parents=True)
    (packages / "yt_dlp" / "version.py").write_text(number)
    (packages / "yt_dlp" / "extractor" / "one.py").write_text(number)
    (packages / f"yt_dlp-{number}.dist-info").mkdir()
    (packages / f"yt_dlp-{number}.dist-info" / "METADATA").write_text(f"Version: {number}\n")
    (folder / "bin").mkdir()
    (folder / "bin" / "python").write_text("#!/bin/sh\nexit 0\n")
    (folder / "bin" / "python").chmod(0o755)
    return folder


def _packages(folder: Path) -> Path:
    return folder / "lib" / "python3.11" / "site-packages"


def _whole_version(folder: Path) -> str:
    """The one version that all of it is; nothing of another, and no extra file."""
    packages = _packages(folder)
    (number,) = {path.read_text().removeprefix("Version: ").strip() for path in packages.rglob("*") if path.is_file()}
    assert sorted(path.name for path in packages.iterdir()) == ["yt_dlp", f"yt_dlp-{number}.dist-info"]
    assert (packages / "yt_dlp" / "extractor" / "one.py").exists()
    return number


def _carry(source: Path, target: Path) -> str:
    return subprocess.run(
        [sys.executable, "-I", SCRIPT, "carry", source, target], capture_output=True, text=True, check=True
    ).stdout


def test_plugins_are_carried_along(tmp_path: Path) -> None:
    """A new release gets the plugins of the one before, unless it has its own."""
    before, after = tmp_path / "before", tmp_path / "after"
    wheel = before / "yt-dlp-plugins" / "bgutil" / "bgutil-1-py3-none-any.whl"
    wheel.parent.mkdir(parents=True)
    wheel.write_text("plugin")
    after.mkdir()
    carry_plugins = runpy.run_path(str(SCRIPT))["_carry_plugins"]
    carry_plugins(before, after)
    assert (after / wheel.relative_to(before)).read_text() == "plugin"
    wheel.write_text("another")
    carry_plugins(before, after)
    assert (after / wheel.relative_to(before)).read_text() == "plugin"


def test_the_newer_one_goes_along_and_an_older_one_does_not(tmp_path: Path) -> None:
    """From a release with the newer one it is copied; from one with the older one nothing is."""
    newer, older = _environment(tmp_path / "newer", NEWER), _environment(tmp_path / "older", OURS)
    assert _carry(older, newer) == ""
    assert _whole_version(newer) == NEWER
    assert _carry(newer, older) == f"{NEWER} of the release before is carried along; this one came with {OURS}\n"
    assert (_whole_version(newer), _whole_version(older)) == (NEWER, NEWER)


def test_one_that_does_not_start_is_taken_back(tmp_path: Path) -> None:
    """The target's interpreter tries it; where that fails the version before is there again, whole."""
    newer, target = _environment(tmp_path / "newer", NEWER), _environment(tmp_path / "target", OURS)
    (target / "bin" / "python").write_text("#!/bin/sh\nexit 1\n")
    assert _carry(newer, target) == f"{NEWER} of the release before does not start here; {OURS} stays\n"
    assert _whole_version(target) == OURS


def test_killed_before_each_step_it_is_put_right_by_the_next(tmp_path: Path) -> None:
    """Killed by -9 before any step with a file: the next deploy finds the old one or the new one, and it is whole."""
    newer, older = _environment(tmp_path / "newer", NEWER), _environment(tmp_path / "older", OURS)
    carry = runpy.run_path(str(SCRIPT))["carry"]
    found = set()
    for step in range(1, 1000):
        target = _environment(tmp_path / f"target{step}", OURS)
        script: list[str | Path] = [sys.executable, "-I", "-c", _KILLED_BEFORE_STEP, SCRIPT, newer, target, str(step)]
        ended = subprocess.run(script, check=False, stdout=subprocess.DEVNULL)
        carry(str(older), str(target))
        found.add(_whole_version(target))
        if ended.returncode != -signal.SIGKILL:
            break
    assert ended.returncode == 0
    assert step > 10
    assert found == {OURS, NEWER}
