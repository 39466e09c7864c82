"""Reads where NATS and the store are; imports nothing of them, so that settings can be checked without the extra `fleet`."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tg_video_streamer.errors import ConfigError

_PORT = 4222
_PRIVATE_NAMES = (".local", ".internal", ".home.arpa")
_SCHEMES = frozenset({"nats", "tls"})


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetAddress:
    """The servers of one cluster, and how to sign in."""

    servers: tuple[str, ...]
    tls: bool
    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreAddress:
    """An object store that all hosts reach: a bucket of S3's kind, or a folder."""

    bucket: str = ""
    """Empty for a folder."""
    prefix: str = ""
    folder: Path = Path()
    endpoint: str = ""
    """Of the server, where it is not Amazon's."""
    key_id: str = ""
    secret: str = field(default="", repr=False)


def parse_store(text: str) -> StoreAddress:
    """FLEET_STORE: `s3://bucket/prefix` or `file:///absolute/folder`. Raises ConfigError."""
    parts = urlsplit(text)
    if parts.scheme == "s3" and parts.netloc and "@" not in parts.netloc and not parts.query:
        return StoreAddress(bucket=parts.netloc, prefix=parts.path.strip("/"))
    if parts.scheme == "file" and not parts.netloc and parts.path.strip("/"):
        return StoreAddress(folder=Path(unquote(parts.path)))
    raise ConfigError(["FLEET_STORE: must be s3://bucket/prefix or file:///a/folder"])


def store_address(text: str, *, credentials: str, endpoint: str) -> StoreAddress:
    """The settings FLEET_STORE, FLEET_STORE_CREDENTIALS (`key:secret`) and FLEET_STORE_ENDPOINT. Raises ConfigError.

    Plain `http://` is for this host and private networks only.
    """
    parts = urlsplit(endpoint)
    if parts.scheme == "http" and not _is_private(parts.hostname or ""):
        raise ConfigError(
            [f"FLEET_STORE_ENDPOINT: {parts.hostname} is not of a private network: write https:// before it"]
        )
    key_id, _, secret = credentials.partition(":")
    return replace(parse_store(text), endpoint=endpoint, key_id=key_id, secret=secret)


def parse_servers(text: str) -> tuple[str, ...]:
    """The servers of FLEET as URLs with a port; empty for none. Raises ConfigError.

    Plain `nats://` is for this host and private networks only: elsewhere anybody could read keys and send commands.
    """
    servers = []
    for word in text.replace(",", " ").split():
        parts = urlsplit(word)
        try:
            host, port = parts.hostname, parts.port or _PORT
        except ValueError as error:
            raise ConfigError(["FLEET: the port of a server cannot be read"]) from error
        if parts.scheme not in _SCHEMES or not host or parts.path.strip("/") or parts.query:
            raise ConfigError(["FLEET: must be servers such as nats://10.0.0.1:4222 or tls://nats.example.org:4222"])
        if parts.username is not None:
            raise ConfigError(["FLEET: user and password belong into FLEET_CREDENTIALS"])
        if parts.scheme != "tls" and not _is_private(host):
            raise ConfigError([f"FLEET: {host} is neither this host nor of a private network: write tls:// before it"])
        servers.append(f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}")
    if len({server.partition(":")[0] for server in servers}) > 1:
        raise ConfigError(["FLEET: nats:// and tls:// cannot be mixed"])
    return tuple(servers)


def fleet_address(servers: str, credentials: str, ca_file: Path | None) -> FleetAddress:
    """The settings FLEET, FLEET_CREDENTIALS (`user:password`) and FLEET_CA. Raises ConfigError."""
    found = parse_servers(servers)
    user, _, password = credentials.partition(":")
    return FleetAddress(servers=found, tls=found[0].startswith("tls:"), user=user, password=password, ca_file=ca_file)


def _is_private(host: str) -> bool:
    """Whether it can only be in this network: by its address, or by a name that no public server has (RFC 6762, RFC 8375)."""
    if "." not in host.rstrip(".") and ":" not in host:
        return not host.isdigit()
    if host.rstrip(".").endswith(_PRIVATE_NAMES):
        return True
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return False
