"""What an operator can tell the service to do; implemented once, by the running application."""

from __future__ import annotations

from typing import Protocol

from tg_video_streamer.control.status import ItemStatus, ServiceStatus


class Verbs(Protocol):
    """Every method runs in the event loop's thread, returns soon, and raises ControlError with a remedy."""

    def status(self) -> ServiceStatus:
        """The whole state now."""

    def skip(self) -> str:
        """Cut to the next item within two frames; says what was left."""

    def pause(self) -> str:
        """Hold the item where it is and show the slate."""

    def resume(self) -> str:
        """Go on where `pause` left."""

    def slate(self, *, on: bool) -> str:
        """Show the slate by the operator's wish, or take it away; like `pause`, the item waits."""

    def reload(self) -> str:
        """Read the playlist again at once, and the settings, of which some count without a restart; says which."""

    def queue_list(self) -> tuple[ItemStatus, ...]:
        """Items that were queued by hand, in the order in which they will play."""

    def queue_add(self, line: str) -> str:
        """Play a playlist line next, after those that were queued before it."""

    def queue_remove(self, key: str) -> str:
        """Take a queued item out again."""

    def queue_clear(self) -> str:
        """Take all queued items out."""
