"""Chooses between Telegram's two transports; pure."""

from __future__ import annotations

from enum import StrEnum

PATIENCE_SECONDS = 120.0
"""A transport that fails for this long is replaced by the other."""


class TelegramTransport(StrEnum):
    """How media reaches Telegram."""

    RTMP = "rtmp"
    """A live stream with a URL and a key."""
    CALL = "call"
    """The chat's video chat."""


class TransportPlan:
    """The setting TELEGRAM_TRANSPORT: `rtmp` and `call` never change.

    `auto` begins with RTMP; where Telegram gives no URL, it takes the call at once. A transport that fails for long is
    replaced by the other, in turns.
    """

    def __init__(self, setting: str, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._fixed = setting != "auto"
        self._transport = TelegramTransport.CALL if setting == "call" else TelegramTransport.RTMP
        self._patience_seconds = patience_seconds
        self._failing_since: float | None = None

    @property
    def may_change(self) -> bool:
        """Whether there are two transports."""
        return not self._fixed

    def choose(self, now: float) -> TelegramTransport:
        """The transport of the next attempt."""
        if self._failing_since is not None and now - self._failing_since >= self._patience_seconds:
            self._change()
        return self._transport

    def refused(self) -> bool:
        """Telegram refused this transport; True where the other is to be tried at once."""
        if self._fixed:
            return False
        self._change()
        return self._transport is TelegramTransport.CALL

    def failed(self, now: float) -> None:
        """An attempt did not get on air."""
        if self._failing_since is None:
            self._failing_since = now

    def on_air(self) -> None:
        """The transport works."""
        self._failing_since = None

    def _change(self) -> None:
        self._failing_since = None
        if not self._fixed:
            self._transport = (
                TelegramTransport.CALL if self._transport is TelegramTransport.RTMP else TelegramTransport.RTMP
            )
