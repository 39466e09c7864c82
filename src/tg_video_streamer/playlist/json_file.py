"""Small state files as JSON, replaced whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tg_video_streamer.atomic_file import replace_file
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.playlist.line import OPTIONS


def write_object(path: Path, value: dict[str, Any], *, synced: bool = True) -> None:
    """Replace `path`; `synced`: it survives a power failure. Raises OSError, the old file stays."""
    content = json.dumps(value).encode("utf-8", "surrogatepass")
    replace_file(path, content, durable=synced)


def read_object(path: Path) -> dict[str, Any] | None:
    """The object in `path`; None without a file. Raises OSError, or ValueError or RecursionError where it is no object."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    if not isinstance(value, dict):
        raise ValueError("no object")  # noqa: TRY004 - one error for every damaged file
    return value


def item_as_json(item: Item) -> dict[str, Any]:
    """An item as plain data."""
    options = {name: getattr(item, option.field) for name, option in OPTIONS.items()}
    backup = {} if item.backup is None else {"backup": item_as_json(item.backup)}
    return {"kind": item.kind.value, "locator": item.locator, **options, **backup}


def item_from_json(saved: dict[str, Any]) -> Item:
    """The item of `item_as_json`. Raises KeyError, TypeError or ValueError for other values."""
    options = {option.field: option.from_json(saved[name]) for name, option in OPTIONS.items() if name in saved}
    backup = item_from_json(saved["backup"]) if "backup" in saved else None
    return Item(LocatorKind(saved["kind"]), str(saved["locator"]), **options, backup=backup)
