"""What a webhook says: the kinds of messages, the JSON of one, its schema and its signature."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from tg_video_streamer.asrun.entry import iso
from tg_video_streamer.events import (
    CutReason,
    DegradedChanged,
    DeliveryChanged,
    Event,
    OutputChanged,
    PartChanged,
    PictureFault,
    SegmentEnded,
    SegmentStarted,
    SessionRenewed,
    SourceFailed,
    SourceLevel,
    UpdateFailed,
)


class WebhookKind(StrEnum):
    """The `type` of a message."""

    ITEM_STARTED = "item.started"
    ITEM_ENDED = "item.ended"
    LIVE_STARTED = "live.started"
    """The operator's live stream took over."""
    LIVE_ENDED = "live.ended"
    FALLBACK_STARTED = "fallback.started"
    """Backup, filler or slate."""
    FALLBACK_ENDED = "fallback.ended"
    SCHEDULE_STARTED = "schedule.started"
    """The schedule put this segment on air; its own message follows."""
    STATE_CHANGED = "state.changed"
    """The state of the channel, as `status` shows it."""
    SOURCE_FAILED = "source.failed"
    OUTPUT_CHANGED = "output.changed"
    DELIVERY_CHANGED = "delivery.changed"
    PICTURE_CHANGED = "picture.changed"
    SESSION_ENDED = "session.ended"
    """`active`: degraded mode began, or ended."""
    SESSION_RENEWED = "session.renewed"
    UPDATE_FAILED = "update.failed"
    PART_CHANGED = "part.changed"


@dataclass(frozen=True, kw_only=True, slots=True)
class StateChanged:
    """The channel moved to another state."""

    wall: float
    state: str
    previous: str


Subject = Event | StateChanged

_SEGMENTS = {
    SourceLevel.ITEM: (WebhookKind.ITEM_STARTED, WebhookKind.ITEM_ENDED),
    SourceLevel.LIVE: (WebhookKind.LIVE_STARTED, WebhookKind.LIVE_ENDED),
    SourceLevel.BACKUP: (WebhookKind.FALLBACK_STARTED, WebhookKind.FALLBACK_ENDED),
    SourceLevel.FILLER: (WebhookKind.FALLBACK_STARTED, WebhookKind.FALLBACK_ENDED),
    SourceLevel.SLATE: (WebhookKind.FALLBACK_STARTED, WebhookKind.FALLBACK_ENDED),
}
_OTHERS: dict[type[Subject], WebhookKind] = {
    StateChanged: WebhookKind.STATE_CHANGED,
    SourceFailed: WebhookKind.SOURCE_FAILED,
    OutputChanged: WebhookKind.OUTPUT_CHANGED,
    DeliveryChanged: WebhookKind.DELIVERY_CHANGED,
    PictureFault: WebhookKind.PICTURE_CHANGED,
    DegradedChanged: WebhookKind.SESSION_ENDED,
    SessionRenewed: WebhookKind.SESSION_RENEWED,
    UpdateFailed: WebhookKind.UPDATE_FAILED,
    PartChanged: WebhookKind.PART_CHANGED,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookMessage:
    """One message: `body` is what is sent and signed, the same at each attempt."""

    message_id: str
    wall: float
    body: bytes


def kinds_of(subject: Subject) -> tuple[WebhookKind, ...]:
    """The kinds of message that one event makes, in their order."""
    if isinstance(subject, SegmentStarted):
        kind = _SEGMENTS[subject.content.level][0]
        return (WebhookKind.SCHEDULE_STARTED, kind) if subject.reason is CutReason.SCHEDULED else (kind,)
    if isinstance(subject, SegmentEnded):
        return (_SEGMENTS[subject.content.level][1],)
    return (_OTHERS[type(subject)],)


def message_of(
    kind: WebhookKind, subject: Subject, *, message_id: str, host: str, number: int, lost: int
) -> WebhookMessage:
    """The message of `kind`. `number` counts the messages of this start of the service, `lost` those dropped before it."""
    content = {
        "type": kind,
        "timestamp": iso(subject.wall),
        "host": host,
        "number": number,
        "lost": lost,
        "data": _adapters()[type(subject)].dump_python(subject, mode="json"),
    }
    return WebhookMessage(
        message_id=message_id, wall=subject.wall, body=json.dumps(content, ensure_ascii=False).encode()
    )


def signature(secret: bytes, message: WebhookMessage, *, sent_at_seconds: int) -> str:
    """The header `webhook-signature` of the Standard Webhooks specification, version 1.

    HMAC-SHA256 over id, time of the attempt and body: a receiver that refuses old times cannot be fooled by a repetition.
    """
    signed = b".".join((message.message_id.encode(), str(sent_at_seconds).encode(), message.body))
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


def secret_bytes(secret: str) -> bytes:
    """The key of WEBHOOK_SECRET: base64 after `whsec_`, otherwise the text itself. Raises ValueError for bad base64."""
    prefix, separator, encoded = secret.partition("whsec_")
    if prefix or not separator:
        return secret.encode()
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise ValueError("what follows whsec_ is not base64") from None


def webhook_schemas(ref_template: str) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """The JSON schema of each kind's message, and the schemas that they refer to."""
    subjects: dict[str, type[Subject]] = {kind: subject for subject, kind in _OTHERS.items()}
    for started, ended in _SEGMENTS.values():
        subjects |= {started: SegmentStarted, ended: SegmentEnded}
    subjects[WebhookKind.SCHEDULE_STARTED] = SegmentStarted
    found, common = TypeAdapter.json_schemas(
        [(kind, "serialization", _adapters()[subjects[kind]]) for kind in WebhookKind], ref_template=ref_template
    )
    return {kind: _envelope(kind, found[kind, "serialization"]) for kind in WebhookKind}, common.get("$defs", {})


def _envelope(kind: WebhookKind, data: dict[str, Any]) -> dict[str, Any]:
    properties = {
        "type": {"const": kind},
        "timestamp": {"type": "string", "format": "date-time"},
        "host": {"type": "string"},
        "number": {"type": "integer", "minimum": 1},
        "lost": {"type": "integer", "minimum": 0},
        "data": data,
    }
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


@cache
def _adapters() -> dict[type[Subject], TypeAdapter[Any]]:
    """Made at the first use: a channel without webhooks needs none."""
    return {subject: TypeAdapter(subject) for subject in (SegmentStarted, SegmentEnded, *_OTHERS)}
