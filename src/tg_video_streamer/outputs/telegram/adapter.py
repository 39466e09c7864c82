"""One attempt at Telegram: asks for the inner adapter in the event loop, then delegates to it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import CancelledError, wait
from typing import Any

from tg_video_streamer.errors import OutputError, OutputLost
from tg_video_streamer.locales.message import Message
from tg_video_streamer.media import Stamped
from tg_video_streamer.outputs.adapter import Adapter

_POLL_SECONDS = 0.1

Reach = Callable[[threading.Event], Coroutine[Any, Any, Adapter]]
"""Finds the inner adapter in the event loop, however long that takes; raises OutputError."""


class TelegramAdapter:
    """See Adapter."""

    def __init__(
        self,
        reach: Reach,
        *,
        loop: asyncio.AbstractEventLoop,
        cancelled: threading.Event,
        failed: Callable[[OutputError], None],
    ) -> None:
        """`failed` is called in the output's thread with the error of an attempt that did not get on air."""
        self.limit_ticks: int | None = None
        self._reach = reach
        self._loop = loop
        self._cancelled = cancelled
        self._failed = failed
        self._inner: Adapter | None = None
        self._lost: Message | None = None

    def lose(self, why: Message) -> None:
        """Make the connection end with OutputLost at its next move; callable from any thread."""
        self._lost = why

    def open(self) -> None:
        """See Adapter."""
        try:
            inner = self._reached()
            self._inner = inner
            self.limit_ticks = inner.limit_ticks
            inner.open()
        except OutputError as error:
            self._failed(error)
            raise

    def send(self, packets: Sequence[Stamped]) -> None:
        """See Adapter."""
        self._carrier.send(packets)

    def attend(self) -> None:
        """See Adapter."""
        self._carrier.attend()

    def delivering(self) -> bool:
        """See Adapter."""
        return self._inner is not None and self._inner.delivering()

    def close(self) -> None:
        """See Adapter."""
        if self._inner is not None:
            self._inner.close()

    @property
    def bytes_sent(self) -> int:
        """See Adapter."""
        return self._inner.bytes_sent if self._inner is not None else 0

    @property
    def _carrier(self) -> Adapter:
        if self._lost is not None:
            raise OutputLost(self._lost)
        if self._inner is None:
            raise OutputLost.of("telegram.not_connected")
        return self._inner

    def _reached(self) -> Adapter:
        asked = asyncio.run_coroutine_threadsafe(self._reach(self._cancelled), self._loop)
        while not self._cancelled.is_set():
            if wait({asked}, timeout=_POLL_SECONDS).done:
                try:
                    return asked.result()
                except CancelledError:
                    raise OutputLost.of("output.stopping") from None
        asked.cancel()
        raise OutputLost.of("output.stopping")
