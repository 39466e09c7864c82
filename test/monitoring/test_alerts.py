"""Alerts as people get them: raised, resolved, never twice, never a flood, and without secrets."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from stands.called_site import CalledSite, called_site
from stands.service import command_line, running
from stands.virtual_time import AheadClock
from stands.waiting import wait_until
from tg_video_streamer.clock import Clock, SystemClock
from tg_video_streamer.errors import ChildFailed
from tg_video_streamer.events import (
    AirContent,
    CutReason,
    DegradedChanged,
    Event,
    OutputChanged,
    SegmentStarted,
    SessionRenewed,
    SlateReason,
    SourceLevel,
    UpdateFailed,
)
from tg_video_streamer.locales.message import Message
from tg_video_streamer.locales.translator import Translator
from tg_video_streamer.logs import redaction
from tg_video_streamer.monitoring.alerts.alert import Severity, sanitized
from tg_video_streamer.monitoring.alerts.digest import DigestQueue
from tg_video_streamer.monitoring.alerts.evaluator import COOLDOWN_SECONDS, AlertEvaluator, AlertState
from tg_video_streamer.monitoring.alerts.notifier import Notifier
from tg_video_streamer.monitoring.alerts.send import notify_problems, send

DAY = 86_400.0
CANARY = "CANARYsecretCANARY"


def slate(reason: SlateReason = SlateReason.SOURCE_FAILED) -> SegmentStarted:
    """The slate comes on air for a reason."""
    content = AirContent(level=SourceLevel.SLATE, slate_reason=reason)
    return SegmentStarted(wall=0.0, reason=CutReason.SOURCE_FAILED, content=content)


def item(title: str = "Sintel") -> SegmentStarted:
    """An item comes on air."""
    content = AirContent(level=SourceLevel.ITEM, title=title)
    return SegmentStarted(wall=0.0, reason=CutReason.ITEM_READY, content=content)


def output(state: str, error: str = "", name: str = "rtmp-1") -> OutputChanged:
    """An output changes its state."""
    return OutputChanged(wall=0.0, output=name, state=state, error=Message.raw(error) if error else None)


def alerts(after_seconds: float, events: Sequence[tuple[float, Event]]) -> list[tuple[float, str]]:
    """Time and text of the alerts that `events` raise and resolve within a day; evaluated as the worker does it."""
    evaluator = AlertEvaluator(after_seconds=after_seconds)
    sent: list[tuple[float, str]] = []

    def evaluate_until(end: float) -> None:
        while (at := evaluator.next_evaluation()) is not None and at <= end:
            sent.extend((at, alert.message.text) for alert in evaluator.evaluate(at))

    for at, event in events:
        evaluate_until(at)
        sent.extend((at, alert.message.text) for alert in evaluator.on_event(event, at))
    evaluate_until(DAY)
    return sent


# What is worth a message


def test_a_slate_that_stays_is_raised_once_and_resolved() -> None:
    """After NOTIFY_AFTER_SECONDS of slate an alert is raised, and resolved when the program is back."""
    events = [(0.0, item()), (100.0, slate()), (400.0, item("Big Buck Bunny"))]
    first, second = alerts(30, events)
    assert first[0] == 130
    assert first[1].startswith("Viewers have seen the slate for 30 s")
    assert "Run: tg-video-streamer doctor" in first[1]
    assert second == (400 + COOLDOWN_SECONDS, "The program is back after 5 min of slate: Big Buck Bunny")


def test_a_short_or_intended_slate_raises_no_alert() -> None:
    """A slate shorter than the limit raises no alert, and an intended one never does."""
    events = [
        (0.0, item()),
        (10.0, slate()),
        (35.0, item()),
        (100.0, slate(SlateReason.PAUSED)),
        (9_000.0, slate(SlateReason.OPERATOR)),
    ]
    assert alerts(30, [*events, (20_000.0, item())]) == []


def test_a_pause_that_ends_in_a_failure_counts_from_there() -> None:
    """The operator's pause does not count as a failure, and what comes after it does."""
    events = [(0.0, slate(SlateReason.PAUSED)), (1_000.0, slate())]
    assert [at for at, _ in alerts(30, events)] == [1_030]


def test_filler_is_no_slate() -> None:
    """Filler is a program: it raises no alert."""
    filler = AirContent(level=SourceLevel.FILLER, title="jingle")
    events = [
        (0.0, slate()),
        (5.0, SegmentStarted(wall=0.0, reason=CutReason.FILLER_READY, content=filler)),
    ]
    assert alerts(30, events) == []


def test_a_slate_that_comes_and_goes_is_one_alert() -> None:
    """A source that gives a second now and then is one trouble, not many, and none that hides."""
    events: list[tuple[float, Event]] = []
    for round_number in range(40):
        events += [(round_number * 11.0, slate()), (round_number * 11.0 + 10, item())]
    said = alerts(30, events)
    assert len(said) == 2, said
    assert said[1][1].startswith("The program is back after 6 min")


def test_an_empty_playlist_has_its_own_words() -> None:
    """The text names what helps here."""
    ((_, text),) = alerts(30, [(0.0, slate(SlateReason.PLAYLIST_EMPTY))])
    assert "the playlist has nothing to play" in text
    assert "run: tg-video-streamer check" in text


def test_an_output_that_is_down_is_raised_and_resolved() -> None:
    """Retries are one trouble; the last error and the command are in the text."""
    events: list[tuple[float, Event]] = [(0.0, output("connecting")), (1.0, output("on_air"))]
    for second in range(50, 500, 10):
        events += [(float(second), output("retrying", "connection refused")), (second + 1.0, output("connecting"))]
    events.append((600.0, output("on_air")))
    down, back = alerts(30, events)
    assert down[0] == 80
    assert down[1].startswith("Output rtmp-1 has been down for 30 s and is being retried: connection refused. Run: ")
    assert back[1] == "Output rtmp-1 is back on air after 9 min 10 s."


def test_a_short_loss_a_stop_and_a_suspension_raise_no_alert() -> None:
    """A short loss, a stop by the operator and degraded mode raise no alert about an output."""
    for state in ("on_air", "stopped", "suspended"):
        events = [(0.0, output("on_air")), (10.0, output("retrying", "reset")), (20.0, output(state))]
        assert alerts(30, events) == [], state


def test_outputs_alert_separately() -> None:
    """One output's recovery says nothing about another's."""
    events = [
        (0.0, output("retrying", "a", "rtmp-1")),
        (0.0, output("retrying", "b", "rtmp-2")),
        (50.0, output("on_air", "", "rtmp-1")),
    ]
    said = [text.split(" ")[1] for _, text in alerts(30, events)]
    assert said == ["rtmp-1", "rtmp-2", "rtmp-1"]


def test_degraded_and_recovered_alert_with_the_command() -> None:
    """A session that ended is reported with its ending and the command, and so is the end of degraded mode."""
    command = "cd /opt/tg_video_streamer/current && python test/auto_session_runner.py --write-env"
    events: list[tuple[float, Event]] = [
        (0.0, DegradedChanged(wall=0.0, active=True, ending="SessionExpired", command=command)),
        (120.0, DegradedChanged(wall=0.0, active=False)),
    ]
    first, second = alerts(30, events)
    expected = f"Degraded mode for 30 s: SESSION_STRING is invalid (SessionExpired). Run: {command}"
    assert first == (30, expected)
    assert second[1] == "Degraded mode ended after 2 min: the Telegram session works again."


def test_a_promoted_spare_is_one_alert() -> None:
    """Where the spare takes over within the limit, that is the only alert, with how to make a new one."""
    events: list[tuple[float, Event]] = [
        (0.0, DegradedChanged(wall=0.0, active=True, ending="SessionRevoked")),
        (5.0, SessionRenewed(wall=0.0, by_spare=True)),
        (5.0, DegradedChanged(wall=0.0, active=False)),
        (900.0, SessionRenewed(wall=0.0, by_spare=False)),
    ]
    ((at, text),) = alerts(30, events)
    assert at == 5
    assert text.endswith("Make a new spare: tg-video-streamer session login --spare --write-env")


def test_a_failed_update_alerts_at_once() -> None:
    """An update that failed names the program, why, and the command."""
    event = UpdateFailed(wall=0.0, program="yt-dlp", detail="no space left", command="scripts/yt-dlp-update.sh")
    ((at, text),) = alerts(30, [(7.0, event)])
    assert at == 7
    assert "update of yt-dlp failed" in text
    assert text.endswith("no space left. Run: scripts/yt-dlp-update.sh")


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=60), st.floats(0, 60))
def test_an_alert_is_raised_once_before_it_is_resolved(steps: list[tuple[float, bool]], after: float) -> None:
    """Whatever comes and goes: an alert is never raised twice in a row, and resolved only after it was raised."""
    state, now, changes = AlertState(after_seconds=after), 0.0, ""
    for pause, bad in steps:
        now += pause
        (state.start if bad else state.end)(now)
        if state.raise_at(now):
            changes += "+"
        elif state.resolve_at(now) is not None:
            changes += "-"
    assert "++" not in changes
    assert "--" not in changes
    assert not changes.startswith("-")


# What leaves, and when


def test_the_same_words_are_not_repeated_within_a_day() -> None:
    """A repetition is dropped, another text on the topic is not, and a day later it is sent again."""
    queue, sent = DigestQueue(Translator()), []
    for minute in range(24 * 60 + 2):
        now = minute * 60.0
        queue.put("slate", Severity.WARNING, "yt-dlp is old", now)
        if (digest := queue.take(now + 2)) is not None:
            sent.append((minute, digest.text))
    assert sent == [(0, "yt-dlp is old"), (24 * 60, "yt-dlp is old")]


def test_a_burst_is_one_message() -> None:
    """What happens within a second is one message, as grave as the gravest of it."""
    queue = DigestQueue(Translator())
    queue.put("a", Severity.SUCCESS, "a is well", 0.0)
    queue.put("b", Severity.FAILURE, "b is down", 0.5)
    assert queue.take(0.9) is None
    digest = queue.take(1.0)
    assert digest is not None
    assert (digest.severity, digest.count) == (Severity.FAILURE, 2)
    assert digest.text == "2 alerts:\n- a is well\n- b is down"


def test_a_flood_is_counted_instead_of_sent() -> None:
    """An hour of new words every second is some messages of bounded length, which say how much they leave out."""
    queue, texts = DigestQueue(Translator()), []
    for second in range(3600):
        queue.put(f"topic {second}", Severity.WARNING, f"thing {second} happened", float(second))
        queue.put("output rtmp-1", Severity.WARNING, f"rtmp-1 is down for the {second}th time", float(second))
        if (digest := queue.take(float(second))) is not None:
            texts.append(digest.text)
    assert len(texts) <= 8
    assert all(len(text) < 2000 for text in texts)
    assert "more before these: see the log" in texts[-1]
    assert "times)" in texts[-1]


@given(st.lists(st.tuples(st.floats(0, 500), st.sampled_from("abcdefgh")), max_size=200))
def test_two_messages_are_never_closer_than_a_minute(steps: list[tuple[float, str]]) -> None:
    """Whatever happens, people get at most one message a minute, and what they were not sent yet is not lost."""
    queue, now, sent = DigestQueue(Translator()), 0.0, []
    for number, (pause, topic) in enumerate(steps):
        now += pause
        queue.put(topic, Severity.WARNING, f"{topic} {number}", now)
        if queue.take(now) is not None:
            sent.append(now)
    assert all(later - earlier >= 60 for earlier, later in pairwise(sent))
    due = queue.next_digest()
    if steps:
        last = queue.take(due) if due is not None else None
        assert last is not None or sent


def test_nothing_that_is_an_address_or_looks_like_a_key_is_in_a_text() -> None:
    """Addresses and long opaque words are taken out, titles and commands stay."""
    key = "1BVtsOK4Bu" * 20
    text = sanitized(f"output rtmp-1: rtmps://dc4.example/s/{CANARY} said\nno to {key}; run: tg-video-streamer doctor")
    assert text == "output rtmp-1: (address left out) said no to ***; run: tg-video-streamer doctor"
    assert sanitized("Sintel (2010) - 4K") == "Sintel (2010) - 4K"
    assert len(sanitized("word " * 1000)) == 600


# How it is sent


@asynccontextmanager
async def notifying(
    site: CalledSite,
    *,
    clock: Clock | None = None,
    scheme: str = "json",
    after_seconds: float = 0.0,
    give_up_seconds: float = 100.0,
) -> AsyncIterator[Notifier]:
    """A notifier that sends to `site`, running for as long as the block lasts."""
    notifier = Notifier(
        [f"{scheme}://127.0.0.1:{site.port}/{CANARY}"],
        after_seconds=after_seconds,
        clock=clock or SystemClock(),
        redact=redaction([CANARY]),
        retry_pauses=(0.02, 0.02),
        give_up_seconds=give_up_seconds,
    )
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(notifier.run())
        yield notifier
        task.cancel()


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait in a thread, so that the notifier runs meanwhile."""
    await asyncio.to_thread(wait_until, condition, what=what)


async def test_a_message_arrives_whole_and_without_the_secret() -> None:
    """What `notify` was given comes to the far end as its kind, with the host's name and no secret."""
    with called_site() as site:
        async with notifying(site) as notifier:
            # From another thread, as the rooms that call it may.
            await asyncio.to_thread(
                notifier.notify, Message.raw(f"key {CANARY} is bad; run: x"), topic="session", severity=Severity.FAILURE
            )
            await until(lambda: site.calls, "the message")
        (call,) = site.calls
    assert call.message["message"] == "key *** is bad; run: x"
    assert call.message["type"] == "failure"
    assert call.message["title"].startswith("tg-video-streamer on ")


async def test_the_worker_wakes_when_a_trouble_has_lasted() -> None:
    """An alert needs no further event."""
    with called_site() as site:
        async with notifying(site, after_seconds=0.2) as notifier:
            notifier.on_event(slate())
            await until(lambda: site.calls, "the message")
        assert site.texts[0].startswith("Viewers have seen the slate for 0 s")


async def test_what_nobody_takes_is_given_up_and_hinders_nothing() -> None:
    """A refusing far end is tried some times; the log says so twice, and never the address."""
    with called_site() as site, capture_logs() as logs:
        site.status = 500
        async with notifying(site, give_up_seconds=1.0) as notifier:
            notifier.notify(Message.raw("it happened"), topic="a")
            await until(lambda: len(logs) >= 2, "it is given up")
        assert set(site.texts) == {"it happened"}
    assert [entry["event"] for entry in logs] == ["notification not sent", "notification given up"]
    assert CANARY not in str(logs)


async def test_addresses_that_cannot_be_read_are_not_tried_again() -> None:
    """Where Apprise knows none of the services one try is enough."""
    with called_site() as site, capture_logs() as logs:
        async with notifying(site, scheme="nonsense") as notifier:
            notifier.notify(Message.raw("it happened"), topic="a")
            await until(lambda: len(logs) >= 2, "it is given up")
    assert [entry["event"] for entry in logs] == ["notification not sent", "notification given up"]


async def test_a_message_that_nobody_took_arrives_later() -> None:
    """The network that takes the outputs down takes the message too; it arrives when the network is back."""
    with called_site() as site:
        site.status = 500
        async with notifying(site) as notifier:
            notifier.notify(Message.raw("it happened"), topic="a")
            await until(lambda: site.calls, "the first try")
            site.status = 200
            await until(lambda: len(site.calls) >= 2, "the second try")
        assert set(site.texts) == {"it happened"}


async def test_a_late_message_says_how_late() -> None:
    """A late digest says how late it is."""
    with called_site() as site:
        site.status = 500
        clock = AheadClock()
        async with notifying(site, clock=clock, give_up_seconds=10_000.0) as notifier:
            notifier.notify(Message.raw("it happened"), topic="a")
            await until(lambda: site.calls, "the first try")
            clock.ahead = 3000.0
            await until(lambda: "sent late" in site.texts[-1], "a later try")
        assert re.fullmatch(r"it happened\n\(sent late: this was 50 min( \d+ s)? ago\)", site.texts[-1])


async def test_a_child_that_hangs_is_ended_and_its_address_is_in_no_error() -> None:
    """A far end that never answers costs a child for a limited time, and its address is not shown."""
    with called_site() as site:
        site.hanging.set()
        with pytest.raises(ChildFailed) as caught:
            await send(
                [f"json://127.0.0.1:{site.port}/{CANARY}?rto=60"],
                title="t",
                text="hello",
                severity=Severity.INFO,
                deadline_seconds=2.0,
            )
    assert CANARY not in str(caught.value)


async def test_one_dead_address_does_not_keep_the_others_from_it() -> None:
    """Every address is tried, and how many took it is known."""
    with called_site() as site:
        addresses = ["json://127.0.0.1:9/", f"json://127.0.0.1:{site.port}/", "nonsense://x"]
        result = await send(addresses, title="t", text="hello", severity=Severity.INFO)
        assert (result.sent, result.failed, result.unknown) == (1, 1, 1)
        assert site.texts == ["hello"]


def test_apprise_never_loads_into_the_service() -> None:
    """The module that sends brings no Apprise into the process."""
    code = (
        "import sys, tg_video_streamer.app.build, tg_video_streamer.monitoring.alerts.notifier;"
        "assert 'apprise' not in sys.modules and 'telethon' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_addresses_are_checked_by_their_looks_and_never_repeated() -> None:
    """A word that is no address is a problem that names its number."""
    assert notify_problems("") == []
    assert notify_problems("json://127.0.0.1/a mailto://b:c@d.example") == []
    (problem,) = notify_problems(f"json://127.0.0.1/a {CANARY}")
    assert problem.startswith("NOTIFY_URLS: address 2 ")
    assert CANARY not in problem


# The running service


def test_a_service_tells_of_a_dead_output_and_shows_nothing_secret(tmp_path: Path) -> None:
    """A dead output reaches people; the address is in no log and on no command line."""
    with called_site() as site:
        site.hanging.set()
        settings = {
            "PLAYLIST": str(tmp_path / "playlist.txt"),
            "OUTPUTS": f"rtmp://127.0.0.1:9/live/{CANARY}key",
            "NOTIFY_URLS": f"json://127.0.0.1:{site.port}/{CANARY}",
            "NOTIFY_AFTER_SECONDS": "1",
            "VIDEO_SIZE": "320x180",
            "FRAME_RATE": "25",
        }
        (tmp_path / "playlist.txt").write_text("")
        with running(tmp_path / "service", settings) as service:

            def seen() -> list[str]:
                assert service.process.poll() is None, service.log
                # The far end hangs, so the child that talks to it can be inspected.
                return [word for child in service.children() for word in command_line(child)] if site.calls else []

            words = wait_until(seen, what="a message")
            assert "tg_video_streamer.monitoring.alerts.send_child" in words
            assert CANARY not in " ".join(words)
            status = service.status()
            assert status["channel_state"] == "on_slate"
            assert service.stop() == 0
            assert CANARY not in service.log
        text = "\n".join(site.texts)
    assert "has been down for 1 s" in text or "Viewers have seen the slate" in text
    assert CANARY not in text
