"""What was on air or valid when it was last seen, too long ago, is unknown wherever a person looks."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from stands.page import example_status, output_status, served
from stands.page_visitor import PageVisitor
from stands.program import Clip, Program
from stands.virtual_time import AheadClock
from stands.waiting import wait_until
from tg_video_streamer.control.health import problems, side_problems
from tg_video_streamer.control.reporter import output_report
from tg_video_streamer.control.status import OutputStatus, ServiceStatus, TelegramFacts
from tg_video_streamer.control.status_text import StatusText
from tg_video_streamer.locales.translator import Translator
from tg_video_streamer.media import Stamped
from tg_video_streamer.monitoring.heartbeat import truly_on_air
from tg_video_streamer.monitoring.metrics import Metrics
from tg_video_streamer.outputs.handler import OutputHandler
from tg_video_streamer.outputs.state import OutputState
from tg_video_streamer.sighting import Sighting
from tg_video_streamer.web.pages.elements import badge


class Hanging:
    """An adapter that takes everything at once, until it takes nothing and does not return."""

    def __init__(self) -> None:
        self.limit_ticks: int | None = None
        self.bytes_sent = 0
        self.returns = threading.Event()
        self.returns.set()

    def open(self) -> None:
        """See Adapter."""

    def close(self) -> None:
        """See Adapter."""

    def attend(self) -> None:
        """See Adapter."""
        self.returns.wait()

    def delivering(self) -> bool:
        """See Adapter."""
        return True

    def send(self, packets: Sequence[Stamped]) -> None:
        """See Adapter."""
        self.returns.wait()
        self.bytes_sent += len(packets)


@contextmanager
def _on_air(clip: Clip, clock: AheadClock, adapter: Hanging) -> Iterator[OutputHandler]:
    with Program(clip) as program:
        handler = OutputHandler(
            name="rtmp-1",
            kind="rtmp",
            make_adapter=lambda _cancelled: adapter,
            fanout=program.fanout,
            publish=lambda _event: None,
            clock=clock,
        )
        handler.start()
        try:
            wait_until(lambda: handler.status().state is OutputState.ON_AIR, what="on air")
            yield handler
        finally:
            adapter.returns.set()
            handler.stop()


def _told(handler: OutputHandler, clock: AheadClock, facts: TelegramFacts | None = None) -> OutputStatus:
    return output_report(handler, facts or TelegramFacts(), clock.wall())


def test_an_output_whose_thread_hangs_is_unknown(clip: Clip) -> None:
    """An output that hands nothing over and does not say so is on air for three periods, and then unknown."""
    clock, adapter = AheadClock(), Hanging()
    with _on_air(clip, clock, adapter) as handler:
        assert _told(handler, clock).state == "on_air"
        adapter.returns.clear()
        clock.ahead = 10.0
        assert _told(handler, clock).state == "on_air"
        clock.ahead = 60.0
        told = _told(handler, clock)
        assert told.state == "unknown"
        assert told.seen_wall is not None
        assert 50 < clock.wall() - told.seen_wall < 90
        adapter.returns.set()
        wait_until(lambda: _told(handler, clock).state == "on_air", what="on air again")


def test_an_output_that_no_watch_looks_at_is_unknown(clip: Clip) -> None:
    """A Telegram output whose watch looks at it no longer is unknown, though its thread hands everything over."""
    clock = AheadClock()
    with _on_air(clip, clock, Hanging()) as handler:
        for ago, state in ((44.0, "on_air"), (46.0, "unknown")):
            facts = TelegramFacts(sightings={"rtmp-1": Sighting(seconds_ago=ago, period_seconds=15.0)})
            assert _told(handler, clock, facts).state == state


def _unseen() -> ServiceStatus:
    """As the reporter makes it: an output and the session were last seen a minute ago."""
    status = example_status()
    then = status.since_wall
    output = replace(output_status("telegram", "telegram", "unknown"), seen_wall=then)
    found = problems(channel_state="on_air", standstill_seconds=0, outputs=[output], now_wall=then + 60)
    found_aside = side_problems(parts=(), session_state="unknown")
    return replace(
        status,
        outputs=(output,),
        healthy=not found,
        problems=(*found, *found_aside),
        session_state="unknown",
        session_seen_wall=then,
    )


def test_unknown_is_never_green(clip: Clip) -> None:
    """Badge, page, /healthz, API, status, heartbeat and metrics say that it is unknown, and when it was last seen."""
    status = _unseen()
    words = Translator()
    assert badge(status, words)[1] == "bad"
    assert not truly_on_air(status)
    text = "\n".join(StatusText(words).lines(status))
    assert "output telegram: unknown, it was last seen on air 1 min ago" in text
    assert "the Telegram session: unknown" in text
    values = {
        (sample.name.removeprefix("tg_video_streamer_"), sample.labels.get("state", "")): sample.value
        for family in text_string_to_metric_families(Metrics(lambda: status).text().decode())
        for sample in family.samples
    }
    assert (values["on_air", ""], values["session_valid", ""]) == (0, 0)
    assert (values["output_state", "on_air"], values["output_state", "unknown"]) == (0, 1)
    assert values["output_seen_timestamp_seconds", ""] == values["session_seen_timestamp_seconds", ""]
    assert values["session_seen_timestamp_seconds", ""] == status.session_seen_wall
    with served(Program(clip)) as site:
        site.status = status
        visitor = PageVisitor(port=site.listener.port)
        health = visitor.ask("/healthz")
        assert health.status == 503
        assert "last seen on air" in health.text
        page = visitor.ask("/?lang=en").text
        assert 'data-state="unknown"' in page
        assert "Session last seen to work" in page
        assert f'"seen_wall":{status.since_wall}' in visitor.ask("/status.json").text


def test_a_session_of_which_nothing_is_known_is_told_and_harms_no_output() -> None:
    """With the outputs on air the badge is not green, and the service is healthy: a restart would only end what works."""
    status = replace(
        example_status(), session_state="unknown", problems=side_problems(parts=(), session_state="unknown")
    )
    assert status.healthy
    assert badge(status, Translator())[1] == "fair"
