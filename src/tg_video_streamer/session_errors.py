"""The errors of the Telegram session and of Telegram's refusals; a branch of the tree in `errors.py`."""

from __future__ import annotations

from enum import StrEnum

from tg_video_streamer.locales.message import Message
from tg_video_streamer.streamer_error import StreamerError


class SessionEnding(StrEnum):
    """How a Telegram session ended, or why a string is not a session."""

    EXPIRED = "expired"
    REVOKED = "revoked"
    UNREGISTERED = "unregistered"
    DUPLICATED = "duplicated"
    INVALID = "invalid"
    DEACTIVATED = "deactivated"
    BANNED = "banned"
    KEY_UNKNOWN = "key_unknown"
    GARBAGE = "garbage"
    WRONG_API = "wrong_api"


class SessionError(StreamerError):
    """The Telegram session cannot be used now."""

    reason = "session_error"


class SessionAbsent(SessionError):
    """No SESSION_STRING is set."""

    reason = "session_absent"


class SessionEnded(SessionError):
    """The session is over; waiting does not bring it back. `reason` has the ending in it, such as session_expired."""

    reason = "session_ended"

    def __init__(self, what: str | Message, *, ending: SessionEnding, remedy: str | Message | None = None) -> None:
        """`what` never contains the string."""
        super().__init__(what, remedy=remedy)
        self.ending = ending
        self.reason = f"session_{ending}"


class SessionUnreachable(SessionError):
    """Telegram does not answer now; the session may be valid. Retry later, after `seconds` where known."""

    reason = "session_unreachable"

    def __init__(self, what: str | Message, *, remedy: str | Message | None = None, seconds: float = 0.0) -> None:
        """`seconds`: how long to wait before the next attempt (FLOOD_WAIT, a full limiter); 0 where unknown."""
        super().__init__(what, remedy=remedy)
        self.seconds = seconds


class FloodWait(SessionUnreachable):
    """Telegram asks to wait for `seconds` before the next request of the same method."""

    reason = "flood_wait"


class SessionRestricted(SessionUnreachable):
    """The session is valid, but Telegram refuses the account its requests; it is asked again after `seconds`."""

    reason = "session_restricted"

    def __init__(
        self,
        what: str | Message,
        *,
        word: str,
        seconds: float,
        lasting_seconds: float | None = None,
        remedy: str | Message | None = None,
    ) -> None:
        """`word`: Telegram's error code (FROZEN_METHOD_INVALID …); `lasting_seconds`: the pause of a second one in a row."""
        super().__init__(what, remedy=remedy, seconds=seconds)
        self.word = word
        self._lasting_seconds = seconds if lasting_seconds is None else lasting_seconds

    @property
    def lasts(self) -> bool:
        """Whether it is more than one odd answer."""
        return self.seconds >= self._lasting_seconds

    def after(self, before: SessionRestricted | None) -> SessionRestricted:
        """The same where the account was refused `before`: then it lasts."""
        if before is None or self.lasts:
            return self
        return SessionRestricted(self.message, word=self.word, seconds=self._lasting_seconds, remedy=self.remedy)


class MessageRefused(SessionUnreachable):
    """Telegram did not take a message because of its number, sequence or salt: it was not carried out, or long ago."""

    reason = "message_refused"

    def __init__(self, what: str | Message, *, remedy: str | Message | None = None, corrected: bool = False) -> None:
        """`corrected`: it was sent again as Telegram asked, and refused again."""
        super().__init__(what, remedy=remedy)
        self.corrected = corrected


class AnswerUnreadable(SessionUnreachable):
    """Telegram's answer is none that this version knows, or lacks what it must have."""

    reason = "answer_unreadable"


class TelegramRefused(StreamerError):
    """Telegram refused one request; the session remains valid."""

    reason = "telegram_refused"

    def __init__(self, what: str | Message, *, word: str, remedy: str | Message | None = None) -> None:
        """`word`: Telegram's error code (CHAT_ADMIN_REQUIRED …)."""
        super().__init__(what, remedy=remedy)
        self.word = word

    def with_remedy(self, key: str) -> TelegramRefused:
        """The same refusal with the remedy `key`, where the tables have that."""
        remedy = Message.find(key) or self.remedy_message or ""
        return TelegramRefused(self.message, word=self.word, remedy=remedy)


class CallInTheWay(TelegramRefused):
    """A chat has one call at a time, and the one it has is not ours to end: it is waited for."""

    reason = "call_in_the_way"

    def __init__(self, what: str | Message, *, remedy: str | Message | None = None) -> None:
        super().__init__(what, word="GROUPCALL_IN_THE_WAY", remedy=remedy)
