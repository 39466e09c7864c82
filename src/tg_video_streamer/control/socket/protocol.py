"""The words on the control socket: one line of JSON asks, one line of JSON answers, then the connection is closed.

{"verb": "slate", "on": true}
{"ok": true, "result": "the slate is on"}
{"ok": false, "error": "nothing is on air", "remedy": "add something to the playlist"}
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from dataclasses import fields as dataclass_fields
from typing import Any

from tg_video_streamer.asrun.history import History, LevelSpan, Sample
from tg_video_streamer.control.commands import Commands
from tg_video_streamer.control.playlist_file import MAX_TEXT_BYTES
from tg_video_streamer.control.status import ItemStatus, LiveStatus, OutputStatus, ServiceStatus
from tg_video_streamer.errors import ControlError
from tg_video_streamer.schedule.day import ScheduledEntry

MAX_REQUEST_BYTES = 4 * MAX_TEXT_BYTES
"""A whole playlist fits in, its letters escaped."""
MAX_REPLY_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Verb:
    """One verb on the wire: the arguments that it must have, by type, how it is carried out, and what people are told."""

    summary: str
    """A sentence of what it does, for every list of verbs."""
    carry_out: Callable[..., Any]
    arguments: Mapping[str, type] = field(default_factory=dict)
    changes: bool = True
    """Whether it changes something, and so leaves an audit line."""
    private: bool = False
    """Whether its answer may hold what only operators may see, such as a signed URL."""

    @property
    def for_operators(self) -> bool:
        """Whether those who may only look are refused."""
        return self.changes or self.private


def _as_json(items: tuple[Any, ...]) -> list[dict[str, Any]]:
    return [asdict(item) for item in items]


VERBS: Mapping[str, Verb] = {
    "status": Verb(summary="The whole state now.", changes=False, carry_out=lambda verbs: verbs.status().as_json()),
    "history": Verb(
        summary="The last 24 hours level by level, and the last minutes in figures.",
        changes=False,
        carry_out=lambda verbs: verbs.history().as_json(),
    ),
    "skip": Verb(summary="Cut to the next item.", carry_out=lambda verbs: verbs.skip()),
    "pause": Verb(summary="Hold the item where it is and show the slate.", carry_out=lambda verbs: verbs.pause()),
    "resume": Verb(summary="Go on where `pause` left.", carry_out=lambda verbs: verbs.resume()),
    "slate": Verb(
        summary="Show the slate, or take it away; the item waits meanwhile.",
        arguments={"on": bool},
        carry_out=lambda verbs, on: verbs.slate(on=on),
    ),
    "jump": Verb(
        summary="Cut to an item of the playlist as soon as it is ready; the list goes on behind it.",
        arguments={"key": str},
        carry_out=lambda verbs, key: verbs.jump(key),
    ),
    "reload": Verb(summary="Read the playlist and the settings again at once.", carry_out=lambda verbs: verbs.reload()),
    "queue_list": Verb(
        summary="What was queued by hand, in the order in which it will play.",
        changes=False,
        carry_out=lambda verbs: _as_json(verbs.queue_list()),
    ),
    "queue_add": Verb(
        summary="Play a playlist line, or the item of a key, next, after what was queued before it.",
        arguments={"line": str},
        carry_out=lambda verbs, line: verbs.queue_add(line),
    ),
    "queue_insert": Verb(
        summary="Play a playlist line, or the item of a key, next, before all that was queued.",
        arguments={"line": str},
        carry_out=lambda verbs, line: verbs.queue_insert(line),
    ),
    "queue_move": Verb(
        summary="Give a queued item another place: 0 is the next to play.",
        arguments={"key": str, "place": int},
        carry_out=lambda verbs, key, place: verbs.queue_move(key, place=place),
    ),
    "queue_remove": Verb(
        summary="Take a queued item out again.",
        arguments={"key": str},
        carry_out=lambda verbs, key: verbs.queue_remove(key),
    ),
    "queue_clear": Verb(summary="Take all queued items out.", carry_out=lambda verbs: verbs.queue_clear()),
    "search": Verb(
        summary="Items of queue and playlist whose title has all the words.",
        arguments={"words": str},
        changes=False,
        carry_out=lambda verbs, words: _as_json(verbs.search(words)),
    ),
    "schedule": Verb(
        summary="One day of the schedule, YYYY-MM-DD, or today's where that is empty.",
        arguments={"day": str},
        changes=False,
        carry_out=lambda verbs, day: _as_json(verbs.schedule(day)),
    ),
    "playlist_read": Verb(
        summary="The playlist's text and its version.",
        changes=False,
        private=True,
        carry_out=lambda verbs: asdict(verbs.playlist_read()),
    ),
    "playlist_check": Verb(
        summary="What a text would be as the playlist: its items and its problems.",
        arguments={"text": str},
        changes=False,
        private=True,
        carry_out=lambda verbs, text: asdict(verbs.playlist_check(text)),
    ),
    "playlist_save": Verb(
        summary="Write the playlist, if nobody has changed it since the version that was read.",
        arguments={"text": str, "version": str},
        carry_out=lambda verbs, text, version: verbs.playlist_save(text, version=version),
    ),
}
_Told = ServiceStatus | ItemStatus | OutputStatus | LiveStatus | History | LevelSpan | Sample | ScheduledEntry
_KINDS = {str: "string", bool: "boolean", int: "whole number"}
"""What the arguments' types are called in JSON."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A verb of the table with arguments that are complete and of the right types."""

    verb: str
    arguments: Mapping[str, Any]


def parse_request(line: bytes) -> Request:
    """The request in one line. Raises ControlError for anything else, whatever the bytes are."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ControlError("the request is no line of JSON") from error
    if not isinstance(fields, dict):
        raise ControlError("the request is no JSON object")
    return make_request(fields.pop("verb", None), fields)


def make_request(name: Any, fields: Mapping[str, Any]) -> Request:
    """The request for the verb `name` with the JSON values `fields`. Raises ControlError where they are not its own."""
    verb = VERBS.get(name) if isinstance(name, str) else None
    if verb is None:
        raise ControlError("the request names no verb that there is", remedy=f"verbs: {', '.join(VERBS)}")
    if fields.keys() != verb.arguments.keys():
        wanted = ", ".join(verb.arguments) or "no arguments"
        raise ControlError(f"{name} takes {wanted}")
    for argument, kind in verb.arguments.items():
        # A type of its own for each: True is an int to isinstance.
        if type(fields[argument]) is not kind:
            raise ControlError(f"{argument} of {name} must be a JSON {_KINDS[kind]}")
    return Request(verb=name, arguments=fields)


def carry_out(verbs: Commands, request: Request) -> Any:
    """What the service answers, as a JSON value. Raises ControlError as the verb does."""
    return VERBS[request.verb].carry_out(verbs, **request.arguments)


def encode(message: Mapping[str, Any]) -> bytes:
    """One line; ASCII, so that half a surrogate pair in a file's name cannot break it."""
    return json.dumps(message, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"


def success(result: Any) -> bytes:
    """The line that answers with `result`."""
    return encode({"ok": True, "result": result})


def failure(what: str, remedy: str = "") -> bytes:
    """The line that says what went wrong and what to do."""
    return encode({"ok": False, "error": what, "remedy": remedy})


def parse_reply(line: bytes) -> Any:
    """The result in a reply's line. Raises ControlError with the service's own words, or where the line is no reply."""
    try:
        fields = json.loads(line)
        if fields["ok"]:
            return fields["result"]
        what, remedy = str(fields["error"]), str(fields["remedy"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _other_version() from error
    raise ControlError(what, remedy=remedy)


def status_from_json(fields: Any) -> ServiceStatus:
    """The status in a reply; keys that we do not know are left out. Raises ControlError where one that we need is missing."""
    try:
        values = _known(ServiceStatus, fields)
        values["now"] = None if values["now"] is None else ItemStatus(**_known(ItemStatus, values["now"]))
        values["next_items"] = items_from_json(values["next_items"])
        values["outputs"] = tuple(OutputStatus(**_known(OutputStatus, output)) for output in values["outputs"])
        values |= {name: tuple(map(str, values[name])) for name in ("problems", "warnings")}
        values["holds"] = tuple(map(str, values.get("holds", ())))
        if (live := values.get("live")) is not None:
            values["live"] = LiveStatus(**_known(LiveStatus, live))
        return ServiceStatus(**values)
    except (AttributeError, KeyError, TypeError) as error:
        raise _other_version() from error


def history_from_json(fields: Any) -> History:
    """The history in a reply; as `status_from_json`."""
    try:
        values = _known(History, fields)
        values["spans"] = tuple(LevelSpan(**_known(LevelSpan, span)) for span in values["spans"])
        values["samples"] = tuple(Sample(**_known(Sample, sample)) for sample in values["samples"])
        return History(**values)
    except (AttributeError, KeyError, TypeError) as error:
        raise _other_version() from error


def items_from_json(items: Any) -> tuple[ItemStatus, ...]:
    """The items in a reply; as `status_from_json`."""
    try:
        return tuple(ItemStatus(**_known(ItemStatus, item)) for item in items)
    except (AttributeError, TypeError) as error:
        raise _other_version() from error


def entries_from_json(entries: Any) -> tuple[ScheduledEntry, ...]:
    """The entries of a day in a reply; as `status_from_json`."""
    try:
        return tuple(ScheduledEntry(**_known(ScheduledEntry, entry)) for entry in entries)
    except (AttributeError, TypeError) as error:
        raise _other_version() from error


def _known(kind: type[_Told], values: dict[str, Any]) -> dict[str, Any]:
    names = {field.name for field in dataclass_fields(kind)}
    return {name: value for name, value in values.items() if name in names}


def _other_version() -> ControlError:
    return ControlError(
        "the service's answer is not understood", remedy="restart the service if it is of another version"
    )
