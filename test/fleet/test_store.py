"""The store that hosts share, in a folder and on a real S3 server: whole encodes or none, and clear errors."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from moto.server import ThreadedMotoServer

from stands.ports import free_port
from tg_video_streamer.errors import StoreUnusable
from tg_video_streamer.fleet.address import StoreAddress, store_address
from tg_video_streamer.fleet.store import EncodeStore, KnownSource

KEY = "13579bdf02468ace" * 2
SIDECAR = b'{"a sidecar": 1}'


def _put(url: str, content: bytes) -> None:
    """Write a bucket or an object past the store; the server asks for no signature."""
    headers = {"Content-Type": "application/octet-stream"}
    with urlopen(Request(url, data=content, method="PUT", headers=headers), timeout=60):  # noqa: S310 - an address of this host
        pass


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of a server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=free_port(), verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    _put(f"{endpoint}/encodes", b"")
    yield endpoint
    server.stop()


@pytest.fixture(params=["folder", "s3"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> StoreAddress:
    """A store of each kind, with a prefix of its own."""
    if request.param == "folder":
        folder = tmp_path / "a store"
        folder.mkdir()
        return store_address(folder.as_uri(), credentials="", endpoint="")
    endpoint = request.getfixturevalue("s3")
    return store_address(f"s3://encodes/{tmp_path.name}", credentials="a:b", endpoint=endpoint)


async def _all(store: EncodeStore, key: str) -> list[bytes]:
    return [piece async for piece in store.read(key)]


async def test_an_encode_comes_back_as_it_was_put(address: StoreAddress, tmp_path: Path) -> None:
    """Sidecar and media of several pieces are read back, listed and removed; what is missing is no error."""
    media = tmp_path / "media.flv"
    media.write_bytes(bytes(range(256)) * 40_000)
    store = EncodeStore(address)
    assert await store.encodes() == []
    assert await _all(store, KEY) == []
    assert not await store.has(KEY)
    await store.put(KEY, SIDECAR, media)
    await store.put(KEY, b"another one", media)
    sidecar, *pieces = await _all(store, KEY)
    assert (sidecar, b"".join(pieces)) == (SIDECAR, media.read_bytes())
    (listed,) = await store.encodes()
    assert (listed.key, listed.bytes) == (KEY, 8 + len(SIDECAR) + media.stat().st_size)
    await store.remove(KEY)
    await store.remove(KEY)
    assert not await store.has(KEY)


async def test_two_writers_of_one_key_leave_one_whole_encode(address: StoreAddress, tmp_path: Path) -> None:
    """Whichever host is later, sidecar and media belong together."""
    files = []
    for number in range(2):
        path = tmp_path / f"{number}.flv"
        path.write_bytes(bytes([number]) * 9_000_000)
        files.append(path)
    async with asyncio.TaskGroup() as group:
        for number, path in enumerate(files):
            group.create_task(EncodeStore(address).put(KEY, str(number).encode(), path))
    sidecar, *pieces = await _all(EncodeStore(address), KEY)
    assert b"".join(pieces) == files[int(sidecar)].read_bytes()


async def test_what_a_source_answered_is_kept(address: StoreAddress) -> None:
    """The last answer counts; none, or a damaged one, is no answer."""
    store = EncodeStore(address)
    assert await store.source("item") is None
    for duration in (None, 12.5):
        known = KnownSource(source_id="a b", title="Ü", duration_seconds=duration)
        await store.put_source("item", known)
        assert await store.source("item") == known


@pytest.mark.parametrize("value", [b"", b"[]", b"{}", b'{"source_id": 1}', b"\xff"])
def test_a_damaged_answer_is_refused(value: bytes) -> None:
    """Whatever stands in the store is an answer or a clear error."""
    with pytest.raises(ValueError, match=r".+"):
        KnownSource.decode(value)


async def test_a_store_that_is_away_says_so(tmp_path: Path) -> None:
    """A disk that is not mounted and a server that does not answer are told, with a remedy; no folder is made."""
    away = tmp_path / "not mounted"
    server = store_address("s3://encodes/x", credentials="a:b", endpoint=f"http://127.0.0.1:{free_port()}")
    for address in (store_address(away.as_uri(), credentials="", endpoint=""), server):
        store = EncodeStore(address)
        for ask in (store.has(KEY), store.source("item"), store.encodes(), _all(store, KEY)):
            with pytest.raises(StoreUnusable) as caught:
                await ask
            assert caught.value.remedy
    assert not away.exists()


async def test_an_object_that_is_no_encode_says_so(address: StoreAddress, tmp_path: Path) -> None:
    """A truncated object and one of anything else are told as damaged."""
    store = EncodeStore(address)
    for number, content in enumerate((b"", b"abc", b"\xff" * 4096, (100).to_bytes(8, "big") + b"short")):
        key = f"{number:032x}"
        media = tmp_path / "media"
        media.write_bytes(content)
        await store.put(key, SIDECAR, media)
        if address.bucket:
            _put(f"{address.endpoint}/{address.bucket}/{address.prefix}/encodes/{key}", content)
        else:
            (address.folder / "encodes" / key).write_bytes(content)
        with pytest.raises(StoreUnusable):
            await _all(store, key)
