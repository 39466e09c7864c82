"""Follows a service that runs elsewhere, in a terminal: asks it every second, and waits for it where it goes away."""

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

LOOK_SECONDS = 1.0
_HISTORY_LOOKS = 10
"""The last 24 hours are asked for at one look in so many: no cell of theirs is shorter than minutes."""


class Watch:
    """What the service said last, or since when it has said nothing."""

    def __init__(self, folder: Path) -> None:
        """`folder`: its STATE_DIR."""
        self._folder = folder
        self._words = Translator(language=environment_language(os.environ))
        self._looks = 0
        self._history: History | None = None
        self._silent_since: float | None = None
        self.status: ServiceStatus | None = None
        """None while it does not answer."""
        self.trouble = ""
        """Why it does not answer; empty while it does."""

    def look(self) -> None:
        """Ask it. Raises ControlError where it does not answer."""
        self.status = status_from_json(ask(self._folder, "status"))
        if self._looks % _HISTORY_LOOKS == 0:
            self._history = history_from_json(ask(self._folder, "history"))
        self._looks += 1
        self._silent_since, self.trouble = None, ""

    def look_again(self) -> None:
        """The same, but what goes wrong is shown, since the service may come back."""
        try:
            self.look()
        except ControlError as error:
            self.status, self.trouble = None, printable(self._words.message_text(error.full_message))
            # A service that comes back may have another past.
            self._looks = 0
            if self._silent_since is None:
                self._silent_since = time.time()

    def screen(self) -> RenderableType:
        """What is to be seen now."""
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
        """The same in one line, without what changes from second to second."""
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

    Raises ControlError where it does not answer at the very first.
    """
    output = output or sys.stdout
    seen = Watch(folder)
    before = signal.signal(signal.SIGTERM, _as_control_c)
    try:
        with suppress(KeyboardInterrupt):
            seen.look()
            if output.isatty():
                _follow_on_terminal(seen, output)
            else:
                _follow_in_lines(seen, output)
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _follow_on_terminal(seen: Watch, output: TextIO) -> None:
    console = Console(file=output, highlight=False, markup=False, emoji=False)
    # On the other screen of the terminal: what was there before is there again afterwards.
    with Live(seen.screen(), console=console, screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(LOOK_SECONDS)
            seen.look_again()
            live.update(seen.screen(), refresh=True)


def _follow_in_lines(seen: Watch, output: TextIO) -> None:
    told = ""
    while True:
        if (line := seen.line()) != told:
            output.write(f"{line}\n")
            output.flush()
            told = line
        time.sleep(LOOK_SECONDS)
        seen.look_again()


def _as_control_c(_number: int, _frame: Any) -> None:
    raise KeyboardInterrupt
