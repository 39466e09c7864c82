"""The commands of the service: what each does, its arguments, and who may give it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, Protocol, get_type_hints

from tg_video_streamer.asrun.history import History
from tg_video_streamer.control.outlook import ComingItem, StoredLibrary
from tg_video_streamer.control.playlist_file import PlaylistCheck, PlaylistText
from tg_video_streamer.control.playlist_rows import PlaylistRows
from tg_video_streamer.control.status import ItemStatus, ServiceStatus
from tg_video_streamer.errors import ControlError
from tg_video_streamer.locales.message import Message
from tg_video_streamer.schedule.day import ScheduledEntry


class Commands(Protocol):
    """Every method belongs to the event loop, does not hold it up, and raises ControlError with a remedy.

    The first sentence of a method is the command's summary in the API's document.
    """

    def status(self) -> ServiceStatus:
        """Return the whole state."""

    def history(self) -> History:
        """Return the last 24 hours by source level, and the figures of the last minutes."""

    def skip(self) -> Message:
        """Cut to the next item.

        Within two frames; the answer names the item that was left.
        """

    def pause(self) -> Message:
        """Hold the item where it is and show the slate."""

    def resume(self) -> Message:
        """Continue where `pause` stopped."""

    def slate(self, *, on: bool) -> Message:
        """Show or remove the operator's slate; the item waits."""

    def take(self) -> Message:
        """Put the live stream on air that waits for it (`LIVE_TAKE=ask`)."""

    def jump(self, key: str) -> Message:
        """Cut to an item of the playlist as soon as it is ready; the playlist continues after it."""

    async def seek(self, to: str) -> Message:
        """Continue the item on air elsewhere: `+30` or `-30` from where it is, `12:00` from its start.

        It plays on until that place is ready; the answer comes after the cut, or after four seconds.
        """

    def reload(self) -> Message:
        """Read the playlist and the settings again now.

        The answer names the settings that changed and those that need a restart.
        """

    def retry(self, key: str) -> Message:
        """Let an item that failed be tried again at its next turn, without its pause."""

    def queue_list(self) -> tuple[ItemStatus, ...]:
        """Return the queued items in the order in which they will play."""

    def queue_add(self, line: str) -> Message:
        """Queue a playlist line, or the item of a key, after what is queued."""

    def queue_insert(self, line: str) -> Message:
        """Queue a playlist line, or the item of a key, before what is queued."""

    def queue_move(self, key: str, *, place: int) -> Message:
        """Move a queued item to another place: 0 is the next to play.

        A place after the end is the end.
        """

    def queue_remove(self, key: str) -> Message:
        """Remove an item from the queue."""

    def queue_clear(self) -> Message:
        """Remove all items from the queue."""

    def search(self, words: str) -> tuple[ItemStatus, ...]:
        """Return the items of queue and playlist whose title or file name has all the words, in playing order."""

    def schedule(self, day: str) -> tuple[ScheduledEntry, ...]:
        """Return one day of the schedule, YYYY-MM-DD in its time zone, or today's where that is empty."""

    async def coming(self) -> tuple[ComingItem, ...]:
        """Return the coming items with the times at which they are expected."""

    async def library(self) -> StoredLibrary:
        """Return what the library of cached encodes takes and saves, and its largest encodes."""

    async def playlist_read(self) -> PlaylistText:
        """Return the playlist's text and its version."""

    async def playlist_check(self, text: str) -> PlaylistCheck:
        """Check a text as the playlist: how many entries will play, and its problems."""

    async def playlist_save(self, text: str, *, version: str) -> Message:
        """Write the playlist, if it still has the version that was read.

        Lines with problems are left out when it plays.
        """

    async def playlist_remove(self, key: str, *, version: str) -> Message:
        """Remove the line of an item from the playlist, if that still has the version that was read; empty: any version."""

    async def forward(self, request: CommandRequest, by: str) -> Any:
        """Give a command to the host that has the channel; the answer is that host's. `by`: who gave it, for its audit line."""

    async def playlist_rows(self, words: str, *, first: int, count: int) -> PlaylistRows:
        """Return entries of the playlist whose line or title has all the words, as rows of a table.

        `count` rows or fewer from row `first` (from 0) of those found.
        """

    async def playlist_move(self, lines: str, *, before: int, version: str) -> Message:
        """Move the entries at these lines (such as `3 5-7`) before the entry at another line; 0 is the end.

        Comments and the order of all other lines stay; `version` as for `playlist_remove`.
        """

    async def playlist_shift(self, lines: str, *, down: bool, version: str) -> Message:
        """Move the entries at these lines together one place up or down."""

    async def playlist_insert(self, text: str, *, before: int, version: str) -> Message:
        """Insert lines before the entry at a line of the playlist; 0 is the end."""

    async def playlist_remove_lines(self, lines: str, *, version: str) -> Message:
        """Remove the entries at these lines from the playlist."""

    async def playlist_undo(self, version: str) -> Message:
        """Undo the last change of the playlist through the service, if nothing else has changed it since."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """One entry of the table."""

    name: str
    summary: str
    arguments: Mapping[str, type]
    """All of them required: str, bool or int."""
    answer: Any
    """The type that the method returns."""
    changes: bool
    """Whether it changes something, which leaves an audit line."""
    private: bool
    """Whether its answer may hold what only operators may see, such as a signed URL."""

    @property
    def for_operators(self) -> bool:
        """Whether viewers are refused."""
        return self.changes or self.private


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandRequest:
    """A command with arguments that are complete and of the right types."""

    command: Command
    arguments: Mapping[str, Any]


def _entry(method: Callable[..., Any], *, changes: bool = True, private: bool = False) -> Command:
    """The entry of a method of Commands: its name, first sentence and parameters are the command's."""
    arguments = get_type_hints(method)
    return Command(
        name=method.__name__,
        summary=(inspect.getdoc(method) or "").partition("\n")[0],
        answer=arguments.pop("return"),
        arguments=arguments,
        changes=changes,
        private=private,
    )


COMMANDS: Mapping[str, Command] = {
    entry.name: entry
    for entry in (
        _entry(Commands.status, changes=False),
        _entry(Commands.history, changes=False),
        _entry(Commands.skip),
        _entry(Commands.pause),
        _entry(Commands.resume),
        _entry(Commands.slate),
        _entry(Commands.take),
        _entry(Commands.jump),
        _entry(Commands.seek),
        _entry(Commands.reload),
        _entry(Commands.retry),
        _entry(Commands.queue_list, changes=False),
        _entry(Commands.queue_add),
        _entry(Commands.queue_insert),
        _entry(Commands.queue_move),
        _entry(Commands.queue_remove),
        _entry(Commands.queue_clear),
        _entry(Commands.search, changes=False),
        _entry(Commands.schedule, changes=False),
        _entry(Commands.coming, changes=False),
        _entry(Commands.library, changes=False),
        _entry(Commands.playlist_read, changes=False, private=True),
        _entry(Commands.playlist_check, changes=False, private=True),
        _entry(Commands.playlist_save),
        _entry(Commands.playlist_remove),
        _entry(Commands.playlist_rows, changes=False, private=True),
        _entry(Commands.playlist_move),
        _entry(Commands.playlist_shift),
        _entry(Commands.playlist_insert),
        _entry(Commands.playlist_remove_lines),
        _entry(Commands.playlist_undo),
    )
}
_JSON_TYPES = {str: "string", bool: "boolean", int: "whole number"}


def make_request(name: Any, arguments: Mapping[str, Any]) -> CommandRequest:
    """The request for the command `name` with JSON values. Raises ControlError for anything that the table does not have."""
    command = COMMANDS.get(name) if isinstance(name, str) else None
    if command is None:
        raise ControlError.of("refused.unknown_command", commands=", ".join(COMMANDS))
    if arguments.keys() != command.arguments.keys():
        if not command.arguments:
            raise ControlError.of("refused.no_arguments", command=command.name)
        raise ControlError.of("refused.arguments", command=command.name, arguments=", ".join(command.arguments))
    for argument, kind in command.arguments.items():
        # Not isinstance: True is an int to it.
        if type(arguments[argument]) is not kind:
            raise ControlError.of(
                "refused.argument_type", argument=argument, command=command.name, type=_JSON_TYPES[kind]
            )
    return CommandRequest(command=command, arguments=arguments)


async def run_command(commands: Commands, request: CommandRequest) -> Any:
    """The answer as a JSON value. Raises ControlError as the command does."""
    answer = getattr(commands, request.command.name)(**request.arguments)
    return _as_json(await answer if inspect.isawaitable(answer) else answer)


def _as_json(answer: Any) -> Any:
    if isinstance(answer, tuple):
        return [_as_json(one) for one in answer]
    return asdict(answer) if is_dataclass(answer) and not isinstance(answer, type) else answer
