"""Encodes the control socket: one line of JSON with a command, one line of JSON with the answer, then the end.

{"command": "slate", "on": true}
{"ok": true, "result": {"key": "answer.slate_on", "values": {}, "text": "the slate is on"}}
{"ok": false, "error": {"key": …}, "remedy": null}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import fields as dataclass_fields
from typing import Any

from tg_video_streamer.asrun.history import History, LevelSpan, Sample
from tg_video_streamer.control.commands import CommandRequest, make_request
from tg_video_streamer.control.playlist_file import MAX_TEXT_BYTES
from tg_video_streamer.control.status import (
    DownloadStatus,
    FleetStatus,
    HostStatus,
    ItemStatus,
    LiveStatus,
    OutputStatus,
    PartStatus,
    ServiceStatus,
    ServiceWarning,
    SpoolStatus,
    WarningAction,
    WorkerStatus,
)
from tg_video_streamer.errors import ControlError, StreamerError
from tg_video_streamer.locales.message import Message
from tg_video_streamer.schedule.day import ScheduledEntry

MAX_REQUEST_BYTES = 4 * MAX_TEXT_BYTES
"""A whole playlist fits in, its letters escaped."""
MAX_REPLY_BYTES = 16 * 1024 * 1024


_Answer = (
    ServiceStatus
    | ItemStatus
    | OutputStatus
    | PartStatus
    | LiveStatus
    | SpoolStatus
    | DownloadStatus
    | FleetStatus
    | HostStatus
    | WorkerStatus
    | History
    | LevelSpan
    | Sample
    | ScheduledEntry
)


def parse_request(line: bytes) -> CommandRequest:
    """The request in one line. Raises ControlError for anything else, whatever the bytes are."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ControlError.of("refused.not_json") from error
    if not isinstance(fields, dict):
        raise ControlError.of("refused.not_json")
    return make_request(fields.pop("command", None), fields)


def encode(message: Mapping[str, Any]) -> bytes:
    """One line; ASCII, so that half a surrogate pair in a file's name cannot break it."""
    return json.dumps(message, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"


def success(result: Any) -> bytes:
    """The line that answers with `result`."""
    return encode({"ok": True, "result": result})


def failure(error: ControlError) -> bytes:
    """The line of a refusal."""
    return encode({"ok": False, **error_json(error)})


def error_json(error: StreamerError) -> dict[str, Any]:
    """What happened and how to fix it, null where there is no remedy, as JSON messages."""
    return {"error": asdict(error.message), "remedy": asdict(error.remedy_message) if error.remedy_message else None}


def parse_reply(line: bytes) -> Any:
    """The result in a reply's line. Raises ControlError with the service's own words, or where the line is no reply."""
    try:
        fields = json.loads(line)
        if fields["ok"]:
            return fields["result"]
        what, remedy = Message.from_json(fields["error"]), fields["remedy"]
        refusal = ControlError(what, remedy=Message.from_json(remedy) if remedy else "")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _other_version() from error
    raise refusal


def status_from_json(fields: Any) -> ServiceStatus:
    """The status in a reply; keys that we do not know are left out. Raises ControlError where one that we need is missing."""
    try:
        values = _known(ServiceStatus, fields)
        values["now"] = None if values["now"] is None else ItemStatus(**_known(ItemStatus, values["now"]))
        values["next_items"] = items_from_json(values["next_items"])
        values["outputs"] = tuple(map(_output, values["outputs"]))
        values["reason"] = Message.from_json(values["reason"])
        values["problems"] = tuple(map(Message.from_json, values["problems"]))
        values["warnings"] = tuple(map(_warning, values["warnings"]))
        values = _with_message(values, "degraded_reason")
        values["holds"] = tuple(map(str, values.get("holds", ())))
        if (live := values.get("live")) is not None:
            values["live"] = LiveStatus(**_with_message(_known(LiveStatus, live), "problem"))
        if (fleet := values.get("fleet")) is not None:
            values["fleet"] = _fleet(fleet)
        if (spool := values.get("spool")) is not None:
            values["spool"] = _spool(spool)
        values["parts"] = tuple(PartStatus(**_known(PartStatus, part)) for part in values.get("parts", ()))
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


def _fleet(fields: Any) -> FleetStatus:
    values = _known(FleetStatus, fields)
    values["hosts"] = tuple(HostStatus(**_known(HostStatus, host)) for host in values.get("hosts", ()))
    workers = (_known(WorkerStatus, worker) for worker in values.get("workers", ()))
    values["workers"] = tuple(WorkerStatus(**{**worker, "jobs": tuple(map(str, worker["jobs"]))}) for worker in workers)
    return FleetStatus(**values)


def _output(fields: Any) -> OutputStatus:
    return OutputStatus(**_with_message(_known(OutputStatus, fields), "error"))


def _spool(fields: Any) -> SpoolStatus:
    values = _known(SpoolStatus, fields)
    if (download := values.get("download")) is not None:
        values["download"] = DownloadStatus(**_known(DownloadStatus, download))
    return SpoolStatus(**values)


def _with_message(values: dict[str, Any], name: str) -> dict[str, Any]:
    """`values` with the message `name` as one, where it is there."""
    return values if values.get(name) is None else {**values, name: Message.from_json(values[name])}


def _warning(fields: Any) -> ServiceWarning:
    known = set(WarningAction)
    return ServiceWarning(
        message=Message.from_json(fields["message"]),
        item_key=str(fields["item_key"]),
        actions=tuple(WarningAction(one) for one in fields["actions"] if one in known),
    )


def _known(kind: type[_Answer], values: dict[str, Any]) -> dict[str, Any]:
    names = {field.name for field in dataclass_fields(kind)}
    return {name: value for name, value in values.items() if name in names}


def _other_version() -> ControlError:
    return ControlError.of("service.other_version")
