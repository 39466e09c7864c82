"""The status in words: what `status`, `now` and `next` print, and the pieces that the live terminal view shares with them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from tg_video_streamer.control.status import ItemStatus, LiveStatus, OutputStatus, ServiceStatus
from tg_video_streamer.locales.message import Message
from tg_video_streamer.telegram.session.renewal_command import RENEW

DELIVERIES = {
    "confirmed": "delivery confirmed: Telegram has it",
    "unconfirmed": "delivery unconfirmed: Telegram cannot be asked",
    "missing": "delivery missing: Telegram does not have it",
}
"""What is known of the far end of a Telegram output, for people."""
_MAX_LENGTH = 300
_SPACES = frozenset({"Zl", "Zp", "Zs"})
_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cn"})
_VARIATION_SELECTORS = range(0xFE00, 0xFE10)


def printable(text: str) -> str:
    """One line of `text` that can be put on any terminal: it cannot move the cursor, turn the line round or break it.

    Control and format characters go (ESC, bidirectional overrides, joiners), and so do variation selectors, about whose
    width terminals disagree; half surrogates, which file names of another encoding bring, become U+FFFD.
    """
    kept = []
    for letter in text[:_MAX_LENGTH]:
        category = unicodedata.category(letter)
        if category in _SPACES or letter in "\t\n\r":
            kept.append(" ")
        elif category == "Cs":
            kept.append("\ufffd")
        elif category not in _UNSEEN and ord(letter) not in _VARIATION_SELECTORS:
            kept.append(letter)
    return " ".join("".join(kept).split())


def title_of(item: ItemStatus) -> str:
    """What an item is called."""
    return printable(item.title) or item.key


def clock_text(seconds: float) -> str:
    """`02:03`, `1:02:03` or `3d 01:02:03`."""
    minutes, second = divmod(max(0, int(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d {hour:02}:{minute:02}:{second:02}"
    return f"{hour}:{minute:02}:{second:02}" if hours else f"{minute:02}:{second:02}"


def bit_rate_text(bits_per_second: float) -> str:
    """`2.5 Mbit/s` or `640 kbit/s`."""
    if bits_per_second >= 1_000_000:
        return f"{bits_per_second / 1_000_000:.1f} Mbit/s"
    return f"{bits_per_second / 1000:.0f} kbit/s"


def size_text(size_bytes: int) -> str:
    """`12 kB`, `3.4 MB`, `1.2 GB`, `5.6 TB`."""
    if size_bytes < 1_000_000:
        return f"{size_bytes / 1000:.0f} kB"
    size = size_bytes / 1_000_000
    for unit in ("MB", "GB"):
        if size < 1000:
            return f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def state_text(state: str) -> str:
    """A state's name as people write it: `on_air` is `on air`."""
    return state.replace("_", " ")


def position_text(status: ServiceStatus) -> str:
    """How far the item on air is: `01:23 of 09:56`, or `01:23 live`."""
    at = clock_text(status.position_seconds)
    if status.now is None:
        return ""
    if status.now.is_live:
        return f"{at} live"
    return at if status.now.duration_seconds is None else f"{at} of {clock_text(status.now.duration_seconds)}"


def length_text(item: ItemStatus) -> str:
    """How long an item is, or `live`; empty where that is not known."""
    return "live" if item.is_live else "" if item.duration_seconds is None else clock_text(item.duration_seconds)


def item_text(item: ItemStatus) -> str:
    """Title and duration."""
    length = length_text(item)
    return f"{title_of(item)} ({length})" if length else title_of(item)


def now_text(status: ServiceStatus) -> str:
    """What is on air, in one line."""
    held = "paused: " if status.paused else ""
    if status.level == "live":
        waits = f"; {title_of(status.now)} waits at {position_text(status)}" if status.now is not None else ""
        return f"live takeover{waits}"
    if status.now is None:
        return f"{held}nothing ({state_text(status.channel_state)}: {printable(status.reason.text)})"
    on_screen = "" if status.level == "item" else f" ({state_text(status.level)} is shown)"
    return f"{held}{title_of(status.now)}, {position_text(status)}{on_screen}"


def output_text(output: OutputStatus) -> str:
    """One output, in one line."""
    parts = [f"{printable(output.name)}: {state_text(output.state)}"]
    if output.state == "on_air":
        parts.append(bit_rate_text(output.bits_per_second))
    parts.append(f"{size_text(output.bytes_sent)} sent")
    parts += [DELIVERIES[output.delivery]] if output.delivery in DELIVERIES else []
    return ", ".join([*parts, *output_troubles(output)])


def output_troubles(output: OutputStatus) -> list[str]:
    """What went wrong at an output, the last error first; empty where nothing did."""
    troubles = [printable(output.error)] if output.error else []
    if output.reconnects:
        troubles.append(f"{output.reconnects} reconnects")
    if output.dropped_packets:
        troubles.append(f"{output.dropped_packets} packets dropped")
    return troubles


def live_text(live: LiveStatus) -> str:
    """The way in for a live stream, and what comes in, in one line."""
    words = {
        "closed": printable(live.problem),
        "waiting": "nobody publishes",
        "ignored": "skipped, until it comes anew",
    }
    parts = [words.get(live.state, state_text(live.state))]
    if live.place:
        size = f"{live.width}x{live.height}" if live.width and live.height else ""
        rate = f"{live.frames_per_second:g} fps" if live.frames_per_second else ""
        parts += [f"from {live.place}", *filter(None, (size, rate)), bit_rate_text(live.bits_per_second)]
    return ", ".join(parts)


def telegram_text(status: ServiceStatus) -> str:
    """The Telegram session and who watches; empty where nothing needs a session."""
    if not status.session_state:
        return ""
    text = f"session {state_text(status.session_state)}"
    if status.viewers is not None:
        text += f", {status.viewers} viewer{'' if status.viewers == 1 else 's'}"
    return text


def degraded_messages(status: ServiceStatus) -> tuple[Message, ...]:
    """Why Telegram is without a session, and the remedy; empty while it is not."""
    if status.degraded_reason is None:
        return ()
    return status.degraded_reason, Message.of("degraded.remedy", command=RENEW)


def degraded_text(status: ServiceStatus) -> str:
    """Why Telegram is without a session, and what helps; empty while it is not."""
    return "; ".join(printable(one.text) for one in degraded_messages(status))


def status_line(status: ServiceStatus) -> str:
    """Everything that matters, in one line."""
    on_air = sum(output.state == "on_air" for output in status.outputs)
    parts = [
        state_text(status.channel_state) + ("" if status.healthy else " (not healthy)"),
        *(["degraded"] if status.degraded else []),
        now_text(status),
        f"outputs on air: {on_air} of {len(status.outputs)}",
        f"buffer {status.buffer_seconds:.1f} s",
        f"missing {status.gap_seconds:.2f} s",
    ]
    return " · ".join(parts)


def status_lines(status: ServiceStatus) -> Sequence[str]:
    """The one line, then a line for each next item, output, problem and warning."""
    history = (
        f"played {status.streams_played} since the start {clock_text(status.uptime_seconds)} ago,"
        f" lip sync within {status.skew_seconds * 1000:.0f} ms, version {status.version}"
    )
    return [
        status_line(status),
        *(f"next: {item_text(item)}" for item in status.next_items[:3]),
        *(f"output {output_text(output)}" for output in status.outputs),
        *([f"live input: {live_text(status.live)}"] if status.live is not None else []),
        *([f"telegram: {text}"] if (text := telegram_text(status)) else []),
        *([f"degraded: {text}"] if (text := degraded_text(status)) else []),
        history,
        *(f"problem: {printable(one.text)}" for one in status.problems),
        *(f"warning: {printable(one.message.text)}" for one in status.warnings),
    ]
