"""Sends each item to the resolver for its kind of locator, and refuses what only a spool can read where there is none."""

from __future__ import annotations

from collections.abc import Mapping

from tg_video_streamer.errors import ResolveError
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.resolve.media import Expansion, Media, Resolve


def by_kind(default: Resolve, others: Mapping[LocatorKind, Resolve]) -> Resolve:
    """A resolver that asks the one in `others` for the item's kind, else `default`."""

    async def resolve(item: Item) -> Media | Expansion:
        return await others.get(item.kind, default)(item)

    return resolve


def without_spool(resolve: Resolve) -> Resolve:
    """`resolve`, which raises ResolveError for what only a download can read."""

    async def readable(item: Item) -> Media | Expansion:
        found = await resolve(item)
        if isinstance(found, Media) and not all(one.location for one in found.inputs):
            raise ResolveError.of("source.needs_spool")
        return found

    return readable
