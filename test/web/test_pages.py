"""Texts and elements of the pages, in both languages, without a service."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stands.page import example_status
from tg_video_streamer.asrun.history import BAND_SECONDS, LevelSpan, Sample
from tg_video_streamer.locales.translator import LANGUAGES, Translator
from tg_video_streamer.web.language import _accepted
from tg_video_streamer.web.pages.band import band_tag
from tg_video_streamer.web.pages.charts import charts_tag
from tg_video_streamer.web.pages.elements import badge
from tg_video_streamer.web.pages.playlist import changes

EN, RU = Translator(), Translator(language=LANGUAGES["ru"])
NOW = 1_790_000_000.0


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("ru", "ru"),
        ("ru-RU,ru;q=0.9,en;q=0.8", "ru"),
        ("en;q=0.5,ru;q=0.7", "ru"),
        ("de,fr;q=0.9", "en"),
        ("de,ru;q=0.1", "ru"),
        ("ru;q=0", "en"),
        ("ru;q=nonsense,en", "en"),
    ],
)
def test_the_browser_s_wish_counts(header: str, language: str) -> None:
    """Accept-Language is read with its weights."""
    assert _accepted(header).code == language


@given(st.text())
def test_any_header_gives_a_language(header: str) -> None:
    """No Accept-Language, however odd, breaks a page."""
    assert _accepted(header) in LANGUAGES.values()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("On air", "good")),
        ({"cached": True}, ("On air · cached", "good")),
        ({"cached": True, "prepared": True}, ("On air · prepared", "good")),
        ({"encode_step": "half"}, ("On air · half of the pictures", "good")),
        ({"channel_state": "on_slate", "cached": True}, ("Slate", "fair")),
        ({"healthy": False}, ("On air · problem", "bad")),
        ({"degraded": True}, ("On air · no session", "fair")),
        ({"channel_state": "on_filler"}, ("Filler", "fair")),
        ({"channel_state": "on_backup"}, ("Backup", "fair")),
        ({"channel_state": "on_slate"}, ("Slate", "fair")),
        ({"channel_state": "on_slate", "healthy": False}, ("Slate · problem", "bad")),
        ({"level": "live"}, ("Live takeover", "live")),
        ({"level": "live", "healthy": False}, ("Live takeover · problem", "bad")),
        ({"channel_state": "starting", "healthy": False}, ("Starting", "quiet")),
        ({"channel_state": "stopping", "healthy": False}, ("Stopping", "quiet")),
    ],
)
def test_badge_tells_the_truth(changes: dict[str, object], expected: tuple[str, str]) -> None:
    """The badge is green and "on air" only while media leaves."""
    status = replace(example_status(), **changes)  # type: ignore[arg-type]
    assert badge(status, EN) == expected
    assert badge(status, RU)[1] == expected[1]


def test_band_hides_no_trouble() -> None:
    """Ten seconds of slate in a day are visible in the band and in the table, and the day is below 100 %."""
    begin = NOW - BAND_SECONDS
    spans = [
        LevelSpan(starts_wall=begin, ends_wall=begin + 40_000, level="item"),
        LevelSpan(starts_wall=begin + 40_000, ends_wall=begin + 40_010, level="slate"),
        LevelSpan(starts_wall=begin + 40_010, ends_wall=NOW, level="item"),
    ]
    drawn = band_tag(spans, EN, now_wall=NOW)
    assert 'class="level-slate" x="333" width="1"' in drawn
    assert "On air &gt; 99.9 %, Slate &lt; 0.1 %" in drawn
    assert "Interruptions: 1" in drawn
    assert "10 s" in drawn


def test_band_says_when_nothing_was_on_air() -> None:
    """Time without a span is shown as off."""
    drawn = band_tag([LevelSpan(starts_wall=NOW - 3600, ends_wall=NOW - 1800, level="item")], EN, now_wall=NOW)
    assert "Off 97.9 %" in drawn
    assert "On air 2.1 %" in drawn
    assert "Off 100 %" in band_tag([], EN, now_wall=NOW)


@given(
    st.lists(
        st.tuples(st.floats(-90_000, 100), st.floats(0, 5000), st.sampled_from(["item", "live", "slate", "new"])),
        max_size=20,
    )
)
def test_any_history_fills_the_band(found: list[tuple[float, float, str]]) -> None:
    """The band is complete for overlapping spans, spans outside the day and unknown levels."""
    spans = [LevelSpan(starts_wall=NOW + at, ends_wall=NOW + at + length, level=level) for at, length, level in found]
    drawn = band_tag(spans, EN, now_wall=NOW)
    assert sum(map(int, re.findall(r'<rect [^>]*width="(\d+)"', drawn))) == 720


def test_charts_have_a_line_an_output() -> None:
    """Each output has its own line and its newest value; a name is text."""
    samples = [
        Sample(wall=NOW + 5 * n, buffer_seconds=10 + n, bits_per_second={"rtmp-1": 2e6, "<b>": 1e6}) for n in range(3)
    ]
    drawn = charts_tag(samples, EN, now_wall=NOW + 10)
    assert drawn.count("<polyline") == 3
    assert "2.0 Mbit/s" in drawn
    assert "12.0 s" in drawn
    assert "<b>" not in drawn
    assert "&lt;b&gt;" in drawn
    assert "<polyline" in charts_tag([], EN, now_wall=NOW)


def test_changes_are_told_line_by_line() -> None:
    """Removed and added lines are marked and escaped."""
    told = "".join(changes("a\nb\nc\n", "a\n<i>\nc\n"))
    assert "<del>b</del>" in told
    assert "<ins>&lt;i&gt;</ins>" in told
    assert list(changes("same\n", "same\n")) == []
