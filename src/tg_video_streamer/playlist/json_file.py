"""Small files of state as JSON: written beside and renamed, so that kill -9 at any moment leaves the old or the new one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tg_video_streamer.atomic_file import replace_file
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.playlist.line import OPTIONS


def write_object(path: Path, value: dict[str, Any], *, synced: bool = True) -> None:
    """Replace `path`, readable by its owner alone; `synced`: outlasts a power failure. Raises OSError, the old file stays."""
    content = json.dumps(value).encode("utf-8", "surrogatepass")
    replace_file(path, content, durable=synced)


def read_object(path: Path) -> dict[str, Any] | None:
    """What was written; None where there is no file. Raises OSError or ValueError, RecursionError for what is no object."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    if not isinstance(value, dict):
        raise ValueError("no object")  # noqa: TRY004 - one error for all that is not what was written
    return value


def item_as_json(item: Item) -> dict[str, Any]:
    """An item as plain data."""
    options = {name: getattr(item, option.field) for name, option in OPTIONS.items()}
    return {"kind": item.kind.value, "locator": item.locator, **options}


def item_from_json(saved: dict[str, Any]) -> Item:
    """What `item_as_json` made; raises KeyError, TypeError or ValueError for anything else."""
    options = {option.field: option.from_json(saved[name]) for name, option in OPTIONS.items() if name in saved}
    return Item(LocatorKind(saved["kind"]), str(saved["locator"]), **options)
