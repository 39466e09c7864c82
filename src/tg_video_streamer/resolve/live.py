"""Resolves the address of a live feed: nothing is asked, but an address from the chat must be public."""

from __future__ import annotations

from urllib.parse import parse_qs

from tg_video_streamer.errors import SourceGone
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.playlist.live_address import split_live_address
from tg_video_streamer.resolve.media import Media, MediaInput
from tg_video_streamer.resolve.public_addresses import refuse_private
from tg_video_streamer.secrets import remember_secret


async def resolve_live(item: Item) -> Media:
    """Where the live feed of `item` is. Raises SourceGone or ResolveError where it must be public and is not."""
    _remember_secrets(item.locator)
    if item.public_only:
        parts = split_live_address(item.locator)
        if parts.scheme == "udp" or "listener" in parse_qs(parts.query).get("mode", []):
            # They receive on this host, whatever the address says.
            raise SourceGone.of("source.private_network")
        await refuse_private([item.locator])
    return Media(
        inputs=(MediaInput(location=item.locator, is_file=False, received=True),), title=item.title, is_live=True
    )


def _remember_secrets(locator: str) -> None:
    """What of an address no text may show."""
    parts = split_live_address(locator)
    query = parse_qs(parts.query)
    values = (value for name in ("passphrase", "streamid", "token", "key") for value in query.get(name, []))
    remember_secret(locator, parts.password or "", *values)
