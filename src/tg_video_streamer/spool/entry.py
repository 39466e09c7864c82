"""One item in the spool: its state, the files that grow for it, and how fast."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import StreamerError
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.growing import GrowingFile, GrowthState
from tg_video_streamer.resolve.media import Expansion, Media, MediaInput
from tg_video_streamer.spool.files import ItemFolder, SpooledItem, disk_error, local_inputs, spooled_item
from tg_video_streamer.spool.report import DownloadReport
from tg_video_streamer.spool.state import SPOOL_TRANSITIONS, SpoolState
from tg_video_streamer.spool.window import Window, drop
from tg_video_streamer.state_machine import StateMachine

_log = structlog.get_logger(__name__)

_SPEED_SECONDS = 5.0
"""The speed is that of so many last seconds."""


class Entry:
    """Belongs to the event loop; `begin` and `part_whole` touch the disk in a thread."""

    def __init__(
        self,
        key: str,
        item: Item,
        folder: ItemFolder,
        *,
        clock: Clock,
        found: SpooledItem | None,
        moved: Callable[[], None],
        received: Callable[[int], None],
    ) -> None:
        """`found`: what an earlier run of the service has left in `folder`.

        `moved` is called at each change of the state, `received` with the number of new bytes.
        """
        self.key = key
        self.item = item
        self.folder = folder
        self.changed = asyncio.Event()
        """Set at each step; who waits for one clears it."""
        self.asking = asyncio.Lock()
        self.answer: Media | Expansion | None = None
        """The resolver's latest, None where the next attempt should ask again."""
        self.answered_at = 0.0
        self.urgent = False
        """A feed waits for it."""
        self.waiting = 0
        """How many feeds wait for it now."""
        self.growing_reads = 0
        """How often a feed has begun to read it while it grew."""
        self.not_before = 0.0
        """Monotonic seconds before which nothing is tried."""
        self.failures = 0
        self.error: StreamerError | None = None
        self.spooled = found
        self.growing: tuple[GrowingFile, ...] = ()
        self.window: Window | None = None
        """Of an item that is larger than the spool."""
        self._clock = clock
        self._told = moved
        self._received = received
        self._steps: deque[tuple[float, int]] = deque()
        whole = found is not None and found.whole
        self._machine = StateMachine(SPOOL_TRANSITIONS, SpoolState.WHOLE if whole else SpoolState.WAITING, self._moved)

    @property
    def state(self) -> SpoolState:
        """The current state."""
        return self._machine.state

    @property
    def title(self) -> str:
        """As its source states it; empty if it does not."""
        return self.spooled.title if self.spooled is not None else ""

    @property
    def due(self) -> bool:
        """Whether something may be done for it now."""
        if self.state in {SpoolState.WHOLE, SpoolState.FAILED} or self._clock.monotonic() < self.not_before:
            return False
        return self.window is None or self.window.wants_more(
            self.growing, downloading=self.state is SpoolState.DOWNLOADING
        )

    @property
    def whole_bytes(self) -> int | None:
        """The size of all its files; None while that is unknown."""
        sizes = [part.size_bytes for part in self.spooled.parts] if self.spooled is not None else [None]
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) else None

    @property
    def have_bytes(self) -> int:
        """How much of them is there."""
        return sum(one.size for one in self.growing)

    @property
    def bytes_per_second(self) -> float:
        """The speed of the last seconds."""
        now = self._clock.monotonic()
        while len(self._steps) > 1 and self._steps[0][0] < now - _SPEED_SECONDS:
            self._steps.popleft()
        if not self._steps or now - self._steps[0][0] < 0.1:
            return 0.0
        return max(0.0, (self.have_bytes - self._steps[0][1]) / (now - self._steps[0][0]))

    @property
    def duration_seconds(self) -> float | None:
        """What plays of it, as far as the source has stated it."""
        whole = self.spooled.duration_seconds if self.spooled is not None else None
        if whole is None and isinstance(self.answer, Media):
            whole = self.answer.duration_seconds
        end = self.item.end_seconds if self.item.end_seconds is not None else whole
        return None if end is None else max(0.0, min(end, whole or end) - self.item.start_seconds)

    def move(self, state: SpoolState, why: str = "") -> None:
        """Go to `state`."""
        self._machine.move(state, why)

    def begin(self, media: Media) -> None:
        """Make or find the files for `media`. Raises SpoolError."""
        wanted = spooled_item(media)
        before = self.spooled
        if self.growing and before is not None and before.window and before.same_bytes(wanted):
            return
        self.spooled = self.folder.begin(wanted)
        if self.growing and before is not None and before.same_bytes(wanted):
            return
        self.break_off()
        self.growing = tuple(
            GrowingFile(self.folder.path(part), size=part.size_bytes if part.whole and part.size_bytes else 0)
            for part in self.spooled.parts
        )
        for part, growing in zip(self.spooled.parts, self.growing, strict=True):
            if part.whole:
                growing.end(GrowthState.WHOLE)

    def grew(self, index: int, size: int, whole: int | None) -> None:
        """File number `index` has `size` bytes of `whole`."""
        self._received(max(0, size - self.growing[index].size))
        self.growing[index].grown(size)
        assert self.spooled is not None  # noqa: S101 - it has begun
        part = self.spooled.parts[index]
        if whole is not None and part.size_bytes != whole:
            self._change_part(index, size_bytes=whole)
        self._steps.append((self._clock.monotonic(), self.have_bytes))
        self.changed.set()

    def part_whole(self, index: int, size: int) -> None:
        """File number `index` has all of its bytes. Raises SpoolError."""
        assert self.spooled is not None  # noqa: S101 - it has begun
        self._change_part(index, size_bytes=size, whole=True)
        self.folder.write(self.spooled)
        self.growing[index].grown(size)
        self.growing[index].end(GrowthState.WHOLE)

    def drop_read(self) -> None:
        """Give back the disk space of what was read of an item with a window. Raises SpoolError."""
        assert self.window is not None  # noqa: S101 - the caller has looked
        self.window.look(self.growing, self._clock.monotonic())
        drops = self.window.drops(self.growing)
        if not drops or self.spooled is None:
            return
        if not self.spooled.window:
            # Before the first byte goes: after a kill the files must not look as if they were whole.
            self.spooled = replace(self.spooled, window=True)
            self.folder.write(self.spooled)
        try:
            for file, end in drops:
                drop(file, end)
        except OSError as error:
            raise disk_error(error) from error

    @property
    def is_past(self) -> bool:
        """Whether its window is at the end of one play: another play begins the download again."""
        return self.window is not None and self.window.is_past(self.growing, self._clock.monotonic())

    @property
    def is_read_on(self) -> bool:
        """Whether a feed reads it through a window that has left its start: no other feed can read it now."""
        return any(one.dropped_to and one.is_read for one in self.growing)

    def break_off(self) -> None:
        """Its files get no more bytes; those that are not whole must not look as if they were."""
        for one in self.growing:
            if one.state is GrowthState.GROWING:
                one.end(GrowthState.BROKEN)
        self.growing = ()

    def local(self) -> Media:
        """The item read from its files, whole or growing."""
        assert self.spooled is not None  # noqa: S101 - it has begun
        inputs: tuple[MediaInput, ...] = local_inputs(self.folder, self.spooled)
        if self.state is not SpoolState.WHOLE or self.window is not None:
            inputs = tuple(
                one if growing.state is GrowthState.WHOLE and self.window is None else replace(one, growing=growing)
                for one, growing in zip(inputs, self.growing, strict=True)
            )
        return Media(
            inputs=inputs,
            title=self.spooled.title,
            source_id=self.spooled.source_id,
            duration_seconds=self.spooled.duration_seconds,
        )

    def _change_part(self, index: int, **changes: int | bool) -> None:
        assert self.spooled is not None  # noqa: S101 - it has begun
        parts = list(self.spooled.parts)
        parts[index] = replace(parts[index], **changes)  # type: ignore[arg-type]  # fields of PartFile
        self.spooled = replace(self.spooled, parts=tuple(parts))

    def _moved(self, old: SpoolState, new: SpoolState, why: str) -> None:
        _log.debug("spool moved", old=str(old), new=str(new), why=why, key=self.item.key)
        self.changed.set()
        self._told()


def entry_report(entry: Entry) -> DownloadReport:
    """The progress of an entry."""
    return DownloadReport(
        item=entry.item,
        title=entry.title,
        have_bytes=entry.have_bytes,
        whole_bytes=entry.whole_bytes,
        bytes_per_second=entry.bytes_per_second,
    )
