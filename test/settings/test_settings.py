"""Settings: where each value comes from, that all problems are reported at once, and that no secret is ever shown."""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from pydantic import ValidationError

from tg_video_streamer.errors import ConfigError
from tg_video_streamer.settings.settings import (
    KEYS,
    SECRET_NAMES,
    LoadedSettings,
    Settings,
    load_settings,
    secret_values,
)
from tg_video_streamer.state_dir import default_state_dir

CANARIES = {
    "API_HASH": "cafe0000cafe0000cafe0000cafe0001",
    "SESSION_STRING": "1CANARYsession" + "A" * 340,
    "SESSION_STRING_SPARE": "1CANARYspare" + "B" * 340,
    "TELEGRAM_PROXY": "socks5://CANARYuser:CANARYpassword@proxy.invalid:1080",
    "YTDLP_PROXY": "http://CANARYuser2:CANARYpassword2@proxy.invalid:3128",
    "OUTPUTS": "rtmps://live.invalid/app/CANARYstreamkey srt://live.invalid:9000?passphrase=CANARYpassphrase hls:preview",
    "WEB_TOKEN": "CANARYtokenCANARYtoken",
    "WEB_VIEWER_TOKEN": "CANARYviewerCANARYviewer",
    "YTDLP_ARGS": "--add-header X-Key:CANARYheader",
    "NOTIFY_URLS": "tgram://CANARYbot:CANARYnotify/123",
    "HEARTBEAT_URL": "https://ping.invalid/CANARYheartbeat",
    "WEBHOOKS": "https://hooks.invalid/CANARYwebhook/1",
    "WEBHOOK_SECRET": "CANARYsecretCANARYsecret",
    "FLEET_CREDENTIALS": "host:CANARYfleet",
    "FLEET_STORE_CREDENTIALS": "key:CANARYstore",
    "LIVE_INGEST": "rtmp://0.0.0.0:1935/live/CANARYingest",
}

Load = Callable[..., LoadedSettings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads settings from a private `.env` with the given text, in a home of its own."""

    def load_text(text: str, environment: Mapping[str, str] | None = None) -> LoadedSettings:
        path = tmp_path / ".env"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return load_settings(path, {"HOME": str(tmp_path / "home"), **(environment or {})})

    return load_text


def test_an_empty_file_gives_the_documented_defaults(load: Load, tmp_path: Path) -> None:
    """With nothing set, everything has the value that the template shows."""
    settings = load("").settings
    assert (settings.video_quality, settings.buffer_seconds, settings.loop, settings.order) == (
        "720p",
        15,
        True,
        "sequential",
    )
    assert (settings.prometheus_host, settings.prometheus_port) == ("127.0.0.1", 9090)
    assert (settings.web_host, settings.web_port) == ("127.0.0.1", 8080)
    assert settings.playlist == tmp_path / "playlist.txt"
    assert settings.schedule == tmp_path / "schedule.toml"
    assert settings.library_dir == settings.state_dir / "library"


def test_the_file_beats_the_environment_even_with_an_empty_value(load: Load) -> None:
    """A rewritten or cleared value counts although the environment still has the old one."""
    environment = {"ORDER": "shuffle", "SESSION_STRING_SPARE": "old", "VIDEO_QUALITY": "480p"}
    settings = load("ORDER=sequential\nSESSION_STRING_SPARE=\n", environment).settings
    assert settings.order == "sequential"
    assert settings.session_string_spare.get_secret_value() == ""
    assert settings.video_quality == "480p"


def test_without_a_file_the_environment_alone_serves(tmp_path: Path) -> None:
    """Known keys are taken from the environment, and its other variables are no unknown keys."""
    loaded = load_settings(
        None, {"STATE_DIR": str(tmp_path / "s"), "ORDER": "shuffle", "SHELL": "sh", "VIDEO_QUALTY": "x"}
    )
    assert loaded.settings.order == "shuffle"
    assert loaded.warnings == ()


def test_all_problems_are_told_at_once_each_with_its_key(load: Load) -> None:
    """An operator corrects a file once, not once a problem."""
    text = """
        API_ID=abc
        ORDER=random
        VIDEO_QUALITY=4k
        VIDEO_SIZE=1281x720
        FRAME_RATE=29.97
        PROMETHEUS_PORT=70000
        BUFFER_SECONDS=soon
        LOOP=maybe
        OPERATORS=@operator me
        TELEGRAM_SERVER=somewhere
        LOUDNESS_LUFS=3
        WEB_PROXIES=10.0.0.5 proxy.example
        this is no setting
    """
    with pytest.raises(ConfigError) as caught:
        load(text)
    problems = caught.value.problems
    keys = "API_ID ORDER VIDEO_QUALITY VIDEO_SIZE FRAME_RATE PROMETHEUS_PORT BUFFER_SECONDS LOOP OPERATORS TELEGRAM_SERVER LOUDNESS_LUFS WEB_PROXIES"
    for key in keys.split():
        assert sum(line.startswith(f"{key}: ") for line in problems) == 1, key
    assert sum("line 14" in line for line in problems) == 1
    assert len(problems) == 13
    assert "VIDEO_QUALITY: must be '480p', '720p', '1080p' or '1440p', not '4k'" in problems
    assert "FRAME_RATE: must be 24, 25, 30, 50 or 60, not '29.97'" in problems
    assert not any("\n" in line for line in problems)


def test_a_missing_file_and_bad_values_are_told_together(tmp_path: Path) -> None:
    """A missing file does not hide what is wrong in the environment."""
    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path / "none.env", {"VIDEO_QUALITY": "4k", "HOME": str(tmp_path)})
    first, second = caught.value.problems
    assert "none.env: no such file" in first
    assert second.startswith("VIDEO_QUALITY: ")


def test_an_unknown_key_is_a_warning_with_the_nearest_known_one(load: Load) -> None:
    """A rollback to a release that does not know a key yet still starts."""
    loaded = load("VIDEO_QUALTY=480p\nvideo_quality=480p\nSOMETHING_ELSE=1\nQWxsIHlvdXI=\n")
    assert loaded.settings.video_quality == "720p"
    assert loaded.warnings == (
        "unknown key VIDEO_QUALTY: ignored; did you mean VIDEO_QUALITY?",
        "unknown key video_quality: ignored; did you mean VIDEO_QUALITY?",
        "unknown key SOMETHING_ELSE: ignored",
        "unknown key in line 4: ignored",
    )


def test_relative_paths_are_meant_from_the_folder_of_the_real_file(tmp_path: Path) -> None:
    """A release's link to the shared `.env` finds the playlist next to the shared file."""
    shared, release = tmp_path / "shared", tmp_path / "release"
    for folder in (shared, release):
        folder.mkdir()
    (shared / ".env").write_text("MEDIA_DIRS=clips:/srv\nLOGO=~/logo.png\nSTATE_DIR=state\n", encoding="utf-8")
    (release / ".env").symlink_to(shared / ".env")
    settings = load_settings(release / ".env", {"HOME": "/home/somebody"}).settings
    assert settings.playlist == shared / "playlist.txt"
    assert settings.media_dirs == (shared / "clips", Path("/srv"))
    assert settings.logo == Path("/home/somebody/logo.png")
    assert settings.state_dir == shared / "state"


def test_state_goes_where_systemd_or_the_user_keeps_state_and_is_private(tmp_path: Path) -> None:
    """Systemd's folder is taken, else the XDG one, else the home's; it is made with mode 0700."""
    home = {"HOME": str(tmp_path)}
    systemd = {**home, "STATE_DIRECTORY": f"{tmp_path}/var:{tmp_path}/other", "XDG_STATE_HOME": f"{tmp_path}/xdg"}
    xdg = {**home, "XDG_STATE_HOME": f"{tmp_path}/xdg"}
    relative = {**home, "XDG_STATE_HOME": "xdg"}
    for environment, folder in [
        (systemd, tmp_path / "var"),
        (xdg, tmp_path / "xdg/tg_video_streamer"),
        (relative, tmp_path / ".local/state/tg_video_streamer"),
    ]:
        assert load_settings(None, environment).settings.state_dir == folder
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize(("settings", "unit"), [("shared", ""), ("shared/two", "@two"), ("shared/two/more", None)])
def test_a_command_on_a_host_finds_the_state_of_the_service(tmp_path: Path, settings: str, unit: str | None) -> None:
    """Settings that lie where a deployment puts them lead to the folder of their unit, through the release's link too."""
    release, folder, system = tmp_path / "releases/1.0", tmp_path / settings, tmp_path / "lib"
    for path in (release, folder, system / "tg_video_streamer", system / "tg_video_streamer@two"):
        path.mkdir(parents=True)
    (folder / ".env").touch()
    (release / ".env").symlink_to(folder / ".env")
    found = system / f"tg_video_streamer{unit}" if unit is not None else Path("~/.local/state/tg_video_streamer")
    for env_file in (folder / ".env", release / ".env"):
        assert default_state_dir({}, env_file, system=system) == found
        assert default_state_dir({"STATE_DIRECTORY": "/told"}, env_file, system=system) == Path("/told")
    assert default_state_dir({}, folder / ".env", system=tmp_path / "none") == Path("~/.local/state/tg_video_streamer")


def test_a_state_folder_that_cannot_be_made_is_a_problem(load: Load, tmp_path: Path) -> None:
    """The operator reads which folder, why, and what to do."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"^STATE_DIR: .*file/state cannot be made: Not a directory; "):
        load("STATE_DIR=file/state")


def test_checks_of_other_rooms_add_their_problems(tmp_path: Path) -> None:
    """Values that another room understands are refused in the same list."""
    with pytest.raises(ConfigError) as caught:
        load_settings(
            None, {"HOME": str(tmp_path)}, checks=(lambda _: ["OUTPUTS: one"], lambda _: ["FFMPEG_ARGS: two"])
        )
    assert caught.value.problems == ["OUTPUTS: one", "FFMPEG_ARGS: two"]


def test_a_proxy_that_ffmpeg_cannot_use_is_a_warning(load: Load) -> None:
    """A SOCKS proxy serves yt-dlp but not ffmpeg: reported, without its password; an HTTP proxy serves both."""
    (warning,) = load("YTDLP_PROXY=socks5://me:CANARY@127.0.0.1:1080\n").warnings
    assert warning.startswith("YTDLP_PROXY: ffmpeg cannot go through a socks5 proxy")
    assert "CANARY" not in warning
    assert load("YTDLP_PROXY=http://me:CANARY@127.0.0.1:3128\n").warnings == ()


def test_a_way_in_for_live_streams_is_judged(load: Load) -> None:
    """One that can be listened to is a warning; one that is none is reported with its key and without its value."""
    (warning,) = load("LIVE_INGEST=rtmp://0.0.0.0:1935/live/CANARYCANARYCANARY\n").warnings
    assert warning.startswith("LIVE_INGEST: RTMP is not encrypted")
    with pytest.raises(ConfigError) as error:
        load("LIVE_INGEST=rtmps://0.0.0.0/live/CANARYCANARYCANARY\n")
    assert error.value.problems == ["LIVE_INGEST: must begin with rtmp://; a proxy in front of it can add TLS"]


def test_a_file_that_is_away_is_a_warning(load: Load) -> None:
    """A disk that is not mounted yet must not keep the channel off air."""
    assert load("FILLER_DIR=/nowhere/filler\n").warnings == ("FILLER_DIR: /nowhere/filler is not there",)


def test_settings_are_frozen(load: Load) -> None:
    """What was checked at the start stays what it was."""
    with pytest.raises(ValidationError):
        load("").settings.order = "shuffle"


def test_every_key_that_can_hold_a_secret_has_a_canary() -> None:
    """A new secret key is tested like the others."""
    assert {name.upper() for name in SECRET_NAMES} == set(CANARIES)


def test_no_secret_shows_in_settings(load: Load) -> None:
    """Neither `repr` nor `str` nor a dump of the settings has a piece of a secret in it."""
    loaded = load("\n".join(f"{key}={value}" for key, value in CANARIES.items()))
    shown = f"{loaded!r} {loaded} {loaded.settings.model_dump()} {loaded.settings.model_dump_json()}"
    assert "CANARY" not in shown
    assert "cafe0000" not in shown


def test_no_secret_shows_in_a_problem(load: Load) -> None:
    """A secret that is malformed, or stands behind the wrong key, is not repeated."""
    malformed = (
        "API_HASH=CANARYCANARY\nTELEGRAM_PROXY=CANARY:1\nYTDLP_PROXY=CANARY:2\nWEB_TOKEN=CANARY\nHEARTBEAT_URL=CANARY"
    )
    misplaced = "\n".join(f"{key}={CANARIES['SESSION_STRING']}" for key in KEYS if key not in CANARIES)
    for text in (malformed, misplaced):
        with pytest.raises(ConfigError) as caught:
            load(text)
        assert len(caught.value.problems) >= 5
        shown = f"{caught.value} {caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
        assert "CANARY" not in shown


def test_secrets_inside_of_urls_are_known_for_masking(load: Load) -> None:
    """The log can mask a stream key also where it stands alone."""
    loaded = load("\n".join(f"{key}={value}" for key, value in CANARIES.items()))
    found = secret_values(loaded.settings)
    assert {
        CANARIES["API_HASH"],
        CANARIES["SESSION_STRING"],
        CANARIES["WEB_TOKEN"],
        "CANARYpassword",
        "CANARYstreamkey",
        "CANARYpassphrase",
        "CANARYnotify",
        "CANARYheader",
        "CANARYheartbeat",
        "CANARYwebhook",
        CANARIES["WEBHOOK_SECRET"],
        "CANARYingest",
        CANARIES["FLEET_CREDENTIALS"],
    } <= found
    assert not {"preview", "live.invalid", "hls:preview"} & found


def test_every_documented_key_is_accepted() -> None:
    """The keys are those of the contract, later pieces of work included."""
    contract = """
        API_ID API_HASH SESSION_STRING SESSION_STRING_SPARE CHAT_ID PLAYLIST SCHEDULE MEDIA_DIRS LOOP ORDER VIDEO_QUALITY
        FFMPEG_ARGS TELEGRAM_PROXY YTDLP_PROXY OUTPUTS TELEGRAM_TRANSPORT CALL_JOIN_AS BUFFER_SECONDS SLATE_IMAGE SLATE_TEXT
        FILLER_DIR LIBRARY_DIR LIBRARY_MAX_GB SPOOL_MAX_GB LIBRARY_KEEP_REMOVED UPLOAD_DIR UPLOAD_MAX_GB LOUDNESS_LUFS STATE_DIR PROMETHEUS_HOST
        PROMETHEUS_PORT WEB_HOST WEB_PORT WEB_TOKEN WEB_VIEWER_TOKEN WEB_NAMES WEB_BEHIND_PROXY WEB_PROXIES CHAT_PUBLIC CHAT_GUIDE YTDLP_COOKIES YTDLP_ARGS YTDLP_PIN NOTIFY_URLS
        NOTIFY_AFTER_SECONDS HEARTBEAT_URL OPERATORS CHAT_COMMANDS LIVE_INGEST LIVE_TAKE LOGO CLOCK NOW_PLAYING LOG_FORMAT
        TELEGRAM_SERVER TELEGRAM_SERVER_KEY VIDEO_SIZE FRAME_RATE FIT AUDIO_BITRATE TRANSITION AUDIO_LANGUAGE SUBTITLES YTDLP_PLUGINS YTDLP_POT_URL
        PREPARE_PRESET PREPARE_BITRATE WEBHOOKS WEBHOOK_SECRET FLEET FLEET_CREDENTIALS
        FLEET_CA CHANNEL HOST_NAME FLEET_PRIORITY FLEET_ISOLATED
        FLEET_STORE FLEET_STORE_CREDENTIALS FLEET_STORE_ENDPOINT FLEET_STORE_MAX_GB
    """
    assert set(KEYS) == set(contract.split())
    assert Settings.model_config["frozen"]


@pytest.mark.parametrize(
    ("text", "seconds"), [("cut", 0.0), ("fade 1", 1.0), ("FADE  0.5", 0.5), ("fade", None), ("crossfade 1", None)]
)
def test_transitions_and_audio_bitrate(load: Load, text: str, seconds: float | None) -> None:
    """TRANSITION and AUDIO_BITRATE reach the house format; what is not offered is refused with what is allowed."""
    if seconds is None:
        with pytest.raises(ConfigError, match="TRANSITION: must be cut, or fade and"):
            load(f"TRANSITION={text}")
        with pytest.raises(ConfigError, match="AUDIO_BITRATE: must be a bit rate like 160k, from 64k to 320k"):
            load("AUDIO_BITRATE=32k")
        return
    house = load(f"TRANSITION={text}\nAUDIO_BITRATE=192k").settings.house_format()
    assert (house.fade_seconds, house.audio_kilobits) == (seconds, 192)
