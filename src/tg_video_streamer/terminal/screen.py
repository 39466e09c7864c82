"""Draws the status for a terminal of any size; a pure function of the status, the size and the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from tg_video_streamer.asrun.history import BAND_SECONDS, History
from tg_video_streamer.control.status import ItemStatus, OutputStatus, ServiceStatus
from tg_video_streamer.control.status_text import StatusText, encode_text, printable, title_of
from tg_video_streamer.locales.format import clock_text
from tg_video_streamer.locales.translator import Translator

_CELLS = {
    "slate": ("▂", ".", "red"),
    "filler": ("▅", "-", "yellow"),
    "backup": ("▆", "+", "cyan"),
    "live": ("▇", "#", "magenta"),
    "item": ("▇", "=", "green"),
}
"""By level, the lowest first: in a terminal with such letters, in one without, and the colour."""
_OFF = ("·", " ", "dim")

_LABEL_CELLS = 8
_NAME_CELLS = 16
_STATE_CELLS = 13
_LEAST_LINES = 10
_LOG_LINES = 7
"""That stay visible above the table where the terminal has them."""
_BADGES = {
    "on_air": "bold white on green",
    "on_backup": "bold black on cyan",
    "on_filler": "bold black on yellow",
    "on_slate": "bold white on red",
    "starting": "bold black on cyan",
    "stopping": "bold black on white",
}
_DELIVERY_STYLES = {"confirmed": "green", "missing": "bold red"}
_OUTPUT_STYLES = {
    "on_air": "green",
    "connecting": "cyan",
    "retrying": "yellow",
    "suspended": "magenta",
    "unknown": "red",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Screen:
    """A rich renderable: what the operator sees of `status`, never wider or higher than the terminal."""

    status: ServiceStatus
    words: Translator
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
        status, words, text = self.status, self.words, StatusText(self.words)
        top = [_address_line(status, words, self.preview_address, width), _badge_line(status, text, self.now_wall)]
        top += [
            _labelled(words.text("terminal.now"), _now(status, text)),
            _progress_line(status, text, width, ascii_only=ascii_only),
        ]
        if status.session_state:
            top.append(_labelled(words.text("terminal.session"), text.session(status)))
        if status.live is not None:
            top.append(_labelled(words.text("terminal.live_input"), text.live(status.live)))
        if status.spool is not None and status.spool.download is not None:
            download = text.titled_download(status.spool.download)
            top.append(_labelled(words.text("terminal.download"), download))
        outputs = [_output_line(output, text) for output in status.outputs]
        problems = []
        if status.degraded:
            reason = words.text("status.line_degraded", text=text.degraded(status))
            problems.append(Text(f"! {reason}", "bold magenta"))
        problems += [Text(f"! {text.message(one)}", "bold red") for one in status.problems]
        coming = [
            _labelled(words.text("terminal.next") if index == 0 else "", _coming(item, text))
            for index, item in enumerate(status.next_items[:5])
        ]
        warnings = [Text(f"! {text.message(one.message)}", "yellow") for one in status.warnings]
        numbers = [_numbers_line(status, words, self.history)]
        if self.history is not None and height > _LEAST_LINES + _LOG_LINES:
            cells = max(0, width - _LABEL_CELLS)
            past = band(self.history, cells=cells, now_wall=self.now_wall, ascii_only=ascii_only)
            numbers.append(Text.assemble((words.text("terminal.day").ljust(_LABEL_CELLS), "bold"), past))
        free_lines = max(height - self.log_lines, min(height - 1, _LEAST_LINES)) - len(top) - len(numbers) - 1
        outputs = _fit(outputs, free_lines - bool(problems), words)
        problems = _fit(problems, free_lines - len(outputs), words)
        coming = coming[: max(0, free_lines - len(outputs) - len(problems))]
        warnings = _fit(warnings, free_lines - len(outputs) - len(problems) - len(coming), words)
        return [*top, *coming, *numbers, _output_header(words), *outputs, *problems, *warnings]


def _fit(lines: list[Text], free_lines: int, words: Translator) -> list[Text]:
    """The first lines that fit; the last one gives the number of those left out."""
    if len(lines) <= free_lines:
        return lines
    return (
        [*lines[: free_lines - 1], Text(f"  {words.text('terminal.more', count=len(lines) - free_lines + 1)}", "dim")]
        if free_lines > 0
        else []
    )


def _labelled(label: str, text: str) -> Text:
    """A line whose text stands last, so that a title from right to left or of odd width moves nothing behind it."""
    return Text.assemble((label.ljust(_LABEL_CELLS), "bold"), text)


def _address_line(status: ServiceStatus, words: Translator, preview_address: str, width: int) -> Text:
    line = Text.assemble((words.text("terminal.preview").ljust(_LABEL_CELLS), "bold"), (preview_address, "underline"))
    if not preview_address:
        line = Text("tg-video-streamer", "bold")
    end = words.text("terminal.up", seconds=status.uptime_seconds, version=status.version)
    gap = width - line.cell_len - len(end)
    return line.append(" " * gap + end, "dim") if gap >= 2 else line


def _badge_line(status: ServiceStatus, text: StatusText, now_wall: float) -> Text:
    words = text.words
    style = _BADGES.get(status.channel_state, "reverse")
    if status.channel_state == "on_air" and not status.healthy:
        style = "bold black on yellow"
    line = Text(f" {text.state(status).upper()} ", style)
    base = Text.assemble(line, f" {words.text('terminal.for', seconds=now_wall - status.since_wall)}")
    if status.channel_state == "on_air" and status.level == "item" and (how := encode_text(status, words)):
        base.append(f"  {how}", "cyan")
    if status.level == "live":
        base.append(f"  {words.text('terminal.live_takeover')}", "bold magenta")
    if status.paused:
        base.append(f"  {words.text('terminal.paused')}", "bold yellow")
    if not status.healthy:
        base.append(f"  {words.text('terminal.not_healthy')}", "bold red")
    if status.degraded:
        base.append(f"  {words.text('terminal.degraded')}", "bold magenta")
    return base.append(f"  {text.message(status.reason)}", "dim")


def _now(status: ServiceStatus, text: StatusText) -> str:
    if status.level == "live":
        return text.now(status)
    return text.words.text("terminal.nothing") if status.now is None else title_of(status.now)


def _coming(item: ItemStatus, text: StatusText) -> str:
    length = text.length(item)
    return f"{length}  {title_of(item)}" if length else title_of(item)


def _progress_line(status: ServiceStatus, text: StatusText, width: int, *, ascii_only: bool) -> Text:
    item = status.now
    line = Text(" " * _LABEL_CELLS)
    if item is None or item.is_live or not item.duration_seconds:
        return line.append(text.position(status))
    at, whole = clock_text(status.position_seconds), clock_text(item.duration_seconds)
    cells = width - _LABEL_CELLS - len(at) - len(whole) - 2
    done = round(cells * min(1.0, max(0.0, status.position_seconds / item.duration_seconds)))
    passed, left = ("#", "-") if ascii_only else ("━", "─")
    return line.append(f"{at} ").append(passed * done, "green").append(left * (cells - done), "dim").append(f" {whole}")


def _numbers_line(status: ServiceStatus, words: Translator, history: History | None) -> Text:
    buffered = words.text("terminal.buffered", seconds=status.buffer_seconds)
    label = words.text("terminal.buffer").ljust(_LABEL_CELLS)
    line = Text.assemble((label, "bold"), f"{buffered}   {words.text('terminal.missing')} ")
    line.append(words.text("terminal.gap", seconds=status.gap_seconds), "bold red" if status.gap_seconds else "")
    if history is not None and history.gap_seconds_today:
        line.append(f" {words.text('terminal.today', seconds=history.gap_seconds_today)}", "bold red")
    return line.append(
        f"   {words.text('terminal.counts', skew=status.skew_seconds * 1000, count=status.streams_played)}"
    )


def _columns(cells: Sequence[str]) -> str:
    widths = (_NAME_CELLS, _STATE_CELLS, 11, 9)
    return " ".join(set_cell_size(cell, width) for cell, width in zip(cells, widths, strict=True))


def _output_header(words: Translator) -> Text:
    heads = ("terminal.output", "terminal.state", "terminal.rate", "terminal.sent")
    return Text(_columns([words.text(head) for head in heads]), "bold")


def _output_line(output: OutputStatus, text: StatusText) -> Text:
    words = text.words
    rate = words.rate(output.bits_per_second) if output.state == "on_air" else ""
    state = text.output_state(output)
    line = Text(_columns((printable(output.name), state, rate, words.size(output.bytes_sent))))
    line.stylize(_OUTPUT_STYLES.get(output.state, "dim"), _NAME_CELLS + 1, _NAME_CELLS + 1 + len(state))
    if output.delivery:
        shown = words.state_text("delivery", output.delivery).partition(":")[0]
        line.append(f" {shown}", _DELIVERY_STYLES.get(output.delivery, "dim"))
    return line.append(" " + ", ".join(text.output_faults(output)), "yellow")


def render(
    status: ServiceStatus,
    *,
    preview_address: str,
    now_wall: float,
    words: Translator | None = None,
    history: History | None = None,
    log_lines: int = _LOG_LINES,
) -> Screen:
    """The renderable for `status`; `now_wall` in seconds since 1970, `preview_address` as it is to be opened, or empty."""
    return Screen(
        status=status,
        words=words or Translator(),
        preview_address=preview_address,
        now_wall=now_wall,
        history=history,
        log_lines=log_lines,
    )


def band(history: History, *, cells: int, now_wall: float, ascii_only: bool) -> Text:
    """`cells` cells up to now; each shows the lowest level in its time, so that no slate is lost for being short."""
    seconds = BAND_SECONDS / max(1, cells)
    begin = now_wall - BAND_SECONDS
    seen: list[set[str]] = [set() for _ in range(cells)]
    for span in history.spans:
        first = max(0, int((span.starts_wall - begin) / seconds))
        # The end of a span belongs to what follows.
        last = min(cells - 1, int((span.ends_wall - begin - 1e-6) / seconds))
        for cell in range(first, last + 1):
            seen[cell].add(span.level)
    line = Text()
    for levels in seen:
        fine, plain, style = next((cell for level, cell in _CELLS.items() if level in levels), _OFF)
        line.append(plain if ascii_only else fine, style)
    return line
