"""Finding ffmpeg: the operator's, the host's, the wheel's, in that order."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tg_video_streamer.errors import ToolMissing
from tg_video_streamer.ffmpeg.binary import find_ffmpeg, fingerprint


@contextmanager
def path_is(value: str) -> Iterator[None]:
    """Set PATH inside the block."""
    before = os.environ["PATH"]
    os.environ["PATH"] = value
    try:
        yield
    finally:
        os.environ["PATH"] = before


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    """An executable file."""
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_the_operators_choice_comes_first(tmp_path: Path) -> None:
    """The operator's path or name is used."""
    chosen = program(tmp_path / "my-ffmpeg")
    assert find_ffmpeg(str(chosen)) == chosen
    with path_is(str(tmp_path)):
        assert find_ffmpeg("my-ffmpeg") == chosen


def test_a_wrong_choice_is_an_error_and_not_another_ffmpeg(tmp_path: Path) -> None:
    """A missing program is reported with the setting's name."""
    (tmp_path / "plain").write_text("no program")
    for wrong in ("/no/such/ffmpeg", str(tmp_path / "plain"), str(tmp_path)):
        with pytest.raises(ToolMissing, match=f"FFMPEG={wrong}"):
            find_ffmpeg(wrong)


def test_the_host_comes_before_the_wheel(tmp_path: Path) -> None:
    """An ffmpeg on PATH is used."""
    host = program(tmp_path / "ffmpeg")
    with path_is(str(tmp_path)):
        assert find_ffmpeg() == host


@pytest.mark.parametrize(("library", "used"), [(59, True), (60, False), (61, False), (62, True)])
def test_versions_6_and_7_of_the_host_come_after_the_wheel(library: int, used: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a table
    """A host's ffmpeg 6 or 7 is recognized by its library without being run, and the wheel's is used."""
    host = program(tmp_path / "ffmpeg", f"\x7fELF\0libavdevice.so.{library}\0libavformat.so.{library}\0")
    with path_is(str(tmp_path)):
        assert (find_ffmpeg() == host) is used


def test_without_a_host_ffmpeg_the_wheel_brings_one() -> None:
    """Without ffmpeg on the host the wheel's runs."""
    with path_is(""):
        wheel = find_ffmpeg()
    assert "imageio_ffmpeg" in str(wheel)
    assert "libx264" in subprocess.run([wheel, "-version"], capture_output=True, text=True, check=True).stdout


def test_another_program_has_another_fingerprint(tmp_path: Path) -> None:
    """An upgrade of ffmpeg is detected without running it."""
    path = program(tmp_path / "ffmpeg")
    first = fingerprint(path)
    assert fingerprint(path) == first
    program(path, "#!/bin/sh\n# newer\n")
    assert fingerprint(path) != first
    assert fingerprint(tmp_path / "missing") != first
