"""A service on air whose Telegram gives odd answers: it heals, its status is true, and its other outputs see nothing of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stands import secrets
from stands.clips import MINUTE
from stands.flv_record import whole_tags
from stands.nginx_rtmp import NginxRtmp
from stands.numbered import make_clip
from stands.recording import read_recording, slot_faults
from stands.service import Service, running
from stands.telegram_dc.server import StreamState, TelegramStand
from stands.telegram_dc.world import BadMessage

KEY = "telegram-key"
STATE, CALL = "updates.getState", "phone.getGroupCall"


@pytest.fixture
def stand() -> Iterator[TelegramStand]:
    """A Telegram of the test's own, whose servers get the stream."""
    with TelegramStand() as running_stand:
        running_stand.do(lambda: setattr(running_stand.world, "stream", StreamState.ADVANCING))
        yield running_stand


def _telegram(status: dict[str, Any]) -> dict[str, Any]:
    return next(one for one in status["outputs"] if one["name"] == "telegram-1")


def _confirmed(status: dict[str, Any]) -> bool:
    found = _telegram(status)
    return (found["state"], found["delivery"], status["session_state"]) == ("on_air", "confirmed", "valid")


def _ended_in_silence(service: Service, stand: TelegramStand) -> None:
    """The live stream is ended, and no update says so: the watch finds it, makes a new one, and claims nothing meanwhile."""
    asked, false = len(stand.asked(CALL)), []
    stand.do(lambda: setattr(stand.chat(), "call", None))

    def made_anew(status: dict[str, Any]) -> bool:
        if stand.chat().call is not None:
            return True
        # The second look has an answer; what is claimed after a third is false.
        false.extend([status] if _confirmed(status) and len(stand.asked(CALL)) > asked + 2 else [])
        return False

    service.wait_for(made_anew, what="a new live stream")
    service.wait_for(_confirmed, what="confirmed again")
    assert false == []


@pytest.mark.long
def test_odd_answers_heal(stand: TelegramStand, tmp_path: Path) -> None:
    """GetGroupCall refused as a message, a heartbeat refused, a cut line: a new live stream each time, a true status, no fault."""
    secrets.never_shown_here(KEY)
    make_clip(tmp_path / "item.mp4", MINUTE)
    (tmp_path / "playlist.txt").write_text(f"{tmp_path / 'item.mp4'}\n")
    with NginxRtmp(tmp_path / "nginx") as nginx:
        stand.do(lambda: setattr(stand.chat(), "rtmp", (f"rtmp://127.0.0.1:{nginx.port}/live", KEY)))
        settings = stand.settings(stand.session_string()) | {
            "CHAT_ID": "@testchan",
            "TELEGRAM_TRANSPORT": "rtmp",
            "OUTPUTS": f"telegram {nginx.url('plain')}",
            "PLAYLIST": str(tmp_path / "playlist.txt"),
            "MEDIA_DIRS": str(tmp_path),
            "VIDEO_SIZE": "320x180",
            "FRAME_RATE": "25",
        }
        with running(tmp_path / "service", settings) as service:
            service.wait_for(_confirmed, what="confirmed")
            stand.inject(STATE, (400, "A_NEW_WORD"))
            stand.inject(CALL, BadMessage(20))
            _ended_in_silence(service, stand)
            service.wait_for(lambda status: status["session_state"] == "restricted", what="the heartbeat is refused")
            assert _telegram(service.status())["state"] == "on_air"
            stand.drop()
            service.wait_for(_confirmed, what="connected again")
            _ended_in_silence(service, stand)
            status = service.status()
            assert not status["degraded"]
            assert next(one for one in status["outputs"] if one["name"] == "rtmp-1")["reconnects"] == 0
            assert service.stop() == 0
            assert "Traceback" not in service.log
        (plain,) = [path for path in nginx.records() if path.name.startswith("plain")]
        assert slot_faults(read_recording(whole_tags(plain, tmp_path / "copy.flv"))) == []
