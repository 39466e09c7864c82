"""What lists on the web last held, on disk: a service that starts while such a page is down plays what it knew."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import structlog

from tg_video_streamer.playlist.item import Item
from tg_video_streamer.playlist.json_file import item_as_json, item_from_json, read_object, write_object

_VERSION = 1
_MOST_CHILDREN = 20_000
"""Of all lists together, a few megabytes; beyond it the lists that were read longest ago are forgotten."""

log = structlog.get_logger(__name__)


class ListMemory:
    """`lists.json` in STATE_DIR. `learn` and `recall` belong to one thread; `save` may run in another meanwhile."""

    def __init__(self, folder: Path) -> None:
        """`folder`: STATE_DIR."""
        self._path = folder / "lists.json"
        self._lists: dict[str, tuple[Item, ...]] = {}
        self._changed = False

    @classmethod
    def loaded(cls, folder: Path) -> Self:
        """With what was saved; a damaged file is told in the log and forgotten."""
        memory = cls(folder)
        try:
            memory._lists = _lists(read_object(memory._path))
        except (OSError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            log.warning("the memory of lists is damaged, starting afresh", file=memory._path.name, why=str(error))
        return memory

    def learn(self, key: str, children: Sequence[Item]) -> None:
        """The list `key` holds `children` now."""
        known = tuple(children)
        self._changed = self._changed or self._lists.get(key) != known
        self._lists.pop(key, None)
        self._lists[key] = known
        while len(self._lists) > 1 and sum(map(len, self._lists.values())) > _MOST_CHILDREN:
            del self._lists[next(iter(self._lists))]

    def recall(self, key: str) -> tuple[Item, ...]:
        """What the list `key` last held; empty where nobody knows."""
        return self._lists.get(key, ())

    def pending(self) -> dict[str, Any] | None:
        """What is to be saved, for `save`; None where nothing has changed since."""
        if not self._changed:
            return None
        self._changed = False
        lists = [[key, [item_as_json(child) for child in children]] for key, children in self._lists.items()]
        return {"version": _VERSION, "lists": lists}

    def save(self, pending: dict[str, Any]) -> None:
        """Write it. Blocks; raises OSError, the old file then stays."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_object(self._path, pending)

    def unsaved(self) -> None:
        """Saving did not work: it is pending again."""
        self._changed = True


def _lists(saved: dict[str, Any] | None) -> dict[str, tuple[Item, ...]]:
    if saved is None:
        return {}
    if saved["version"] != _VERSION:
        raise ValueError("written by another version")
    return {str(key): tuple(item_from_json(child) for child in children) for key, children in saved["lists"]}
