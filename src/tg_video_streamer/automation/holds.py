"""What the operator has put before the program: the pause and the slate."""

from __future__ import annotations

from collections.abc import Callable

from tg_video_streamer.events import SlateReason


class Holds:
    """Belongs to the event loop; a pause ranks above the operator's slate."""

    def __init__(self, hold: Callable[[SlateReason], None], release: Callable[[], None]) -> None:
        """`hold` shows the slate until `release`."""
        self._hold, self._release = hold, release
        self.paused = False
        self.slate = False

    @property
    def names(self) -> list[str]:
        """Those that are on: `pause`, `slate`."""
        return [name for name, on in (("pause", self.paused), ("slate", self.slate)) if on]

    def change(self, *, paused: bool | None = None, slate: bool | None = None) -> None:
        """Set one or both, and show what follows from them."""
        self.paused = self.paused if paused is None else paused
        self.slate = self.slate if slate is None else slate
        if self.paused:
            self._hold(SlateReason.PAUSED)
        elif self.slate:
            self._hold(SlateReason.OPERATOR)
        else:
            self._release()
