"""Makes the way in for live streams: who listens, and what puts on air whoever shows the key."""

from __future__ import annotations

from dataclasses import dataclass

from tg_video_streamer.app.startup import Prepared
from tg_video_streamer.clock import Clock
from tg_video_streamer.feed.overlay.overlay import ChooseOverlay
from tg_video_streamer.ingest.address import parse_ingest
from tg_video_streamer.ingest.encoder import EncoderParts
from tg_video_streamer.ingest.listener import Listener
from tg_video_streamer.ingest.takeover import Takeover
from tg_video_streamer.playout.playout import Playout
from tg_video_streamer.settings.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveParts:
    """The way in, made but not open."""

    takeover: Takeover
    listener: Listener

    async def run(self) -> None:
        """Let publishers in, one after the other, until cancelled."""
        await self.takeover.run(self.listener.run)


def live_parts(
    settings: Settings, prepared: Prepared, *, playout: Playout, overlay: ChooseOverlay, clock: Clock
) -> LiveParts | None:
    """The parts for LIVE_INGEST; None where it is not set. `overlay`: what its picture wears."""
    text = settings.live_ingest.get_secret_value()
    if not text:
        return None
    address = parse_ingest(text)
    parts = EncoderParts(
        house=prepared.house, headers=prepared.slate.headers, ffmpeg=prepared.ffmpeg, clock=clock, overlay=overlay
    )
    takeover = Takeover(parts, key=address.key, offer=playout.offer, withdraw=playout.withdraw)
    return LiveParts(takeover=takeover, listener=Listener(address, takeover, clock))
