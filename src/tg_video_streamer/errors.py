"""Every error of the project, as one tree; each says what happened, where, and how to fix it.

StreamerError
├── ConfigError           the settings are wrong (exit code 78)
├── PlaylistError         a playlist, or a line of it, cannot be read
├── ScheduleError         the schedule cannot be read
├── ResolveError          a source cannot be found now
│   ├── SourceUnfinished  a file that is still being written: it is waited for
│   ├── SourceGone        removed, private or closed: the source says that it will not come back
│   ├── ToolBehind        only another yt-dlp reads it: the cached encode plays on, an update is requested
│   ├── DiskHangs         a disk does not answer; also an OSError, for what reads other files
│   ├── SessionNeeded     the source needs a Telegram session, and there is none now
│   └── ToolMissing       yt-dlp, its JavaScript runtime or ffmpeg is not installed
├── FeedError             a source was found but gives no packets
│   ├── ProbeFailed       the source has no picture or sound that can be decoded
│   ├── StartBeyondEnd    the line starts behind the end of its source
│   ├── SourceOverwritten  a file was written over while it was read
│   ├── InputStalled      no data came for longer than the limit
│   ├── SourceLost        a live feed ended, or its connection was lost
│   ├── BeganAgain        a body without a length began again: it was whole
│   ├── EncoderFailed     the ffmpeg child ended with an error
│   ├── PictureStands     the sound continues without a picture: the source is read so that the last one stands
│   ├── ForeignHeaders    the child's codec headers differ from the program's
│   ├── SubtitlesFailed   the subtitles that were asked for cannot be drawn
│   ├── OffGrid           the pictures are not at the house frame rate
│   ├── StepChanged       the rest of the item is encoded at another step
│   └── NotHouseFormat    a passthrough source breaks a rule of the house format: it is encoded
├── OutputError           an output accepts no media
│   ├── OutputLost        refused, closed, timed out or stalled: retried at once
│   └── OutputRejected    the server said no (key, name in use): retried with growing pauses
├── SessionError          the Telegram session cannot be used now
│   ├── SessionAbsent     no SESSION_STRING is set
│   ├── SessionEnded      only a new login or the spare helps; `ending` says how it ended
│   └── SessionUnreachable  Telegram does not answer now: network, a fault on its side
│       ├── FloodWait     Telegram asks to wait before the next request of the same method
│       ├── SessionRestricted  the session is valid, and Telegram refuses the account (frozen …)
│       ├── MessageRefused  Telegram did not take a message: clock, sequence or salt
│       └── AnswerUnreadable  Telegram's answer is none that this version knows
├── TelegramRefused       Telegram refused one request; `word` is its error code
│   └── CallInTheWay      the chat's call is of others, announced, or of the other kind: it is waited for
├── LibraryError          the library of cached encodes cannot be used
│   ├── AlreadyCaching    another process or playlist line is encoding this item now
│   └── CachedEncodeDamaged  a cached encode is missing or damaged
│       └── CachedEncodeOfLaterVersion  a later version of this program wrote it
├── SpoolError            the spool cannot hold a download: no space, or a fault of the disk
│   └── NoRoom            the item is too large for it, or what comes before it fills it
├── EnvFileUnchanged      the settings file could not be changed
├── ChildFailed           a child process did not end in time, or wrote too much
├── ListenFailed          a server has no address to listen at
├── RequestRefused        the page or the API refuses a request
├── MalformedMessage      a network peer sent bytes that are not RTMP or AMF
├── PublisherRefused      a live publisher was refused
├── FleetError            what the hosts of a channel agree through
│   ├── JobFailed  an item could not be encoded by a worker, and would not be by another one
│   ├── WorkerStalled  an encode of a worker made no progress and was killed
│   ├── StoreUnusable  the store of the fleet does not answer, or what is in it is damaged
│   ├── FleetUnreachable  NATS does not answer: what was asked for may have happened or not
│   ├── LeaseChanged      another host changed the lease first
│   └── StateUnreadable   what another host copied is damaged, or of a later version
└── ControlError          a command cannot be carried out
    └── NoService         no service is running (exit code 3)
"""

from __future__ import annotations

from typing import Self

from tg_video_streamer.locales.message import Message
from tg_video_streamer.session_errors import (
    AnswerUnreadable,
    CallInTheWay,
    FloodWait,
    MessageRefused,
    SessionAbsent,
    SessionEnded,
    SessionEnding,
    SessionError,
    SessionRestricted,
    SessionUnreachable,
    TelegramRefused,
)
from tg_video_streamer.streamer_error import StreamerError

__all__ = [  # what has a module of its own
    "AnswerUnreadable",
    "CallInTheWay",
    "FloodWait",
    "MessageRefused",
    "SessionAbsent",
    "SessionEnded",
    "SessionEnding",
    "SessionError",
    "SessionRestricted",
    "SessionUnreachable",
    "StreamerError",
    "TelegramRefused",
]


class ConfigError(StreamerError):
    """One or more settings are wrong; `problems` has a line for each."""

    reason = "config_error"

    def __init__(self, problems: list[str]) -> None:
        """`problems`: one line each, starting with its key."""
        super().__init__("\n".join(problems))
        self.problems = problems


class PlaylistError(StreamerError):
    """A playlist, or a line of it, cannot be read."""

    reason = "playlist_error"


class ScheduleError(StreamerError):
    """The schedule is wrong; `problems` has a line for each fault."""

    reason = "schedule_error"

    def __init__(self, problems: list[str]) -> None:
        """`problems`: one line each, starting with its place in the file."""
        super().__init__("\n".join(problems))
        self.problems = problems


class ResolveError(StreamerError):
    """A source cannot be found now; a later attempt may succeed."""

    reason = "resolve_error"


class SourceUnfinished(ResolveError):
    """The source is a file that is still being copied or recorded: it is waited for, and nothing has failed."""

    reason = "still_written"


class SourceGone(ResolveError):
    """The source is removed, private or closed: it says itself that it will not come back."""

    reason = "source_gone"
    permanent = True


class ToolBehind(ResolveError):
    """The site has changed, or asks for more than this yt-dlp can do; the source may be as it was."""

    reason = "tool_behind"


class DiskHangs(ResolveError, OSError):
    """A disk does not answer: what was last known counts until it does."""

    reason = "disk_hangs"

    def __init__(self, what: str | Message, *, remedy: str | Message | None = None) -> None:
        """See StreamerError."""
        super().__init__(what, remedy=remedy)
        self.strerror = self.what


class SessionNeeded(ResolveError):
    """The source needs a Telegram session, and there is none now: it waits for the login."""

    reason = "session_needed"


class ToolMissing(ResolveError):
    """A program that is needed to read the source is not installed."""

    reason = "tool_missing"
    permanent = True


class FeedError(StreamerError):
    """A source was found but gives no packets."""

    reason = "feed_error"


class ProbeFailed(FeedError):
    """The source has no picture or sound that can be decoded."""

    reason = "probe_failed"


class StartBeyondEnd(FeedError):
    """The line's start= is behind the end of its source."""

    reason = "beyond_end"
    permanent = True


class SourceOverwritten(FeedError):
    """A file was written over while it was read: what it holds now is not what plays."""

    reason = "source_overwritten"
    permanent = True


class InputStalled(FeedError):
    """The source sent nothing for longer than the limit."""

    reason = "input_stalled"


class SourceLost(FeedError):
    """A live feed ended, or its connection was lost or never came about."""

    reason = "source_lost"


class BeganAgain(FeedError):
    """A server that states no length sends the same from the beginning: all of it was received before."""

    reason = "began_again"


class EncoderFailed(FeedError):
    """The ffmpeg child ended with an error; the message has its exit code and its last lines."""

    reason = "encoder_failed"


class PictureStands(EncoderFailed):
    """The sound continues for long without a picture."""

    reason = "picture_stands"


class ForeignHeaders(FeedError):
    """The child's codec headers differ from the program's, so its stream cannot be spliced."""

    reason = "foreign_headers"
    permanent = True


class SubtitlesFailed(FeedError):
    """The subtitles that were asked for cannot be drawn."""

    reason = "subtitles_failed"
    permanent = True


class OffGrid(FeedError):
    """The pictures of a feed do not come at the house frame rate."""

    reason = "off_grid"
    permanent = True


class StepChanged(FeedError):
    """The rest of the item is encoded at another step, since the processor has less time or more."""

    reason = "step_changed"


class NotHouseFormat(FeedError):
    """A source that was read without encoding breaks a rule of the house format: it has to be encoded."""

    reason = "not_house_format"


class OutputError(StreamerError):
    """An output accepts no media; where the far end asked to wait, it is tried again after `seconds`."""

    reason = "output_error"
    seconds: float = 0.0

    @classmethod
    def because_of(cls, error: StreamerError) -> Self:
        """See StreamerError; with the wait that was asked for."""
        made = super().because_of(error)
        made.seconds = error.seconds if isinstance(error, SessionUnreachable) else 0.0
        return made


class OutputLost(OutputError):
    """The connection was refused, closed, timed out or stalled; it is retried at once."""

    reason = "output_lost"


class OutputRejected(OutputError):
    """The server refused: wrong key, name in use. Retried with growing pauses."""

    reason = "output_rejected"


class LibraryError(StreamerError):
    """The library of cached encodes cannot be used; the service runs without it."""

    reason = "library_error"


class AlreadyCaching(LibraryError):
    """A service, `library prepare` or another playlist line is encoding this item into the library now."""

    reason = "already_caching"


class CachedEncodeDamaged(LibraryError):
    """A cached encode is missing, unreadable or altered; it is removed and the item is encoded again."""

    reason = "cache_damaged"


class CachedEncodeOfLaterVersion(CachedEncodeDamaged):
    """A later version of this program wrote the cached encode: it is neither read nor removed."""

    reason = "cache_of_later_version"


class SpoolError(StreamerError):
    """The spool cannot hold a download; items are read from their sources meanwhile."""

    reason = "spool_error"


class NoRoom(SpoolError):
    """The item has no place in the spool, now or ever."""

    reason = "no_room"


class EnvFileUnchanged(StreamerError):
    """The settings file could not be changed (no space, no permission, another writer); it is intact."""

    reason = "env_file_unchanged"


class ChildFailed(StreamerError):
    """A child process did not end within its deadline, or wrote more than its limit; it was killed."""

    reason = "child_failed"


class ListenFailed(StreamerError):
    """The configured address cannot be listened at: not on this machine, not allowed, or every port is in use."""

    reason = "listen_failed"


class RequestRefused(StreamerError):
    """The page or the API refuses a request: the caller is not allowed, or the request is malformed."""

    reason = "request_refused"

    def __init__(
        self, what: str | Message, *, status: int, remedy: str | Message | None = None, seconds: float = 0.0
    ) -> None:
        """`status`: the HTTP status code; `seconds`: when to try again, 0 where unknown."""
        super().__init__(what, remedy=remedy)
        self.status = status
        self.seconds = seconds


class MalformedMessage(StreamerError):
    """A network peer sent bytes that are not RTMP or AMF0; the owner of the connection decides what follows."""

    reason = "malformed_message"


class PublisherRefused(StreamerError):
    """A live publisher was refused; `what` is for both ends and never contains the key."""

    reason = "publisher_refused"

    def __init__(self, what: str | Message, *, why: str, remedy: str | Message | None = None) -> None:
        """`why`: wrong_key, busy, wrong_app, player or codec."""
        super().__init__(what, remedy=remedy)
        self.why = why


class FleetError(StreamerError):
    """What the hosts of a channel agree through."""

    reason = "fleet"


class JobFailed(FleetError):
    """An item could not be encoded by a worker, and would not be by another one."""

    reason = "job_failed"


class WorkerStalled(FleetError):
    """An encode of a worker made no progress, or ended by itself, and was killed."""

    reason = "worker_stalled"


class StoreUnusable(FleetError):
    """The store that the hosts share does not answer, or what is in it is damaged."""

    reason = "store_unusable"


class FleetUnreachable(FleetError):
    """NATS does not answer: what was asked for may have happened or not."""

    reason = "fleet_unreachable"


class LeaseChanged(FleetError):
    """Another host changed the lease first."""

    reason = "lease_changed"


class StateUnreadable(FleetError):
    """What another host copied is damaged, or of a later version."""

    reason = "state_unreadable"


class ControlError(StreamerError):
    """A command cannot be carried out."""

    reason = "control_error"


class NoService(ControlError):
    """No running service answers at the control socket."""

    reason = "no_service"
