"""One entry of the as-run log: what was on air from when to when, written to and read from its JSON line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from tg_video_streamer.events import AirContent, SegmentEnded, SlateReason, SourceLevel

COLUMNS = (
    "start", "end", "seconds", "level", "reason", "title", "key", "new_play", "cached", "prepared", "slate_reason",
    "encode_step", "gap_seconds", "skew_seconds", "viewers",
)  # fmt: skip
"""The names of an entry's values, in the order of its line and of the table."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AsRunEntry(AirContent):
    """Times in UTC by ISO 8601, lengths in seconds; viewers at its end where known."""

    start: str
    end: str
    seconds: float
    reason: str
    """A CutReason, or the word of an earlier version."""
    gap_seconds: float = 0.0
    skew_seconds: float = 0.0
    viewers: int | None = None

    @classmethod
    def of(cls, event: SegmentEnded, viewers: int | None = None) -> Self:
        """The entry of a segment."""
        return cls(
            start=iso(event.started),
            end=iso(event.wall),
            seconds=round(event.seconds, 3),
            reason=event.reason,
            gap_seconds=round(event.gap_seconds, 3),
            skew_seconds=round(event.skew_seconds, 4),
            viewers=viewers,
            **content_fields(event.content),
        )

    @classmethod
    def from_line(cls, line: str) -> Self:
        """The entry of a line that this or an earlier version wrote. Raises ValueError where it is none."""
        try:
            fields = json.loads(line)
            entry = cls(
                **{name: fields[name] for name in ("start", "end", "seconds", "reason")},
                **{name: fields[name] for name in ("gap_seconds", "skew_seconds", "viewers") if name in fields},
                **content_fields(read_content(fields)),
            )
            wall(entry.start), wall(entry.end)
        except (TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError(f"not an entry of the as-run log: {error!r}") from error
        if not isinstance(entry.reason, str):
            raise ValueError("the reason is no text")  # noqa: TRY004 - of the line, as the errors above
        return entry

    def line(self) -> str:
        """The entry as one line of JSON, without what is not known."""
        fields = {name: value for name in COLUMNS if (value := getattr(self, name)) is not None}
        return json.dumps(fields, ensure_ascii=False) + "\n"


def content_fields(content: AirContent) -> dict[str, Any]:
    """The values of `content` by name."""
    return {name: getattr(content, name) for name in AirContent.__dataclass_fields__}


def read_content(fields: Mapping[str, Any]) -> AirContent:
    """The content out of JSON values. Raises ValueError or KeyError.

    Earlier versions called the level `rung`, had a level `kept` for cached items, and put the slate's reason in `title`.
    """
    level, title, key = fields["level"] if "level" in fields else fields["rung"], fields["title"], fields["key"]
    if not (isinstance(title, str) and isinstance(key, str)):
        raise ValueError("title and key must be texts")  # noqa: TRY004 - of the line, as the other errors
    slate_reason = fields.get("slate_reason")
    if level == SourceLevel.SLATE and slate_reason is None:
        with suppress(ValueError):
            slate_reason, title = SlateReason(title), ""
    return AirContent(
        level=SourceLevel.ITEM if level == "kept" else SourceLevel(level),
        key=key,
        title=title,
        new_play=bool(fields.get("new_play", False)),
        cached=bool(fields.get("cached", level == "kept")),
        prepared=bool(fields.get("prepared", False)),
        slate_reason=SlateReason(slate_reason) if slate_reason is not None else None,
        encode_step=str(fields["encode_step"]) if fields.get("encode_step") else None,
    )


def iso(wall_seconds: float) -> str:
    """Seconds since 1970 as UTC by ISO 8601, to the millisecond."""
    return datetime.fromtimestamp(wall_seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def wall(iso_time: str) -> float:
    """A time of the log in seconds since 1970. Raises ValueError."""
    return datetime.fromisoformat(iso_time).timestamp()
