"""Samples the history of the running service, for the page's band and charts."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from tg_video_streamer.asrun.history import BAND_SECONDS, History, LevelSpan, Sample
from tg_video_streamer.clock import Clock
from tg_video_streamer.control.status import ServiceStatus
from tg_video_streamer.events import Event, SegmentEnded, SegmentStarted

SAMPLE_SECONDS = 5.0
SAMPLES = 120
"""Ten minutes of them."""
_JOINED_SECONDS = 1.0
"""Segments of one level that are no further apart are one span: the times are those of a clock that may be set."""


class HistorySampler:
    """All methods belong to the event loop's thread."""

    def __init__(
        self,
        *,
        clock: Clock,
        status: Callable[[], ServiceStatus],
        refresh: Callable[[], Awaitable[None]] | None = None,
        earlier: Callable[[], Sequence[LevelSpan]] = tuple,
    ) -> None:
        """`refresh` is awaited before each sample; `earlier` reads, in a thread, the spans of earlier runs, oldest first."""
        self._clock = clock
        self._status = status
        self._refresh = refresh
        self._earlier = earlier
        self._spans: deque[LevelSpan] = deque()
        self._samples: deque[Sample] = deque(maxlen=SAMPLES)
        self._on_air: SegmentStarted | None = None
        self._knows_earlier = False

    def on_event(self, event: Event) -> None:
        """Record each segment; subscribe this to the event bus."""
        if isinstance(event, SegmentStarted):
            self._on_air = event
        elif isinstance(event, SegmentEnded):
            self._on_air = None
            self._append(
                LevelSpan(
                    starts_wall=event.started,
                    ends_wall=event.wall,
                    level=str(event.content.level),
                    gap_seconds=event.gap_seconds,
                )
            )

    async def run(self) -> None:
        """Read what was before, once, and then take a sample now and then until cancelled."""
        if not self._knows_earlier:
            await self.read_earlier()
        while True:
            if self._refresh is not None:
                await self._refresh()
            self.sample()
            await asyncio.sleep(SAMPLE_SECONDS)

    async def read_earlier(self) -> None:
        """Put what earlier runs aired before what this one has by now."""
        earlier = await asyncio.to_thread(self._earlier)
        self._knows_earlier = True
        since, self._spans = list(self._spans), deque()
        for span in (*earlier, *since):
            self._append(span)

    def sample(self) -> None:
        """Record the figures of this moment."""
        status = self._status()
        self._samples.append(
            Sample(
                wall=round(self._clock.wall(), 1),
                buffer_seconds=round(status.buffer_seconds, 2),
                bits_per_second={one.name: round(one.bits_per_second) for one in status.outputs},
            )
        )

    def history(self) -> History:
        """Everything up to now; what is on air ends now."""
        now = self._clock.wall()
        begin = now - BAND_SECONDS
        spans = list(self._spans)
        if self._on_air is not None:
            current = LevelSpan(
                starts_wall=min(self._on_air.wall, now), ends_wall=now, level=str(self._on_air.content.level)
            )
            spans = [*spans[:-1], *_joined(spans[-1], current)] if spans else [current]
        midnight = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
        return History(
            spans=tuple(_within(span, begin) for span in spans if span.ends_wall > begin),
            samples=tuple(self._samples),
            gap_seconds_today=round(sum(span.gap_seconds for span in spans if span.ends_wall > midnight), 3),
        )

    def _append(self, span: LevelSpan) -> None:
        if self._spans:
            last = self._spans.pop()
            self._spans.extend(_joined(last, span))
        else:
            self._spans.append(span)
        while self._spans and self._spans[0].ends_wall < span.ends_wall - BAND_SECONDS:
            self._spans.popleft()


def _joined(first: LevelSpan, second: LevelSpan) -> tuple[LevelSpan, ...]:
    """Two spans as one, where they are of one level, close together and on one day."""
    apart = abs(second.starts_wall - first.ends_wall) > _JOINED_SECONDS
    other_day = first.starts_wall // 86400 != second.ends_wall // 86400
    if first.level != second.level or apart or other_day:
        return first, second
    return (
        LevelSpan(
            starts_wall=first.starts_wall,
            ends_wall=second.ends_wall,
            level=first.level,
            gap_seconds=first.gap_seconds + second.gap_seconds,
        ),
    )


def _within(span: LevelSpan, begin: float) -> LevelSpan:
    return LevelSpan(
        starts_wall=max(span.starts_wall, begin),
        ends_wall=span.ends_wall,
        level=span.level,
        gap_seconds=span.gap_seconds,
    )
