"""Two hosts with one Telegram session: only the host on air uses it, and the other one continues its live stream."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from stands import secrets
from stands.fleet import CHANNEL
from stands.nats_server import NatsServer
from stands.nginx_rtmp import NginxRtmp
from stands.numbered import Plan, make_clip
from stands.service import Service, running
from stands.telegram_dc.server import StreamState, TelegramStand

KEY = "telegram-key"
CREATE, RTMP_URL = "phone.createGroupCall", "phone.getGroupCallStreamRtmpUrl"


def _confirmed(status: dict[str, Any]) -> bool:
    found = next(one for one in status["outputs"] if one["name"] == "telegram-1")
    return (found["state"], found["delivery"]) == ("on_air", "confirmed")


def _lines_to_telegram(service: Service, stand: TelegramStand) -> int:
    """How many connections the service has to Telegram's servers."""
    ports = set(stand.world.ports.values())
    connections = psutil.Process(service.process.pid).net_connections("tcp")
    return sum(one.status == psutil.CONN_ESTABLISHED and one.raddr.port in ports for one in connections)


@pytest.mark.timeout(300)
def test_the_live_stream_goes_on_from_another_host(tmp_path: Path) -> None:
    """The standby has no connection to Telegram. After a kill it continues the same live stream with the key that was copied."""
    secrets.never_shown_here(KEY)
    clip = make_clip(tmp_path / "item.mp4", Plan(item_id=1, frames=1500))
    (tmp_path / "playlist.txt").write_text(f"{clip}\n")
    with TelegramStand() as stand, NginxRtmp(tmp_path / "nginx") as nginx, NatsServer(tmp_path / "nats") as nats:
        stand.do(lambda: setattr(stand.world, "stream", StreamState.ADVANCING))
        stand.do(lambda: setattr(stand.chat(), "rtmp", (f"rtmp://127.0.0.1:{nginx.port}/live", KEY)))
        settings = stand.settings(stand.session_string()) | {
            "CHAT_ID": "@testchan",
            "TELEGRAM_TRANSPORT": "rtmp",
            "OUTPUTS": "telegram",
            "PLAYLIST": str(tmp_path / "playlist.txt"),
            "VIDEO_SIZE": "320x180",
            "FRAME_RATE": "25",
            "PREPARE_PRESET": "ultrafast",
            "FLEET": nats.url,
            "CHANNEL": CHANNEL,
        }
        with (
            running(tmp_path / "a", {**settings, "HOST_NAME": "a"}) as first,
            running(tmp_path / "b", {**settings, "HOST_NAME": "b"}) as second,
        ):
            holder, other = _roles(first, second)
            holder.wait_for(_confirmed, what="confirmed by Telegram")
            assert (_lines_to_telegram(holder, stand) > 0, _lines_to_telegram(other, stand)) == (True, 0)
            created, asked = len(stand.asked(CREATE)), len(stand.asked(RTMP_URL))
            # The chat and its key are on the other host's side within two seconds.
            holder.wait_for(lambda status: status["position_seconds"] > 8, what="some seconds more")
            holder.process.send_signal(signal.SIGKILL)
            holder.process.wait()
            other.wait_for(_confirmed, what="confirmed from the other host")
            assert len(stand.asked(CREATE)) == created, "the same live stream"
            assert len(stand.asked(RTMP_URL)) == asked, "with the key that was copied"
            assert _lines_to_telegram(other, stand) > 0
            assert not other.status()["degraded"]
            assert KEY not in first.log + second.log
            assert other.stop() == 0


def _roles(first: Service, second: Service) -> tuple[Service, Service]:
    """Who is on air, and who stands by; both were started at once."""
    first.wait_for(lambda status: status["fleet"]["holder"] != "", what="a holder")
    name = first.status()["fleet"]["holder"]
    holder, other = (first, second) if name == "a" else (second, first)
    other.wait_for(lambda status: status["channel_state"] == "standby", what="a standby")
    return holder, other
