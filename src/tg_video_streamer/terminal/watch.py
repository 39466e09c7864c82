"""Shows a running service in a terminal: asks it every second, and waits while it does not answer."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from tg_video_streamer.asrun.history import History
from tg_video_streamer.control.socket.client import ask
from tg_video_streamer.control.socket.protocol import history_from_json, status_from_json
from tg_video_streamer.control.status import ServiceStatus
from tg_video_streamer.control.status_text import StatusText, printable, title_of
from tg_video_streamer.errors import ControlError
from tg_video_streamer.locales.translator import Translator, environment_language
from tg_video_streamer.terminal.screen import render

UPDATE_SECONDS = 1.0
_HISTORY_UPDATES = 10
"""The history of 24 hours is fetched once in so many updates: each of its cells is minutes long."""


class Watch:
    """The last status of a service, or since when it does not answer."""

    def __init__(self, folder: Path) -> None:
        """`folder`: its STATE_DIR."""
        self._folder = folder
        self._words = Translator(language=environment_language(os.environ))
        self._updates = 0
        self._history: History | None = None
        self._silent_since: float | None = None
        self.status: ServiceStatus | None = None
        """None while it does not answer."""
        self.trouble = ""
        """Why it does not answer; empty while it does."""

    def update(self) -> None:
        """Ask it. Raises ControlError where it does not answer."""
        self.status = status_from_json(ask(self._folder, "status"))
        if self._updates % _HISTORY_UPDATES == 0:
            self._history = history_from_json(ask(self._folder, "history"))
        self._updates += 1
        self._silent_since, self.trouble = None, ""

    def try_update(self) -> None:
        """The same, but an error is stored for display, since the service may come back."""
        try:
            self.update()
        except ControlError as error:
            self.status, self.trouble = None, printable(self._words.message_text(error.full_message))
            # A service that comes back may have another history.
            self._updates = 0
            if self._silent_since is None:
                self._silent_since = time.time()

    def screen(self) -> RenderableType:
        """The view of the whole screen now."""
        now = time.time()
        if self.status is not None:
            return render(
                self.status, preview_address="", now_wall=now, words=self._words, history=self._history, log_lines=0
            )
        words, silent = self._words, now - (self._silent_since or now)
        badge = Text.assemble(
            (f" {words.text('terminal.no_answer')} ", "bold white on red"),
            f" {words.text('terminal.waiting', seconds=silent)}",
        )
        return Text("\n").join([badge, Text(self.trouble), Text(words.text("terminal.ctrl_c"), "dim")])

    def line(self) -> str:
        """The same in one line, without values that change every second."""
        status, words = self.status, self._words
        if status is None:
            return words.text("terminal.no_answer_line", detail=self.trouble)
        text = StatusText(words)
        title = title_of(status.now) if status.now is not None else words.text("terminal.nothing")
        outputs = [f"{printable(one.name)} {text.output_state(one)}" for one in status.outputs]
        state = text.state(status)
        if status.paused:
            state = words.text("status.is_paused", state=state)
        flags = [words.text("status.degraded")] if status.degraded else []
        flags += [] if status.healthy else [words.text("status.not_healthy")]
        return " · ".join([state, *flags, title, *outputs])


def watch(folder: Path, *, output: TextIO | None = None) -> int:
    """Show the service until Ctrl-C, which ends it with 0; where `output` is no terminal, a line at each change.

    Raises ControlError where it does not answer the first request.
    """
    output = output or sys.stdout
    watched = Watch(folder)
    before = signal.signal(signal.SIGTERM, _as_control_c)
    try:
        with suppress(KeyboardInterrupt):
            watched.update()
            if output.isatty():
                _follow_on_terminal(watched, output)
            else:
                _follow_in_lines(watched, output)
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _follow_on_terminal(watched: Watch, output: TextIO) -> None:
    console = Console(file=output, highlight=False, markup=False, emoji=False)
    # On the alternate screen of the terminal, so that the former content returns at the end.
    with Live(watched.screen(), console=console, screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(UPDATE_SECONDS)
            watched.try_update()
            live.update(watched.screen(), refresh=True)


def _follow_in_lines(watched: Watch, output: TextIO) -> None:
    last = ""
    while True:
        if (line := watched.line()) != last:
            output.write(f"{line}\n")
            output.flush()
            last = line
        time.sleep(UPDATE_SECONDS)
        watched.try_update()


def _as_control_c(_number: int, _frame: Any) -> None:
    raise KeyboardInterrupt
