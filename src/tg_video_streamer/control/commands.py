"""What an operator can tell the service to do; implemented once, by the running application."""

from __future__ import annotations

from typing import Protocol

from tg_video_streamer.asrun.history import History
from tg_video_streamer.control.playlist_file import PlaylistCheck, PlaylistText
from tg_video_streamer.control.status import ItemStatus, ServiceStatus
from tg_video_streamer.schedule.day import ScheduledEntry


class Commands(Protocol):
    """Every method runs in the event loop's thread, returns soon, and raises ControlError with a remedy."""

    def status(self) -> ServiceStatus:
        """The whole state now."""

    def history(self) -> History:
        """The last 24 hours level by level, and the last minutes in figures."""

    def skip(self) -> str:
        """Cut to the next item within two frames; says what was left."""

    def pause(self) -> str:
        """Hold the item where it is and show the slate."""

    def resume(self) -> str:
        """Go on where `pause` left."""

    def slate(self, *, on: bool) -> str:
        """Show the slate by the operator's wish, or take it away; like `pause`, the item waits."""

    def jump(self, key: str) -> str:
        """Cut to an item of the playlist as soon as it is ready; the list goes on behind it."""

    def reload(self) -> str:
        """Read the playlist again at once, and the settings, of which some count without a restart; says which."""

    def queue_list(self) -> tuple[ItemStatus, ...]:
        """Items that were queued by hand, in the order in which they will play."""

    def queue_add(self, line: str) -> str:
        """Play a playlist line, or the item of a key, next, after those that were queued before it."""

    def queue_insert(self, line: str) -> str:
        """Play a playlist line, or the item of a key, next, before all that was queued."""

    def queue_move(self, key: str, *, place: int) -> str:
        """Give a queued item another place: 0 is the next to play, and what is beyond the end is the end."""

    def queue_remove(self, key: str) -> str:
        """Take a queued item out again."""

    def queue_clear(self) -> str:
        """Take all queued items out."""

    def search(self, words: str) -> tuple[ItemStatus, ...]:
        """Items of queue and playlist whose title or file name has all the words, in the order in which they will play."""

    def schedule(self, day: str) -> tuple[ScheduledEntry, ...]:
        """What the schedule has for `day`, as YYYY-MM-DD, in its own time zone; empty: today. In order of their starts."""

    def playlist_read(self) -> PlaylistText:
        """The playlist as it is on the disk."""

    def playlist_check(self, text: str) -> PlaylistCheck:
        """What `text` would be as the playlist; changes nothing."""

    def playlist_save(self, text: str, *, version: str) -> str:
        """Write the playlist, if it is still the `version` that was read; what is wrong in it is left out when it plays."""
