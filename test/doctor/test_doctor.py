"""The doctor: each problem has a line with a remedy, and the exit code reports whether there is one."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from stands.called_site import called_site
from stands.ports import free_port
from stands.pot_provider import Provider
from stands.service import COMMAND
from stands.small_channel import SmallChannel, served
from stands.telegram_dc.server import TelegramStand
from stands.telegram_dc.world import API_HASH, PHONE
from tg_video_streamer.doctor.check import playlist_problems
from tg_video_streamer.doctor.checkup import findings
from tg_video_streamer.doctor.finding import Finding, Verdict, problem
from tg_video_streamer.doctor.host import (
    clock_finding,
    disk_findings,
    ingest_finding,
    port_finding,
    service_findings,
    space_finding,
    srt_finding,
)
from tg_video_streamer.doctor.network import check_outputs, folder_finding
from tg_video_streamer.doctor.programs import check_plugins, speed_finding, ytdlp_finding
from tg_video_streamer.doctor.session import check_session
from tg_video_streamer.ingest.address import parse_ingest
from tg_video_streamer.ingest.srt_address import parse_srt
from tg_video_streamer.locales.message import Message
from tg_video_streamer.locales.translator import LANGUAGES, Translator
from tg_video_streamer.settings.settings import Settings, load_settings
from tg_video_streamer.telegram.session.renewal_command import RENEW

CANARY = "CANARYsecretCANARY"
EN, RU = Translator(), Translator(language=LANGUAGES["ru"])
YEAR_2026 = 1_780_000_000.0


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Settings for a host on which all is well, with an output that the caller must listen for."""
    playlist = folder / "playlist.txt"
    if not playlist.exists():
        (folder / "clip.mp4").touch()
        playlist.write_text("clip.mp4\n")
    return {
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
        "STATE_DIR": str(folder / "state"),
        "PLAYLIST": str(playlist),
        "VIDEO_QUALITY": "480p",
        "FRAME_RATE": "25",
        "WEB_PORT": "0",
        "PROMETHEUS_PORT": "0",
        **more,
    }


def settings_of(folder: Path, **more: str) -> Settings:
    """The same, loaded."""
    return load_settings(None, environment(folder, **more)).settings


def doctor(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """The installed command."""
    return subprocess.run(
        [COMMAND, "doctor", *arguments],
        env=environment(folder, **more),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@contextmanager
def listening() -> Iterator[int]:
    """A port of loopback that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def only(found: Sequence[Finding], about: str) -> Finding:
    """The one finding about a thing."""
    (one,) = [finding for finding in found if str(finding.about) == about]
    return one


def lines_about(result: subprocess.CompletedProcess[str], about: str) -> list[str]:
    """The printed lines about a thing."""
    return [line for line in result.stdout.splitlines() if line[9:].startswith(f"{about}: ")]


# The command


def test_all_is_well(tmp_path: Path) -> None:
    """With all in order every thing has a line, a test message arrives, and the exit code is 0."""
    with called_site() as site, listening() as port:
        result = doctor(
            tmp_path,
            OUTPUTS=f"rtmp://127.0.0.1:{port}/live/{CANARY}",
            NOTIFY_URLS=f"json://127.0.0.1:{site.port}/{CANARY}",
            HEARTBEAT_URL=f"http://127.0.0.1:{site.port}/{CANARY}",
        )
        problems = [line for line in result.stdout.splitlines() if line.startswith("problem")]
        # Whether this host encodes fast enough is true of the host.
        assert all(line in lines_about(result, "encoder") for line in problems), result.stdout
        assert result.returncode == bool(problems)
        assert result.stderr == ""
        abouts = [line[9:].partition(":")[0] for line in result.stdout.splitlines()]
        order = [
            "settings",
            "ffmpeg",
            "encoder",
            "encoder",
            "yt-dlp",
            "JavaScript",
            "playlist",
            "FRAME_RATE",
            "ports",
            "ports",
            "STATE_DIR",
        ]
        assert abouts == [*order, "output rtmp-1", "heartbeat", "clock", "session", "notifications", "service"]
        assert site.texts == ["this is a test: alerts will arrive here"]
        # The heartbeat says that the channel is on air, so the doctor must not send it.
        assert [call.method for call in site.calls] == ["POST"]
    assert CANARY not in result.stdout


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    """One run names every fault with a remedy, shows nothing secret, and ends with 1."""
    (tmp_path / "playlist.txt").write_text("missing.mp4\n")
    result = doctor(
        tmp_path,
        "--no-notify",
        OUTPUTS=f"rtmp://127.0.0.1:{free_port()}/live/{CANARY} file:{tmp_path}/away/never/x.mkv",
        FFMPEG_ARGS="-preset nonsense",
        NOTIFY_URLS=f"json://127.0.0.1:{free_port()}/{CANARY}",
    )
    assert (result.returncode, result.stderr) == (1, "")
    assert "connection refused; check the address" in lines_about(result, "output rtmp-1")[0]
    assert lines_about(result, "playlist")[0].startswith("problem  playlist: ")
    assert any(line.startswith("problem") and "nonsense" in line for line in lines_about(result, "encoder"))
    assert lines_about(result, "notifications") == []
    assert CANARY not in result.stdout


def test_wrong_settings_are_findings(tmp_path: Path) -> None:
    """Where the settings cannot be used each has its line, and the exit code is 1."""
    result = doctor(tmp_path, BUFFER_SECONDS="lots", NOTIFY_URLS=CANARY, HEARTBEAT_URL="http://a:b/")
    assert (result.returncode, result.stderr) == (1, "")
    assert sorted(line.split(":")[1] for line in result.stdout.splitlines()) == [
        " BUFFER_SECONDS",
        " HEARTBEAT_URL",
        " NOTIFY_URLS",
    ]
    assert CANARY not in result.stdout


def test_without_any_settings_the_first_step_is_reported(tmp_path: Path) -> None:
    """A newcomer's `doctor` says what to create."""
    result = subprocess.run(
        [COMMAND, "doctor"], env={"HOME": str(tmp_path)}, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "cp .env.template .env" in result.stdout


def test_a_running_service_is_asked(tmp_path: Path) -> None:
    """The ports of a running service are no problem, and its own state is reported."""
    state = tmp_path / "state"
    state.mkdir()
    with served(state), listening() as port:
        result = doctor(tmp_path, "--no-notify", WEB_PORT=str(port))
    assert lines_about(result, "ports")[0].startswith(f"ok       ports: WEB_PORT {port} is in use, and the service")
    assert lines_about(result, "service") == [
        "ok       service: version 0.1.0 runs: on air",
        "warning  service: playlist line 7: no such file",
    ]


# What the page will show as well


async def test_findings_are_values_and_the_session_has_its_place(tmp_path: Path) -> None:
    """The same facts come as values; the check of the session stands between clock and service."""

    async def check(_settings: Settings) -> list[Finding]:
        return [problem("session", Message.raw("SessionExpired"))]

    found = await findings(settings_of(tmp_path), warnings=["unknown key X: ignored"], session=check)
    assert only(found, "settings").verdict is Verdict.WARNING
    assert only(found, "session").line(EN) == "problem  session: SessionExpired"
    assert [str(one.about) for one in found][-3:] == ["clock", "session", "service"]


async def test_every_kind_of_output_is_checked(tmp_path: Path) -> None:
    """Hosts are connected to, folders are tried, names are looked up; together they take no longer than the slowest."""
    with listening() as port:
        settings = settings_of(
            tmp_path,
            OUTPUTS=f"rtmp://127.0.0.1:{port}/a/b srt://127.0.0.1:{port} hls:{tmp_path}/hls file:{tmp_path}/x.mkv",
        )
        found = await asyncio.wait_for(check_outputs(settings), 30)
    assert [(str(one.about), one.verdict) for one in found] == [
        ("output rtmp-1", Verdict.OK),
        ("output srt-1", Verdict.OK),
        ("output hls-1", Verdict.OK),
        ("output file-1", Verdict.OK),
    ]
    settings = settings_of(tmp_path, OUTPUTS="rtmp://a..b/live/key")
    assert (await check_outputs(settings))[0].verdict is Verdict.PROBLEM
    assert [one.verdict for one in await check_outputs(settings_of(tmp_path))] == [Verdict.WARNING]


def test_a_finding_has_the_language_of_its_reader() -> None:
    """Verdict, subject, text and remedy are in one language; a secret is masked in every language."""
    found = port_finding("WEB_PORT", "a..b", 1, own=False)
    assert found.line(EN) == "problem  ports: a..b is no address for WEB_PORT; correct WEB_HOST"
    masked = found.map_texts(lambda text: text.replace("a..b", "***"))
    assert masked.line(RU) == "неисправность  порты: *** не подходит как адрес для WEB_PORT; исправьте WEB_HOST"
    assert "a..b" not in str(masked)


# Single facts


def test_a_port_that_is_taken_is_a_warning() -> None:
    """The service takes the next one, so a taken port is a warning; an address that is none is a problem."""
    with listening() as port:
        assert port_finding("WEB_PORT", "127.0.0.1", port, own=False).verdict is Verdict.WARNING
        assert port_finding("WEB_PORT", "127.0.0.1", port, own=True).verdict is Verdict.OK
    assert port_finding("WEB_PORT", "127.0.0.1", 0, own=False).verdict is Verdict.OK
    for host in ("192.0.2.1", "a..b"):
        wrong = port_finding("WEB_PORT", host, 1, own=False)
        assert (wrong.verdict, str(wrong.remedy)) == (Verdict.PROBLEM, "correct WEB_HOST")


def test_the_address_of_the_live_input_is_checked() -> None:
    """A live stream has no other port to go to: a taken one is a problem, unless the service itself has it."""
    with listening() as port:
        taken = ingest_finding(parse_ingest(f"rtmp://127.0.0.1:{port}/live/{CANARY}"), own=False)
        assert (taken.verdict, str(taken.remedy)) == (
            Verdict.PROBLEM,
            "stop what uses the port, or correct LIVE_INGEST",
        )
        assert ingest_finding(parse_ingest(f"rtmp://127.0.0.1:{port}/live/{CANARY}"), own=True).verdict is Verdict.OK
    assert ingest_finding(parse_ingest(f"rtmp://127.0.0.1:{port}/live/{CANARY}"), own=False).verdict is Verdict.OK
    nowhere = ingest_finding(parse_ingest(f"rtmp://192.0.2.1:1935/live/{CANARY}"), own=True)
    assert nowhere.verdict is Verdict.PROBLEM
    assert CANARY not in f"{taken}{nowhere}"


def test_the_srt_address_of_the_live_input_is_checked() -> None:
    """Its port is one of UDP; a taken one is a problem, unless the service itself has it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        address = parse_srt(f"srt://127.0.0.1:{other.getsockname()[1]}?passphrase={CANARY}")
        taken = srt_finding(address, own=False)
        assert taken.verdict is Verdict.PROBLEM
        assert srt_finding(address, own=True).verdict is Verdict.OK
    assert srt_finding(address, own=False).verdict is Verdict.OK
    assert CANARY not in str(taken)


def test_a_folder_that_cannot_be_written_is_a_problem(tmp_path: Path) -> None:
    """A STATE_DIR that is missing or a file is a problem, and the doctor leaves nothing in a good one."""
    assert disk_findings(tmp_path / "away")[0].verdict is Verdict.PROBLEM
    (tmp_path / "file").touch()
    assert disk_findings(tmp_path / "file")[0].verdict is Verdict.PROBLEM
    folder = tmp_path / "folder"
    folder.mkdir()
    disk_findings(folder)
    assert list(folder.iterdir()) == []
    assert folder_finding("output file-1", tmp_path / "file" / "x.mkv").verdict is Verdict.PROBLEM


@pytest.mark.parametrize(
    ("free_bytes", "verdict"), [(10**8, Verdict.PROBLEM), (10**9, Verdict.WARNING), (10**10, Verdict.OK)]
)
def test_free_space_on_the_disk(free_bytes: int, verdict: Verdict) -> None:
    """A full disk is a problem, a nearly full one a warning."""
    assert space_finding(Path("/x"), free_bytes).verdict is verdict


def test_the_speed_of_the_encoder() -> None:
    """Slower than shown is a problem, hardly faster a warning."""
    verdicts = [speed_finding(speed, "720p").verdict for speed in (0.9, 1.2, 4.0)]
    assert verdicts == [Verdict.PROBLEM, Verdict.WARNING, Verdict.OK]


@pytest.mark.parametrize(
    ("version", "pin", "verdict"),
    [
        ("2026.05.01", "", Verdict.OK),
        ("2026.05.01.232815.dev0", "", Verdict.OK),
        ("2026.01.31", "", Verdict.WARNING),
        ("2026.01.31", "2026.01.31", Verdict.OK),
        ("2026.05.01", "2026.01.31", Verdict.WARNING),
        ("unknown", "", Verdict.WARNING),
        ("2026.13.77", "", Verdict.WARNING),
    ],
)
def test_the_age_of_ytdlp(version: str, pin: str, verdict: Verdict) -> None:
    """An old version is a warning with the command, unless the operator wants just that one."""
    found = ytdlp_finding(version, pin, date(2026, 5, 20))
    assert found.verdict is verdict
    assert ("pip install" in str(found.remedy)) is (verdict is Verdict.WARNING)


def test_a_clock_that_cannot_be_right() -> None:
    """A clock before what is installed is a problem; one that went back since the last run is a warning."""
    assert clock_finding(0.0, 0.0, "2026.5.1").verdict is Verdict.PROBLEM
    assert clock_finding(YEAR_2026, YEAR_2026 + 7200, "2026.5.1").verdict is Verdict.WARNING
    assert clock_finding(YEAR_2026, YEAR_2026 - 60, "2026.5.1").verdict is Verdict.OK
    assert clock_finding(YEAR_2026, 0.0, "1.2").verdict is Verdict.OK


def test_an_unhealthy_service_is_a_problem() -> None:
    """Each reason for not being healthy has its line."""
    status = SmallChannel().status()
    found = service_findings(replace(status, healthy=False, problems=(Message.raw("output rtmp-1 is retrying"),)))
    assert found[0].line(EN) == "problem  service: output rtmp-1 is retrying; see: tg-video-streamer status"
    degraded = service_findings(replace(status, degraded=True, degraded_reason=Message.raw("it has expired")))
    assert f"problem  service: degraded: it has expired; run: {RENEW}" in [one.line(EN) for one in degraded]


def session_finding(folder: Path, **values: str) -> Finding:
    """The finding about the session."""
    (found,) = asyncio.run(check_session(settings_of(folder, **values)))
    return found


def test_the_session_is_tried_and_reported_masked(tmp_path: Path) -> None:
    """Whose session it is, with no whole phone number; that it is restricted or ended, with the remedy; or out of reach."""
    with TelegramStand() as stand:
        session = stand.session_string()
        values = stand.settings(session) | {"CHAT_ID": "@testchan"}
        found = session_finding(tmp_path, **values)
        assert found.line(EN) == "ok       session: works: Test, phone ***11, data center 2"
        assert not [one for one in (session, API_HASH, PHONE) if one in str(found)]
        stand.always("updates.getState", (406, "FROZEN_METHOD_INVALID"))
        found = session_finding(tmp_path, **values)
        assert (found.verdict, "refuses the account" in str(found.text)) == (Verdict.PROBLEM, True)
        assert "@SpamBot" in str(found.remedy)
        stand.relent()
        stand.revoke_all(401, "SESSION_REVOKED")
        found = session_finding(tmp_path, **values)
        assert (found.verdict, "ended from another device" in str(found.text)) == (Verdict.PROBLEM, True)
        assert "--write-env" in str(found.remedy)
        plain = values | {"OUTPUTS": f"file:{tmp_path}/out.mkv"}
        assert session_finding(tmp_path, **plain).verdict is Verdict.WARNING
        stand.stop()
        found = session_finding(tmp_path, **values)
        assert (found.verdict, "reached" in str(found.text)) == (Verdict.PROBLEM, True)
        assert "TELEGRAM_PROXY" in str(found.remedy)
        stand.start()


def test_a_session_that_is_missing_or_not_needed(tmp_path: Path) -> None:
    """Without SESSION_STRING it is a problem for the output telegram, and none for others."""
    found = session_finding(tmp_path, CHAT_ID="@testchan", API_ID="1", API_HASH="0" * 32)
    assert (found.verdict, "--write-env" in str(found.remedy)) == (Verdict.PROBLEM, True)
    assert session_finding(tmp_path).verdict is Verdict.OK


def test_telegram_lines_need_a_session_and_the_spool(tmp_path: Path) -> None:
    """A message of Telegram in the playlist without a session, or without the spool, is a problem of its line."""
    (tmp_path / "playlist.txt").write_text("\nhttps://t.me/testchan/5\ntg-chat:testchan | order=newest\n")
    playlist = {"PLAYLIST": str(tmp_path / "playlist.txt")}
    (found,) = playlist_problems(settings_of(tmp_path, **playlist))
    assert "line 2: media from Telegram need API_ID, API_HASH, SESSION_STRING" in found.text
    assert session_finding(tmp_path, **playlist).verdict is Verdict.PROBLEM
    session = {"API_ID": "1", "API_HASH": "a" * 32, "SESSION_STRING": "x"}
    assert playlist_problems(settings_of(tmp_path, **playlist, **session)) == []
    (found,) = playlist_problems(settings_of(tmp_path, **playlist, **session, SPOOL_MAX_GB="0"))
    assert "SPOOL_MAX_GB" in found.text


async def test_the_provider_of_po_tokens_is_asked(tmp_path: Path) -> None:
    """A missing plugin, a silent provider and another version are problems; a provider of the plugin's version is well."""
    folder = tmp_path / "yt-dlp-plugins" / "bgutil"
    assert await check_plugins(settings_of(tmp_path), tmp_path) == []
    silent = Provider("2.0.2")
    silent.end()
    missing, away = await check_plugins(
        settings_of(tmp_path, YTDLP_PLUGINS="bgutil", YTDLP_POT_URL=silent.url), tmp_path
    )
    assert (missing.verdict, away.verdict) == (Verdict.PROBLEM, Verdict.PROBLEM)
    assert "scripts/yt-dlp-plugins.sh bgutil" in missing.line(EN)
    assert silent.url in away.line(RU)
    folder.mkdir(parents=True)
    (folder / "bgutil_ytdlp_pot_provider-2.0.2-py3-none-any.whl").touch()
    for version, verdict in (("2.0.9", Verdict.OK), ("1.3.2", Verdict.PROBLEM)):
        with Provider(version).serving() as provider:
            (found,) = await check_plugins(
                settings_of(tmp_path, YTDLP_PLUGINS="bgutil", YTDLP_POT_URL=provider.url), tmp_path
            )
            assert found.verdict is verdict
            (unused,) = await check_plugins(settings_of(tmp_path, YTDLP_POT_URL=provider.url), tmp_path)
            assert unused.verdict is Verdict.WARNING
