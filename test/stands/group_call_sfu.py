"""The far end of a video chat on the loopback: answers a join payload, speaks ICE and DTLS-SRTP, and keeps what it gets.

`Sfu` runs in a thread of the test and can decode what came; `SfuProcess` is one in a child, to be killed and stopped.
It does what Telegram's does as far as a sender sees it: reports what arrived and a bandwidth, without which ntgcalls
would send its smallest layer only, and asks again for the pictures' packets that a busy host has lost.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Self, TypeVar

import aioice.ice
import av
from aiortc.codecs import depayload
from aiortc.rtcdtlstransport import RTCCertificate, RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport
from aiortc.rtcicetransport import RTCIceGatherer, RTCIceParameters, RTCIceTransport
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import (
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtpPacket,
    pack_remb_fci,
    unwrap_rtx,
)

Result = TypeVar("Result")
_VIDEO, _RTX, _OPUS = 100, 101, 111
_ABS_SEND = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
_FEEDBACK = [
    {"type": "goog-remb"},
    {"type": "ccm", "subtype": "fir"},
    {"type": "nack"},
    {"type": "nack", "subtype": "pli"},
]
_H264 = {"profile-level-id": "42e01f", "packetization-mode": 1, "level-asymmetry-allowed": 1}
_MASK = 0xFFFFFFFF
_SPS = b"\0\0\0\x01\x67"
"""In front of each keyframe (ITU-T H.264 annex B, NAL unit type 7)."""
_SO_RCVBUFFORCE = 33
"""From Linux's socket.h: past the host's limit, for those who may."""
_ROOM_BYTES = 8 * 1024 * 1024
"""For what arrives while this process does not run: a keyframe in three layers fills the default of 208 KiB."""
_ASKED_AGAIN_PACKETS = 500
"""How far behind the latest a lost packet is still asked for: a sender keeps a second or so."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded picture of one layer."""

    arrived: float
    """Monotonic seconds of its first packet."""
    rtp_time: int
    frame: av.VideoFrame


class _Dtls(RTCDtlsTransport):
    """Hands RTP and RTCP on instead of routing it to receivers."""

    on_rtp: Callable[[bytes], None]

    async def _handle_rtp_data(self, data: bytes, arrival_time_ms: int) -> None:  # noqa: ARG002 - aiortc gives it by name
        self.on_rtp(data)

    async def _handle_rtcp_data(self, data: bytes) -> None:
        """What the sender reports is not needed."""


class Leg:
    """One participant's connection; belongs to the loop's thread, its records may be read from any."""

    def __init__(self, bits_per_second: int) -> None:
        self._bits_per_second = bits_per_second
        self.packets: dict[int, list[tuple[int, float, RtpPacket]]] = defaultdict(list)
        """By ssrc: unwrapped sequence number, arrival, packet."""
        self.highest: dict[int, int] = {}
        self.missing: dict[int, set[int]] = defaultdict(set)
        """By ssrc of a layer: unwrapped numbers of packets that have not come, and were asked for."""

    async def answer(self, payload: str) -> str:
        """What Telegram answers to a join payload; the connection then makes itself."""
        join = json.loads(payload)
        self.audio_ssrc = join["ssrc"] & _MASK  # ntgcalls writes them as signed numbers
        groups = [group for group in join["ssrc-groups"] if group["semantics"] == "SIM"]
        self.layers = [ssrc & _MASK for group in groups for ssrc in group["sources"]]
        repeats = [group["sources"] for group in join["ssrc-groups"] if group["semantics"] == "FID"]
        self._repeated = {again & _MASK: first & _MASK for first, again in repeats}
        gatherer = RTCIceGatherer(iceServers=[])
        await gatherer.gather()
        self.ice = RTCIceTransport(gatherer)
        self.ice._connection.ice_controlling = True  # ntgcalls is the controlled side
        self.dtls = _Dtls(self.ice, [RTCCertificate.generateCertificate()])
        self.dtls._set_role("client")  # ntgcalls is passive
        self.dtls.on_rtp = self._on_rtp
        self.task = asyncio.create_task(self._run(join))
        return json.dumps(self._described(gatherer))

    def _described(self, gatherer: RTCIceGatherer) -> dict[str, Any]:
        local, candidate = gatherer.getLocalParameters(), gatherer.getLocalCandidates()[0]
        prints = self.dtls.getLocalParameters().fingerprints
        fingerprint = next(one.value for one in prints if one.algorithm == "sha-256")
        video = {"id": _VIDEO, "name": "H264", "clockrate": 90000, "channels": 1, "parameters": _H264}
        extensions = [{"id": 2, "uri": _ABS_SEND}]
        return {
            "transport": {
                "xmlns": "urn:xmpp:jingle:transports:ice-udp:1",
                "rtcp-mux": True,
                "ufrag": local.usernameFragment,
                "pwd": local.password,
                "fingerprints": [{"hash": "sha-256", "setup": "active", "fingerprint": fingerprint}],
                "candidates": [
                    {
                        "component": "1",
                        "foundation": "1",
                        "generation": "0",
                        "id": "0",
                        "ip": candidate.ip,
                        "network": "1",
                        "port": str(candidate.port),
                        "priority": "2130706431",
                        "protocol": "udp",
                        "type": "host",
                    }
                ],
            },
            "audio": {
                "payload-types": [
                    {
                        "id": _OPUS,
                        "name": "opus",
                        "clockrate": 48000,
                        "channels": 2,
                        "parameters": {"minptime": 10, "useinbandfec": 1},
                    }
                ],
                "rtp-hdrexts": extensions,
            },
            "video": {
                "endpoint": "stand",
                "server_sources": [],
                "payload-types": [
                    {**video, "rtcp-fbs": _FEEDBACK},
                    {"id": _RTX, "name": "rtx", "clockrate": 90000, "channels": 1, "parameters": {"apt": _VIDEO}},
                ],
                "rtp-hdrexts": extensions,
            },
        }

    async def _run(self, join: dict[str, Any]) -> None:
        # aioice fails at once on an empty check list.
        while not self.ice._connection._early_checks:  # noqa: ASYNC110 - it has no event for it
            await asyncio.sleep(0.002)
        await self.ice.start(RTCIceParameters(usernameFragment=join["ufrag"], password=join["pwd"]))
        for protocol in self.ice._connection._protocols:
            self._make_room(protocol.transport.get_extra_info("socket"))
        prints = [RTCDtlsFingerprint(one["hash"], one["fingerprint"]) for one in join["fingerprints"]]
        await self.dtls.start(RTCDtlsParameters(prints))
        while self.dtls.state == "connected":
            reports = [RtcpReceiverInfo(ssrc, 0, 0, top & _MASK, 0, 0, 0) for ssrc, top in self.highest.items()]
            bandwidth = pack_remb_fci(self._bits_per_second, self.layers)
            asked = [
                RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=ssrc, lost=[number & 0xFFFF for number in sorted(numbers)])
                for ssrc, numbers in self.missing.items()
                if numbers
            ]
            await self.dtls._send_rtp(
                bytes(RtcpRrPacket(ssrc=1, reports=reports))
                + bytes(RtcpPsfbPacket(fmt=15, ssrc=1, media_ssrc=0, fci=bandwidth))
                + b"".join(bytes(one) for one in asked)
            )
            await asyncio.sleep(0.1 if asked else 0.25)

    @staticmethod
    def _make_room(udp: Any) -> None:
        try:
            udp.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _ROOM_BYTES)
        except PermissionError:
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM_BYTES)

    def _on_rtp(self, data: bytes) -> None:
        packet = RtpPacket.parse(data)
        if packet.ssrc in self._repeated:
            if len(packet.payload) <= 2:
                return
            packet = unwrap_rtx(packet, _VIDEO, self._repeated[packet.ssrc])
        number, ssrc = packet.sequence_number, packet.ssrc
        if ssrc not in self.layers and ssrc != self.audio_ssrc:
            return
        old = self.highest.get(ssrc, number)
        full = old + ((number - old + 0x8000) & 0xFFFF) - 0x8000
        if ssrc in self.layers:
            missing = self.missing[ssrc]
            missing.update(range(old + 1, full))
            if ssrc in self.highest and full <= old and full not in missing:
                return  # asked for twice, or of before `begin_anew`
            missing.discard(full)
            missing -= {lost for lost in missing if lost < full - _ASKED_AGAIN_PACKETS}
        self.highest[ssrc] = max(old, full)
        self.packets[ssrc].append((full, time.monotonic(), packet))

    async def begin_anew(self) -> None:
        """Forget all packets, and ask for a keyframe in each layer, since none comes by itself."""
        self.packets.clear()
        self.missing.clear()
        for ssrc in self.layers:
            await self.dtls._send_rtp(bytes(RtcpPsfbPacket(fmt=1, ssrc=1, media_ssrc=ssrc)))

    async def close(self) -> None:
        """Hang up."""
        self.task.cancel()
        await self.dtls.stop()
        await self.ice.stop()


class Sfu:
    """A context with the far end in a thread; each join makes a new leg."""

    def __init__(self, *, bits_per_second: int = 3_000_000) -> None:
        aioice.ice.get_host_addresses = lambda **_kinds: ["127.0.0.1"]  # aioice leaves the loopback out
        self._bits_per_second = bits_per_second
        self.legs: list[Leg] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sfu", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        for leg in self.legs:
            self._do(leg.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def answer(self, payload: str) -> str:
        """Somebody joins; what `World.answer_join` of the loopback Telegram wants."""
        leg = Leg(self._bits_per_second)
        answer = str(self._do(leg.answer(payload)))
        self.legs.append(leg)
        return answer

    @property
    def leg(self) -> Leg:
        """The latest."""
        return self.legs[-1]

    def begin_anew(self) -> None:
        """Forget what came to the latest leg; pictures can be decoded from the next keyframe, which is asked for."""
        self._do(self.leg.begin_anew())

    def pictures(self, layer: int | None = None) -> list[Picture]:
        """The pictures of one layer of the latest leg, decoded; of the largest that is sent where none is named.

        Small pictures are sent in fewer layers than Telegram allows, so the last may be empty.
        """
        leg = self.leg
        if layer is None:
            layer = max((number for number, ssrc in enumerate(leg.layers) if leg.packets[ssrc]), default=0)
        parameters = RTCRtpCodecParameters(mimeType="video/H264", clockRate=90000, payloadType=_VIDEO)
        units: dict[int, tuple[float, bytes]] = {}
        for _, arrived, packet in sorted(leg.packets[leg.layers[layer]], key=lambda one: one[0]):
            if packet.payload:
                first, data = units.get(packet.timestamp, (arrived, b""))
                units[packet.timestamp] = (first, data + depayload(parameters, packet.payload))
        # After a restart, what comes before the requested keyframe cannot be decoded.
        first = next((at for at, (_, data) in enumerate(units.values()) if _SPS in data), len(units))
        codec = av.VideoCodecContext.create("h264", "r")
        return [
            Picture(arrived, rtp_time, frame)
            for rtp_time, (arrived, data) in islice(units.items(), first, None)
            for frame in codec.decode(av.Packet(data))
        ]

    def sound(self) -> list[tuple[int, av.AudioFrame]]:
        """The sound of the latest leg, decoded: RTP time of each packet, and its samples."""
        leg = self.leg
        codec = av.AudioCodecContext.create("opus", "r")
        codec.sample_rate, codec.layout = 48000, "stereo"
        ordered = sorted(leg.packets[leg.audio_ssrc], key=lambda one: one[0])
        return [
            (packet.timestamp, frame)
            for _, _, packet in ordered
            if packet.payload
            for frame in codec.decode(av.Packet(packet.payload))
        ]

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(120)


class SfuProcess:
    """A context with the far end in a process of its own, for faults: `kill`, `freeze`, `thaw`."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._lock = threading.Lock()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self._pipe.recv()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.kill()

    def answer(self, payload: str) -> str:
        """Somebody joins."""
        return str(self._ask(payload))

    def packets(self) -> int:
        """How many have come to the latest leg, of sound and pictures."""
        return sum(self._ask(None))

    def sizes(self) -> list[int]:
        """How many packets of pictures have come to the latest leg, by layer, smallest first."""
        return list(self._ask(None))[1:]

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.join()

    def freeze(self) -> None:
        """SIGSTOP."""
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def _ask(self, question: str | None) -> Any:
        with self._lock:
            self._pipe.send(question)
            assert self._pipe.poll(10), "the far end does not answer"
            return self._pipe.recv()


def _serve(pipe: Any) -> None:
    with Sfu() as sfu:
        pipe.send("ready")
        while True:
            try:
                question = pipe.recv()
            except EOFError:
                return
            if question is None:
                ssrcs = [sfu.leg.audio_ssrc, *sfu.leg.layers] if sfu.legs else []
                pipe.send([len(sfu.leg.packets[ssrc]) for ssrc in ssrcs])
            else:
                pipe.send(sfu.answer(question))
