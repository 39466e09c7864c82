"""The last known items of lists on the web, on disk: they play when the page is down at the next start."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import structlog

from tg_video_streamer.playlist.item import Item
from tg_video_streamer.playlist.json_file import item_as_json, item_from_json, read_object, write_object

_VERSION = 1
_MAX_CHILDREN = 20_000
"""Of all lists together, a few megabytes; beyond it the lists read longest ago are forgotten."""

log = structlog.get_logger(__name__)


class ListMemory:
    """`lists.json` in STATE_DIR. `learn` and `recall` belong to one thread; `save` may run in another meanwhile."""

    def __init__(self, folder: Path) -> None:
        """`folder`: STATE_DIR."""
        self._path = folder / "lists.json"
        self._lists: dict[str, tuple[Item, ...]] = {}
        self._changed = False

    @property
    def path(self) -> Path:
        """Its file."""
        return self._path

    @classmethod
    def loaded(cls, folder: Path) -> Self:
        """With the saved lists; a damaged file is logged and ignored."""
        memory = cls(folder)
        try:
            memory._lists = _lists(read_object(memory._path))
        except (OSError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            log.warning("the saved lists are damaged and ignored", file=memory._path.name, why=str(error))
        return memory

    def learn(self, key: str, children: Sequence[Item]) -> None:
        """The list `key` has `children` now."""
        known = tuple(children)
        self._changed = self._changed or self._lists.get(key) != known
        self._lists.pop(key, None)
        self._lists[key] = known
        while len(self._lists) > 1 and sum(map(len, self._lists.values())) > _MAX_CHILDREN:
            del self._lists[next(iter(self._lists))]

    def recall(self, key: str) -> tuple[Item, ...]:
        """The last known items of the list `key`; empty where unknown."""
        return self._lists.get(key, ())

    def pending(self) -> dict[str, Any] | None:
        """What `save` must write; None where nothing has changed since."""
        if not self._changed:
            return None
        self._changed = False
        lists = [[key, [item_as_json(child) for child in children]] for key, children in self._lists.items()]
        return {"version": _VERSION, "lists": lists}

    def save(self, pending: dict[str, Any]) -> None:
        """Write it. Blocks. Raises OSError; the old file stays."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_object(self._path, pending)

    def unsaved(self) -> None:
        """Saving failed: the lists are pending again."""
        self._changed = True


def _lists(saved: dict[str, Any] | None) -> dict[str, tuple[Item, ...]]:
    if saved is None:
        return {}
    if saved["version"] != _VERSION:
        raise ValueError("written by another version")
    return {str(key): tuple(item_from_json(child) for child in children) for key, children in saved["lists"]}
