"""RTMP outputs on real servers: what is recorded is the program, and every way of losing a server is survived."""

from __future__ import annotations

import signal
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import trustme

from stands.house import FRAME_TICKS
from stands.key_judge import key_judge
from stands.nginx_rtmp import NginxRtmp
from stands.ports import free_port
from stands.program import Clip, Program
from stands.received import arrived, decoded_pictures, difference, pictures
from stands.silent_server import SilentServer
from stands.tls_proxy import Relay
from stands.waiting import wait_until
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.events import OutputChanged
from tg_video_streamer.locales.message import Message
from tg_video_streamer.media import PACKET_TICKS, Kind, Stamped, milliseconds
from tg_video_streamer.outputs.handler import AFTER_LOSS, OutputHandler
from tg_video_streamer.outputs.rtmp import RtmpAdapter
from tg_video_streamer.outputs.state import OutputState
from tg_video_streamer.rtmp.address import parse_rtmp_url

Start = Callable[..., OutputHandler]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NginxRtmp]:
    """A running RTMP server."""
    with NginxRtmp(tmp_path / "nginx") as running:
        yield running


def on_air(handler: OutputHandler) -> bool:
    """Whether it says so."""
    return handler.status().state is OutputState.ON_AIR


def wait_on_air(handler: OutputHandler, timeout: float = 60) -> None:
    """Until it is on air."""
    wait_until(lambda: on_air(handler), timeout=timeout, what="on air")


def wait_fed(server: NginxRtmp, byte_count: int) -> None:
    """Until the server has recorded so many more bytes."""
    goal = server.recorded_bytes() + byte_count
    wait_until(lambda: server.recorded_bytes() >= goal, what=f"{byte_count} bytes more in the record")


def check_record(path: Path, program: Program, *, least_pictures: int) -> None:
    """The record is a piece of the program, each packet once and in its place, and every picture decodes."""
    record = arrived(path)
    assert difference(record, program.published) is None
    assert pictures(record) >= least_pictures
    assert decoded_pictures(path) == pictures(record)
    assert record[0][:2] == (Kind.VIDEO, 0)


def test_every_packet_is_recorded_once(server: NginxRtmp, program: Program, start: Start) -> None:
    """A server records the program packet by packet, longer than it takes to ping and to acknowledge."""
    handler = start(program, server.url("k?a=b"))
    # nginx pings after 2 s and drops who has not answered 2 s later.
    wait_until(lambda: len(program.published) > 72 * 6, what="six seconds of program")
    status = handler.status()
    assert (status.state, status.error, status.reconnects, status.dropped_packets) == (OutputState.ON_AIR, None, 0, 0)
    assert status.bytes_sent > 100_000
    assert status.bits_per_second > 100_000
    handler.stop()
    assert handler.status().state is OutputState.STOPPED
    (record,) = wait_until(server.records, what="a record")
    wait_until(lambda: "deleteStream" in server.log(), what="an orderly goodbye")
    check_record(record, program, least_pictures=100)


@pytest.mark.parametrize(("chunk_size", "window"), [(128, 1000), (65536, 10_000_000)])
def test_servers_chunk_size_and_window(
    tmp_path: Path, program: Program, start: Start, chunk_size: int, window: int
) -> None:
    """Servers with the smallest and large chunks and windows are served alike."""
    with NginxRtmp(tmp_path / "nginx", chunk_size=chunk_size, window=window) as server:
        handler = start(program, server.url())
        wait_on_air(handler)
        wait_fed(server, 100_000)
        handler.stop()
        check_record(server.records()[0], program, least_pictures=10)


def test_ffmpeg_listens(tmp_path: Path, program: Program, start: Start) -> None:
    """The RTMP server of ffmpeg gets the program packet by packet."""
    port = free_port()
    url = f"rtmp://127.0.0.1:{port}/live/key"
    command = ["ffmpeg", "-nostdin", "-v", "error", "-listen", "1", "-f", "flv", "-i", url, "-c", "copy"]
    listener = subprocess.Popen([*command, str(tmp_path / "got.mkv")], stderr=subprocess.PIPE)
    try:
        handler = start(program, url)
        wait_on_air(handler, 20)
        wait_until(lambda: handler.status().bytes_sent > 300_000, what="300 kB")
        handler.stop()
        listener.communicate(timeout=120)
    finally:
        listener.kill()
        listener.wait()
    check_record(tmp_path / "got.mkv", program, least_pictures=10)


def test_first_packets_are_the_kept_gop(server: NginxRtmp, clip: Clip, start: Start) -> None:
    """An output that joins in the middle of a GOP begins with its keyframe, at once and at time 0."""
    program = Program(clip, first_frame=1_000_000)
    program.publish(130)
    handler = start(program, server.url())
    wait_on_air(handler)
    wait_until(lambda: server.records() and server.recorded_bytes() > 1000, what="a record")
    handler.stop()
    record = arrived(server.records()[0])
    assert pictures(record) == 30
    assert difference(record, program.published) is None


def test_rtmps(server: NginxRtmp, program: Program, start: Start, tmp_path: Path) -> None:
    """Through TLS with a certificate of a known authority the same packets arrive."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with Relay(server.port, tls=context) as proxy:
        handler = start(program, f"rtmps://localhost:{proxy.port}/live/key", ca_file=tmp_path / "ca.pem")
        wait_on_air(handler)
        wait_fed(server, 200_000)
        handler.stop()
        wait_until(lambda: "deleteStream" in server.log(), what="an orderly goodbye")
    check_record(server.records()[0], program, least_pictures=10)


@pytest.mark.parametrize("fault", ["unknown authority", "another name"])
def test_bad_certificates_are_refused(
    server: NginxRtmp, program: Program, start: Start, tmp_path: Path, fault: str
) -> None:
    """A certificate that is self-made or of another host ends the attempt before a byte of the key has left."""
    authority = trustme.CA()
    trusted = trustme.CA() if fault == "unknown authority" else authority
    trusted.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("example.org" if fault == "another name" else "localhost").configure_cert(context)
    with Relay(server.port, tls=context) as proxy:
        handler = start(program, f"rtmps://localhost:{proxy.port}/live/TheSecret", ca_file=tmp_path / "ca.pem")
        error = wait_until(lambda: handler.status().error, what="an error")
        handler.stop()
    assert "certificate" in str(error)
    assert "TheSecret" not in str(error)
    assert not server.records()
    assert "connect: app" not in server.log()


def test_wrong_key_waits_longer_and_longer(
    tmp_path: Path, program: Program, start: Start, events: list[OutputChanged]
) -> None:
    """A key that the server refuses is a rejection with growing pauses; the right one goes on air meanwhile."""
    with (
        key_judge(lambda key: key == "right") as judge,
        NginxRtmp(tmp_path / "nginx", more=judge.directive) as server,
    ):
        wrong = start(program, server.url("WrongSecret"))
        right = start(program, server.url("right"))
        wait_on_air(right)
        retries = wait_until(lambda: [one for one in events if one.state == "retrying"][2:], what="three rejections")
        assert not on_air(wrong)
        assert all("WrongSecret" not in str(one.error) for one in retries)
        assert "stream key" in str(retries[0].error)
        walls = [one.wall for one in events if one.state == "retrying"]
        assert walls[2] - walls[1] > walls[1] - walls[0] > 0.4


def test_name_in_use_goes_on_air_soon_after_it_is_free(
    server: NginxRtmp, program: Program, start: Start, events: list[OutputChanged]
) -> None:
    """While a session of the same name lives, the server's code is reported; the next attempt after its end is on air."""
    first = start(program, server.url())
    wait_on_air(first)
    second = start(program, server.url())
    wait_until(lambda: "BadName" in str(second.status().error), what="the server's code")
    first.stop()
    wait_until(lambda: server.log().count("deleteStream"), what="the server knows that the name is free")
    refused = sum(one.state == "retrying" for one in events)
    wait_on_air(second)
    # One attempt may have been under way when the name became free.
    assert sum(one.state == "retrying" for one in events) - refused <= 1
    assert second.status().error is None
    assert second.status().reconnects == 0


def test_server_that_returns_is_fed_within_two_seconds(
    server: NginxRtmp, program: Program, start: Start, events: list[OutputChanged]
) -> None:
    """A server that is killed and started again is fed by the next attempt, a second after the last one at most.

    It gets the program as it is then, whole from a keyframe.
    """
    handler = start(program, server.url())
    wait_fed(server, 50_000)
    # A connection that is lost before it was on air is no reconnect.
    wait_on_air(handler)
    server.stop(signal.SIGKILL)
    wait_until(lambda: handler.status().state is OutputState.RETRYING, what="a loss that was noticed")
    gone = len(program.published)
    wait_until(lambda: len(program.published) > gone + 72 * 3, what="three seconds without a server")
    before = len(server.records())
    server.start()
    lost = sum(one.state == "retrying" for one in events)
    wait_until(
        lambda: len(server.records()) > before and server.records()[-1].stat().st_size > 5000,
        what="a new record",
    )
    wait_on_air(handler)
    # One attempt may have been under way when the server came up.
    assert sum(one.state == "retrying" for one in events) - lost <= 1
    assert AFTER_LOSS.longest <= 1
    assert handler.status().reconnects == 1
    wait_fed(server, 50_000)
    handler.stop()
    wait_until(lambda: "deleteStream" in server.log(), what="an orderly goodbye")
    check_record(server.records()[-1], program, least_pictures=10)


def test_frozen_server(server: NginxRtmp, clip: Clip, start: Start, events: list[OutputChanged]) -> None:
    """A stopped server is noticed before ten seconds of program are lost, and fed again once it continues."""
    with Program(clip, speed=2) as program:
        handler = start(program, server.url())
        wait_fed(server, 600_000)
        wait_on_air(handler)
        server.freeze()
        frozen = program.frames
        wait_until(lambda: any("took nothing" in str(one.error) for one in events), timeout=90, what="a stall noticed")
        assert (program.frames - frozen) / 50 < 10
        assert not on_air(handler)
        before = len(server.records())
        lost = sum(one.state == "retrying" for one in events)
        server.thaw()
        wait_until(lambda: len(server.records()) > before, what="a new record")
        wait_on_air(handler)
        assert sum(one.state == "retrying" for one in events) - lost <= 1
        wait_fed(server, 100_000)
        handler.stop()
        wait_until(lambda: server.log().count("disconnect") >= 2, what="an orderly goodbye")
        check_record(server.records()[-1], program, least_pictures=10)


@pytest.mark.parametrize("fault", ["refused", "closes", "silent"])
def test_servers_that_are_none(program: Program, start: Start, events: list[OutputChanged], fault: str) -> None:
    """Nothing there, closed at once, or not a word: never on air, tried again and again, and stopped at once."""
    with SilentServer(closes=fault == "closes") as silent:
        port = free_port() if fault == "refused" else silent.port
        handler = start(program, f"rtmp://127.0.0.1:{port}/live/TheSecret")
        if fault == "silent":
            wait_until(lambda: silent.accepted, what="a connection")
        else:
            wait_until(lambda: sum(one.state == "connecting" for one in events) >= 5, what="five attempts")
        assert not on_air(handler)
        handler.stop()
        assert handler.status().state is OutputState.STOPPED
        # It was not left behind as one that does not end.
        assert not [one for one in threading.enumerate() if one.name == f"output {handler.status().name}"]
    assert all("TheSecret" not in str(one.error) for one in events)
    assert "on_air" not in {one.state for one in events}


def test_blackhole_is_left_after_five_seconds(program: Program, start: Start, events: list[OutputChanged]) -> None:
    """A server that accepts and never answers costs one attempt's deadline, then the next attempt begins."""
    with SilentServer() as silent:
        start(program, f"rtmp://127.0.0.1:{silent.port}/live/key")
        wait_until(lambda: silent.accepted >= 2, what="a second attempt")
    assert "no answer" in next(str(one.error) for one in events if one.state == "retrying")


def test_slow_output_loses_only_its_own(tmp_path: Path, server: NginxRtmp, clip: Clip, start: Start) -> None:
    """A link slower than the program drops up to keyframes and counts it; the other output loses nothing."""
    with (
        NginxRtmp(tmp_path / "slow") as far,
        Relay(far.port, bytes_per_second=400_000) as link,
        Program(clip, speed=8) as program,
    ):
        slow = start(program, f"rtmp://127.0.0.1:{link.port}/live/key")
        good = start(program, server.url())
        wait_on_air(good)
        wait_until(lambda: slow.status().dropped_packets > 0, what="losses on the slow link")
        link.bytes_per_second = None
        at_keyframe = far.recorded_bytes()
        wait_until(lambda: far.recorded_bytes() > at_keyframe + 1_000_000, what="more on the freed link")
        assert good.status().dropped_packets == 0
        assert good.status().reconnects == 0
        good.stop()
        slow.stop()
        check_record(server.records()[0], program, least_pictures=100)
        # What is left of the slow one still decodes without a fault: it was cut at keyframes.
        record = arrived(far.records()[0])
        assert decoded_pictures(far.records()[0]) == pictures(record)
        times = [time_ for kind, time_, _ in record if kind is Kind.VIDEO]
        assert times == sorted(set(times))


def test_the_program_ends(server: NginxRtmp, clip: Clip, start: Start) -> None:
    """When the program is over the output says stopped; when it only pauses, the output is not called on air."""
    program = Program(clip)
    program.publish(60)
    handler = start(program, server.url())
    wait_on_air(handler)
    wait_until(lambda: handler.status().state is OutputState.CONNECTING, what="nothing to send")
    program.publish(10)
    wait_on_air(handler)
    assert handler.status().reconnects == 0
    program.fanout.close()
    wait_until(lambda: handler.status().state is OutputState.STOPPED, what="stopped")


def test_suspended_until_started(server: NginxRtmp, program: Program, start: Start) -> None:
    """A suspended output attempts nothing and says why; started again it goes on air."""
    handler = start(program, server.url())
    wait_on_air(handler)
    handler.suspend(Message.raw("no session"))
    assert (handler.status().state, handler.status().error) == (OutputState.SUSPENDED, Message.raw("no session"))
    handler.start()
    wait_on_air(handler)


def test_renewal_loses_nothing(server: NginxRtmp, program: Program, start: Start) -> None:
    """Before its timestamps run out a connection is replaced at a keyframe: together the records have every packet."""
    clock = SystemClock()
    address = parse_rtmp_url(server.url())

    def make(cancelled: threading.Event) -> RtmpAdapter:
        return RtmpAdapter(
            address,
            program.clip.headers,
            house=program.clip.house,
            clock=clock,
            cancelled=cancelled,
            limit_ticks=80 * FRAME_TICKS,
        )

    handler = start(program, server.url(), make_adapter=make)
    wait_until(lambda: len(server.records()) >= 2 and on_air(handler), what="a renewed connection")
    wait_fed(server, 50_000)
    handler.stop()
    wait_until(lambda: server.log().count("disconnect") >= 3, what="both ended")
    assert handler.status().reconnects == 0
    records = [arrived(path) for path in server.records()]
    assert pictures(records[0]) % 50 == 0
    assert records[1][0][1] == 0
    joined = records[0] + [
        (kind, time_ + milliseconds(pictures(records[0]) * FRAME_TICKS), data) for kind, time_, data in records[1]
    ]
    got = [data for kind, _, data in joined if kind is Kind.VIDEO]
    sent = [one.data for one in program.published if one.kind is Kind.VIDEO]
    assert got == sent[: len(got)]


@pytest.mark.parametrize("limit", [2**24, 2**31])
def test_far_timestamps(server: NginxRtmp, clip: Clip, limit: int) -> None:
    """Around 2^24 ms, where timestamps change their form, and up to 2^31 ms, a server records the times that were sent."""
    adapter = RtmpAdapter(
        parse_rtmp_url(server.url()),
        clip.headers,
        house=clip.house,
        clock=SystemClock(),
        cancelled=threading.Event(),
    )
    adapter.open()
    # A keyframe at 0, then a GOP that ends just past the limit, or just before the end of the format.
    first = limit // 40 - (25 if limit == 2**24 else 60)
    packets = [Stamped(kind=Kind.VIDEO, ticks=0 * FRAME_TICKS, keyframe=True, data=clip.video[0][1])]
    for index in range(50):
        keyframe, data = clip.video[index]
        packets.append(Stamped(kind=Kind.VIDEO, ticks=(first + index) * FRAME_TICKS, keyframe=keyframe, data=data))
        sound = (first + index) * FRAME_TICKS // PACKET_TICKS
        packets.append(Stamped(kind=Kind.AUDIO, ticks=sound * PACKET_TICKS, keyframe=True, data=clip.audio[index]))
    adapter.send(packets)
    adapter.close()
    wait_until(lambda: "deleteStream" in server.log(), what="an orderly goodbye")
    record = arrived(server.records()[0])
    assert [data for _, _, data in record] == [one.data for one in packets]
    assert [time_ for kind, time_, _ in record if kind is Kind.VIDEO][1:] == [(first + n) * 40 for n in range(50)]


def test_the_key_is_on_no_command_line(
    server: NginxRtmp, program: Program, start: Start, capfd: pytest.CaptureFixture[str]
) -> None:
    """While it publishes, neither `ps` nor the log nor the status shows the key."""
    handler = start(program, server.url("SecretOfTheChannel"))
    wait_on_air(handler)
    lines = [" ".join(one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"])]
    assert not [line for line in lines if "SecretOfTheChannel" in line]
    handler.stop()
    shown = capfd.readouterr()
    assert "SecretOfTheChannel" not in shown.out + shown.err + repr(handler.status())
