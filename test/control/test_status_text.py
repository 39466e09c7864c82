"""The status in words: titles cannot play tricks on a terminal, numbers read well."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stands.small_channel import SmallChannel
from tg_video_streamer.control.socket.protocol import status_from_json
from tg_video_streamer.control.status import DownloadStatus, SpoolStatus
from tg_video_streamer.control.status_text import StatusText, printable
from tg_video_streamer.locales.language import Language
from tg_video_streamer.locales.message import Message
from tg_video_streamer.locales.translator import LANGUAGES, Translator

TEXT = StatusText(Translator())


@settings(deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_a_printable_text_is_one_harmless_line(text: str) -> None:
    """Whatever a title holds, what is shown has no control, format or surrogate character and no line break."""
    shown = printable(text)
    assert not [letter for letter in shown if unicodedata.category(letter)[0] == "C" or letter.splitlines() == [""]]
    assert printable(shown) == shown
    shown.encode()


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("\x1b[31mred\x1b[0m\a", "[31mred[0m"),
        ("a\nb\tc\u2028d", "a b c d"),
        ("gnp.\u202eexe", "gnp.exe"),
        ("👩\u200d🚀 up ❤\ufe0f", "👩🚀 up ❤"),
        ("caf\udce9", "café"),
        ("caf\ud83d", "caf\ufffd"),
        ("سلام דוד", "سلام דוד"),
    ],
)
def test_titles_keep_their_letters(title: str, shown: str) -> None:
    """Letters of all scripts and emoji stay; what would steer the terminal goes."""
    assert printable(title) == shown


def test_the_status_is_told_line_by_line() -> None:
    """The first line tells what matters; outputs, problems and warnings have a line each."""
    status = replace(SmallChannel().status(), healthy=False, problems=(Message.raw("rtmp-1 is not on air"),))
    first, *others = TEXT.lines(status)
    assert first.startswith("on air (not healthy) · Big Buck Bunny 🐰, 0:00 of 10:00 · outputs on air: 1 of 2 · ")
    assert "output preview: on air, 2.5 Mbit/s, 12.3 MB sent" in others
    assert "output rtmp-1: reconnecting, 0 kB sent, connection refused, 3 reconnects, 12 packets dropped" in others
    assert others[-2:] == ["problem: rtmp-1 is not on air", "warning: playlist line 7: no such file"]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "spool: Sintel: downloading 43 %, 12.0 MB/s, ready in 20 s"),
        ("ru", "запас: Sintel: загрузка 43 %, 12,0 МБ/с, готово через 20 с"),  # noqa: RUF001 - Russian
    ],
)
def test_a_download_says_when_it_is_ready(language: str, text: str) -> None:
    """While an item is downloaded ahead of need, its progress, speed and remaining time have a line."""
    download = DownloadStatus(
        item_key="key",
        title="Sintel",
        have_bytes=180_000_000,
        whole_bytes=420_000_000,
        percent=43,
        bytes_per_second=12_000_000,
        ready_seconds=20,
    )
    spool = SpoolStatus(used_bytes=1, max_bytes=2, ready_items=0, downloads=0, failures=0, download=download)
    status = replace(SmallChannel().status(), spool=spool)
    assert text in list(StatusText(Translator(language=LANGUAGES[language])).lines(status))
    assert status_from_json(json.loads(json.dumps(status.as_json()))).spool == spool


def test_nothing_on_air_says_why() -> None:
    """With nothing on air, `now` tells the channel's state and reason."""
    status = replace(
        SmallChannel().status(), now=None, channel_state="on_slate", reason=Message.raw("the playlist is empty")
    )
    assert TEXT.now(status) == "nothing (on slate: the playlist is empty)"


def test_telegram_is_told_as_it_is() -> None:
    """Session, viewers, degraded mode with its remedy, and whether the far end has the stream; nothing without Telegram."""
    status = SmallChannel().status()
    assert "Telegram" not in "".join(TEXT.lines(status))
    output = replace(status.outputs[0], name="telegram-1", kind="telegram", delivery="confirmed")
    status = replace(status, outputs=(output,), session_state="valid", viewers=1)
    lines = list(TEXT.lines(status))
    assert "output telegram-1: on air, 2.5 Mbit/s, 12.3 MB sent, delivery confirmed: Telegram has it" in lines
    assert "Telegram: session valid, 1 viewer" in lines
    status = replace(
        status, session_state="expired", viewers=None, degraded=True, degraded_reason=Message.raw("it has expired")
    )
    first, *others = TEXT.lines(status)
    assert first.startswith("on air · degraded · ")
    assert "Telegram: session expired" in others
    assert "degraded: it has expired; run: tg-video-streamer session renew --write-env" in others


@pytest.mark.parametrize("language", LANGUAGES.values(), ids=str)
def test_the_status_is_written_in_each_language(language: Language) -> None:
    """Every line has its text in the language, with no name of a state left as the service has it."""
    lines = list(StatusText(Translator(language=language)).lines(SmallChannel().status()))
    assert "_" not in "".join(lines)
    assert len(lines) == 7
