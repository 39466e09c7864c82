"""The channel's state and its transitions."""

from __future__ import annotations

from enum import StrEnum

from tg_video_streamer.events import SourceLevel
from tg_video_streamer.state_machine import Transitions


class ChannelState(StrEnum):
    """What viewers see.

    starting ──► on_air ◄──► on_backup, on_filler
       │          ▲  │          ▲  │
       │          │  ▼          │  │
       ├────► on_slate ◄────────┼──┘
       └────────────────────────┘
    and from each of them ──► stopping.
    """

    STARTING = "starting"
    ON_AIR = "on_air"
    ON_BACKUP = "on_backup"
    ON_FILLER = "on_filler"
    ON_SLATE = "on_slate"
    STOPPING = "stopping"


_ANY = frozenset(ChannelState) - {ChannelState.STARTING}

CHANNEL_TRANSITIONS: Transitions[ChannelState] = {
    ChannelState.STARTING: _ANY,
    ChannelState.ON_AIR: _ANY - {ChannelState.ON_AIR},
    ChannelState.ON_BACKUP: _ANY - {ChannelState.ON_BACKUP},
    ChannelState.ON_FILLER: _ANY - {ChannelState.ON_FILLER},
    ChannelState.ON_SLATE: _ANY - {ChannelState.ON_SLATE},
    ChannelState.STOPPING: frozenset(),
}

STATE_OF_LEVEL = {
    SourceLevel.LIVE: ChannelState.ON_AIR,
    SourceLevel.ITEM: ChannelState.ON_AIR,
    SourceLevel.BACKUP: ChannelState.ON_BACKUP,
    SourceLevel.FILLER: ChannelState.ON_FILLER,
    SourceLevel.SLATE: ChannelState.ON_SLATE,
}
