"""Decides whose call runs in a chat, and so what an output may do with it; pure."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

from tg_video_streamer.locales.message import Message
from tg_video_streamer.telegram.answers.calls import CallFacts, RunningCall


class Way(StrEnum):
    """What a call in the chat means for an output that needs one of a kind."""

    FREE = "free"
    """There is none: one may be started."""
    USE = "use"
    """It is of the right kind."""
    END = "end"
    """It is our own, of the other kind, and nobody else is in it: it may be ended."""
    WAIT = "wait"
    """It is of others, or announced, or the settings forbid to end it."""


def way_with(facts: CallFacts | None, *, rtmp: bool, may_end: bool) -> Way:
    """`rtmp`: the kind that is needed. `may_end`: the settings allow both kinds.

    A call that is announced for later is nobody's to end or to start, not even where this account announced it.
    """
    if facts is None or facts.call is None:
        return Way.FREE
    if facts.call.scheduled_wall is not None:
        return Way.WAIT
    if facts.call.rtmp is rtmp:
        return Way.USE
    ours = facts.call.creator and not facts.publishers
    return Way.END if ours and may_end else Way.WAIT


def in_the_way(facts: CallFacts, *, starter: str = "") -> Message:
    """What stands in the way and whose it is; `starter`: who started it, empty where that is not known."""
    call = facts.call
    assert call is not None, "an ended call stands in nobody's way"  # noqa: S101 - `way_with` has said FREE
    names = [name for name in facts.publishers if name]
    whose: str | Message
    if starter:
        whose = starter
    elif names:
        whose = ", ".join(names[:3])
    elif call.creator:
        whose = Message.of("call_owner.this_account")
    else:
        whose = Message.of("call_owner.unknown")
    whose = Message.of("call_owner.title", title=call.title, whose=whose) if call.title else whose
    values = {"at": _written(call.scheduled_wall)} if call.scheduled_wall is not None else {}
    return Message.of(f"in_the_way.{kind_of(call)}", whose=whose, **values)


def kind_of(call: RunningCall) -> str:
    """The kind of a call, as the texts name it: scheduled, live_stream, video_chat."""
    if call.scheduled_wall is not None:
        return "scheduled"
    return "live_stream" if call.rtmp else "video_chat"


def _written(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%d %H:%M UTC")
