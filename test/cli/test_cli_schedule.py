"""`schedule show` and `check` without a service: a day out of the file, and everything that is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tg_video_streamer.cli import main

SCHEDULE = """
time_zone = "Europe/Berlin"
[[part]]
title = "Night"
from = "22:00"
to = "02:30"
playlist = "night.txt"
[[show]]
title = "News"
at = "20:00"
item = "news.mp4 | end=15:00"
start = "hard"
[station_id]
every_minutes = 30
items = ["id.mp4"]
"""


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings next to a schedule, of a service that does not run."""
    monkeypatch.delenv("PLAYLIST", raising=False)
    path = tmp_path / ".env"
    path.write_text(f"PLAYLIST=playlist.txt\nSTATE_DIR={tmp_path}/state\n")
    path.chmod(0o600)
    (tmp_path / "schedule.toml").write_text(SCHEDULE)
    return path


def test_a_day_is_shown_from_the_file(env_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In local time, on a day on which clocks are put forward; the same as JSON."""
    assert main(["schedule", "show", "--day", "2026-03-29", "--env-file", str(env_file)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "00:00-03:00  Night  (night.txt)",
        "03:00-22:00  Playlist  (playlist.txt)",
        "    20:00  News to 20:15, hard start",
        "22:00-00:00  Night  (night.txt)",
        "every 30 minutes: station id",
    ]
    assert main(["schedule", "show", "--day", "2026-03-29", "--json", "--env-file", str(env_file)]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert entries[0]["ends"] == "2026-03-29T03:00:00+02:00"


def test_what_is_wrong_is_told_a_line_each(env_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A day that is none, and a file with two mistakes, end with 1 and a line for each."""
    assert main(["schedule", "show", "--day", "2026-02-30", "--env-file", str(env_file)]) == 1
    assert "is not a day" in capsys.readouterr().err
    wrong = SCHEDULE.replace("22:00", "22:61").replace('"hard"', '"harsh"')
    env_file.with_name("schedule.toml").write_text(wrong)
    assert main(["schedule", "show", "--env-file", str(env_file)]) == 1
    told = capsys.readouterr().err.splitlines()
    assert ["part 1 (Night): from" in told[0], "show 1 (News): start" in told[1], len(told)] == [True, True, 2]
