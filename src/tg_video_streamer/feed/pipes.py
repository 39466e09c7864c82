"""The descriptors of one attempt: the child's output and a script for each URL, each of our copies closed exactly once.

A number that was closed is soon somebody else's: closing it a second time would cut another feed's pipe or an output's
connection.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from tg_video_streamer.resolve.media import MediaInput


class Pipes:
    """Owns its descriptors until `close`, or until one is handed over."""

    def __init__(self, inputs: Sequence[MediaInput], *, fed: bool = False) -> None:
        """A script's pipe for each of `inputs` that is a URL; with `fed` one more, for what we write to its stdin."""
        self._ours: set[int] = set()
        self.output, self.child_output = self._pipe()
        """What the child writes is read from `output`."""
        self.scripts = [None if one.is_file else self._pipe() for one in inputs]
        """(read end, write end) for each URL, None for each file, in the order of the inputs."""
        self.child_input: int | None = None
        self._input: int | None = None
        if fed:
            self.child_input, self._input = self._pipe()

    @property
    def inherited(self) -> list[int]:
        """What the child must inherit beside its stdout."""
        return [script[0] for script in self.scripts if script is not None]

    def close_childs(self) -> None:
        """The child has its own copies now: only `output`, and what we write to, stays ours."""
        kept = self._ours & {self.output, self._input}
        for descriptor in self._ours - kept:
            os.close(descriptor)
        self._ours = kept

    def hand_over_input(self) -> int:
        """The end that we write to; whoever does so closes it from now on."""
        assert self._input is not None  # noqa: S101 - the caller asked for it
        self._ours.discard(self._input)
        return self._input

    def hand_over_output(self) -> None:
        """Whoever reads `output` closes it from now on."""
        self._ours.discard(self.output)

    def close(self) -> None:
        """Close what is still ours."""
        while self._ours:
            os.close(self._ours.pop())

    def _pipe(self) -> tuple[int, int]:
        ends = os.pipe()
        self._ours.update(ends)
        return ends
