"""The states of an output: the diagram, and that no state is a dead end."""

from __future__ import annotations

from stands.diagram import drawn
from tg_video_streamer.outputs.state import OUTPUT_TRANSITIONS, OutputState


def test_diagram_is_the_table() -> None:
    """The diagram in the docstring says what the transition table says."""
    assert drawn(OutputState.__doc__, OutputState) == dict(OUTPUT_TRANSITIONS)


def test_every_state_leads_back_on_air() -> None:
    """From every state an output can get on air again, at most by way of `connecting`."""
    assert set(OUTPUT_TRANSITIONS) == set(OutputState)
    for state, after in OUTPUT_TRANSITIONS.items():
        assert OutputState.CONNECTING in after or OutputState.ON_AIR in after, state
