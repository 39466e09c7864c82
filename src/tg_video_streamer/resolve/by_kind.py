"""Sends each item to the resolver for its kind of locator."""

from __future__ import annotations

from collections.abc import Mapping

from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.resolve.media import Expansion, Media, Resolve


def by_kind(default: Resolve, others: Mapping[LocatorKind, Resolve]) -> Resolve:
    """A resolver that asks the one in `others` for the item's kind, else `default`."""

    async def resolve(item: Item) -> Media | Expansion:
        return await others.get(item.kind, default)(item)

    return resolve
