"""Makes the as-run logs of a channel's hosts one: puts this host's lines out, and takes in those of the others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

import structlog

from tg_video_streamer.asrun.entry import AsRunEntry
from tg_video_streamer.asrun.log import AsRunLog
from tg_video_streamer.atomic_file import replace_file
from tg_video_streamer.disk import DISKS, START_SECONDS
from tg_video_streamer.errors import StreamerError

log = structlog.get_logger(__name__)

LOOK_SECONDS = 2.0
_KNOWN = 20_000
"""So many lines are known by their segment: about 6 MB of log, days of half-minute items."""
_READ_LINES = 2_000
"""So many of the newest lines are looked through for new ones of this host."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Line(Protocol):
    """A line of the channel, with its place in the stream."""

    @property
    def sequence(self) -> int:
        """Grows."""

    @property
    def line(self) -> str:
        """As the log has it."""


class SharedLines(Protocol):
    """The lines of all hosts, in the order in which they came. Each method may raise StreamerError."""

    def put(self, line: str, *, identity: str) -> Awaitable[None]:
        """Add a line."""

    def after(self, sequence: int) -> Awaitable[Sequence[Line]]:
        """Some of the lines that came after `sequence`."""


class AsRunSharing:
    """Belongs to the event loop; what cannot be shared now is shared later."""

    def __init__(self, own: AsRunLog, path: Path, lines: SharedLines) -> None:
        """`path`: of the log."""
        self._own = own
        self._path = path
        self._lines = lines
        self._sequence = 0
        self._put = ""
        """The identity of the newest line here that needs not be put out any more."""
        self._known: dict[str, None] = {}
        """Segments that have a line here, or that are about to have one."""
        self._streamed: dict[str, None] = {}
        """Segments that have a line in the stream."""
        self._failing = False

    async def run(self) -> None:
        """Until cancelled."""
        self.recall(*await self._on_disk(read_place, self._path))
        while True:
            try:
                await self.exchange()
                self._failing = False
            except (StreamerError, OSError) as error:
                if not self._failing:
                    log.info("the as-run log is shared with the other hosts later", why=str(error))
                self._failing = True
            await asyncio.sleep(LOOK_SECONDS)

    def recall(self, sequence: int, put: str) -> None:
        """Go on from where `read_place` says that an earlier process was."""
        self._sequence, self._put = sequence, put

    async def exchange(self) -> None:
        """Take in what is new of other hosts, then put out what is new here. Raises StreamerError and OSError."""
        before = (self._sequence, self._put)
        here = await self._on_disk(_newest, self._path)
        for identity, _ in here:
            _add(self._known, identity)
        while lines := await self._lines.after(self._sequence):
            for one in lines:
                self._take_in(one.line)
                self._sequence = one.sequence
        for identity, line in _after(here, self._put):
            if identity not in self._streamed:
                await self._lines.put(line, identity=identity)
                _add(self._streamed, identity)
            self._put = identity
        if (self._sequence, self._put) != before:
            await self._on_disk(_write_place, self._path, self._sequence, self._put)

    def _take_in(self, line: str) -> None:
        identity = _identity(line)
        if identity is None:
            return
        _add(self._streamed, identity)
        if identity not in self._known:
            _add(self._known, identity)
            self._own.add(f"{line.rstrip()}\n")

    async def _on_disk(
        self, work: Callable[Parameters, Result], /, *arguments: Parameters.args, **options: Parameters.kwargs
    ) -> Result:
        return await DISKS.run_within(START_SECONDS, self._path, work, *arguments, **options)


def _add(known: dict[str, None], identity: str) -> None:
    """Remember it as the newest; the oldest are forgotten."""
    known[identity] = None
    if len(known) > _KNOWN:
        del known[next(iter(known))]


def _after(lines: list[tuple[str, str]], identity: str) -> list[tuple[str, str]]:
    """The lines after the newest one with that identity; all where there is none."""
    places = [number for number, (found, _) in enumerate(lines) if found == identity]
    return lines[places[-1] + 1 :] if places else lines


def _identity(line: str) -> str | None:
    """Start and key of its segment: two hosts that write a line for the same one write it once. None: it is no line."""
    try:
        entry = AsRunEntry.from_line(line)
    except ValueError:
        return None
    return f"{entry.start} {entry.key}"


def _newest(path: Path) -> list[tuple[str, str]]:
    """The newest lines with their identities, the oldest of them first. Raises OSError."""
    found: list[tuple[str, str]] = []
    for file in (path, path.with_name(f"{path.name}.1")):
        if len(found) >= _READ_LINES or not file.exists():
            continue
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()[-_READ_LINES:]
        found = [(identity, line) for line in lines if (identity := _identity(line)) is not None] + found
    return found[-_READ_LINES:]


def _place(path: Path) -> Path:
    return path.with_suffix(".shared")


def read_place(path: Path) -> tuple[int, str]:
    """How far the stream was read, and what was put out; from the beginning where that is not known."""
    try:
        saved = json.loads(_place(path).read_bytes())
        return max(0, int(saved["sequence"])), str(saved["put"])
    except FileNotFoundError:
        return 0, ""
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        log.warning("how far the as-run log was shared is not known; it is compared anew", why=type(error).__name__)
        return 0, ""


def _write_place(path: Path, sequence: int, put: str) -> None:
    replace_file(_place(path), json.dumps({"sequence": sequence, "put": put}).encode(), durable=False)
