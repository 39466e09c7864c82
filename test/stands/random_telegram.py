"""Random answers of a Telegram: every error of Telethon's list, refused messages, broken connections, silence; from a seed."""

from __future__ import annotations

import random
import re
import struct
from collections import Counter

from pyrogram.raw import types
from telethon.errors import rpcerrorlist

from stands.telegram_dc.world import HOME_DC, OTHER_DC, Answer, BadMessage, Fault, Planned, TransportCode

ENDINGS = frozenset(
    {
        "AUTH_KEY_UNREGISTERED",
        "AUTH_KEY_INVALID",
        "AUTH_KEY_DUPLICATED",
        "SESSION_REVOKED",
        "SESSION_EXPIRED",
        "USER_DEACTIVATED",
        "USER_DEACTIVATED_BAN",
        "API_ID_INVALID",
        "API_ID_PUBLISHED_FLOOD",
        "CONNECTION_API_ID_INVALID",
    }
)
"""What the account's own data center says only of a session that has ended."""
_ERRORS = [(error.code or 400, word) for word, error in rpcerrorlist.rpc_errors_dict.items()]
_NUMBERED = [(error.code or 400, pattern) for pattern, error in rpcerrorlist.rpc_errors_re]
_KINDS = {
    "rpc": 44,
    "numbered": 8,
    "wait": 8,
    "message": 14,
    "transport": 3,
    "unexpected": 12,
    "drop": 4,
    "lost": 3,
    "silent": 4,
}
_ASKED_FIRST = frozenset({"updates.getstate", "users.getusers"})
"""A refusal of these restricts the account, and then nothing else is asked: it comes more rarely."""
_RARE = 0.2
_CONSTRUCTORS = (
    types.UpdatesTooLong(),
    types.InputPeerEmpty(),
    types.ChatForbidden(id=1, title="forbidden"),
    types.GroupCallDiscarded(id=1, access_hash=1, duration=1),
    types.PeerUser(user_id=1),
)


class RandomAnswers:
    """What `World.chance` may be: `right` of all requests are answered as ever."""

    def __init__(self, seed: int, *, right: float = 0.6) -> None:
        self._random = random.Random(seed)  # noqa: S311 - the same sequence for the same seed
        self.right = right
        self.given: Counter[str] = Counter()
        """Answers by kind."""

    def __call__(self, method: str, dc: int) -> Planned:
        """What happens to a request."""
        right = 1 - (1 - self.right) * (_RARE if method in _ASKED_FIRST else 1)
        if self._random.random() < right:
            self.given["right"] += 1
            return None
        (kind,) = self._random.choices(list(_KINDS), list(_KINDS.values()))
        self.given[kind] += 1
        return self._of(kind, dc)

    def _of(self, kind: str, dc: int) -> Planned:
        draw = self._random
        match kind:
            case "rpc" | "numbered" | "wait":
                return self._refusal(kind, dc)
            case "message":
                return BadMessage(draw.choice((16, 17, 18, 19, 20, 32, 33, 34, 35, 48, 64)))
            case "transport":
                return TransportCode(draw.choice((-429, -444) if dc == HOME_DC else (-404, -429, -444)))
            case "unexpected":
                return Answer(self._unexpected())
            case _:
                return Fault(kind)

    def _refusal(self, kind: str, dc: int) -> Planned:
        draw = self._random
        if kind == "wait":
            return 420, f"FLOOD_WAIT_{draw.randint(1, 3)}"
        if kind == "rpc":
            return draw.choice([one for one in _ERRORS if dc != HOME_DC or one[1] not in ENDINGS])
        code, pattern = draw.choice(_NUMBERED)
        number = draw.choice((HOME_DC, OTHER_DC)) if "MIGRATE" in pattern else draw.randint(1, 3)
        return code, re.sub(r"\(.*\)", str(number), pattern)

    def _unexpected(self) -> object:
        draw = self._random
        noise = struct.pack("<I", 0xDEADBEEF) + draw.randbytes(4 * draw.randint(0, 16))
        return draw.choice((True, False, [], [1, 2], noise, *_CONSTRUCTORS))
