"""TELEGRAM_PROXY read: a SOCKS5 address or the link of an MTProto proxy."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from tg_video_streamer.errors import ConfigError

_KEY = "TELEGRAM_PROXY"
_FORMS = (
    "write socks5://user:password@host:port, or an MTProto proxy's link: "
    "https://t.me/proxy?server=…&port=…&secret=… (mtproto://secret@host:port is the same)"
)
_HEX = re.compile(r"(?:[0-9a-f]{2})+")
_LINK_HOSTS = frozenset({"t.me", "telegram.me", "telegram.dog"})


class ProxyKind(StrEnum):
    """The two kinds of proxy that carry Telegram."""

    SOCKS5 = "socks5"
    MTPROTO = "mtproto"


@dataclass(frozen=True, kw_only=True, slots=True)
class Proxy:
    """Where the proxy is, and what it asks for; `secret` is the MTProto one in hexadecimal."""

    kind: ProxyKind
    host: str
    port: int
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)


def read_proxy(text: str) -> Proxy:
    """The proxy that `text` names; raises ConfigError, which never repeats the text."""
    try:
        url = urlsplit(text.strip())
        kind, values = _parts(url)
        host, port = values.get("server", ""), int(values.get("port", ""))
    except ValueError:
        raise ConfigError([f"{_KEY}: no host and port can be read from it; {_FORMS}"]) from None
    if not host or not 0 < port < 65536:
        raise ConfigError([f"{_KEY}: no host and port can be read from it; {_FORMS}"])
    if kind is ProxyKind.SOCKS5:
        return Proxy(kind=kind, host=host, port=port, user=values.get("user", ""), password=values.get("pass", ""))
    return Proxy(kind=kind, host=host, port=port, secret=_secret(values.get("secret", "")))


def _parts(url: SplitResult) -> tuple[ProxyKind, dict[str, str]]:
    """Kind, and the values under the names that Telegram's own links use. Raises ConfigError or ValueError."""
    asked = {name: values[-1] for name, values in parse_qs(url.query).items()}
    of_link = {"proxy": ProxyKind.MTPROTO, "socks": ProxyKind.SOCKS5}
    if url.scheme == "tg" and url.hostname in of_link:
        return of_link[url.hostname], asked
    if url.scheme in {"http", "https"} and url.hostname in _LINK_HOSTS and url.path.strip("/") in of_link:
        return of_link[url.path.strip("/")], asked
    values = {"server": url.hostname or "", "port": str(url.port or "")}
    user, password = unquote(url.username or ""), unquote(url.password or "")
    if url.scheme in {"socks5", "socks5h"}:
        return ProxyKind.SOCKS5, values | {"user": user, "pass": password}
    if url.scheme == "mtproto":
        return ProxyKind.MTPROTO, values | {"secret": user}
    raise ConfigError([f"{_KEY}: neither a SOCKS5 nor an MTProto proxy; {_FORMS}"])


def _secret(text: str) -> str:
    """The 16 bytes of a secret, plain or with the `dd` of random padding, as hexadecimal."""
    wanted = text.strip().lower()
    if not _HEX.fullmatch(wanted):
        try:
            wanted = base64.urlsafe_b64decode(text.strip() + "=" * (-len(text.strip()) % 4)).hex()
        except (binascii.Error, ValueError):
            wanted = ""
    if wanted.startswith("ee") and len(wanted) > 34:
        message = "a secret that begins with ee asks for a disguise as TLS, which is not supported; use one with dd"
        raise ConfigError([f"{_KEY}: {message}"])
    if len(wanted) == 34 and wanted.startswith("dd"):
        wanted = wanted[2:]
    if len(wanted) != 32:
        raise ConfigError([f"{_KEY}: the secret is not 16 bytes long; copy the whole link again"])
    return wanted
