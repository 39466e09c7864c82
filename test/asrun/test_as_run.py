"""The as-run log: one line per segment, rotated, never lost or torn when the disk is full."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stands.waiting import wait_until
from tg_video_streamer.asrun.entry import AsRunEntry
from tg_video_streamer.asrun.log import AsRunLog, OpenEntry, append_rotating
from tg_video_streamer.events import AirContent, CutReason, SegmentEnded, SegmentStarted, SourceLevel


def _ended(number: int = 0, title: str = "Ein Film") -> SegmentEnded:
    return SegmentEnded(
        started=1_800_000_000.25 + number,
        wall=1_800_000_012.5 + number,
        reason=CutReason.ENDED,
        content=AirContent(level=SourceLevel.ITEM, key=f"{number:016x}", title=title, new_play=True, cached=True),
        seconds=12.24,
        gap_seconds=0.0,
        skew_seconds=0.0103,
    )


def test_viewers_where_they_are_known(tmp_path: Path) -> None:
    """A line has the number of viewers at its end, and nothing where that is unknown."""
    assert "viewers" not in AsRunEntry.of(_ended()).line()
    log = AsRunLog(tmp_path / "as-run.jsonl", viewers=lambda: 7)
    log.start()
    log.on_event(_ended())
    log.stop()
    assert json.loads((tmp_path / "as-run.jsonl").read_text())["viewers"] == 7


def test_a_prepared_encode() -> None:
    """A line tells an encode made ahead of need from one made on air, and reads back the same; older lines have none."""
    content = replace(_ended().content, cached=True, prepared=True)
    line = AsRunEntry.of(replace(_ended(), content=content)).line()
    assert AsRunEntry.from_line(line).prepared
    assert not AsRunEntry.from_line(line.replace('"prepared": true, ', "")).prepared


def test_the_step_of_an_encode_on_a_busy_host() -> None:
    """A line names the lowest step at which its item was encoded, and reads back the same."""
    ended = _ended()
    line = AsRunEntry.of(replace(ended, content=replace(ended.content, encode_step="half"))).line()
    assert AsRunEntry.from_line(line).encode_step == "half"


def _started(number: int = 0, title: str = "Ein Film") -> SegmentStarted:
    ended = _ended(number, title)
    return SegmentStarted(wall=ended.started, reason=CutReason.STARTED, content=ended.content)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


_KILLED = """
import os, signal, sys, time
from pathlib import Path
from tg_video_streamer.asrun.entry import AsRunEntry
from tg_video_streamer.asrun.log import AsRunLog
from tg_video_streamer.events import AirContent, CutReason, SourceLevel, SegmentStarted
log = AsRunLog(Path(sys.argv[1]))
log.start()
content = AirContent(level=SourceLevel.ITEM, key="k", title="Ein Film", cached=True)
log.on_event(SegmentStarted(wall=time.time() - 100, reason=CutReason.STARTED, content=content))
opened = Path(sys.argv[1]).with_suffix(".open")
while not opened.exists():
    time.sleep(0.01)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_segment_gets_its_line_at_the_next_start(tmp_path: Path) -> None:
    """After kill -9 the next start writes the segment that was on air, once; after an orderly end nothing."""
    path = tmp_path / "as-run.jsonl"
    subprocess.run([sys.executable, "-c", _KILLED, path], check=False, timeout=120)
    assert not path.exists()
    for _ in range(2):
        log = AsRunLog(path)
        log.start()
        log.on_event(_started())
        log.on_event(_ended())
        log.stop()
    killed, *others = _lines(path)
    assert (killed["reason"], killed["key"], killed["title"], killed["cached"]) == ("killed", "k", "Ein Film", True)
    assert 99 < killed["seconds"] < 130
    assert killed["start"] < killed["end"]
    assert [line["reason"] for line in others] == ["ended", "ended"]


def test_a_line_that_was_written_before_the_kill_is_not_doubled(tmp_path: Path) -> None:
    """After a kill between a line and the next segment the line is there once."""
    path = tmp_path / "as-run.jsonl"
    log = AsRunLog(path)
    log.start()
    log.on_event(_started())
    wait_until(path.with_suffix(".open").exists, what="the segment is saved")
    saved = path.with_suffix(".open").read_bytes()
    log.on_event(_ended())
    log.stop()
    path.with_suffix(".open").write_bytes(saved)
    again = AsRunLog(path)
    again.start()
    again.stop()
    assert len(_lines(path)) == 1


def _keys(path: Path) -> list[str]:
    return [json.loads(line)["key"] for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_line_says_what_was_on_air_from_when_to_when() -> None:
    """Times are UTC in ISO 8601, lengths are seconds, and a title cannot break the line."""
    line = AsRunEntry.of(_ended(title='a "title"\nin two lines / ü')).line()
    assert line.count("\n") == 1
    assert json.loads(line) == {
        "start": "2027-01-15T08:00:00.250Z",
        "end": "2027-01-15T08:00:12.500Z",
        "seconds": 12.24,
        "level": "item",
        "reason": "ended",
        "key": "0" * 16,
        "title": 'a "title" in two lines / ü',
        "new_play": True,
        "cached": True,
        "prepared": False,
        "gap_seconds": 0.0,
        "skew_seconds": 0.0103,
    }


def test_a_killed_segment_that_another_host_has_told_of_is_written_once(tmp_path: Path) -> None:
    """The line for what was on air at a kill came from another host, with more lines after it: no second one is written."""
    path = tmp_path / "as-run.jsonl"
    content = AirContent(level=SourceLevel.ITEM, key="k", title="Ein Film")
    started = SegmentStarted(wall=1000.0, reason=CutReason.STARTED, content=content)
    ended = SegmentEnded(
        started=1000.0,
        wall=1010.0,
        reason=CutReason.KILLED,
        content=content,
        seconds=10.0,
        gap_seconds=0.0,
        skew_seconds=0.0,
    )
    OpenEntry(path.with_suffix(".open")).save(started)
    others = [AsRunEntry.of(replace(ended, started=wall, wall=wall + 5)).line() for wall in (1010.0, 1015.0)]
    path.write_text("".join([AsRunEntry.of(ended).line(), *others]))
    log = AsRunLog(path)
    log.start()
    log.stop()
    assert len(_lines(path)) == 3


def test_every_segment_is_written_in_order_before_stop_returns(tmp_path: Path) -> None:
    """Every segment is in the file, which is private to the service; other events write nothing."""
    path = tmp_path / "as-run.jsonl"
    log = AsRunLog(path)
    log.start()
    for number in range(100):
        log.on_event(_started(number))
        log.on_event(_ended(number))
    log.stop()
    assert _keys(path) == [f"{number:016x}" for number in range(100)]
    assert path.stat().st_mode & 0o777 == 0o600


def test_half_a_surrogate_in_a_title_does_not_end_the_log(tmp_path: Path) -> None:
    """A title that no text can hold is written as it can be, and the segments after it too."""
    path = tmp_path / "as-run.jsonl"
    log = AsRunLog(path)
    log.start()
    log.on_event(_started(title="caf\udce9"))
    log.on_event(_ended(1, title="caf\udce9"))
    log.on_event(_ended(2))
    log.stop()
    assert [line["title"].startswith(("caf", "Ein")) for line in _lines(path)] == [True, True]


def test_it_is_rotated_by_size_into_so_many_files(tmp_path: Path) -> None:
    """No file exceeds the limit, the newest lines stay, and the oldest file is deleted."""
    path = tmp_path / "as-run.jsonl"
    line = AsRunEntry.of(_ended()).line().encode()
    for number in range(100):
        append_rotating(path, AsRunEntry.of(_ended(number)).line().encode(), file_bytes=10 * len(line), files=5)
    files = [path, *(tmp_path / f"as-run.jsonl.{number}" for number in range(1, 5))]
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert all(file.stat().st_size <= 10 * len(line) for file in files)
    kept = [key for file in reversed(files) for key in _keys(file)]
    assert kept == [f"{number:016x}" for number in range(50, 100)]


def test_a_line_that_a_crash_tore_does_not_spoil_the_next(tmp_path: Path) -> None:
    """After a torn line the next one starts on its own line."""
    path = tmp_path / "as-run.jsonl"
    path.write_text('{"start": "2027', encoding="utf-8")
    append_rotating(path, AsRunEntry.of(_ended(7)).line().encode(), file_bytes=1000, files=5)
    assert json.loads(path.read_text(encoding="utf-8").splitlines()[1])["key"] == f"{7:016x}"


def _fill(path: Path) -> None:
    """Write until the disk is full, which raises OSError."""
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 64 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_logged_once_and_costs_no_line(small_disk: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """While the disk is full lines wait; with free space again all of them are written."""
    path = small_disk / "as-run.jsonl"
    log = AsRunLog(path, retry_seconds=0.05)
    log.start()
    log.on_event(_ended(0))
    wait_until(lambda: path.exists() and len(_keys(path)) == 1, what="the first line is written")
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space left"):
        _fill(ballast)
    for number in range(1, 101):
        log.on_event(_ended(number))
    output = ""

    def logged() -> bool:
        nonlocal output
        captured = capfd.readouterr()
        output += captured.out + captured.err
        return "No space left on device" in output

    wait_until(logged, what="the full disk is reported")
    assert all(line.endswith("}") for line in path.read_text(encoding="utf-8").splitlines())
    ballast.unlink()
    wait_until(lambda: len(_keys(path)) == 101, what="all lines are written after there is room again")
    log.stop()
    assert _keys(path) == [f"{number:016x}" for number in range(101)]
    captured = capfd.readouterr()
    output += captured.out + captured.err
    assert output.count("cannot be written") == 1
    assert output.count("is written again") == 1


def test_a_disk_that_stays_full_does_not_hold_the_end_up(tmp_path: Path) -> None:
    """Stopping gives up after one attempt."""
    folder = tmp_path / "as-run.jsonl"
    folder.mkdir()
    log = AsRunLog(folder, retry_seconds=3600)
    log.start()
    log.on_event(_ended())
    log.stop(timeout=60)
    assert log._thread is not None
    assert not log._thread.is_alive()
