"""The state of a channel in NATS: another host continues from it, and a former holder cannot change it."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stands.nats_server import NatsServer
from tg_video_streamer.errors import StateUnreadable
from tg_video_streamer.fleet.address import fleet_address
from tg_video_streamer.fleet.bucket import FleetBucket
from tg_video_streamer.fleet.cipher import Cipher
from tg_video_streamer.fleet.connection import FleetConnection
from tg_video_streamer.fleet.connection import connected as connect
from tg_video_streamer.fleet.replicated_state import FILES, STATE, ReplicatedState, _file, _key, decode, encode


def connected(server: NatsServer) -> AbstractAsyncContextManager[FleetConnection]:
    """A connection for as long as the block lasts."""
    return connect(fleet_address(server.url, "", None), host="test")


def _folder(place: Path, **files: str) -> Path:
    place.mkdir()
    for name, text in files.items():
        (place / f"{name}.json").write_text(text)
    return place


async def test_another_host_gets_what_the_holder_had(tmp_path: Path) -> None:
    """Position, played items, schedule and the places in other lists arrive as they were, with names of any letters."""
    with NatsServer(tmp_path / "nats") as server:
        async with connected(server) as connection:
            one = _folder(tmp_path / "one", position='{"key": "a"}', seconds='{"seconds": 12.5}', schedule="[]")
            (one / "places").mkdir()
            (one / "places" / "ночь =1.json").write_text("{}")
            (one / "telegram.json").write_text('{"key": "CANARY"}')
            await ReplicatedState(connection, "tv", one, lambda: 1).copy()
            two = _folder(tmp_path / "two", position='{"key": "old"}')
            await ReplicatedState(connection, "tv", two, lambda: 2).restore()
            found = {path.relative_to(two).as_posix(): path.read_text() for path in two.rglob("*.json")}
            bucket = await connection.jetstream().key_value(STATE)
            values = [(await bucket.get(key)).value or b"" for key in await FleetBucket(connection, STATE).keys()]
    assert found == {
        "position.json": '{"key": "a"}',
        "seconds.json": '{"seconds": 12.5}',
        "schedule.json": "[]",
        "places/ночь =1.json": "{}",
    }
    assert not any(b"CANARY" in value or b"CANARY" in decode(value) for value in values)


async def test_a_former_holder_changes_nothing(tmp_path: Path) -> None:
    """Once the next holder has copied, what the one before it writes later is refused, and it stops."""
    with NatsServer(tmp_path / "nats") as server:
        async with connected(server) as connection:
            one = _folder(tmp_path / "one", position="1")
            former = ReplicatedState(connection, "tv", one, lambda: 1)
            await former.copy()
            two = _folder(tmp_path / "two")
            later = ReplicatedState(connection, "tv", two, lambda: 2)
            await later.restore()
            (two / "position.json").write_text("2")
            await later.copy()
            (one / "position.json").write_text("3")
            await former.copy()
            await asyncio.wait_for(former.keep_copying(), 10)
            bucket = await connection.jetstream().key_value(STATE)
            assert decode((await bucket.get("tv.position=2e=json")).value or b"")[0] == b"2"


async def test_damaged_foreign_and_later_values_leave_the_files(tmp_path: Path) -> None:
    """What cannot be read, is of a later version, or names another file, changes nothing on this host; the rest arrives."""
    with NatsServer(tmp_path / "nats") as server:
        async with connected(server) as connection:
            two = _folder(tmp_path / "two", position="mine", played="mine")
            state = ReplicatedState(connection, "tv", two, lambda: 1)
            await state.copy()
            bucket = await connection.jetstream().key_value(STATE)
            await bucket.put("tv.position=2e=json", b"nonsense")
            await bucket.put("tv.played=2e=json", b'{"version": 2}\nx')
            for name in ("../escaped.json", "places/../escaped.json", ".env", "telegram.json", "places/.x"):
                await bucket.put(f"tv.{_key(name)}", encode(b"{}", epoch=1))
            await bucket.put("tv.schedule=2e=json", encode(b"[1]", epoch=1))
            await bucket.put("other.position=2e=json", encode(b"other", epoch=1))
            await state.restore()
    assert (two / "position.json").read_text() == "mine"
    assert (two / "played.json").read_text() == "mine"
    assert (two / "schedule.json").read_text() == "[1]"
    assert not (tmp_path / "escaped.json").exists()
    assert {path.name for path in two.rglob("*") if path.is_file()} == {"position.json", "played.json", "schedule.json"}


async def test_what_is_too_large_for_nats_is_left_out_and_the_rest_copied(tmp_path: Path) -> None:
    """A list of played items that NATS refuses costs the other files nothing."""
    with NatsServer(tmp_path / "nats") as server:
        async with connected(server) as connection:
            one = _folder(tmp_path / "one", position="1")
            (one / "played.json").write_bytes(os.urandom(1_500_000))
            await ReplicatedState(connection, "tv", one, lambda: 1).copy()
            assert await FleetBucket(connection, STATE).keys() == ["tv.position=2e=json"]


async def test_without_nats_the_host_continues_from_its_own(tmp_path: Path) -> None:
    """A takeover whose state cannot be read is no longer than a few seconds, and changes no file."""
    with NatsServer(tmp_path / "nats") as server:
        async with connected(server) as connection:
            two = _folder(tmp_path / "two", position="mine")
            server.freeze()
            async with asyncio.timeout(10):
                await ReplicatedState(connection, "tv", two, lambda: 1).restore()
            server.thaw()
    assert (two / "position.json").read_text() == "mine"


@given(content=st.binary(max_size=2000), epoch=st.integers(0, 2**40))
def test_a_value_is_read_as_it_was_written(content: bytes, epoch: int) -> None:
    """Any content survives; any change of its bytes is refused or harmless."""
    value = encode(content, epoch=epoch)
    assert decode(value) == (content, 0)
    assert decode(encode(content, epoch=epoch, modified_ns=7)) == (content, 7)
    assert json.loads(value.partition(b"\n")[0])["epoch"] == epoch
    with pytest.raises(StateUnreadable):
        decode(value[:-1])


@given(st.text(max_size=40))
def test_a_file_name_survives_as_a_key(name: str) -> None:
    """Whatever a list is called, its place is found again, and the key has only letters that NATS allows."""
    assert _file(_key(name)) == name
    assert all(one.isascii() and (one.isalnum() or one in "-_/=") for one in _key(name))


def test_no_secret_file_is_among_the_copied_ones() -> None:
    """Keys, tokens and the log of the day stay on their host."""
    assert not {"telegram.json", "web-token", "as-run.jsonl"} & set(FILES)


async def test_telegrams_facts_are_copied_encrypted(tmp_path: Path) -> None:
    """A host with the same secret reads them, one with another does not and keeps its own; NATS has no clear word of them."""
    secret = b'{"stream": {"key": "CANARY"}}'
    with NatsServer(tmp_path / "nats") as server:
        async with connected(server) as connection:
            one, two, three = (_folder(tmp_path / name) for name in ("one", "two", "three"))
            (one / "telegram.json").write_bytes(secret)
            (three / "telegram.json").write_bytes(b"{}")
            await ReplicatedState(connection, "tv", one, lambda: 1).copy()
            assert await FleetBucket(connection, STATE).keys() == []
            await ReplicatedState(connection, "tv", one, lambda: 1, cipher=Cipher("a secret")).copy()
            bucket = await connection.jetstream().key_value(STATE)
            content, _ = decode((await bucket.get("tv.telegram=2e=json")).value or b"")
            assert b"CANARY" not in content
            await ReplicatedState(connection, "tv", two, lambda: 2, cipher=Cipher("a secret")).restore()
            await ReplicatedState(connection, "tv", three, lambda: 2, cipher=Cipher("another")).restore()
    assert (two / "telegram.json").read_bytes() == secret
    assert (two / "telegram.json").stat().st_mode & 0o777 == 0o600
    assert (three / "telegram.json").read_bytes() == b"{}"
