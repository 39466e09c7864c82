"""The interface of one attempt at an output."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from tg_video_streamer.media import Stamped

STALL_SECONDS = 5.0
"""An output that takes nothing for this long is lost."""


class Adapter(Protocol):
    """One attempt, used by one thread and then thrown away. Every method may raise OutputError."""

    limit_ticks: int | None
    """How long one connection may last before its timestamps run out; None: no limit."""

    def open(self) -> None:
        """Reach the far end and be accepted by it."""

    def send(self, packets: Sequence[Stamped]) -> None:
        """Hand packets over, in program order, the first of all a keyframe; blocks while the far end is slow."""

    def attend(self) -> None:
        """Service the connection: answer the far end, and raise OutputLost where it closed or stalled."""

    def delivering(self) -> bool:
        """Whether the far end has taken some of the media."""

    def close(self) -> None:
        """End in order where that is quick (within a second), else at once; releases everything."""

    @property
    def bytes_sent(self) -> int:
        """What has left so far."""


MakeAdapter: TypeAlias = Callable[[threading.Event], Adapter]
"""A new attempt; setting the event from another thread makes every wait in it end with OutputLost within 0.2 s."""


class Cancellation(threading.Event):
    """An event that is also set while `may_send` says no: adapters ask it before each piece that they send.

    A process that was frozen, and has lost its lease meanwhile, so sends nothing after it wakes.
    """

    def __init__(self, may_send: Callable[[], bool]) -> None:
        """`may_send` is asked from any thread."""
        super().__init__()
        self._may_send = may_send

    def is_set(self) -> bool:
        """See threading.Event."""
        return super().is_set() or not self._may_send()
