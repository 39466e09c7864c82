"""What a fetcher does: one attempt to write the bytes of a download to a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from tg_video_streamer.resolve.media import Download

Progress = Callable[[int, int | None], None]
"""Gets the bytes that are in the file without a gap from its start, and the whole size; None while unknown."""


class Fetch(Protocol):
    """Fetches for one `Fetcher`; the spool owns retries, limits and the file."""

    async def __call__(self, download: Download, target: Path, *, proxy: str, progress: Progress) -> None:
        """Write the bytes to `target`, in order, continuing after what it holds; return once it is whole.

        Bytes that were reported are never rewritten. `proxy`: as in `Media`. Raises SourceGone if the source was removed,
        and ResolveError for everything that may succeed later. Cancelling ends it and leaves the part for the next
        attempt.
        """
