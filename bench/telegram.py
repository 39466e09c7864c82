"""What Telegram costs the main process, and how soon a spare session has the channel back on air.

Run it with `python bench/telegram.py`, or with `--quick`.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "test"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.channel import channel
from bench.inputs import film
from bench.report import Table

from stands.group_call_sfu import SfuProcess
from stands.nginx_rtmp import NginxRtmp
from stands.service import Service
from stands.telegram_dc.server import TelegramStand
from stands.waiting import wait_until

MOST_MEGABYTES, MOST_SECONDS = 120, 5.0


def measure(folder: Path, *, quick: bool) -> Table:
    """The table: half a minute on air over RTMP, 10 s where it must be quick, then a lost session in RTMP and in a video chat."""
    source = film(folder / "film" / "film.mp4", seconds=20.0)
    memory, rtmp_seconds = _live_stream(folder / "rtmp", source, seconds=10.0 if quick else 30.0)
    call_cycle_seconds, call_seconds = _video_chat(folder / "call", source)
    most = f"{MOST_MEGABYTES} MB"
    limit = f"{MOST_SECONDS:g} s"
    return Table(
        question="What does Telegram cost the main process, and how soon does a spare session take over?",
        columns=("720p over the loopback Telegram", "measured", "at most"),
        rows=(
            ("main process, most resident memory (RSS)", f"{memory['Rss'] / 1e6:.0f} MB", most),
            ("main process, most proportional memory (PSS)", f"{memory['Pss'] / 1e6:.0f} MB", most),
            ("live stream: cycle to a session that works", f"{rtmp_seconds:.2f} s", limit),
            ("video chat: cycle to a session that works", f"{call_cycle_seconds:.2f} s", limit),
            ("video chat: cycle to media at the far end again", f"{call_seconds:.2f} s", limit),
        ),
        notes=(
            "The service encodes a film, publishes it to the URL of a loopback Telegram, and has its page open; the main",
            "process is the one without its ffmpeg and worker children. A live stream stays on air while its session is away.",
        ),
    )


def _live_stream(folder: Path, source: Path, *, seconds: float) -> tuple[dict[str, int], float]:
    """The main process's peaks, and the seconds of the renewal."""
    folder.mkdir(parents=True)
    with NginxRtmp(folder / "nginx") as nginx, TelegramStand() as stand:
        stand.do(lambda: setattr(stand.chat(), "rtmp", (f"rtmp://127.0.0.1:{nginx.port}/live", "5001:bench-key")))
        with channel(folder / "service", [source], "telegram", **_settings(stand, "rtmp")) as service:
            service.wait_on_air(timeout=60)
            peaks = {"Rss": 0, "Pss": 0}
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                service.status()
                for name, value in _memory(service.process.pid).items():
                    peaks[name] = max(peaks[name], value)
                time.sleep(0.5)
            _lose_session(stand)
            _renewed(service)
            return peaks, _cycle_seconds(service)


def _video_chat(folder: Path, source: Path) -> tuple[float, float]:
    """Seconds from the cycle to a session, and to media at the far end."""
    folder.mkdir(parents=True)
    with SfuProcess() as sfu, TelegramStand() as stand:
        stand.world.answer_join = sfu.answer
        with channel(folder / "service", [source], "telegram", **_settings(stand, "call")) as service:
            service.wait_on_air(timeout=60)
            wait_until(lambda: sfu.packets() > 20, what="media at the far end")
            joins = len(stand.asked("phone.joinGroupCall"))
            _lose_session(stand)
            wait_until(
                lambda: len(stand.asked("phone.joinGroupCall")) > joins, timeout=30, every=0.02, what="joined again"
            )
            # The counter of the far end begins anew with each join.
            before = sfu.packets()
            wait_until(
                lambda: sfu.packets() != before and sfu.packets() > 0, timeout=30, every=0.02, what="media again"
            )
            arrived = time.time()
            _renewed(service)
            return _cycle_seconds(service), arrived - _moment(service, "SessionExpired")


def _settings(stand: TelegramStand, transport: str) -> dict[str, str]:
    return stand.settings(stand.session_string()) | {
        "SESSION_STRING_SPARE": stand.session_string(),
        "CHAT_ID": "@testchan",
        "TELEGRAM_TRANSPORT": transport,
        "VIDEO_QUALITY": "720p",
        "LOG_FORMAT": "json",
    }


def _lose_session(stand: TelegramStand) -> None:
    """The first session ends at Telegram; the spare, which is the last key that was made, does not."""

    def revoke() -> None:
        first = next(iter(stand.world.keys.values()))
        first.revoked = (401, "SESSION_EXPIRED")

    stand.do(revoke)
    stand.drop()


def _renewed(service: Service) -> None:
    wait_until(lambda: _events(service, "the spare session was promoted"), timeout=30, what="the spare took over")
    wait_until(lambda: not service.status().get("degraded", True), timeout=30, what="not degraded")


def _events(service: Service, beginning: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in service.log.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"].startswith(beginning)]


def _cycle_seconds(service: Service) -> float:
    """From the log: the end of the session to the next one that works."""
    return _moment(service, "telegram session works") - _moment(service, "SessionExpired")


def _moment(service: Service, beginning: str) -> float:
    """When the log last told it, in seconds since 1970."""
    return datetime.fromisoformat(_events(service, beginning)[-1]["timestamp"]).timestamp()


def _memory(pid: int) -> dict[str, int]:
    """Resident and proportional set size of one process in bytes (proc(5))."""
    lines = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    values = {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines}
    return {name: values[name] for name in ("Rss", "Pss")}


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        print(measure(Path(folder), quick="--quick" in sys.argv).markdown())


if __name__ == "__main__":
    main()
