"""Every error of the project, as one tree; each says what happened, where, and what the operator can do.

StreamerError
├── ConfigError           the settings are wrong (exit code 78)
├── PlaylistError         a playlist, or a line of it, cannot be read
├── ScheduleError         the schedule cannot be read
├── ResolveError          a source cannot be found now
│   ├── SourceGone        it will not come back: removed, private, blocked, unsupported
│   └── ToolMissing       yt-dlp, its JavaScript runtime or ffmpeg is not there
├── FeedError             a source was found but gives no packets
│   ├── ProbeFailed       nothing playable in it
│   ├── InputStalled      it went silent
│   ├── EncoderFailed     the ffmpeg child ended with an error
│   ├── ForeignHeaders    the child's stream has other codec headers than the program
│   ├── OffGrid           its pictures are not at the house frame rate
│   └── NotHouseFormat    what looked like the house format breaks one of its rules: to be encoded
├── OutputError           an output takes no media
│   ├── OutputLost        refused, closed, timed out or stalled: worth another try at once
│   └── OutputRejected    the far end said no (key, name in use): tried again, longer and longer
├── SessionError          the Telegram session cannot be used now
│   ├── SessionAbsent     no SESSION_STRING is set
│   ├── SessionEnded      it is over: only a new login, or the spare, helps; `ending` says how it ended
│   └── SessionUnreachable  Telegram cannot be asked now: network, FLOOD_WAIT, trouble on its side
├── TelegramRefused       Telegram refused one request; `word` is its own word for it
├── LibraryError          the library of kept encodes cannot be used
│   ├── AlreadyCaching         somebody else is keeping that very item now
│   └── CachedEncodeDamaged       a kept copy is gone or not whole
│       └── CachedEncodeOfLaterVersion  it was written by a later version of this program
├── EnvFileUnchanged      the settings file could not be changed, and is as it was
├── ChildFailed           a child process did not end in time, or said too much
├── ListenFailed          a server of ours has no address to listen at
├── RequestRefused        a request to the page or the API is not carried out
├── MalformedMessage      bytes that are not RTMP or AMF came from a network peer
├── PublisherRefused      somebody who wanted to go live was refused, and told so
└── ControlError          a command cannot be carried out
    └── NoService         no running service to talk to (exit code 3)
"""

from __future__ import annotations

from enum import StrEnum


class StreamerError(Exception):
    """What happened, and what to do about it; `str()` is the one line that the operator reads."""

    def __init__(self, what: str, *, remedy: str = "") -> None:
        """`what` names the thing and the place; `remedy` is an instruction, empty where nothing can be done."""
        super().__init__(what)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}" if self.remedy else self.what

    @property
    def reason(self) -> str:
        """A word for metric labels and states: the class name in snake case, never a title, URL or key."""
        name = type(self).__name__
        return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


class ConfigError(StreamerError):
    """One or more settings are wrong; `problems` has a line for each."""

    def __init__(self, problems: list[str]) -> None:
        """`problems`: one line each, beginning with the key that it is about."""
        super().__init__("\n".join(problems))
        self.problems = problems


class PlaylistError(StreamerError):
    """A playlist, or a line of it, cannot be read."""


class ScheduleError(StreamerError):
    """The schedule is wrong; `problems` has a line for each thing."""

    def __init__(self, problems: list[str]) -> None:
        """`problems`: one line each, beginning with its place in the file."""
        super().__init__("\n".join(problems))
        self.problems = problems


class ResolveError(StreamerError):
    """A source cannot be found now; trying again later may help."""


class SourceGone(ResolveError):
    """The source will not come back by itself: removed, private, blocked or of no supported kind."""


class ToolMissing(ResolveError):
    """A program that is needed to read the source is not installed."""


class FeedError(StreamerError):
    """A source was found but gives no packets."""


class ProbeFailed(FeedError):
    """Nothing playable was found in the source."""


class InputStalled(FeedError):
    """The source went silent for longer than the limit."""


class EncoderFailed(FeedError):
    """The ffmpeg child ended with an error; the message has its exit code and its last lines."""


class ForeignHeaders(FeedError):
    """The child's stream has codec headers other than the program's, so it cannot be spliced."""


class OffGrid(FeedError):
    """The pictures of a feed do not come at the house frame rate."""


class NotHouseFormat(FeedError):
    """A source that was read without encoding it breaks a rule of the house format: it is to be encoded."""


class OutputError(StreamerError):
    """An output takes no media."""


class OutputLost(OutputError):
    """The connection was refused, closed, timed out or stalled: worth another try at once."""


class OutputRejected(OutputError):
    """The far end answered no: wrong key, name in use. Tried again with growing pauses."""


class SessionEnding(StrEnum):
    """How a Telegram session ends, or why a string is none."""

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


class SessionAbsent(SessionError):
    """No SESSION_STRING is set."""


class SessionEnded(SessionError):
    """The session is over and no waiting brings it back."""

    def __init__(self, what: str, *, ending: SessionEnding, remedy: str = "") -> None:
        """`ending` says which of the ways it was; `what` never contains the string."""
        super().__init__(what, remedy=remedy)
        self.ending = ending

    @property
    def reason(self) -> str:
        """The ending in the form of the other reasons, such as session_expired."""
        return f"session_{self.ending}"


class SessionUnreachable(SessionError):
    """Telegram cannot be asked now; the session may be whole. Trying again later helps, after `seconds` where known."""

    def __init__(self, what: str, *, remedy: str = "", seconds: float = 0.0) -> None:
        """`seconds`: how long to wait before the next try (FLOOD_WAIT, a full limiter); 0 where nobody said."""
        super().__init__(what, remedy=remedy)
        self.seconds = seconds


class TelegramRefused(StreamerError):
    """Telegram refused one request, and the session goes on."""

    def __init__(self, what: str, *, word: str, remedy: str = "") -> None:
        """`word`: Telegram's own word for it (CHAT_ADMIN_REQUIRED …)."""
        super().__init__(what, remedy=remedy)
        self.word = word


class LibraryError(StreamerError):
    """The library of kept encodes cannot be used; the service runs on without it."""


class AlreadyCaching(LibraryError):
    """Somebody else is keeping that very item now: a service, `library prepare`, or another line of the same list."""


class CachedEncodeDamaged(LibraryError):
    """A kept copy is gone, unreadable or not what was written; it is to be dropped and encoded again."""


class CachedEncodeOfLaterVersion(CachedEncodeDamaged):
    """A kept copy was written by a later version of this program: not to be read, and not to be removed either."""


class EnvFileUnchanged(StreamerError):
    """The settings file could not be changed: no room, no right, or another writer; it is as it was, and whole."""


class ChildFailed(StreamerError):
    """A child process did not end within its deadline, or wrote more than it may; it was killed."""


class ListenFailed(StreamerError):
    """Nothing can listen at the configured address: not this machine's, not allowed, or every port taken."""


class RequestRefused(StreamerError):
    """The page or the API does not carry out a request: who asks may not, or what is asked is malformed."""

    def __init__(self, what: str, *, status: int, remedy: str = "", seconds: float = 0.0) -> None:
        """`status`: the HTTP status code; `seconds`: after how long another try is worth it, 0 where nobody knows."""
        super().__init__(what, remedy=remedy)
        self.status = status
        self.seconds = seconds


class MalformedMessage(StreamerError):
    """Bytes from a network peer that are not RTMP, or not AMF0; whoever owns the connection says what it means."""


class PublisherRefused(StreamerError):
    """Somebody who wanted to go live was refused; `what` is for both ends and never has the key in it."""

    def __init__(self, what: str, *, why: str, remedy: str = "") -> None:
        """`why`: a word for it: wrong_key, busy, wrong_app, player, codec."""
        super().__init__(what, remedy=remedy)
        self.why = why


class ControlError(StreamerError):
    """A command cannot be carried out."""


class NoService(ControlError):
    """No running service answers at the control socket."""
