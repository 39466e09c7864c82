"""Metrics as a scraper reads them: the promised names, true values, no titles or URLs, and always some place to read."""

from __future__ import annotations

import asyncio
import errno
import re
import shutil
import socket
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager, suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from urllib.error import HTTPError

import pytest
from prometheus_client.parser import text_string_to_metric_families

from stands.waiting import wait_until
from tg_video_streamer.control.status import OutputStatus, ServiceStatus, SpoolStatus
from tg_video_streamer.events import (
    AirContent,
    CutReason,
    EventBus,
    OutputChanged,
    PictureFault,
    SegmentEnded,
    SegmentStarted,
    SourceFailed,
    SourceLevel,
)
from tg_video_streamer.locales.message import Message
from tg_video_streamer.monitoring.metrics import Metrics
from tg_video_streamer.monitoring.metrics_server import MAX_READERS, MetricsServer

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]

OUTPUT = OutputStatus(
    name="rtmp-1",
    kind="rtmp",
    state="on_air",
    since_wall=0.0,
    bytes_sent=12345,
    bits_per_second=2.5e6,
    reconnects=2,
    dropped_packets=7,
)
STATUS = ServiceStatus(
    version="0.1.0",
    channel_state="on_air",
    reason=Message.of("cut.started"),
    since_wall=0.0,
    level="item",
    healthy=True,
    problems=(),
    paused=False,
    now=None,
    position_seconds=0.0,
    next_items=(),
    buffer_seconds=14.96,
    program_seconds=0.0,
    gap_seconds=1.5,
    skew_seconds=0.0101,
    streams_played=0,
    uptime_seconds=0.0,
    outputs=(OUTPUT,),
    spool=SpoolStatus(used_bytes=2_000_000, max_bytes=5_000_000, ready_items=2, downloads=7, failures=1),
)
PRIVATE_TEXT = "A Title: CANARY https://host/CANARY?sig=1"


def _content(level: SourceLevel = SourceLevel.ITEM, *, new_play: bool = True, cached: bool = False) -> AirContent:
    return AirContent(level=level, key="CANARYkey", title=PRIVATE_TEXT, new_play=new_play, cached=cached)


def _started(
    level: SourceLevel = SourceLevel.ITEM, reason: CutReason = CutReason.ENDED, *, new_play: bool = True
) -> SegmentStarted:
    return SegmentStarted(wall=0.0, reason=reason, content=_content(level, new_play=new_play))


def _ended(seconds: float, level: SourceLevel = SourceLevel.ITEM) -> SegmentEnded:
    return SegmentEnded(
        started=0.0,
        wall=seconds,
        reason=CutReason.ENDED,
        content=_content(level),
        seconds=seconds,
        gap_seconds=0.0,
        skew_seconds=0.0,
    )


def _failed(stage: str, reason: str, wall: float = 1000.0) -> SourceFailed:
    return SourceFailed(wall=wall, stage=stage, reason=reason, detail=PRIVATE_TEXT, key="CANARYkey", title=PRIVATE_TEXT)


def _samples(text: bytes) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def _value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


class _Service:
    """A status that a test can change."""

    def __init__(self) -> None:
        self.status = STATUS
        self.metrics = Metrics(lambda: self.status)

    def samples(self) -> Samples:
        """What a scrape finds now."""
        return _samples(self.metrics.text())


@pytest.fixture
def service() -> _Service:
    """A service that is on air with one output."""
    return _Service()


def test_the_names_of_the_contract_are_there_from_the_start(service: _Service) -> None:
    """Dashboards and alerts find every metric before anything has happened."""
    text = service.metrics.text().decode()
    for name, kind in {
        "streams_played_total": "counter",
        "tg_video_streamer_on_air": "gauge",
        "tg_video_streamer_channel_state": "gauge",
        "tg_video_streamer_program_seconds_total": "counter",
        "tg_video_streamer_program_gap_seconds_total": "counter",
        "tg_video_streamer_program_av_skew_seconds": "gauge",
        "tg_video_streamer_buffer_seconds": "gauge",
        "tg_video_streamer_splices_total": "counter",
        "tg_video_streamer_source_failures_total": "counter",
        "tg_video_streamer_output_state": "gauge",
        "tg_video_streamer_output_bytes_total": "counter",
        "tg_video_streamer_output_reconnects_total": "counter",
        "tg_video_streamer_output_dropped_packets_total": "counter",
        "tg_video_streamer_last_error_timestamp_seconds": "gauge",
        "tg_video_streamer_picture_fault": "gauge",
        "tg_video_streamer_picture_faults_total": "counter",
        "process_cpu_seconds_total": "counter",
    }.items():
        assert f"# TYPE {name} {kind}\n" in text, name


def test_what_nothing_sets_is_not_exported(service: _Service) -> None:
    """A metric that is always 0 would look like good news."""
    text = service.metrics.text().decode()
    assert not re.search(r"(?m)^tg_video_streamer_(session|degraded|viewers|ytdlp)", text)
    service.metrics.ytdlp(version="2026.01.31", counts={"updated": 3}, last_success=7.0)
    assert _value(service.samples(), "tg_video_streamer_ytdlp_version_info", version="2026.01.31") == 1


def test_plays_are_counted_and_not_resumes_filler_or_slate(service: _Service) -> None:
    """One more as an item starts on air; a splice is counted each time."""
    for event in (
        _started(reason=CutReason.STARTED),
        _started(SourceLevel.SLATE, CutReason.SOURCE_STALLED, new_play=False),
        _started(reason=CutReason.RESUMED, new_play=False),
        _started(SourceLevel.FILLER, CutReason.ENDED, new_play=False),
        _started(),
    ):
        service.metrics.on_event(event)
    samples = service.samples()
    assert _value(samples, "streams_played_total") == 2
    assert _value(samples, "tg_video_streamer_splices_total", reason="ended") == 2
    assert _value(samples, "tg_video_streamer_splices_total", reason="source_stalled") == 1


def test_seconds_from_cached_encodes_are_counted(service: _Service) -> None:
    """An item that plays from its cached encode counts while it plays and after; one that is encoded does not."""

    def cached_seconds(program_seconds: float) -> float:
        service.status = replace(service.status, program_seconds=program_seconds)
        return _value(service.samples(), "tg_video_streamer_cached_program_seconds_total")

    service.metrics.on_event(replace(_started(), content=_content(cached=True)))
    assert cached_seconds(10.0) == 10.0
    service.metrics.on_event(replace(_ended(12.0), content=_content(cached=True)))
    service.metrics.on_event(_started())
    assert cached_seconds(40.0) == 12.0


def test_program_seconds_grow_while_a_segment_lasts_and_never_go_back(service: _Service) -> None:
    """The level on air counts at every scrape, finished segments stay, and the sum is the program's length."""
    seen = []

    def scrape(program_seconds: float) -> dict[str, float]:
        service.status = replace(service.status, program_seconds=program_seconds)
        samples = service.samples()
        seen.append(
            {level: _value(samples, "tg_video_streamer_program_seconds_total", level=level) for level in SourceLevel}
        )
        return {level: seconds for level, seconds in seen[-1].items() if seconds}

    service.metrics.on_event(_started())
    assert scrape(10.0) == {"item": 10.0}
    assert scrape(99.0) == {"item": 99.0}
    service.metrics.on_event(_ended(100.0))
    assert scrape(100.0) == {"item": 100.0}
    service.metrics.on_event(_started(SourceLevel.SLATE, new_play=False))
    assert scrape(99.9) == {"item": 100.0}
    assert scrape(130.0) == {"item": 100.0, "slate": 30.0}
    for before, after in pairwise(seen):
        assert all(after[level] >= before[level] for level in SourceLevel)


def test_gauges_are_read_from_the_status_at_the_scrape(service: _Service) -> None:
    """What a scrape finds is what is true then: one state is 1, and `on_air` is the health."""
    samples = service.samples()
    assert _value(samples, "tg_video_streamer_on_air") == 1
    assert _value(samples, "tg_video_streamer_buffer_seconds") == 14.96
    assert _value(samples, "tg_video_streamer_encode_step") == 0
    assert _value(samples, "tg_video_streamer_program_gap_seconds_total") == 1.5
    assert _value(samples, "tg_video_streamer_output_bytes_total", output="rtmp-1") == 12345
    assert _value(samples, "tg_video_streamer_output_reconnects_total", output="rtmp-1") == 2
    assert _value(samples, "tg_video_streamer_output_dropped_packets_total", output="rtmp-1") == 7
    service.status = replace(
        STATUS, healthy=False, channel_state="on_slate", outputs=(replace(OUTPUT, state="retrying"),)
    )
    samples = service.samples()
    assert _value(samples, "tg_video_streamer_on_air") == 0
    states = {
        labels: value for (name, labels), value in samples.items() if name.endswith(("_channel_state", "_output_state"))
    }
    assert [dict(labels)["state"] for labels, value in states.items() if value] == ["on_slate", "retrying"]


def test_failures_and_picture_faults_are_counted(service: _Service) -> None:
    """Failures count by where and why; a fault counts once as it begins and is 1 until it ends."""
    service.metrics.on_event(_failed("resolve", "source_gone", 1000.0))
    service.metrics.on_event(
        OutputChanged(wall=2000.0, output="rtmp-1", state="retrying", error=Message.raw("refused"))
    )
    service.metrics.on_event(OutputChanged(wall=3000.0, output="rtmp-1", state="on_air"))
    for active in (True, True):
        service.metrics.on_event(PictureFault(wall=0.0, fault="black", active=active, key="k"))
    samples = service.samples()
    assert _value(samples, "tg_video_streamer_source_failures_total", stage="resolve", reason="source_gone") == 1
    assert _value(samples, "tg_video_streamer_last_error_timestamp_seconds") == 2000
    assert (
        _value(samples, "tg_video_streamer_picture_faults_total", fault="black"),
        _value(samples, "tg_video_streamer_picture_fault", fault="black"),
    ) == (1, 1)
    service.metrics.on_event(PictureFault(wall=0.0, fault="black", active=False, key="k"))
    assert _value(service.samples(), "tg_video_streamer_picture_fault", fault="black") == 0


def test_no_title_url_or_key_is_ever_in_a_label(service: _Service) -> None:
    """A reason or name that is no word but a text is put under another name."""
    service.metrics.on_event(_started())
    service.metrics.on_event(_failed(PRIVATE_TEXT, PRIVATE_TEXT))
    service.metrics.on_event(PictureFault(wall=0.0, fault=PRIVATE_TEXT, active=True, key="k"))
    service.status = replace(
        STATUS, outputs=(replace(OUTPUT, name="rtmps://host/app/CANARYstream", error=Message.raw(PRIVATE_TEXT)),)
    )
    text = service.metrics.text().decode()
    assert "CANARY" not in text
    assert "://" not in re.sub(r"# HELP .*", "", text)
    samples = service.samples()
    assert _value(samples, "tg_video_streamer_source_failures_total", stage="other", reason="other") == 1
    assert _value(samples, "tg_video_streamer_output_bytes_total", output="output-1") == 12345


def test_labels_do_not_grow_without_end(service: _Service) -> None:
    """A thousand different words are no reasons: memory and dashboards are spared."""
    for number in range(1000):
        service.metrics.on_event(_failed("feed", f"word_{number}"))
    assert service.metrics.text().count(b"tg_video_streamer_source_failures_total{") <= 65


# Where they are read


def _get(url: str) -> tuple[int, str, str]:
    try:
        with urllib.request.urlopen(url, timeout=60) as response:  # noqa: S310 # always loopback http
            return response.status, response.headers["Content-Type"], response.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


@contextmanager
def _taken_ports(count: int) -> Iterator[int]:
    """`count` neighbouring loopback ports that something listens on; the first one."""
    for first in range(20000, 60000, 97):
        with ExitStack() as sockets:
            try:
                for port in range(first, first + count):
                    sockets.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            yield first
            return


@asynccontextmanager
async def _serving(server: MetricsServer) -> AsyncIterator[None]:
    await server.start()
    task = asyncio.create_task(server.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_scraper_reads_what_events_told() -> None:
    """Over HTTP, with Prometheus' content type, after events came through the bus; other paths and methods are refused."""
    service = _Service()
    bus = EventBus(asyncio.get_running_loop())
    bus.subscribe(service.metrics.on_event)
    server = MetricsServer(service.metrics.text, host="127.0.0.1", port=0, textfile=Path("/nowhere/metrics.prom"))
    async with _serving(server):
        assert server.warning is None
        bus.publish(_started())
        status, content_type, text = await asyncio.to_thread(_get, server.address)
        assert status == 200
        assert content_type == "text/plain; version=0.0.4; charset=utf-8"
        assert _value(_samples(text.encode()), "streams_played_total") == 1
        assert (await asyncio.to_thread(_get, server.address.replace("/metrics", "/other")))[0] == 404
        request = urllib.request.Request(server.address, data=b"x", method="POST")  # noqa: S310 # loopback http
        with pytest.raises(HTTPError, match="405"):
            await asyncio.to_thread(urllib.request.urlopen, request)


async def test_a_taken_port_means_the_next_one_with_a_warning() -> None:
    """The service starts, and says which port it is."""
    with _taken_ports(3) as first:
        server = MetricsServer(
            lambda: b"ours 1\n", host="127.0.0.1", port=first, textfile=Path("/nowhere/metrics.prom")
        )
        async with _serving(server):
            port = int(server.address.removesuffix("/metrics").rpartition(":")[2])
            assert first + 3 <= port < first + 20
            assert str(server.warning) == f"PROMETHEUS_PORT {first} is taken; metrics are at port {port}"
            assert (await asyncio.to_thread(_get, server.address))[2] == "ours 1\n"


async def _until(path: Path, content: bytes) -> None:
    def there() -> bool:
        return path.exists() and path.read_bytes() == content

    await asyncio.to_thread(wait_until, there, what=f"{path} holds {content!r}", every=0.005)


async def test_without_a_free_port_a_text_file_is_kept_up_to_date(tmp_path: Path) -> None:
    """The file is replaced whole again and again, a warning names it, and it goes with the service."""
    path = tmp_path / "metrics.prom"
    texts = [b"metric 0\n"]
    with _taken_ports(20) as first:
        server = MetricsServer(lambda: texts[-1], host="127.0.0.1", port=first, textfile=path, textfile_seconds=0.05)
        async with _serving(server):
            assert server.address == str(path)
            assert str(path) in str(server.warning)
            assert "Address already in use" in str(server.warning)
            await _until(path, b"metric 0\n")
            texts.append(b"metric 1\n")
            await _until(path, b"metric 1\n")
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240 # the loop has nothing else to do


async def test_an_address_that_is_not_ours_and_an_unwritable_folder_stop_nothing(tmp_path: Path) -> None:
    """Without port and file the service continues, retries, and the file comes when it can."""
    path = tmp_path / "later" / "metrics.prom"
    server = MetricsServer(lambda: b"ours 1\n", host="192.0.2.1", port=9090, textfile=path, textfile_seconds=0.05)
    async with _serving(server):
        assert "192.0.2.1" in str(server.warning)
        await asyncio.sleep(0)
        path.parent.mkdir()
        await _until(path, b"ours 1\n")


async def test_a_client_that_sends_nothing_blocks_no_other() -> None:
    """Idle and garbage connections do not delay a scrape."""
    server = MetricsServer(lambda: b"ours 1\n", host="127.0.0.1", port=0, textfile=Path("/nowhere/metrics.prom"))
    async with _serving(server):
        port = int(server.address.removesuffix("/metrics").rpartition(":")[2])
        with (
            closing(socket.create_connection(("127.0.0.1", port))),
            closing(socket.create_connection(("127.0.0.1", port))) as garbage,
        ):
            garbage.sendall(b"\x16\x03\x01" + b"x" * 50000)
            assert (await asyncio.to_thread(_get, server.address))[0] == 200


async def test_idle_readers_make_room() -> None:
    """Of more readers than may be there at one time the oldest goes, and a scrape is answered."""
    server = MetricsServer(lambda: b"ours 1\n", host="127.0.0.1", port=0, textfile=Path("/nowhere/metrics.prom"))
    async with _serving(server):
        port = int(server.address.removesuffix("/metrics").rpartition(":")[2])
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MAX_READERS + 2)]
        assert (await asyncio.to_thread(_get, server.address))[0] == 200
        with suppress(ConnectionError):
            assert await idle[0][0].read(1) == b""
        for _, writer in idle:
            writer.close()


async def test_a_defect_in_measuring_is_a_500_and_stops_nothing() -> None:
    """An exception while collecting is answered, logged, and over."""

    def broken() -> bytes:
        raise OSError(errno.EIO, "broken")

    server = MetricsServer(broken, host="127.0.0.1", port=0, textfile=Path("/nowhere/metrics.prom"))
    async with _serving(server):
        assert (await asyncio.to_thread(_get, server.address))[0] == 500
        assert (await asyncio.to_thread(_get, server.address))[0] == 500


def test_free_space_is_measured(tmp_path: Path) -> None:
    """As `df` reports it, also of a folder that is not there yet."""
    metrics = Metrics(lambda: STATUS, {"state": tmp_path, "library": tmp_path / "made/later"})
    samples = _samples(metrics.text())
    for folder in ("state", "library"):
        size, free = (
            _value(samples, f"tg_video_streamer_disk_{what}_bytes", folder=folder) for what in ("size", "free")
        )
        assert size == shutil.disk_usage(tmp_path).total
        assert 0 < free <= size
