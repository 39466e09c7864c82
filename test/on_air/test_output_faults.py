"""Outputs of the running service: each of them may die, freeze or refuse, and the program and the others go on whole."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from stands.clips import NOISY_MINUTE
from stands.flv_record import whole_tags
from stands.key_judge import key_judge
from stands.machine import Stopwatch
from stands.nginx_rtmp import NginxRtmp
from stands.numbered import make_clip
from stands.ports import free_port
from stands.recording import Recording, frame_faults, read_recording, slot_faults
from stands.service import Service, running
from stands.silent_server import SilentServer
from stands.waiting import wait_until

_GOP_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A service with four outputs, one of each kind, and the far ends of them."""

    service: Service
    server: NginxRtmp
    folder: Path
    srt_record: Path
    srt_receiver: subprocess.Popen[bytes]

    def position_frames(self) -> float:
        """How many frames of the item were on air by now."""
        return float(self.service.status()["position_seconds"]) * 25

    def wait_program(self, seconds: float) -> None:
        """Until the program has gone on for so long."""
        goal = self.service.status()["program_seconds"] + seconds
        what = f"{seconds:g} s of program"
        self.service.wait_for(lambda status: status["program_seconds"] >= goal, timeout=seconds + 30, what=what)

    def record(self, index: int) -> Recording:
        """What the RTMP server has recorded of its stream number `index` so far."""
        return read_recording(whole_tags(self.server.records()[index], self.folder / f"copy-{index}.flv"))

    def not_healthy(self, output: str) -> str:
        """Why the health check fails, once it does for `output`."""

        def ask() -> str:
            code, text = self.service.page("/healthz")
            return text if code == 503 and f"output {output}: " in text else ""

        return wait_until(ask, what=f"503 for {output}", every=0.1)


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of numbered noise, which comes round again."""
    return make_clip(tmp_path_factory.mktemp("noisy") / "noisy.mp4", NOISY_MINUTE)


@pytest.fixture(scope="module")
def channel(noisy: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Channel]:
    """The service that the faults are caused to, on air from the first frame of its item."""
    folder = tmp_path_factory.mktemp("outputs")
    (folder / "playlist.txt").write_text(f"{noisy}\n")
    port = free_port()
    listen = ("-f", "mpegts", "-i", f"srt://127.0.0.1:{port}?mode=listener")
    command = ("ffmpeg", "-nostdin", "-v", "error", *listen, "-map", "0", "-c", "copy", str(folder / "srt.ts"))
    with NginxRtmp(folder / "nginx") as server, subprocess.Popen(command) as receiver:
        outputs = (server.url("good"), f"file:{folder}/record.mkv", f"hls:{folder}/hls", f"srt://127.0.0.1:{port}")
        settings = {
            "PLAYLIST": str(folder / "playlist.txt"),
            "MEDIA_DIRS": str(noisy.parent),
            "VIDEO_SIZE": "320x180",
            "FRAME_RATE": "25",
            "FFMPEG_ARGS": "-preset ultrafast -b:v 1200k",
            "OUTPUTS": " ".join(outputs),
        }
        try:
            with running(folder / "service", settings) as service:
                service.wait_on_air()
                yield Channel(
                    service=service,
                    server=server,
                    folder=folder,
                    srt_record=folder / "srt.ts",
                    srt_receiver=receiver,
                )
        finally:
            receiver.kill()


def _numbers(recording: Recording) -> list[int]:
    """The numbers of all frames of the item; a busy machine shows the slate where it reads too slowly."""
    return [look.number for look in recording.looks if look.number is not None]


def _check_whole(recording: Recording) -> None:
    """It begins with a keyframe, no frame and no sound is missing in it, and sound travels with its picture."""
    assert recording.video_keyframes[0]
    assert _numbers(recording)
    assert frame_faults(recording) == []
    assert slot_faults(recording) == []
    assert abs(recording.video_times[-1] - recording.audio_times[-1]) < 0.5


def test_a_killed_server_is_fed_again_when_it_returns(
    channel: Channel, record_property: Callable[[str, object], None]
) -> None:
    """A server that was killed and returns gets the program as it is by then, at once, from a keyframe and time 0."""
    channel.wait_program(4)
    killed_at = channel.position_frames()
    channel.server.stop()
    assert "rtmp-1: reconnecting" in channel.not_healthy("rtmp-1")
    channel.wait_program(3)

    channel.server.start()
    returned, returned_at = Stopwatch(), channel.position_frames()
    wait_until(lambda: len(channel.server.records()) == 2 and channel.server.records()[1].stat().st_size > 20_000)
    seconds = returned.stop()
    fed_at = channel.position_frames()
    channel.service.wait_on_air()
    channel.wait_program(3)
    first, second = channel.record(0), channel.record(1)

    record_property("seconds_until_fed_again", round(seconds, 2))
    assert seconds < 30, "at once, on any machine"
    _check_whole(first)
    assert _numbers(first)[-1] >= killed_at - 50
    _check_whole(second)
    assert second.video_times[0] == 0
    assert returned_at - _GOP_SECONDS * 25 - 25 <= _numbers(second)[0] <= fed_at
    assert channel.service.status()["outputs"][0]["reconnects"] == 1


@pytest.mark.long
@pytest.mark.parametrize("seconds", [8, 30])
def test_a_frozen_server_is_noticed_and_fed_again(channel: Channel, seconds: float) -> None:
    """A server that takes nothing is noticed though its connection stands, and is fed again once it lives."""
    channel.service.wait_on_air()
    records = len(channel.server.records())
    channel.server.freeze()
    try:
        frozen_at = channel.service.status()["program_seconds"]
        why = channel.not_healthy("rtmp-1")
        noticed_at = channel.service.status()["program_seconds"]
        channel.wait_program(max(0, seconds - (noticed_at - frozen_at)))
    finally:
        channel.server.thaw()
    channel.service.wait_on_air()
    channel.wait_program(3)
    again = channel.record(-1)

    assert "rtmp-1: reconnecting" in why
    assert "took nothing" in why or "no answer" in why
    assert noticed_at - frozen_at < 15
    assert len(channel.server.records()) > records
    _check_whole(again)
    assert again.video_times[0] == 0


def test_the_other_outputs_never_missed_a_frame(channel: Channel) -> None:
    """Recording, HLS folder and SRT of a service whose RTMP server died and froze hold every frame of the program."""
    channel.service.wait_on_air()
    status = channel.service.status()
    live = _hls(channel.folder / "hls", channel.folder / "live.m3u8")
    assert channel.service.stop() == 0
    channel.srt_receiver.wait(120)
    (file,) = channel.folder.glob("record-*.mkv")
    recording, received = read_recording(file), read_recording(channel.srt_record)
    ended = _hls(channel.folder / "hls", channel.folder / "ended.m3u8")

    others = [one for one in status["outputs"] if one["name"] != "rtmp-1"]
    assert [one["dropped_packets"] for one in others] == [0, 0, 0]
    assert [one["reconnects"] for one in others] == [0, 0, 0]
    assert status["gap_seconds"] == 0
    _check_whole(recording)
    assert _numbers(recording)[0] == 0
    assert len(recording.looks) >= status["program_seconds"] * 25 - 2
    _check_whole(received)
    assert len(received.looks) >= len(recording.looks) - 50
    for listed in (live, ended):
        _check_whole(listed)
        assert len(listed.looks) >= 250
    assert abs(_numbers(ended)[-1] - _numbers(recording)[-1]) <= 1


def _hls(folder: Path, copy: Path) -> Recording:
    """What the playlist lists at this moment, read from a copy that says it is over."""
    text = (folder / "index.m3u8").read_text()
    lines = [line if line.startswith("#") else str(folder / line) for line in text.splitlines()]
    copy.write_text("\n".join([*lines, "#EXT-X-ENDLIST", ""]))
    return read_recording(copy, options={"allowed_extensions": "ALL"})


def test_refused_outputs_are_asked_less_and_less_and_disturb_nobody(noisy: Path, tmp_path: Path) -> None:
    """A wrong key and a server that hangs up are reported and retried with growing pauses; the other output is whole."""
    (tmp_path / "playlist.txt").write_text(f"{noisy}\n")
    wrong = "wrong-key-of-somebody"
    with (
        key_judge(lambda key: key != wrong) as judge,
        NginxRtmp(tmp_path / "nginx", more=judge.directive) as server,
        SilentServer(closes=True) as closing,
    ):
        closing_url = f"rtmp://127.0.0.1:{closing.port}/live/key-for-nobody"
        settings = {
            "PLAYLIST": str(tmp_path / "playlist.txt"),
            "MEDIA_DIRS": str(noisy.parent),
            "VIDEO_SIZE": "320x180",
            "FRAME_RATE": "25",
            "FFMPEG_ARGS": "-preset ultrafast -b:v 1200k",
            "OUTPUTS": f"{server.url('right-key')} {server.url(wrong)} {closing_url}",
        }
        with running(tmp_path / "service", settings) as service:
            wait_until(lambda: len(judge.asked.get(wrong, ())) >= 5, what="five questions for a wrong key")
            service.wait_for(lambda now: now["now"] and now["position_seconds"] > 2, what="some of the item")
            status = service.status()
            code, why = service.page("/healthz")
            log = service.log
            assert service.stop() == 0
        record = read_recording(whole_tags(server.records()[0], tmp_path / "copy.flv"))
        closed = closing.accepted

    pauses = [later - earlier for earlier, later in pairwise(judge.asked[wrong])]
    assert all(later > earlier for earlier, later in pairwise(pauses))
    right, refused, hung_up = status["outputs"]
    assert (right["state"], right["reconnects"], right["dropped_packets"]) == ("on_air", 0, 0)
    assert refused["state"] in {"retrying", "connecting"}
    assert (code, status["healthy"]) == (503, False)
    assert "rtmp-2" in why
    assert "rtmp-3" in why
    assert "rtmp-1" not in why
    assert "key" in refused["error"]["text"]
    assert hung_up["error"]
    # One try a second at most, after the first few.
    assert 3 <= closed <= status["uptime_seconds"] + 5
    assert _secrets_in(log + why + str(status), wrong, "right-key", "key-for-nobody") == []
    _check_whole(record)
    assert len(record.looks) >= status["program_seconds"] * 25 - 50


def _secrets_in(text: str, *secrets: str) -> list[Any]:
    return [secret for secret in secrets if secret in text]
