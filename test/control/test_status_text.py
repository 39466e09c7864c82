"""The status in words: titles cannot play tricks on a terminal, numbers read well."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stands.small_channel import SmallChannel
from tg_video_streamer.control import status_text as wording
from tg_video_streamer.locales.message import Message


@settings(deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_a_printable_text_is_one_harmless_line(text: str) -> None:
    """Whatever a title holds, what is shown has no control, format or surrogate character and no line break."""
    shown = wording.printable(text)
    assert not [letter for letter in shown if unicodedata.category(letter)[0] == "C" or letter.splitlines() == [""]]
    assert wording.printable(shown) == shown
    shown.encode()


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("\x1b[31mred\x1b[0m\a", "[31mred[0m"),
        ("a\nb\tc\u2028d", "a b c d"),
        ("gnp.\u202eexe", "gnp.exe"),
        ("👩\u200d🚀 up ❤\ufe0f", "👩🚀 up ❤"),
        ("caf\udce9", "caf\ufffd"),
        ("سلام דוד", "سلام דוד"),
    ],
)
def test_titles_keep_their_letters(title: str, shown: str) -> None:
    """Letters of all scripts and emoji stay; what would steer the terminal goes."""
    assert wording.printable(title) == shown


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "00:00"), (-1, "00:00"), (83.9, "01:23"), (3723, "1:02:03"), (266_523, "3d 02:02:03")]
)
def test_times_read_as_clocks(seconds: float, text: str) -> None:
    """Seconds are shown as a clock, with days where there are some."""
    assert wording.clock_text(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 kB"), (12_300_000, "12.3 MB"), (1_200_000_000, "1.2 GB"), (5_600_000_000_000, "5.6 TB")]
)
def test_sizes_have_units(size: int, text: str) -> None:
    """Bytes are shown in the unit that people would choose."""
    assert wording.size_text(size) == text


def test_the_status_is_told_line_by_line() -> None:
    """The first line tells what matters; outputs, problems and warnings have a line each."""
    status = replace(SmallChannel().status(), healthy=False, problems=(Message.raw("rtmp-1 is not on air"),))
    first, *others = wording.status_lines(status)
    assert first.startswith("on air (not healthy) · Big Buck Bunny 🐰, 00:00 of 10:00 · outputs on air: 1 of 2 · ")
    assert "output preview: on air, 2.5 Mbit/s, 12.3 MB sent" in others
    assert "output rtmp-1: retrying, 0 kB sent, connection refused, 3 reconnects, 12 packets dropped" in others
    assert others[-2:] == ["problem: rtmp-1 is not on air", "warning: playlist line 7: no such file"]


def test_nothing_on_air_says_why() -> None:
    """With nothing on air, `now` tells the channel's state and reason."""
    status = replace(
        SmallChannel().status(), now=None, channel_state="on_slate", reason=Message.raw("the playlist is empty")
    )
    assert wording.now_text(status) == "nothing (on slate: the playlist is empty)"


def test_telegram_is_told_as_it_is() -> None:
    """Session, viewers, degraded mode with its remedy, and whether the far end has the stream; nothing without Telegram."""
    status = SmallChannel().status()
    assert "telegram" not in "".join(wording.status_lines(status))
    output = replace(status.outputs[0], name="telegram-1", kind="telegram", delivery="confirmed")
    status = replace(status, outputs=(output,), session_state="valid", viewers=1)
    lines = wording.status_lines(status)
    assert "output telegram-1: on air, 2.5 Mbit/s, 12.3 MB sent, delivery confirmed: Telegram has it" in lines
    assert "telegram: session valid, 1 viewer" in lines
    status = replace(
        status, session_state="expired", viewers=None, degraded=True, degraded_reason=Message.raw("it has expired")
    )
    first, *others = wording.status_lines(status)
    assert first.startswith("on air · degraded · ")
    assert "telegram: session expired" in others
    assert "degraded: it has expired; run: tg-video-streamer session renew --write-env" in others
