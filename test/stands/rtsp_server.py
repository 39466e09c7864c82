"""A camera on loopback: an RTSP server that sends a clip over TCP, in real time, to one visitor after the other.

with RtspCamera(clip, folder) as camera:
    camera.url()       # what goes into a playlist
    camera.cut()       # ends the session without a goodbye

ffmpeg packs the clip into RTP; this server speaks RTSP (RFC 2326) and interleaves the packets (section 10.12).
"""

from __future__ import annotations

import re
import select
import socket
import subprocess
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

from stands.numbered import any_ffmpeg
from stands.ports import free_port
from stands.waiting import wait_until

_SENDER_REPORT = 200


class RtspCamera:
    """A context in which the server runs."""

    def __init__(self, clip: Path, folder: Path, *, password: str = "", sets_clock: bool = False) -> None:
        """With a `password` only the user `viewer` with it may watch (Basic).

        `sets_clock`: from its second report on, some seconds into the session, the camera's clock is an hour ahead.
        """
        self.sets_clock = sets_clock
        self._clip = clip
        self._folder = folder
        self.password = password
        self.port = free_port()
        self.visitors = 0
        self.transports: list[str] = []
        """What the visitors have asked for."""
        self.clocks_set: set[int] = set()
        """The channels whose reports have the later time."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._connections: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, name="rtsp", daemon=True)
        self._closing = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._closing = True
        self.cut()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def url(self) -> str:
        """Where the clip is."""
        user = f"viewer:{self.password}@" if self.password else ""
        return f"rtsp://{user}127.0.0.1:{self.port}/camera?channel=1"

    def cut(self) -> None:
        """End every session at once."""
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        while not self._closing:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            self.visitors += 1
            with connection, suppress(OSError, ConnectionError):
                _Session(connection, self._clip, self._folder, self).run()


class _Session:
    """One visitor."""

    def __init__(self, connection: socket.socket, clip: Path, folder: Path, camera: RtspCamera) -> None:
        self._connection = connection
        self._clip = clip
        self._sdp = folder / f"camera-{camera.visitors}.sdp"
        self._camera = camera
        self._reports: dict[int, int] = {}

    def run(self) -> None:
        """Answer until the visitor leaves."""
        with ExitStack() as stack:
            sockets = [_bound_pair(stack) for _ in range(2)]
            ports = [pair[0].getsockname()[1] for pair in sockets]
            playing = False
            rest = b""
            while True:
                waiting = [self._connection, *(one for pair in sockets for one in pair)]
                ready, _, _ = select.select(waiting, [], [], 5.0)
                for channel, pair in enumerate(sockets):
                    for offset, one in enumerate(pair):
                        if one in ready:
                            packet = one.recv(65536)
                            if playing:
                                number = 2 * channel + offset
                                packet = self._stamped(packet, number)
                                self._connection.sendall(
                                    b"$" + bytes([number]) + len(packet).to_bytes(2, "big") + packet
                                )
                if self._connection not in ready:
                    continue
                data = self._connection.recv(65536)
                if not data:
                    return
                rest += data
                while b"\r\n\r\n" in rest and not rest.startswith(b"$"):
                    head, _, rest = rest.partition(b"\r\n\r\n")
                    playing = self._answer(head.decode(), ports, stack) or playing
                if rest.startswith(b"$"):
                    rest = b""

    def _stamped(self, packet: bytes, number: int) -> bytes:
        """A sender report (RFC 3550, section 6.4.1) with the camera's clock; every other packet as it is."""
        if packet[1] != _SENDER_REPORT or not self._camera.sets_clock:
            return packet
        self._reports[number] = self._reports.get(number, 0) + 1
        if self._reports[number] == 1:
            return packet
        self._camera.clocks_set.add(number)
        seconds = int.from_bytes(packet[8:12], "big") + 3600
        return packet[:8] + seconds.to_bytes(4, "big") + packet[12:]

    def _answer(self, request: str, ports: list[int], stack: ExitStack) -> bool:
        """Answer one request; True from PLAY on."""
        method = request.split(" ", 1)[0]
        sequence = re.search(r"(?im)^CSeq: *(\d+)", request)
        more, body, status = "", "", "200 OK"
        if self._camera.password and "authorization: basic" not in request.lower() and method != "OPTIONS":
            status, more = "401 Unauthorized", 'WWW-Authenticate: Basic realm="camera"\r\n'
        elif method == "OPTIONS":
            more = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
        elif method == "DESCRIBE":
            body = self._describe(ports, stack)
            more = f"Content-Base: {self._camera.url().split('@')[-1]}/\r\nContent-Type: application/sdp\r\n"
            more = more.replace("Content-Base: 127", "Content-Base: rtsp://127")
        elif method == "SETUP":
            transport = re.search(r"(?im)^Transport: *(.+)$", request)
            assert transport is not None
            self._camera.transports.append(transport[1].strip())
            more = f"Transport: {transport[1].strip()}\r\nSession: 1\r\n"
        elif method == "PLAY":
            more = "Session: 1\r\nRange: npt=0.000-\r\n"
        number = sequence[1] if sequence else "0"
        head = f"RTSP/1.0 {status}\r\nCSeq: {number}\r\n{more}"
        head += f"Content-Length: {len(body)}\r\n" if body else ""
        self._connection.sendall(f"{head}\r\n{body}".encode())
        return method == "PLAY" and status == "200 OK"

    def _describe(self, ports: list[int], stack: ExitStack) -> str:
        if not self._sdp.exists():
            command = [
                any_ffmpeg(),
                "-nostdin",
                "-loglevel",
                "error",
                "-re",
                "-stream_loop",
                "-1",
                "-i",
                str(self._clip),
            ]
            command += ["-map", "0:v", "-c", "copy", "-f", "rtp", f"rtp://127.0.0.1:{ports[0]}"]
            command += ["-map", "0:a", "-c", "copy", "-f", "rtp", f"rtp://127.0.0.1:{ports[1]}"]
            process = subprocess.Popen([*command, "-sdp_file", str(self._sdp)], stdin=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.kill)
            wait_until(lambda: self._sdp.exists() and self._sdp.read_text().count("m=") == 2, what="the SDP")
        lines: list[str] = []
        for line in self._sdp.read_text().splitlines():
            if line.startswith("SDP:"):
                continue
            if line.startswith("m="):
                count = sum(one.startswith("m=") for one in lines)
                lines += [re.sub(r"^(m=\w+) \d+", r"\1 0", line), f"a=control:streamid={count}"]
            else:
                lines.append(line)
        return "\r\n".join(lines) + "\r\n"


def _bound_pair(stack: ExitStack) -> tuple[socket.socket, socket.socket]:
    """An even port for RTP and the next one for RTCP."""
    while True:
        first = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        first.bind(("127.0.0.1", 0))
        port = first.getsockname()[1]
        second = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with suppress(OSError):
            if port % 2 == 0:
                second.bind(("127.0.0.1", port + 1))
                return stack.enter_context(first), stack.enter_context(second)
        first.close()
        second.close()
