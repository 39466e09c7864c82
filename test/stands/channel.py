"""A whole channel for tests: the service, an RTMP server that records it, its playlist, and a reader of what was aired.

with on_air(folder, media, lines=[clip]) as channel:
    since = channel.mark()                     # seconds of the record so far
    ...                                        # cause the fault, wait for what follows
    aired = channel.aired(since)               # what viewers got from there on
    assert aired.faults == []                  # both grids whole, no frame missing or doubled within an item
    assert [one.item_id for one in aired.stretches] == [1, None, 2]
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stands.flv_tail import cut_tail, last_seconds
from stands.nginx_rtmp import NginxRtmp
from stands.recording import Recording, frame_faults, read_recording, slot_faults
from stands.service import Service, running
from stands.waiting import wait_until


@dataclass(frozen=True, kw_only=True)
class Aired:
    """One stretch of the record: one item, or pictures without a code (slate, filler)."""

    item_id: int | None
    numbers: list[int]
    """The frame numbers; empty without a code."""
    seconds: float
    """When it began, in the record's time."""
    frames: int


@dataclass(frozen=True, kw_only=True)
class Record:
    """What viewers got in a part of the record."""

    recording: Recording
    stretches: tuple[Aired, ...]
    faults: list[str]
    """Holes in either grid, and frames that are missing, doubled or out of order within a stretch of an item."""

    @property
    def items(self) -> list[int | None]:
        """The item ids of the stretches."""
        return [one.item_id for one in self.stretches]

    def of(self, item_id: int | None) -> list[Aired]:
        """The stretches of one item."""
        return [one for one in self.stretches if one.item_id == item_id]


@dataclass(kw_only=True)
class Channel:
    """One service on air."""

    service: Service
    server: NginxRtmp
    folder: Path

    @property
    def playlist(self) -> Path:
        """Its playlist file."""
        return self.folder / "playlist.txt"

    def write(self, *lines: object) -> None:
        """Replace the playlist at once, as a careful editor does."""
        partial = self.folder / "playlist.txt.new"
        partial.write_text("".join(f"{line}\n" for line in lines))
        partial.replace(self.playlist)

    def ask(self, *words: str) -> str:
        """One command of the operator's that must work; what it said."""
        done = self.service.command(*words)
        assert done.returncode == 0, done
        return done.stdout

    def mark(self) -> float:
        """Seconds of the record so far."""
        records = self.server.records()
        return last_seconds(records[-1]) if records else 0.0

    def aired(self, since: float = 0.0, *, record: int = -1) -> Record:
        """What was recorded from the first keyframe at or after `since` seconds on."""
        copy = cut_tail(self.server.records()[record], self.folder / "tail.flv", since=since)
        recording = read_recording(copy)
        return Record(
            recording=recording,
            stretches=tuple(_stretches(recording)),
            faults=frame_faults(recording) + slot_faults(recording),
        )

    def wait_recorded(self, seconds: float) -> None:
        """Until the record has reached `seconds`."""
        left = max(0.0, seconds - self.mark())
        wait_until(lambda: self.mark() >= seconds, timeout=left + 30, what=f"{seconds:.1f} s recorded", every=0.2)

    def wait_now(self, title: str, *, timeout: float = 90.0) -> dict[str, Any]:
        """Until an item of that title is on air; the status then."""

        def is_it(status: dict[str, Any]) -> Any:
            now = status["now"]
            return status["channel_state"] == "on_air" and now and title in now["title"] and status

        found: dict[str, Any] = self.service.wait_for(is_it, timeout=timeout, what=f"{title} on air")
        return found

    def wait_state(self, state: str, *, timeout: float = 90.0) -> dict[str, Any]:
        """Until the channel is in `state`; the status then."""
        found: dict[str, Any] = self.service.wait_for(
            lambda status: status["channel_state"] == state and status, timeout=timeout, what=state
        )
        return found

    def as_run(self) -> list[dict[str, Any]]:
        """The lines of the as-run log."""
        text = (self.service.state_dir / "as-run.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def metrics(self) -> str:
        """The page that Prometheus reads."""
        return self.service.metrics()


@contextmanager
def on_air(
    folder: Path,
    media: Path,
    *,
    lines: Sequence[object] | None,
    command: Sequence[Path | str] | None = None,
    wait: bool = True,
    key: str = "secret-stream-key",
    **settings: str,
) -> Iterator[Channel]:
    """A channel at 320x180; `lines` None leaves it without a playlist. With `wait`, it is on air when the block begins."""
    folder.mkdir(parents=True, exist_ok=True)
    with NginxRtmp(folder / "nginx") as server:
        values = {
            "PLAYLIST": str(folder / "playlist.txt"),
            "MEDIA_DIRS": str(media),
            "VIDEO_SIZE": "320x180",
            "FRAME_RATE": "25",
            "FFMPEG_ARGS": "-preset ultrafast",
            "OUTPUTS": server.url(key),
            **settings,
        }
        if lines is not None:
            (folder / "playlist.txt").write_text("".join(f"{line}\n" for line in lines))
        with running(folder / "service", values, command=command) as service:
            channel = Channel(service=service, server=server, folder=folder)
            if wait:
                service.wait_on_air()
            yield channel


def _stretches(recording: Recording) -> Iterator[Aired]:
    for item_id, looks in itertools.groupby(recording.looks, lambda look: look.item_id):
        found = list(looks)
        numbers = [look.number for look in found if look.number is not None]
        yield Aired(item_id=item_id, numbers=numbers, seconds=found[0].seconds, frames=len(found))
