"""Reads from a signed URL when it expires; pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

_NAMES = frozenset({"expire", "expires", "expiry", "exp", "x-expires", "token_expires", "validto"})
_IN_PATH = re.compile(r"/(?:expire|expires|exp)[/=](\d{10,13})(?=/|$)")
_IN_VALUE = re.compile(r"(?:^|[~&;])exp(?:ires)?=(\d{10,13})(?=[~&;]|$)")
"""Akamai's token: hdnts=st=…~exp=1700000000~acl=…"""


def expires_wall(url: str) -> float | None:
    """Seconds since 1970 at which `url` expires; None if it does not state that.

    Reads `expire=`, `Expires=` and variants (also in the path), Akamai's `exp=` within a token, and the
    pairs `X-Amz-Date`/`X-Amz-Expires` and `X-Goog-Date`/`X-Goog-Expires` of signed storage links.
    """
    parts = urlsplit(url)
    query = [(name.lower(), value) for name, value in parse_qsl(parts.query)]
    found = [_seconds(value) for name, value in query if name in _NAMES]
    found += [_seconds(match[1]) for _, value in query for match in _IN_VALUE.finditer(value)]
    found += [_seconds(match[1]) for match in _IN_PATH.finditer(parts.path)]
    given = dict(query)
    found += [_signed_at_plus(given, f"x-{vendor}-date", f"x-{vendor}-expires") for vendor in ("amz", "goog")]
    return min((seconds for seconds in found if seconds is not None), default=None)


def _seconds(text: str) -> float | None:
    """A time since 1970 in seconds or milliseconds; None for a duration or anything else."""
    if not text.isascii() or not text.isdigit() or not 10 <= len(text) <= 13:
        return None
    number = int(text)
    return number / 1000 if number > 100_000_000_000 else float(number)


def _signed_at_plus(query: dict[str, str], date: str, lifetime: str) -> float | None:
    lives = query.get(lifetime, "")
    if not lives.isascii() or not lives.isdigit() or len(lives) > 9:
        return None
    try:
        signed = datetime.strptime(query.get(date, ""), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return signed.timestamp() + int(lives)
