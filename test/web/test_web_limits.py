"""What costs before a right token is bounded: heads of requests, connections, and the work of pages."""

from __future__ import annotations

import asyncio
import http.client
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stands.page import Site, served
from stands.program import Clip, Program
from stands.waiting import wait_until
from tg_video_streamer.asrun.entry import AsRunEntry, iso
from tg_video_streamer.asrun.reader import AsRunFilter, read_entries
from tg_video_streamer.errors import RequestRefused
from tg_video_streamer.events import SourceLevel
from tg_video_streamer.web import connection
from tg_video_streamer.web.connection import ConnectionLimits, HeldConnection, head_problem, surplus_connection
from tg_video_streamer.web.one_at_a_time import MAX_WAITING, OneAtATime

EMPTY_PARAMETERS = b"GET /?" + b"&" * 60_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEADS = {
    "parameters": (EMPTY_PARAMETERS, 414),
    "few parameters": (b"GET /?" + b"&" * 40 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    "long path": (b"GET /" + b"a" * 7000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    "no end": (b"GET /" + b"a" * 7000, 414),
    "many headers": (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"a:b\r\n" * 101 + b"\r\n", 431),
    "long header": (b"GET / HTTP/1.1\r\nHost: localhost\r\na: " + b"b" * 17_000 + b"\r\n\r\n", 431),
    "many cookies": (b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: " + b"a=b;" * 201 + b"\r\n\r\n", 431),
}


@pytest.fixture(scope="module")
def site(clip: Clip) -> Iterator[Site]:
    """The application with a program that does not advance."""
    with served(Program(clip)) as site:
        yield site


def send(site: Site, data: bytes) -> bytes:
    """All that comes back on one connection."""
    with socket.create_connection(("127.0.0.1", site.listener.port), timeout=60) as client:
        client.sendall(data)
        return b"".join(iter(lambda: client.recv(65_536), b""))


@pytest.mark.parametrize("kind", HEADS)
def test_a_head_beyond_the_limits_is_refused(site: Site, kind: str) -> None:
    """Too long or too many addresses, parameters, headers or cookies get a status of their own, and the connection ends."""
    data, status = HEADS[kind]
    assert send(site, data).startswith(b"HTTP/1.1 %d " % status)


def test_a_second_head_is_bounded_too(site: Site) -> None:
    """A head that hides behind another one on the same connection is refused as well."""
    fine = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answers = send(site, fine + EMPTY_PARAMETERS)
    assert answers.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 414 " in answers


def test_a_refusal_costs_less_than_a_page() -> None:
    """60 kB of empty parameters are refused in a thousandth of a second at the worst, where parsing them took half of one."""
    seconds = []
    for data, status in HEADS.values():
        for _ in range(5):
            begun = time.perf_counter()
            assert head_problem(data) == status
            seconds.append(time.perf_counter() - begun)
    assert statistics.median(seconds) < 0.001


@given(st.binary(max_size=300))
def test_any_head_is_judged(data: bytes) -> None:
    """A short head is never refused by its length, and the judgement of a head does not depend on what follows it."""
    assert head_problem(data[:30]) is None
    head = data.replace(b"\n", b"") + b"\r\n\r\n"
    assert head_problem(head) == head_problem(head + b"\n;&" * 9000)


def test_status_answers_while_four_clients_send_empty_parameters(site: Site) -> None:
    """Four clients that send nothing but 60 kB of parameters leave the status its answers: a few times the time at rest."""
    quiet = _median_seconds(site)
    ended, served_attacks = threading.Event(), []

    def attack() -> None:
        while not ended.is_set():
            served_attacks.append(send(site, EMPTY_PARAMETERS)[:12])

    clients = [threading.Thread(target=attack) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        wait_until(lambda: len(served_attacks) > 20, what="the attack has begun")
        loud = _median_seconds(site)
    finally:
        ended.set()
        for client in clients:
            client.join()
    assert set(served_attacks) == {b"HTTP/1.1 414"}
    # The attackers are threads of this process; parsing the parameters would cost each answer half a second or more.
    assert loud < max(quiet * 20, 0.2), (quiet, loud)


def _median_seconds(site: Site) -> float:
    """Of 30 answers of the status."""
    seconds = []
    for _ in range(30):
        begun = time.perf_counter()
        client = http.client.HTTPConnection("127.0.0.1", site.listener.port, timeout=60)
        client.request("GET", "/status.json")
        assert client.getresponse().status == HTTPStatus.OK
        client.close()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)


def test_idle_connections_make_room(clip: Clip) -> None:
    """A client that opens more connections than one address may hold loses its oldest idle ones, and is still answered."""
    with served(Program(clip), limits=ConnectionLimits(total=8)) as site:
        held = [socket.create_connection(("127.0.0.1", site.listener.port), timeout=60) for _ in range(20)]
        try:
            wait_until(lambda: site.connections() <= 4, what="the surplus is closed")
            assert held[0].recv(1) == b""
            assert send(site, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").endswith(
                b"ok\n"
            )
        finally:
            for one in held:
                one.close()


def test_the_oldest_idle_connection_goes_first() -> None:
    """One address loses its own connections; if all are at work the new one goes; a proxy of ours may hold them all."""
    limits = ConnectionLimits(total=4)
    mine = [HeldConnection(number=number, address="192.0.2.1", idle=number != 0) for number in range(3)]
    assert surplus_connection(mine[2], mine[:2], limits) is None
    assert surplus_connection(mine[2], mine, limits) == 1
    busy = [HeldConnection(number=number, address="192.0.2.1", idle=False) for number in range(3)]
    assert surplus_connection(busy[2], busy, limits) == 2
    of_proxy = ConnectionLimits(total=4, is_proxy=lambda address: address == "192.0.2.1")
    assert surplus_connection(mine[2], mine, of_proxy) is None
    others = [HeldConnection(number=10 + number, address=f"192.0.2.{10 + number}", idle=True) for number in range(2)]
    assert surplus_connection(others[1], [*others, *mine], of_proxy) == 1
    network = [HeldConnection(number=number, address=f"2001:db8::{number:x}", idle=True) for number in range(3)]
    assert surplus_connection(network[2], network, limits) == 0


def test_long_reads_wait_for_each_other() -> None:
    """The as-run log is read by one reader at a time; a few wait, and further ones are refused with when to come again."""

    async def read() -> None:
        reads, at_work, most = OneAtATime(), 0, 0
        began, go_on = threading.Event(), threading.Event()

        def work() -> None:
            nonlocal at_work, most
            at_work += 1
            most = max(most, at_work)
            began.set()
            go_on.wait(60)
            at_work -= 1

        tasks = [asyncio.ensure_future(reads.run(work)) for _ in range(MAX_WAITING + 1)]
        await asyncio.to_thread(began.wait, 60)
        with pytest.raises(RequestRefused) as refused:
            await reads.run(work)
        assert (refused.value.status, refused.value.seconds) == (503, 5.0)
        go_on.set()
        await asyncio.gather(*tasks)
        assert most == 1

    asyncio.run(read())


@given(
    st.lists(st.text(alphabet='a\u0430\u0431 "\\\n1=', max_size=6), max_size=8),
    st.text(alphabet='a\u0430\u0411 1="', max_size=4),
)
def test_a_search_of_the_as_run_log_skips_no_match(titles: list[str], words: str) -> None:
    """Lines that are skipped before they are parsed are none that match."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "as-run.jsonl"
        entries = [
            AsRunEntry(
                level=SourceLevel.ITEM, key="k", title=title, start=iso(1.0), end=iso(2.0), seconds=1.0, reason="ended"
            )
            for title in titles
        ]
        path.write_text("".join(one.line() for one in entries))
        wanted = AsRunFilter(words=words)
        assert list(read_entries(path, wanted)) == [one for one in reversed(entries) if wanted.matches(one)]


def test_connections_leave_descriptors_to_the_program() -> None:
    """The page may hold half of the open files that the program does not need for itself."""
    assert [connection.affordable_connections(files) for files in (20, 64, 256, 1024)] == [4, 8, 104, 200]
