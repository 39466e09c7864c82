"""What the tests of outputs share: one short clip, and handlers that are always stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stands.house import house_of
from stands.program import Clip, Program, encode_clip
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.events import OutputChanged
from tg_video_streamer.ffmpeg.binary import find_ffmpeg
from tg_video_streamer.outputs.factory import adapter_maker
from tg_video_streamer.outputs.handler import OutputHandler
from tg_video_streamer.outputs.target import parse_outputs

Start = Callable[..., OutputHandler]


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """Four seconds, two GOPs, of the house format."""
    house = house_of("480p", "-preset", "ultrafast")
    return encode_clip(tmp_path_factory.mktemp("clip"), house, seconds=4)


@pytest.fixture
def program(clip: Clip) -> Iterator[Program]:
    """The clip on air in real time."""
    with Program(clip) as running:
        yield running


@pytest.fixture
def events() -> list[OutputChanged]:
    """What the handlers of this test have published."""
    return []


@pytest.fixture
def start(events: list[OutputChanged]) -> Iterator[Start]:
    """Start a handler for a target as the setting OUTPUTS has it; all are stopped at the end."""
    handlers: list[OutputHandler] = []

    def start_one(program: Program, text: str, *, ca_file: Path | None = None, **options: Any) -> OutputHandler:
        (target,) = parse_outputs(text)
        clock = SystemClock()
        maker = adapter_maker(
            target,
            fanout=program.fanout,
            clock=clock,
            house=program.clip.house,
            ffmpeg=find_ffmpeg(),
            ca_file=str(ca_file) if ca_file else None,
        )
        handler = OutputHandler(
            name=target.name,
            kind=str(target.kind),
            make_adapter=options.pop("make_adapter", maker),
            fanout=program.fanout,
            publish=events.append,
            clock=clock,
            **options,
        )
        handlers.append(handler)
        handler.start()
        return handler

    yield start_one
    for handler in handlers:
        handler.stop()
