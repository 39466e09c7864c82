"""The error tree: the labels that metrics, events and alerts show."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator

import tg_video_streamer
from tg_video_streamer.errors import SessionEnded, SessionEnding, StreamerError


def _tree(root: type[StreamerError]) -> Iterator[type[StreamerError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


def test_every_error_has_its_own_reason() -> None:
    """Each error class of the package states a label of its own, in snake case, which no other class has."""
    for module in pkgutil.walk_packages(tg_video_streamer.__path__, f"{tg_video_streamer.__name__}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    labels = {error: vars(error).get("reason", "") for error in _tree(StreamerError) if "test" not in error.__module__}
    assert len(labels) > 30
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", label) for label in labels.values()), labels
    assert len(set(labels.values())) == len(labels), labels


def test_an_ended_session_states_its_ending_as_its_reason() -> None:
    """The reason of an ended session has the ending in it, for each ending."""
    assert SessionEnded("over", ending=SessionEnding.EXPIRED).reason == "session_expired"
    assert all(SessionEnded("over", ending=ending).reason == f"session_{ending}" for ending in SessionEnding)
