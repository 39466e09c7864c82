"""Which of Telegram's two ways an output takes, and when it changes to the other; pure, in whatever time it is given."""

from __future__ import annotations

from enum import StrEnum

PATIENCE_SECONDS = 120.0
"""A way that has failed for so long is left for the other one."""


class TelegramTransport(StrEnum):
    """A way to Telegram's viewers."""

    RTMP = "rtmp"
    """A live stream with a URL and a key."""
    CALL = "call"
    """The chat's video chat."""


class TransportPlan:
    """The setting TELEGRAM_TRANSPORT carried out: `rtmp` and `call` are that way for ever.

    `auto` begins with RTMP, since Telegram is asked for the URL and not guessed about; where it hands out none, it takes
    the call at once. A way that fails for long is left for the other, in turns.
    """

    def __init__(self, setting: str, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._fixed = setting != "auto"
        self._way = TelegramTransport.CALL if setting == "call" else TelegramTransport.RTMP
        self._patience_seconds = patience_seconds
        self._failing_since: float | None = None

    @property
    def may_change(self) -> bool:
        """Whether there are two ways."""
        return not self._fixed

    def choose(self, now: float) -> TelegramTransport:
        """The way of the next attempt."""
        if self._failing_since is not None and now - self._failing_since >= self._patience_seconds:
            self._change()
        return self._way

    def refused(self) -> bool:
        """Telegram said no to this way; True where there is another to take at once."""
        if self._fixed:
            return False
        self._change()
        return self._way is TelegramTransport.CALL

    def failed(self, now: float) -> None:
        """An attempt did not reach the air."""
        if self._failing_since is None:
            self._failing_since = now

    def on_air(self) -> None:
        """The way works."""
        self._failing_since = None

    def _change(self) -> None:
        self._failing_since = None
        if not self._fixed:
            self._way = TelegramTransport.CALL if self._way is TelegramTransport.RTMP else TelegramTransport.RTMP
