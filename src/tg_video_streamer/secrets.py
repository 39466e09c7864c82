"""Secrets that arrive while the service runs: what receives one registers it here, and all output masks it.

A session that was renewed, a spare, a stream key that Telegram handed out: none of them is known at the start. They are
kept for the life of the process, since the service is one and its log is one.
"""

from __future__ import annotations

SHORTEST = 6
"""A word that is shorter stands in innocent texts too."""

_known: frozenset[str] = frozenset()


def remember_secret(*secrets: str) -> None:
    """Never show these from now on; for any thread."""
    global _known  # noqa: PLW0603 - one log a process; the set is replaced whole, so that readers need no lock
    new = {secret for secret in secrets if len(secret) >= SHORTEST}
    if not new <= _known:
        _known |= new


def known_secrets() -> frozenset[str]:
    """All that were registered so far."""
    return _known
