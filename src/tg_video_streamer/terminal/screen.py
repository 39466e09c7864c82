"""Draws the status for a terminal of any size; a pure function of the status, the size and the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from tg_video_streamer.asrun.history import History
from tg_video_streamer.control import status_text
from tg_video_streamer.control.status import ItemStatus, OutputStatus, ServiceStatus
from tg_video_streamer.terminal.band import band

_LABEL_CELLS = 8
_NAME_CELLS = 16
_LEAST_LINES = 10
_LOG_LINES = 7
"""That stay visible above the table where the terminal has them."""
_BADGES = {
    "on_air": "bold white on green",
    "on_filler": "bold black on yellow",
    "on_slate": "bold white on red",
    "starting": "bold black on cyan",
    "stopping": "bold black on white",
}
_DELIVERY_STYLES = {"confirmed": "green", "missing": "bold red"}
_OUTPUT_STYLES = {"on_air": "green", "connecting": "cyan", "retrying": "yellow", "suspended": "magenta"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Screen:
    """A rich renderable: what the operator sees of `status`, never wider or higher than the terminal."""

    status: ServiceStatus
    preview_address: str
    now_wall: float
    history: History | None = None
    """None where it is not known yet."""
    log_lines: int = _LOG_LINES
    """How many rows are left to what scrolls above."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lines that are cut to the width, as segments: wrapping them would only cost time."""
        for line in self.lines(options.max_width, options.max_height, ascii_only=options.ascii_only):
            line.truncate(options.max_width, overflow="ellipsis")
            yield from line.render(console, end="\n")

    def lines(self, width: int, height: int, *, ascii_only: bool = False) -> list[Text]:
        """The lines for a terminal of `width` columns and `height` rows, the last log lines above them not counted."""
        status = self.status
        top = [_address_line(status, self.preview_address, width), _badge_line(status, self.now_wall)]
        top += [_labelled("Now", _now(status)), _progress_line(status, width, ascii_only=ascii_only)]
        if status.session_state:
            top.append(_labelled("Session", status_text.telegram_text(status).removeprefix("session ")))
        if status.live is not None:
            top.append(_labelled("Live in", status_text.live_text(status.live)))
        outputs = [_output_line(output) for output in status.outputs]
        problems = [Text(f"! degraded: {text}", "bold magenta")] if (text := status_text.degraded_text(status)) else []
        problems += [Text(f"! {status_text.printable(one.text)}", "bold red") for one in status.problems]
        coming = [
            _labelled("Next" if index == 0 else "", _coming(item)) for index, item in enumerate(status.next_items[:5])
        ]
        warnings = [Text(f"! {status_text.printable(one.message.text)}", "yellow") for one in status.warnings]
        numbers = [_numbers_line(status, self.history)]
        if self.history is not None and height > _LEAST_LINES + _LOG_LINES:
            cells = max(0, width - _LABEL_CELLS)
            past = band(self.history, cells=cells, now_wall=self.now_wall, ascii_only=ascii_only)
            numbers.append(Text.assemble(("24 h".ljust(_LABEL_CELLS), "bold"), past))
        room = max(height - self.log_lines, min(height - 1, _LEAST_LINES)) - len(top) - len(numbers) - 1
        outputs = _fit(outputs, room - bool(problems))
        problems = _fit(problems, room - len(outputs))
        coming = coming[: max(0, room - len(outputs) - len(problems))]
        warnings = _fit(warnings, room - len(outputs) - len(problems) - len(coming))
        return [*top, *coming, *numbers, _output_header(), *outputs, *problems, *warnings]


def _fit(lines: list[Text], room: int) -> list[Text]:
    """As many lines as there is room for, the last one saying how many are not shown."""
    if len(lines) <= room:
        return lines
    return [*lines[: room - 1], Text(f"  and {len(lines) - room + 1} more", "dim")] if room > 0 else []


def _labelled(label: str, text: str) -> Text:
    """A line whose text stands last, so that a title from right to left or of odd width moves nothing behind it."""
    return Text.assemble((label.ljust(_LABEL_CELLS), "bold"), text)


def _address_line(status: ServiceStatus, preview_address: str, width: int) -> Text:
    line = Text.assemble(("Preview ", "bold"), (preview_address, "underline"))
    if not preview_address:
        line = Text("tg-video-streamer", "bold")
    end = f"up {status_text.clock_text(status.uptime_seconds)} · {status.version}"
    gap = width - line.cell_len - len(end)
    return line.append(" " * gap + end, "dim") if gap >= 2 else line


def _badge_line(status: ServiceStatus, now_wall: float) -> Text:
    style = _BADGES.get(status.channel_state, "reverse")
    if status.channel_state == "on_air" and not status.healthy:
        style = "bold black on yellow"
    line = Text(f" {status_text.state_text(status.channel_state).upper()} ", style)
    base = Text.assemble(line, f" for {status_text.clock_text(now_wall - status.since_wall)}")
    if status.level == "live":
        base.append("  LIVE TAKEOVER", "bold magenta")
    if status.paused:
        base.append("  PAUSED", "bold yellow")
    if not status.healthy:
        base.append("  NOT HEALTHY", "bold red")
    if status.degraded:
        base.append("  DEGRADED", "bold magenta")
    return base.append(f"  {status_text.printable(status.reason.text)}", "dim")


def _now(status: ServiceStatus) -> str:
    if status.level == "live":
        return status_text.now_text(status)
    return "nothing" if status.now is None else status_text.title_of(status.now)


def _coming(item: ItemStatus) -> str:
    length = status_text.length_text(item)
    return f"{length}  {status_text.title_of(item)}" if length else status_text.title_of(item)


def _progress_line(status: ServiceStatus, width: int, *, ascii_only: bool) -> Text:
    item = status.now
    line = Text(" " * _LABEL_CELLS)
    if item is None or item.is_live or not item.duration_seconds:
        return line.append(status_text.position_text(status))
    at, whole = status_text.clock_text(status.position_seconds), status_text.clock_text(item.duration_seconds)
    cells = width - _LABEL_CELLS - len(at) - len(whole) - 2
    done = round(cells * min(1.0, max(0.0, status.position_seconds / item.duration_seconds)))
    passed, left = ("#", "-") if ascii_only else ("━", "─")
    return line.append(f"{at} ").append(passed * done, "green").append(left * (cells - done), "dim").append(f" {whole}")


def _numbers_line(status: ServiceStatus, history: History | None) -> Text:
    line = Text.assemble(("Buffer  ", "bold"), f"{status.buffer_seconds:.1f} s   missing ")
    line.append(f"{status.gap_seconds:.2f} s", "bold red" if status.gap_seconds else "")
    if history is not None and history.gap_seconds_today:
        line.append(f" (today {history.gap_seconds_today:.2f} s)", "bold red")
    return line.append(f"   lip sync {status.skew_seconds * 1000:.0f} ms   played {status.streams_played}")


def _columns(cells: Sequence[str]) -> str:
    widths = (_NAME_CELLS, 11, 11, 9)
    return " ".join(set_cell_size(cell, width) for cell, width in zip(cells, widths, strict=True))


def _output_header() -> Text:
    return Text(_columns(("Output", "State", "Bit rate", "Sent")), "bold")


def _output_line(output: OutputStatus) -> Text:
    rate = status_text.bit_rate_text(output.bits_per_second) if output.state == "on_air" else ""
    state = status_text.state_text(output.state)
    text = _columns((status_text.printable(output.name), state, rate, status_text.size_text(output.bytes_sent)))
    line = Text(text)
    line.stylize(_OUTPUT_STYLES.get(output.state, "dim"), _NAME_CELLS + 1, _NAME_CELLS + 1 + len(state))
    if output.delivery in status_text.DELIVERIES:
        shown = status_text.DELIVERIES[output.delivery].partition(":")[0]
        line.append(f" {shown}", _DELIVERY_STYLES.get(output.delivery, "dim"))
    return line.append(" " + ", ".join(status_text.output_troubles(output)), "yellow")


def render(
    status: ServiceStatus,
    *,
    preview_address: str,
    now_wall: float,
    history: History | None = None,
    log_lines: int = _LOG_LINES,
) -> Screen:
    """The renderable for `status`; `now_wall` in seconds since 1970, `preview_address` as it is to be opened, or empty."""
    return Screen(
        status=status, preview_address=preview_address, now_wall=now_wall, history=history, log_lines=log_lines
    )
