"""The states of an item in the spool, and which may follow which."""

from __future__ import annotations

from enum import StrEnum

from tg_video_streamer.state_machine import Transitions


class SpoolState(StrEnum):
    """How far the download of an item is."""

    WAITING = "waiting"
    """It has a place, and its turn comes."""
    DOWNLOADING = "downloading"
    CHECKING = "checking"
    """All bytes are there; a probe opens them."""
    PAUSED = "paused"
    """An attempt failed; the next one follows after a pause, and continues at the byte."""
    WHOLE = "whole"
    FAILED = "failed"
    """No attempt follows for a long time; the item is read from its source."""


SPOOL_TRANSITIONS: Transitions[SpoolState] = {
    SpoolState.WAITING: frozenset({SpoolState.DOWNLOADING, SpoolState.FAILED}),
    SpoolState.DOWNLOADING: frozenset({SpoolState.WAITING, SpoolState.CHECKING, SpoolState.PAUSED, SpoolState.FAILED}),
    SpoolState.CHECKING: frozenset(
        {SpoolState.WHOLE, SpoolState.PAUSED, SpoolState.FAILED, SpoolState.WAITING, SpoolState.DOWNLOADING}
    ),
    SpoolState.PAUSED: frozenset({SpoolState.WAITING, SpoolState.DOWNLOADING, SpoolState.FAILED}),
    SpoolState.WHOLE: frozenset(),
    SpoolState.FAILED: frozenset(),
}
