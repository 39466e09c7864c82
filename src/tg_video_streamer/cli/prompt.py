"""Prompts on the terminal and draws a QR code, all on stderr: stdout is for the result of a command."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager

import segno

from tg_video_streamer.cli.language import words
from tg_video_streamer.errors import ControlError
from tg_video_streamer.locales.message import Message

BORDER = 2
"""Light modules around the code; four are the standard, phones do with two, and terminals are small."""
_HALVES = {(0, 0): " ", (1, 0): "▀", (0, 1): "▄", (1, 1): "█"}
_DARK_ON_LIGHT, _PLAIN = "\x1b[30;107m", "\x1b[0m"

_STDIN = 0


class Terminal:
    """The prompts of a login; lines are read without a thread, so that Ctrl-C ends a wait at once."""

    def __init__(self) -> None:
        self._typed = b""
        self._drawn = 0

    async def phone(self, wrong: Message | None) -> str:
        """See telegram.login.Prompts."""
        return await self._line(_before(wrong) + words.text("prompt.phone"))

    async def code(self, way: Message, wrong: Message | None) -> str:
        """See telegram.login.Prompts."""
        typed = ""
        while not typed:
            typed = await self._line(_before(wrong) + words.text("prompt.code", way=way))
        return typed

    async def password(self, hint: str, wrong: Message | None) -> str:
        """See telegram.login.Prompts."""
        question = words.text("prompt.password_hint", hint=_plain(hint)) if hint else words.text("prompt.password")
        typed = ""
        while not typed:
            typed = await self._line(_before(wrong) + question, hidden=True)
        return typed

    async def setting(self, what: str, wrong: Message | None, *, hidden: bool = False) -> str:
        """A value that the settings lack."""
        return await self._line(f"{_before(wrong)}{what}: ", hidden=hidden)

    def show(self, url: str) -> None:
        """See telegram.login.Prompts; a new code is drawn over the one before if the window is tall enough."""
        from tg_video_streamer.cli.prompt import qr_lines  # noqa: PLC0415 - for --qr only

        colours = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        lines = qr_lines(url, colours=colours)
        lines.append(words.text("prompt.scan"))
        if colours and self._drawn and self._drawn < _rows():
            self._write(f"\x1b[{self._drawn}A")
        self._write("".join(f"{line}\n" for line in lines))
        self._drawn = len(lines)

    def inform(self, text: str | Message) -> None:
        """See telegram.login.Prompts."""
        self._write(f"{_plain(words.message_text(text) if isinstance(text, Message) else text)}\n")
        self._drawn = 0

    async def _line(self, prompt: str, *, hidden: bool = False) -> str:
        """One line without its end; raises ControlError at the end of the input."""
        self._drawn = 0
        with _echo_off() if hidden else _as_it_is():
            self._write(prompt)
            while b"\n" not in self._typed:
                await _readable()
                piece = os.read(_STDIN, 4096)
                if not piece:
                    self._write("\n")
                    raise ControlError.of("session_error.input_ended")
                self._typed += piece
        if hidden:
            self._write("\n")
        line, _, self._typed = self._typed.partition(b"\n")
        return line.decode("utf-8", "replace").strip()

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def _before(wrong: Message | None) -> str:
    """What was wrong with the last answer, on a separate line."""
    text = words.message_text(wrong) if wrong is not None else ""
    return f"{text[0].upper()}{text[1:]}.\n" if text else ""


def _plain(text: str) -> str:
    """Without control characters."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _rows() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).lines
    except OSError:
        return 0


async def _readable() -> None:
    """Wait until stdin is readable; returns at once for a file, which no event loop can watch."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(_STDIN, ready.set)
    except (PermissionError, ValueError):
        return
    try:
        await ready.wait()
    finally:
        loop.remove_reader(_STDIN)


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


@contextmanager
def _echo_off() -> Iterator[None]:
    """Hide the input where stdin is a terminal."""
    try:
        before = termios.tcgetattr(_STDIN)
    except termios.error:
        yield
        return
    silent = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
    termios.tcsetattr(_STDIN, termios.TCSADRAIN, silent)
    try:
        yield
    finally:
        termios.tcsetattr(_STDIN, termios.TCSADRAIN, before)


def qr_lines(text: str, *, colours: bool) -> list[str]:
    """The lines of the drawing, about half as many as characters in each.

    Without `colours` the light modules are drawn, as a terminal without them is most often light on dark.
    """
    code = segno.make(text, error="l", micro=False)
    rows = [[int(module) for module in row] for row in code.matrix_iter(border=BORDER)]
    if len(rows) % 2:
        rows.append([0] * len(rows[0]))
    lines = []
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        pairs = zip(upper, lower, strict=True)
        if colours:
            drawn = "".join(_HALVES[pair] for pair in pairs)
            lines.append(f"{_DARK_ON_LIGHT}{drawn}{_PLAIN}")
        else:
            lines.append("".join(_HALVES[1 - above, 1 - below] for above, below in pairs))
    return lines
