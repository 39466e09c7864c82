"""Our side of a question: the service with a playlist and one RTMP output, as an operator has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from stands.service import Service, running


@contextmanager
def channel(folder: Path, playlist: Sequence[Path], url: str, **settings: str) -> Iterator[Service]:
    """The service for as long as the block lasts; `folder` keeps its state for a later one."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "playlist.txt").write_text("".join(f"{path}\n" for path in playlist))
    values = {
        "PLAYLIST": str(folder / "playlist.txt"),
        "MEDIA_DIRS": str(playlist[0].parent),
        "OUTPUTS": url,
        **settings,
    }
    with running(folder, values) as service:
        yield service
