"""Shows the progress of a long command: bars in a terminal, else only lines."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol, Self, TextIO

import typer

from tg_video_streamer.cli.language import words
from tg_video_streamer.control.status_text import printable
from tg_video_streamer.locales.format import clock_text

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_TITLE_CELLS = 36


class Terminal(Protocol):
    """Where progress is shown; a context manager that removes the bars at its end."""

    @staticmethod
    def of(stream: TextIO, whole: int) -> Terminal:
        """The terminal for `stream`; `whole`: the number of steps."""
        return Bars(stream, whole) if stream.isatty() and os.environ.get("TERM", "dumb") != "dumb" else Lines(stream)

    def say(self, line: str) -> None:
        """One line that stays."""

    def step(self, whole: int | None = None) -> None:
        """One step is done; `whole` if the number of steps changed."""

    def begin(self, key: str, title: str) -> None:
        """A long task starts."""

    def progress(self, key: str, done_seconds: float, whole_seconds: float | None) -> None:
        """Its progress."""

    def downloading(self, key: str, text: str) -> None:
        """How far its download is, before its progress begins."""

    def end(self, key: str) -> None:
        """It has ended."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class Lines(Terminal):
    """A plain stream: only lines that stay."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._titles: dict[str, str] = {}

    def say(self, line: str) -> None:
        """See Terminal. Flushed at once, for readers that follow the output."""
        typer.echo(printable(line), file=self._stream)

    def step(self, whole: int | None = None) -> None:
        """See Terminal."""

    def begin(self, key: str, title: str) -> None:
        """See Terminal."""
        self._titles[key] = title

    def progress(self, key: str, done_seconds: float, whole_seconds: float | None) -> None:
        """See Terminal."""

    def downloading(self, key: str, text: str) -> None:
        """See Terminal. Only that it has begun."""
        if title := self._titles.pop(key, ""):
            self.say(f"{title}: {text}")

    def end(self, key: str) -> None:
        """See Terminal."""
        self._titles.pop(key, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to remove."""


class Bars(Terminal):
    """A bar for each task and one for all; lines that stay are above them."""

    def __init__(self, stream: TextIO, whole: int) -> None:
        self._progress = _bars(stream)
        self._tasks: dict[str, TaskID] = {}
        self._done = 0
        self._whole = whole
        self._all = self._progress.add_task(_cut(words.text("library.all")), total=max(1, whole), done=_of(0, whole))

    def say(self, line: str) -> None:
        """See Terminal."""
        self._progress.console.print(printable(line), markup=False, highlight=False, emoji=False, soft_wrap=True)

    def step(self, whole: int | None = None) -> None:
        """See Terminal."""
        self._done += 1
        self._whole = self._whole if whole is None else whole
        done = _of(self._done, self._whole)
        self._progress.update(self._all, completed=self._done, total=max(1, self._whole), done=done)

    def begin(self, key: str, title: str) -> None:
        """See Terminal."""
        self._tasks[key] = self._progress.add_task(_cut(title), total=None, done="")

    def progress(self, key: str, done_seconds: float, whole_seconds: float | None) -> None:
        """See Terminal."""
        at = clock_text(done_seconds)
        done = _of(at, clock_text(whole_seconds)) if whole_seconds else at
        self._progress.update(self._tasks[key], completed=done_seconds, total=whole_seconds or None, done=done)

    def downloading(self, key: str, text: str) -> None:
        """See Terminal."""
        self._progress.update(self._tasks[key], done=printable(text))

    def end(self, key: str) -> None:
        """See Terminal."""
        self._progress.remove_task(self._tasks.pop(key))

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the bars."""
        self._progress.stop()


def _bars(stream: TextIO) -> Progress:
    from rich.console import Console  # noqa: PLC0415 - rich, only where there is a terminal
    from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415 - the same

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[done]}", markup=False),
        console=Console(file=stream),
        refresh_per_second=4,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _of(done: str | int, whole: str | int) -> str:
    return words.text("position", at=done, length=whole)


def _cut(title: str) -> str:
    from rich.cells import set_cell_size  # noqa: PLC0415 - as above

    return set_cell_size(printable(title), _TITLE_CELLS)
