"""The subjects that the hosts of a channel talk on."""

from __future__ import annotations


def changed_subject(channel: str) -> str:
    """The lease was given away: who stands by looks at it now."""
    return f"fleet.{channel}.changed"


def move_subject(channel: str) -> str:
    """A question to the holder: leave the air for the host that the message names."""
    return f"fleet.{channel}.move"
