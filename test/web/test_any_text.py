"""Names, titles and messages of any bytes, in every place that shows them."""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, replace

import pytest
import structlog
from hypothesis import example, given
from hypothesis import strategies as st

from stands.page import StatusChannel, context_of, example_status
from stands.program import Clip, Program
from tg_video_streamer.asrun.entry import AsRunEntry
from tg_video_streamer.asrun.reader import AsRunFilter, as_csv
from tg_video_streamer.control.chat.wording import ChatCommand, answer_text, guide_text
from tg_video_streamer.control.socket.protocol import status_from_json, success
from tg_video_streamer.control.status import ItemStatus, OutputStatus, ServiceStatus, ServiceWarning
from tg_video_streamer.control.status_text import StatusText
from tg_video_streamer.display_text import MAX_CHARACTERS, DisplayText
from tg_video_streamer.events import (
    AirContent,
    CutReason,
    SegmentEnded,
    SegmentStarted,
    SlateReason,
    SourceFailed,
    SourceLevel,
)
from tg_video_streamer.feed.overlay.draw import Frame, draw_caption
from tg_video_streamer.locales.message import Message
from tg_video_streamer.locales.translator import LANGUAGES, Translator
from tg_video_streamer.logs import configure_logs, log_tail
from tg_video_streamer.monitoring.alerts.evaluator import AlertEvaluator
from tg_video_streamer.monitoring.metrics import Metrics
from tg_video_streamer.playlist.parser import decode
from tg_video_streamer.web.http_body import JsonResponse
from tg_video_streamer.web.pages.on_air import live_fragments

KEY = "a" * 16
TRANSLATORS = [Translator(language=language) for language in LANGUAGES.values()]
NASTY = (
    "\udcc4\udcee\udcec 2",
    "\ud83d",
    "\x1b]0;owned\x07\x1b[2J",
    "=cmd|' /C calc'!A1",
    "\u202egnp.exe",
    "a\r\nSet-Cookie: x\n\n<script>",
    "\u0645\u0631\u062d\u0628\u0627 | title=x",
    "\x00\x85\u2028\u2029\ufeff",
    "й" * 255,
    "{values} %s \\ ' \" ``` @everyone /skip",
)
any_text = st.one_of(
    st.text(st.characters(exclude_categories=())), st.binary(max_size=255).map(os.fsdecode), st.sampled_from(NASTY)
)


def is_shown_safely(text: str) -> bool:
    """Whether a text can be written anywhere: UTF-8 takes it, and nothing in it steers a terminal or turns a line."""
    text.encode("utf-8")
    return not any(unicodedata.category(one) in {"Cc", "Cf", "Cs"} and one not in "\n\u200c\u200d" for one in text)


def status_with(text: str) -> ServiceStatus:
    """A status whose every text from outside is `text`."""
    item, message = ItemStatus(key=KEY, title=text), Message.raw(text)
    output = OutputStatus(
        name=text, kind="rtmp", state="retrying", since_wall=1.0, bytes_sent=0, bits_per_second=0.0, reconnects=0,
        dropped_packets=0, error=message,
    )  # fmt: skip
    return replace(
        example_status(),
        now=item,
        next_items=(item,),
        reason=message,
        problems=(message,),
        outputs=(output,),
        warnings=(ServiceWarning(message=Message.of("warning.item", title=text, problem=message, seconds=1)),),
    )


@given(any_text)
@example("\ud83d\ude00")
def test_any_text_becomes_one_safe_line(text: str) -> None:
    """Whatever the bytes, what is shown is one short line; a plain one is kept as it is, and showing it again changes nothing."""
    shown = DisplayText(text)
    assert is_shown_safely(shown)
    assert "\n" not in shown
    assert len(shown) <= MAX_CHARACTERS
    assert DisplayText(str(shown)) == shown
    plain = " ".join(text.split())
    if plain == text and text.isprintable() and len(text) <= MAX_CHARACTERS:
        assert shown == text


def test_names_in_another_charset_are_read() -> None:
    """A file name of an old Windows disk is shown in its own letters, and so is one with joiners of its language."""
    assert DisplayText(os.fsdecode("Старый фильм".encode("cp1251"))) == "Старый фильм"
    persian = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    assert DisplayText(persian) == persian
    assert DisplayText("a\x1b[31mb") == "a[31mb"


@pytest.fixture(scope="module")
def idle_program(clip: Clip) -> Program:
    """A program that is not on air."""
    return Program(clip)


@given(text=any_text)
def test_pages_api_terminal_and_chat(idle_program: Program, text: str) -> None:
    """Pages, JSON, the lines of terminal and chat, and the metrics' text take a status of any texts."""
    status = status_with(text)
    context = context_of(idle_program, StatusChannel(lambda: status))
    answer = json.loads(success(status.as_json()))["result"]
    assert status_from_json(answer) == status
    api = JsonResponse(status.as_json()).body
    assert is_shown_safely(json.dumps(json.loads(bytes(api)), ensure_ascii=False))
    for words in TRANSLATORS:
        lines = StatusText(words)
        fragments = live_fragments(context, words)
        lines_of = {name: answer_text(ChatCommand(name=name), answer, lines) for name in ("now", "next", "status")}
        messages = (words.message_text(one) for one in status.problems)
        for shown in (*fragments.values(), *lines_of.values(), guide_text(status, lines), *messages):
            assert is_shown_safely(shown)
        assert "<script" not in "".join(fragments.values()).lower()


@given(text=any_text)
def test_as_run_metrics_and_notifications(text: str) -> None:
    """The as-run log reads its own lines back, no cell of its table is a formula, metrics and notifications are text."""
    content = AirContent(level=SourceLevel.ITEM, key=KEY, title=text)
    ended = SegmentEnded(
        started=0.0, wall=1.0, reason=CutReason.ENDED, content=content, seconds=1.0, gap_seconds=0.0, skew_seconds=0.0
    )
    entry = AsRunEntry.of(ended)
    line = entry.line()
    assert line.count("\n") == 1
    assert AsRunEntry.from_line(line.encode().decode()) == entry
    assert AsRunFilter(words=entry.title[:20]).matches(entry)
    _, row = csv.reader(io.StringIO(as_csv([entry])))
    assert not any(cell.lstrip().startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)
    metrics = Metrics(lambda: status_with(text))
    metrics.on_event(SourceFailed(wall=0.0, stage=text, reason=text, detail=text, key=KEY, title=text))
    assert is_shown_safely(metrics.text().decode())
    evaluator = AlertEvaluator(after_seconds=0.0)
    slate = AirContent(level=SourceLevel.SLATE, slate_reason=SlateReason.SOURCE_FAILED)
    alerts = [
        *evaluator.on_event(SegmentStarted(wall=1.0, reason=CutReason.SOURCE_FAILED, content=slate), 1.0),
        *evaluator.evaluate(30.0),
        *evaluator.on_event(SegmentStarted(wall=60.0, reason=CutReason.ITEM_READY, content=content), 60.0),
    ]
    alerts += evaluator.evaluate(120.0)
    assert len(alerts) == 2
    for alert in alerts:
        assert is_shown_safely(Translator().message_text(alert.message))


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """What a test configures is undone."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before
    structlog.reset_defaults()


@pytest.mark.usefixtures("restored_logging")
@pytest.mark.parametrize("log_format", ["console", "json"])
def test_log_lines(log_format: str) -> None:
    """A log line stays one line that any stdout takes, whatever name stands in it, and none is lost."""
    configure_logs(log_format)
    for number, text in enumerate(NASTY):
        structlog.get_logger("test").warning("item left out", title=text, number=number, nested={"name": [text]})
        line = log_tail()[-1]
        assert is_shown_safely(line), repr(line)
        assert line.count("\n") == 0
        assert f'"number": {number}' in line or f"number={number}" in line


def test_a_caption_of_any_text_is_drawn() -> None:
    """The title on the picture is drawn whatever its bytes are."""
    caption = DisplayText(" ".join(NASTY))
    assert draw_caption(caption, Frame(width=320, height=180)).startswith(b"\x89PNG")


def test_a_playlist_that_is_not_utf8_has_readable_lines() -> None:
    """A line in an old charset is read in it, next to lines in UTF-8, and so are the messages about it."""
    text = decode("песня.mp4\n".encode() + "фильм.mp4\n".encode("cp1251"))
    assert text.splitlines() == ["песня.mp4", "фильм.mp4"]
    assert str(Message.of("line.missing", path=os.fsdecode("фильм.mp4".encode("cp1251")))).count("фильм.mp4") == 1
    assert is_shown_safely(json.dumps(asdict(Message.of("line.missing", path="\udcff\x1b")), ensure_ascii=False))
