"""Writes the status for people: the lines of `status`, `now` and `next`, of the chat, and of the terminal view."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tg_video_streamer.control.status import (
    STANDBY,
    DownloadStatus,
    ItemStatus,
    LiveStatus,
    OutputStatus,
    ServiceStatus,
)
from tg_video_streamer.display_text import DisplayText
from tg_video_streamer.locales.format import clock_text
from tg_video_streamer.locales.message import Message
from tg_video_streamer.locales.translator import Translator
from tg_video_streamer.spool.report import DownloadReport
from tg_video_streamer.telegram.session.renewal_command import RENEW

_MAX_LENGTH = 300
_JOINERS = "\u200c\u200d"
_VARIATION_SELECTORS = range(0xFE00, 0xFE10)


def printable(text: str) -> str:
    """One line of `text` for any terminal and chat: without the joiners and variation selectors about whose width they disagree."""
    return "".join(
        one for one in DisplayText(text)[:_MAX_LENGTH] if one not in _JOINERS and ord(one) not in _VARIATION_SELECTORS
    )


def title_of(item: ItemStatus) -> str:
    """The title of an item, or its key."""
    return printable(item.title) or item.key


def encode_text(status: ServiceStatus, words: Translator) -> str:
    """What the picture comes from: prepared, cached, or the step of a busy host; empty for an encode on air as it is set."""
    if status.cached:
        return words.text("prepared" if status.prepared else "cached")
    return words.state_text("encode_step", status.encode_step) if status.encode_step else ""


def degraded_messages(status: ServiceStatus) -> tuple[Message, ...]:
    """Why Telegram is without a session, and the remedy; empty while it is not."""
    if status.degraded_reason is None:
        return ()
    return status.degraded_reason, Message.of("run_command", command=RENEW)


@dataclass(frozen=True, slots=True)
class StatusText:
    """The status in one language."""

    words: Translator

    def message(self, message: Message) -> str:
        """A message as one safe line."""
        return printable(self.words.message_text(message))

    def position(self, status: ServiceStatus) -> str:
        """The position in the item on air: `1:23 of 9:56`, or `1:23 live`."""
        at = clock_text(status.position_seconds)
        if status.now is None:
            return ""
        if status.now.is_live:
            return self.words.text("status.position_live", at=at)
        if status.now.duration_seconds is None:
            return at
        return self.words.text("status.position", at=at, length=clock_text(status.now.duration_seconds))

    def length(self, item: ItemStatus) -> str:
        """The duration of an item, or `live`; empty where it is unknown."""
        if item.is_live:
            return self.words.text("status.live")
        return "" if item.duration_seconds is None else clock_text(item.duration_seconds)

    def item(self, item: ItemStatus) -> str:
        """Title and duration."""
        length = self.length(item)
        return f"{title_of(item)} ({length})" if length else title_of(item)

    def numbered(self, items: Iterable[ItemStatus]) -> str:
        """Items, one a line, with their numbers."""
        return "\n".join(f"{number}. {self.item(item)}" for number, item in enumerate(items, start=1))

    def now(self, status: ServiceStatus) -> str:
        """What is on air, in one line."""
        words, item, position = self.words, status.now, self.position(status)
        if status.level == "live":
            if item is None:
                return words.text("status.takeover")
            return words.text("status.takeover_waits", title=title_of(item), position=position)
        if item is None:
            now = words.text("status.nothing", state=self.state(status), reason=self.message(status.reason))
        elif status.level == "item":
            now = words.text("status.item", title=title_of(item), position=position)
        else:
            level = words.state_text("level", status.level).lower()
            now = words.text("status.item_hidden", title=title_of(item), position=position, level=level)
        return words.text("status.held", now=now) if status.paused else now

    def state(self, status: ServiceStatus) -> str:
        """The channel's state."""
        return self.words.state_text("channel_state", status.channel_state)

    def output_state(self, output: OutputStatus) -> str:
        """An output's state."""
        return self.words.state_text("output_state", output.state)

    def output(self, output: OutputStatus) -> str:
        """One output, in one line."""
        parts = [f"{printable(output.name)}: {self.output_state(output)}"]
        if output.state == "on_air":
            parts.append(self.words.rate(output.bits_per_second))
        parts.append(self.words.text("status.sent", bytes=output.bytes_sent))
        if output.delivery:
            parts.append(self.words.state_text("delivery", output.delivery))
        return ", ".join([*parts, *self.output_faults(output)])

    def output_faults(self, output: OutputStatus) -> list[str]:
        """The last error of an output, its reconnects and dropped packets."""
        faults = [printable(self.words.message_text(output.error))] if output.error else []
        if output.reconnects:
            faults.append(self.words.text("status.reconnects", count=output.reconnects))
        if output.dropped_packets:
            faults.append(self.words.text("status.dropped", count=output.dropped_packets))
        return faults

    def live(self, live: LiveStatus) -> str:
        """The live input and the stream that it receives, in one line."""
        words = self.words
        closed = live.problem if live.state == "closed" else None
        parts = [printable(words.message_text(closed)) if closed else words.state_text("live_state", live.state)]
        if live.place:
            parts.append(words.text("status.from", place=words.state_text("place", live.place)))
            if live.width and live.height:
                parts.append(f"{live.width}x{live.height}")
            if live.frames_per_second:
                parts.append(words.text("status.frame_rate", rate=f"{live.frames_per_second:g}"))
            parts.append(words.rate(live.bits_per_second))
        return ", ".join(parts)

    def download(self, download: DownloadStatus | DownloadReport) -> str:
        """How far the download is, such as `downloading 43 %, 12 MB/s, ready in 20 s`."""
        words = self.words
        if download.percent is None:
            parts = [words.text("download.bytes", bytes=download.have_bytes)]
        else:
            parts = [words.text("download.percent", percent=download.percent)]
        if download.bytes_per_second > 0:
            parts.append(words.text("download.speed", bytes=download.bytes_per_second))
        if download.ready_seconds is not None:
            parts.append(words.text("download.ready", seconds=max(1, round(download.ready_seconds))))
        return ", ".join(parts)

    def titled_download(self, download: DownloadStatus) -> str:
        """The same with the title of the item."""
        return f"{printable(download.title)}: {self.download(download)}"

    def session(self, status: ServiceStatus) -> str:
        """The state of the Telegram session, and the number of viewers."""
        state = self.words.state_text("session_state", status.session_state)
        if status.viewers is None:
            return state
        return f"{state}, {self.words.text('status.viewers', count=status.viewers)}"

    def telegram(self, status: ServiceStatus) -> str:
        """The same with its label; empty where nothing needs a session."""
        return self.words.text("status.session", state=self.session(status)) if status.session_state else ""

    def degraded(self, status: ServiceStatus) -> str:
        """Why Telegram is without a session, and the remedy; empty while it is not."""
        return "; ".join(map(self.message, degraded_messages(status)))

    def line(self, status: ServiceStatus) -> str:
        """Everything that matters, in one line."""
        words, state = self.words, self.state(status)
        if status.channel_state == STANDBY:
            return self.message(status.reason)
        on_air = sum(output.state == "on_air" for output in status.outputs)
        parts = [
            state if status.healthy else words.text("status.unhealthy", state=state),
            *([words.text("status.degraded")] if status.degraded else []),
            self.now(status),
            words.text("status.outputs", on_air=on_air, count=len(status.outputs)),
            words.text("status.buffer", seconds=status.buffer_seconds),
            words.text("status.gap", seconds=status.gap_seconds),
        ]
        return " · ".join(parts)

    def lines(self, status: ServiceStatus) -> Iterator[str]:
        """The one line, then a line for each next item, output, problem and warning."""
        words = self.words
        yield self.line(status)
        yield from (words.text("status.line_next", text=self.item(item)) for item in status.next_items[:3])
        if status.spool is not None and status.spool.download is not None:
            yield words.text("status.line_download", text=self.titled_download(status.spool.download))
        yield from (words.text("status.line_output", text=self.output(output)) for output in status.outputs)
        if status.live is not None:
            yield words.text("status.line_live", text=self.live(status.live))
        if status.session_state:
            yield words.text("status.line_telegram", text=self.telegram(status))
        if status.degraded:
            yield words.text("status.line_degraded", text=self.degraded(status))
        yield words.text(
            "status.history",
            count=status.streams_played,
            seconds=status.uptime_seconds,
            skew=status.skew_seconds * 1000,
            version=status.version,
        )
        yield from (words.text("status.line_problem", text=self.message(one)) for one in status.problems)
        yield from (words.text("status.line_warning", text=self.message(one.message)) for one in status.warnings)
