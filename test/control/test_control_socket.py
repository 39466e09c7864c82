"""The control socket with real clients, good, bad and many, and services that are dead, stopped or too many."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from stands.small_channel import served
from stands.waiting import wait_until
from tg_video_streamer.control.socket import protocol
from tg_video_streamer.control.socket.address import MAX_ADDRESS_BYTES, short_address, socket_path
from tg_video_streamer.control.socket.claim import BACKLOG, ClaimedFolder
from tg_video_streamer.control.socket.client import ask
from tg_video_streamer.control.socket.server import MAX_CLIENTS
from tg_video_streamer.errors import ControlError, NoService

TEST_FOLDER = Path(__file__).parents[1]


def answers(folder: Path) -> bool:
    """Whether a service answers there."""
    try:
        return bool(ask(folder, "status", timeout_seconds=120))
    except NoService:
        return False


@contextmanager
def separate_service(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A small channel in a process of its own, that answers."""
    environment = os.environ | {"PYTHONPATH": str(TEST_FOLDER)}
    command = [sys.executable, "-m", "stands.small_channel", str(folder)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: answers(folder), what="the service answers")
            yield process
        finally:
            process.kill()


def connected(folder: Path) -> socket.socket:
    """A client that says nothing yet."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(20)
    with short_address(folder) as address:
        client.connect(address)
    return client


def answer_to(folder: Path, sent: bytes) -> bytes:
    """All that comes back for these very bytes."""
    with connected(folder) as client:
        client.sendall(sent)
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_each_command_is_carried_out(tmp_path: Path) -> None:
    """What the operator tells the service, it does, and says so."""
    with served(tmp_path) as channel:
        assert ask(tmp_path, "skip")["text"] == "left Big Buck Bunny 🐰"
        assert ask(tmp_path, "pause")["text"] == "paused"
        assert channel.paused
        assert ask(tmp_path, "resume")["text"] == "resumed"
        assert ask(tmp_path, "slate", {"on": True})["text"] == "the slate is on"
        assert channel.on_slate
        assert ask(tmp_path, "queue_add", {"line": "https://example.org/v | title=x"})
        (queued,) = ask(tmp_path, "queue_list")
        assert queued["title"] == "https://example.org/v | title=x"
        assert ask(tmp_path, "queue_remove", {"key": queued["key"]})["text"] == f"removed {queued['key']}"
        assert ask(tmp_path, "queue_clear")["text"] == "the queue is empty"
        assert protocol.status_from_json(ask(tmp_path, "status")).channel_state == "on_slate"


def test_a_refusal_keeps_its_words(tmp_path: Path) -> None:
    """The service's reason and remedy reach the client as they are."""
    with served(tmp_path), pytest.raises(ControlError) as refused:
        ask(tmp_path, "resume")
    assert str(refused.value) == "nothing is paused; use skip to go on to the next item"


def test_a_defect_is_told_and_the_service_goes_on(tmp_path: Path) -> None:
    """A command that fails inside the service is an error for its client only."""
    with served(tmp_path):
        with pytest.raises(ControlError, match="reload failed inside the service; see the service's log"):
            ask(tmp_path, "reload")
        assert ask(tmp_path, "pause")["text"] == "paused"


def test_only_the_owner_may_use_the_socket(tmp_path: Path) -> None:
    """The socket is 0600 whatever the umask, and the folder that is made for it 0700."""
    folder = tmp_path / "made" / "here"
    before = os.umask(0)
    try:
        with ClaimedFolder(folder):
            assert stat.S_IMODE(socket_path(folder).stat().st_mode) == 0o600
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not socket_path(folder).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_is_refused(tmp_path: Path) -> None:
    """Another user cannot use the socket, also where the folders on the way are open, and learns why."""
    with served(tmp_path) as channel:
        for folder in (tmp_path, *tmp_path.parents[:2]):
            folder.chmod(0o711)
        os.seteuid(65534)
        try:
            with pytest.raises(ControlError, match="belongs to another user; run this command as that user"):
                ask(tmp_path, "pause")
        finally:
            os.seteuid(0)
            for folder in (tmp_path, *tmp_path.parents[:2]):
                folder.chmod(0o700)
        assert not channel.paused


def test_a_second_service_is_refused(tmp_path: Path) -> None:
    """Of two services with one STATE_DIR the second is refused, and the first does not notice."""
    with separate_service(tmp_path):
        with pytest.raises(ControlError, match="already running with this STATE_DIR"):
            ClaimedFolder(tmp_path)
        assert ask(tmp_path, "pause")["text"] == "paused"


def test_the_socket_of_a_killed_service_is_replaced(tmp_path: Path) -> None:
    """After kill -9 clients learn that no service runs, and the next service takes the folder at once."""
    with separate_service(tmp_path) as process:
        process.kill()
        process.wait()
    assert socket_path(tmp_path).is_socket()
    with pytest.raises(NoService, match="start it"):
        ask(tmp_path, "status")
    with served(tmp_path):
        assert ask(tmp_path, "pause")["text"] == "paused"


def test_no_service_was_ever_there(tmp_path: Path) -> None:
    """Without a socket, a folder, or with a file for a folder, clients learn that no service runs."""
    (tmp_path / "file").touch()
    for folder in (tmp_path, tmp_path / "missing", tmp_path / "file", tmp_path / ("long" * 50), tmp_path / "file/x"):
        with pytest.raises(NoService):
            ask(folder, "status")


def test_a_file_in_the_way_is_not_removed(tmp_path: Path) -> None:
    """What is no socket is never removed; the operator learns what is in the way."""
    socket_path(tmp_path).write_text("precious")
    with pytest.raises(ControlError, match="in the way"):
        ClaimedFolder(tmp_path)
    assert socket_path(tmp_path).read_text() == "precious"
    socket_path(tmp_path).unlink()
    ClaimedFolder(tmp_path).close()


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    """A STATE_DIR that cannot be one is refused with what to do."""
    (tmp_path / "file").touch()
    with pytest.raises(ControlError, match="set STATE_DIR to a folder of this user"):
        ClaimedFolder(tmp_path / "file")


def test_a_path_longer_than_a_socket_address(tmp_path: Path) -> None:
    """A STATE_DIR of any length works."""
    folder = tmp_path / ("a" * 100) / ("b" * 200)
    assert len(os.fsencode(socket_path(folder))) > MAX_ADDRESS_BYTES
    with served(folder):
        assert ask(folder, "pause")["text"] == "paused"
        assert stat.S_IMODE(socket_path(folder).stat().st_mode) == 0o600
    assert not socket_path(folder).exists()


@pytest.mark.parametrize(
    "sent",
    [
        b"\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\xfe\x00\n",
        b"[]\n",
        b'{"command": "status", "x": 1}\n',
        b'{"command": ["skip"]}\n',
        b'{"command": "slate", "on": "yes"}\n',
        b'{"command": "__class__"}\n',
        b"[" * 60_000 + b"\n",
    ],
)
def test_garbage_gets_an_error(tmp_path: Path, sent: bytes) -> None:
    """A request that is none is answered with an error, and the next client is served."""
    with served(tmp_path) as channel:
        with pytest.raises(ControlError):
            protocol.parse_reply(answer_to(tmp_path, sent))
        assert ask(tmp_path, "skip")["text"] == "left Big Buck Bunny 🐰"
        assert not channel.on_slate


def test_a_request_without_end_is_cut_off(tmp_path: Path) -> None:
    """A line beyond the limit is refused before its end comes, and costs no more memory than that."""
    with served(tmp_path):
        with connected(tmp_path) as client, pytest.raises(OSError, match=r"Broken pipe|reset"):
            client.sendall(b"x" * 100_000_000)
        assert ask(tmp_path, "pause")["text"] == "paused"
        with pytest.raises(ControlError, match=f"longer than {protocol.MAX_REQUEST_BYTES} bytes"):
            ask(tmp_path, "queue_add", {"line": "x" * protocol.MAX_REQUEST_BYTES})


def test_clients_that_leave_early(tmp_path: Path) -> None:
    """Clients that leave before asking, while asking, or before the answer, disturb no one."""
    with served(tmp_path):
        for sent in (b"", b'{"command": "sta', b'{"command": "status"}\n'):
            with connected(tmp_path) as client:
                client.sendall(sent)
        assert ask(tmp_path, "pause")["text"] == "paused"


def test_a_request_that_ends_with_the_connection(tmp_path: Path) -> None:
    """A client may close its side instead of ending the line."""
    with served(tmp_path), connected(tmp_path) as client:
        client.sendall(b'{"command": "pause"}')
        client.shutdown(socket.SHUT_WR)
        assert protocol.parse_reply(client.recv(65536))["text"] == "paused"


def test_silent_clients_make_room(tmp_path: Path) -> None:
    """As many silent clients as there is room for hold up the next one only until their time is over."""
    with served(tmp_path, max_clients=4, client_seconds=0.3):
        silent = [connected(tmp_path) for _ in range(9)]
        try:
            assert ask(tmp_path, "pause", timeout_seconds=120)["text"] == "paused"
            assert silent[0].recv(1) == b""
        finally:
            for client in silent:
                client.close()


def test_fifty_clients_at_once(tmp_path: Path) -> None:
    """Fifty clients at once, with as many half-open ones as the backlog leaves, are all answered."""
    with served(tmp_path) as channel, ThreadPoolExecutor(50) as pool:
        silent = [connected(tmp_path) for _ in range(MAX_CLIENTS // 2)]
        answers = list(
            pool.map(lambda n: ask(tmp_path, "queue_add", {"line": str(n)}, timeout_seconds=120)["text"], range(50))
        )
        assert sorted(answers) == sorted(f"queued {n}" for n in range(50))
        assert len(channel.queue) == 50
        for client in silent:
            client.close()


def test_a_stopped_service_is_told_as_such(tmp_path: Path) -> None:
    """A service that hangs makes no client hang: it gets an error after its time, and the service continues when it can."""
    with separate_service(tmp_path) as process:
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(ControlError, match=r"does not answer within 0\.3 s; check its log"):
            ask(tmp_path, "pause", timeout_seconds=0.3)
        process.send_signal(signal.SIGCONT)
        assert ask(tmp_path, "resume", timeout_seconds=120)["text"] == "resumed"


def test_a_full_backlog_is_waited_for_no_longer_than_told(tmp_path: Path) -> None:
    """Where a hanging service has more clients than the kernel keeps, the next one gets an error too."""
    with ClaimedFolder(tmp_path):
        waiting = [connected(tmp_path) for _ in range(BACKLOG + 1)]
        with pytest.raises(ControlError, match="does not answer within"):
            ask(tmp_path, "status", timeout_seconds=0.3)
        for client in waiting:
            client.close()
