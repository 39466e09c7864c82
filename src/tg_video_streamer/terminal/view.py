"""Draws the live view on the terminal, from its own thread: a stopped terminal (Ctrl-S) does not block the service."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import TextIO

import structlog
from rich.console import Console
from rich.live import Live
from rich.text import Text

from tg_video_streamer.asrun.history import History
from tg_video_streamer.clock import Clock, SystemClock
from tg_video_streamer.control.status import ServiceStatus
from tg_video_streamer.locales.translator import Translator, environment_language
from tg_video_streamer.terminal.screen import Screen, render

log = structlog.get_logger(__name__)

REFRESH_SECONDS = 1.0
KEPT_LINES = 2000
"""Log lines that wait for a terminal that takes nothing; the oldest go first, and are counted."""
STOP_SECONDS = 1.0


class LogLines(io.TextIOBase):
    """Stands in for stdout and stderr: whole lines go to the view at once, and a writer never waits."""

    def __init__(self, take: Callable[[str], None], terminal: TextIO) -> None:
        """`take` gets each line without its end; `terminal` answers what a writer asks about the stream."""
        super().__init__()
        self._take = take
        self._terminal = terminal
        self._lock = threading.Lock()
        self._begun = ""

    def write(self, text: str, /) -> int:
        """See io.TextIOBase."""
        with self._lock:
            *whole, self._begun = (self._begun + text).split("\n")
        for line in whole:
            self._take(line)
        return len(text)

    def writable(self) -> bool:
        """See io.IOBase."""
        return True

    def isatty(self) -> bool:
        """See io.IOBase."""
        return self._terminal.isatty()

    def fileno(self) -> int:
        """See io.IOBase."""
        return self._terminal.fileno()


class TerminalView:
    """The table below and the log lines above it; while it runs, it takes what is written to stdout and stderr."""

    def __init__(
        self,
        status: Callable[[], ServiceStatus],
        *,
        preview_address: str,
        history: Callable[[], History] | None = None,
        terminal: TextIO | None = None,
        words: Translator | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`status` and `history` are called in the event loop's thread; `terminal` is stdout where none is given."""
        self._status = status
        self._history = history
        self._preview_address = preview_address
        self._terminal = terminal or sys.stdout
        self._words = words or Translator(language=environment_language(os.environ))
        self._clock = clock or SystemClock()
        self._news = threading.Condition()
        self._lines: deque[str] = deque()
        self._lost = 0
        self._screen: Screen | None = None
        self._ending = False
        self._terminal_is_gone = False
        self._replaced: tuple[TextIO, TextIO] | None = None
        self._thread = threading.Thread(target=self._draw_until_end, name="terminal", daemon=True)

    async def run(self) -> None:
        """Show the status once a second until cancelled."""
        self._start()
        shown = True
        try:
            while True:
                try:
                    self._show(self._screen_now())
                    shown = True
                except Exception:
                    # A defect in telling the status is logged once, and must not end the broadcast.
                    if shown:
                        log.exception("status cannot be shown")
                    shown = False
                await asyncio.sleep(REFRESH_SECONDS)
        finally:
            self._stop()

    def _screen_now(self) -> Screen:
        history = self._history() if self._history is not None else None
        address, now = self._preview_address, self._clock.wall()
        return render(self._status(), preview_address=address, now_wall=now, words=self._words, history=history)

    def _start(self) -> None:
        self._replaced = (sys.stdout, sys.stderr)
        sys.stdout = LogLines(self._take_line, self._terminal)
        sys.stderr = LogLines(self._take_line, self._terminal)
        self._thread.start()

    def _stop(self) -> None:
        """Take the table away and give stdout back.

        Where the terminal takes nothing, the thread is left behind after a second, and stdout stays what it is: a last
        word to such a terminal would hold up the end of the service.
        """
        with self._news:
            self._ending = True
            self._news.notify()
        self._thread.join(STOP_SECONDS)
        if not self._thread.is_alive() and not self._terminal_is_gone:
            self._give_back()

    def _give_back(self) -> None:
        """Let stdout and stderr be the terminal again, and write what still waited."""
        if self._replaced is None:
            return
        sys.stdout, sys.stderr = self._replaced
        self._replaced = None
        with self._news:
            lines = list(self._lines)
            self._lines.clear()
        # The terminal is gone, or has no such letters: nothing can be shown, and the service ends or continues.
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.writelines(f"{line}\n" for line in lines)
            sys.stdout.flush()

    def _take_line(self, line: str) -> None:
        with self._news:
            if len(self._lines) >= KEPT_LINES:
                self._lines.popleft()
                self._lost += 1
            self._lines.append(line)
            self._news.notify()

    def _show(self, screen: Screen) -> None:
        with self._news:
            self._screen = screen
            self._news.notify()

    def _draw_until_end(self) -> None:
        try:
            self._draw()
        except OSError:
            # The terminal is gone, and with it the only place to report this; the broadcast continues, and
            # further lines stay in memory, since writing them there would fail too.
            self._terminal_is_gone = True
        except Exception:
            self._give_back()
            log.exception("the live table failed; log lines only from here on")

    def _draw(self) -> None:
        # A file object of our own: were this thread to block inside of sys.stdout's, the interpreter could not end.
        terminal, encoding = self._terminal.fileno(), self._terminal.encoding
        with open(terminal, "w", encoding=encoding, errors="replace", closefd=False) as file:
            console = Console(file=file, highlight=False, markup=False, emoji=False)
            with Live(
                console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
            ) as live:
                self._draw_on(console, live)

    def _draw_on(self, console: Console, live: Live) -> None:
        ending = False
        while not ending:
            lines, screen, ending = self._wait_for_news()
            if screen is not None:
                live.update(screen, refresh=not lines)
            if lines:
                # Printing above the table draws the table again.
                console.print(Text.from_ansi("\n".join(lines)), soft_wrap=True)

    def _wait_for_news(self) -> tuple[list[str], Screen | None, bool]:
        with self._news:
            self._news.wait_for(lambda: self._lines or self._screen or self._ending)
            lines, screen = list(self._lines), self._screen
            if self._lost:
                lines.insert(0, self._words.text("terminal.lost", count=self._lost))
            self._lines.clear()
            self._screen = None
            self._lost = 0
            return lines, screen, self._ending
