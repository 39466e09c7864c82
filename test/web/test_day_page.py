"""The day as one line: what was, what will be, gaps and takeovers, and the library as storage."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from stands.page import OPERATOR, served
from stands.page_visitor import PageVisitor
from stands.program import Clip, Program
from tg_video_streamer.asrun.entry import AsRunEntry, iso
from tg_video_streamer.events import SourceLevel

NASTY = "<script>alert(1)</script>"


def entry(level: SourceLevel, title: str, *, hours_ago: float, gap: float = 0.0) -> AsRunEntry:
    """An hour on air."""
    start = time.time() - hours_ago * 3600
    return AsRunEntry(
        level=level, title=title, start=iso(start), end=iso(start + 3600), seconds=3600.0, reason="ended",
        gap_seconds=gap, new_play=level is SourceLevel.ITEM,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("language", "summary"),
    [("en", "2 items played, 1 takeover, 1 gap; 2 items to come"), ("ru", "сыграно: 2 записи, 1 прямое включение")],
)
def test_the_day_is_shown(clip: Clip, tmp_path: Path, language: str, summary: str) -> None:
    """Past and coming items stand on one line in their order; takeovers, gaps and the library's size are told as text."""
    log = tmp_path / "as-run.jsonl"
    log.write_text(
        entry(SourceLevel.ITEM, "Long ago", hours_ago=40).line()
        + entry(SourceLevel.ITEM, NASTY, hours_ago=6).line()
        + entry(SourceLevel.LIVE, "Studio", hours_ago=5).line()
        + entry(SourceLevel.ITEM, "With a gap", hours_ago=4, gap=1.5).line()
    )
    with served(Program(clip), as_run=log) as site:
        answer = PageVisitor(port=site.listener.port, token=OPERATOR).ask(f"/day?lang={language}")
    assert answer.status == 200
    assert summary in answer.text
    assert NASTY not in answer.text
    assert "Long ago" not in answer.text
    shapes = re.findall(r'<rect class="([a-z0-9-]+)" x="([0-9.]+)"', answer.text)
    items = [(kind, round(float(x))) for kind, x in shapes if kind.startswith(("level", "coming"))]
    assert items == [
        ("level-item", 480),
        ("level-live", 420),
        ("level-item", 360),
        ("coming-0", 730),
        ("coming-1", 740),
    ] or sorted(items, key=lambda one: one[1]) == [
        ("level-item", 360),
        ("level-live", 420),
        ("level-item", 480),
        ("coming-0", 730),
        ("coming-1", 740),
    ]
    assert "gap" in [kind for kind, _ in shapes]
    assert "75 %" in answer.text
    assert re.search(r"1[.,]5 (GB|ГБ)", answer.text)
