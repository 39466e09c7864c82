"""Where the font for words on the picture lies: Roboto, which has Latin, Cyrillic and Greek, from the font-roboto wheel."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from tg_video_streamer.errors import ToolMissing


def roboto(face: str) -> Path:
    """The TrueType file of a face, like "Medium". Raises ToolMissing where the wheel is not installed."""
    spec = find_spec("font_roboto")
    path = Path(spec.origin).parent / "files" / f"Roboto-{face}.ttf" if spec is not None and spec.origin else None
    if path is None or not path.is_file():
        raise ToolMissing(f"the font Roboto {face} was not found", remedy="run `make setup` again")
    return path
