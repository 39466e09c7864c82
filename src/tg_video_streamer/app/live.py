"""Makes the live input: the listener, and the takeover that puts its publisher on air."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from tg_video_streamer.app.context import BuildContext
from tg_video_streamer.app.keep_running import Anew
from tg_video_streamer.automation.playout_bridge import PlayoutBridge
from tg_video_streamer.automation.program import Program
from tg_video_streamer.events import SourceLevel
from tg_video_streamer.feed.overlay.overlay import ChooseOverlay
from tg_video_streamer.ingest.address import parse_doors
from tg_video_streamer.ingest.encoder import EncoderParts
from tg_video_streamer.ingest.listener import Listener
from tg_video_streamer.ingest.srt_listener import SrtListener
from tg_video_streamer.ingest.state import LiveTake
from tg_video_streamer.ingest.takeover import Takeover, TakeoverCount


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveService:
    """The live input, not open."""

    takeover: Takeover
    listeners: Sequence[Listener | SrtListener]
    bridge: PlayoutBridge

    async def run(self) -> None:
        """Accept publishers until cancelled."""
        unsubscribe = self.bridge.subscribe(SourceLevel.LIVE, self.takeover.on_playout_event)
        try:
            await self.takeover.run(self._listen)
        finally:
            unsubscribe()

    async def _listen(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for listener in self.listeners:
                tasks.create_task(listener.run(), name="live listener")


def make_live(context: BuildContext, program: Program, overlay: ChooseOverlay) -> Anew[LiveService] | None:
    """The live input of LIVE_INGEST; None where it is not set. `overlay` is drawn on its picture."""
    text = context.settings.live_ingest.get_secret_value().strip()
    if not text:
        return None
    doors, prepared, clock = parse_doors(text), context.prepared, context.clock
    parts = EncoderParts(
        house=prepared.house, headers=prepared.slate.headers, ffmpeg=prepared.ffmpeg, clock=clock, overlay=overlay
    )
    counts = TakeoverCount()

    def make() -> LiveService:
        takeover = Takeover(
            parts,
            key=doors.rtmp.key if doors.rtmp is not None else "",
            offer=program.playout.offer,
            withdraw=program.playout.withdraw,
            counts=counts,
            asks=context.settings.live_take is LiveTake.ASK,
            doors=sum(one is not None for one in (doors.rtmp, doors.srt)),
        )
        listeners: list[Listener | SrtListener] = []
        if doors.rtmp is not None:
            listeners.append(Listener(doors.rtmp, takeover, clock))
        if doors.srt is not None:
            listeners.append(SrtListener(doors.srt, takeover, ffmpeg=prepared.ffmpeg))
        return LiveService(takeover=takeover, listeners=listeners, bridge=program.bridge)

    return Anew(make)
