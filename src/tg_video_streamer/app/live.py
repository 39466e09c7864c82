"""Makes the live input: the listener, and the takeover that puts its publisher on air."""

from __future__ import annotations

from dataclasses import dataclass

from tg_video_streamer.app.context import BuildContext
from tg_video_streamer.app.keep_running import Anew
from tg_video_streamer.automation.playout_bridge import PlayoutBridge
from tg_video_streamer.automation.program import Program
from tg_video_streamer.events import SourceLevel
from tg_video_streamer.feed.overlay.overlay import ChooseOverlay
from tg_video_streamer.ingest.address import parse_ingest
from tg_video_streamer.ingest.encoder import EncoderParts
from tg_video_streamer.ingest.listener import Listener
from tg_video_streamer.ingest.state import LiveTake
from tg_video_streamer.ingest.takeover import Takeover, TakeoverCount


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveService:
    """The live input, not open."""

    takeover: Takeover
    listener: Listener
    bridge: PlayoutBridge

    async def run(self) -> None:
        """Accept publishers until cancelled."""
        unsubscribe = self.bridge.subscribe(SourceLevel.LIVE, self.takeover.on_playout_event)
        try:
            await self.takeover.run(self.listener.run)
        finally:
            unsubscribe()


def make_live(context: BuildContext, program: Program, overlay: ChooseOverlay) -> Anew[LiveService] | None:
    """The live input of LIVE_INGEST; None where it is not set. `overlay` is drawn on its picture."""
    text = context.settings.live_ingest.get_secret_value()
    if not text:
        return None
    address, prepared, clock = parse_ingest(text), context.prepared, context.clock
    parts = EncoderParts(
        house=prepared.house, headers=prepared.slate.headers, ffmpeg=prepared.ffmpeg, clock=clock, overlay=overlay
    )
    counts = TakeoverCount()

    def make() -> LiveService:
        takeover = Takeover(
            parts,
            key=address.key,
            offer=program.playout.offer,
            withdraw=program.playout.withdraw,
            counts=counts,
            asks=context.settings.live_take is LiveTake.ASK,
        )
        return LiveService(takeover=takeover, listener=Listener(address, takeover, clock), bridge=program.bridge)

    return Anew(make)
