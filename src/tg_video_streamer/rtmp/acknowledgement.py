"""Notices a server that is frozen though its kernel still takes bytes; pure. Why: docs/decisions/0008-frozen-rtmp-servers.md."""

from __future__ import annotations

from collections import deque

WINDOW_BYTES = 65_536
"""How often we ask to be acknowledged: about once in two seconds at the lowest rate of a program."""
_TRUSTED_AFTER = 3
"""So many acknowledgements in a row, each within two windows, show that a server does as it is asked."""
_SILENT_WINDOWS = 3


class AcknowledgementWatch:
    """Detects a stall only on servers that acknowledge as often as requested."""

    def __init__(self, stall_seconds: float) -> None:
        """`stall_seconds`: how long a silence after regular acknowledgements means a frozen server."""
        self._stall_seconds = stall_seconds
        self._seen = 0
        self._last_taken = 0
        self._last_at = 0.0
        self._distances: deque[int] = deque(maxlen=_TRUSTED_AFTER)

    def stalled(self, acknowledgements: int, taken_bytes: int, now: float) -> bool:
        """`acknowledgements`: how many have come so far; `taken_bytes`: what the far end's kernel has taken so far."""
        if acknowledgements > self._seen:
            count, self._seen = acknowledgements - self._seen, acknowledgements
            self._distances.append((taken_bytes - self._last_taken) // count)
            self._last_taken, self._last_at = taken_bytes, now
            return False
        regular = len(self._distances) == _TRUSTED_AFTER and max(self._distances) <= 2 * WINDOW_BYTES
        silent = taken_bytes - self._last_taken >= _SILENT_WINDOWS * WINDOW_BYTES
        return regular and silent and now - self._last_at >= self._stall_seconds
