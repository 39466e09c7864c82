"""Makes the handler of an output target."""

from __future__ import annotations

import threading
from pathlib import Path

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import ConfigError
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.outputs.adapter import Adapter, MakeAdapter
from tg_video_streamer.outputs.handler import OutputHandler, Publish
from tg_video_streamer.outputs.hls import HlsAdapter
from tg_video_streamer.outputs.recording import FileAdapter
from tg_video_streamer.outputs.rtmp import RtmpAdapter
from tg_video_streamer.outputs.srt import SrtAdapter
from tg_video_streamer.outputs.target import OutputKind, OutputTarget
from tg_video_streamer.playout.fanout import Fanout


def output_handler(
    target: OutputTarget,
    *,
    fanout: Fanout,
    publish: Publish,
    clock: Clock,
    house: HouseFormat,
    ffmpeg: Path,
    ca_file: str | None = None,
) -> OutputHandler:
    """The handler of `target`, not started; `ca_file` replaces the system's certificate authorities for rtmps."""
    maker = adapter_maker(target, fanout=fanout, clock=clock, house=house, ffmpeg=ffmpeg, ca_file=ca_file)
    return OutputHandler(
        name=target.name, kind=str(target.kind), make_adapter=maker, fanout=fanout, publish=publish, clock=clock
    )


def adapter_maker(
    target: OutputTarget, *, fanout: Fanout, clock: Clock, house: HouseFormat, ffmpeg: Path, ca_file: str | None = None
) -> MakeAdapter:
    """What makes an attempt at `target`."""
    headers = fanout.headers

    def make(cancelled: threading.Event) -> Adapter:
        if target.kind is OutputKind.RTMP and target.rtmp is not None:
            return RtmpAdapter(target.rtmp, headers, house=house, clock=clock, cancelled=cancelled, ca_file=ca_file)
        if target.kind is OutputKind.SRT:
            return SrtAdapter(target.srt_url, headers, house=house, ffmpeg=ffmpeg, clock=clock, cancelled=cancelled)
        if target.kind is OutputKind.HLS and target.path is not None:
            return HlsAdapter(target.path, headers, fanout.rate, clock=clock)
        if target.path is not None:
            return FileAdapter(target.path, headers, quota_bytes=target.quota_bytes, clock=clock)
        raise ConfigError([f"output {target.name} has no place to go"])

    return make
