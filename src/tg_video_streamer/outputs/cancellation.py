"""What ends an attempt at an output: somebody stopped it, or this host may not send any longer."""

from __future__ import annotations

import threading
from collections.abc import Callable


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
