"""The settings: typed, read from `.env` and environment, checked together, every problem reported with its key."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic_core import ErrorDetails

from tg_video_streamer.disk import DISKS, START_SECONDS
from tg_video_streamer.envfile.read import EnvFile, read_env_file
from tg_video_streamer.errors import ConfigError, DiskHangs
from tg_video_streamer.ffmpeg.fades import parse_transition
from tg_video_streamer.ffmpeg.house import (
    USUAL_AUDIO_KILOBITS,
    HouseFormat,
    VideoSize,
    house_format,
    parse_audio_kilobits,
)
from tg_video_streamer.ffmpeg.prepared import X264Preset
from tg_video_streamer.fleet.address import parse_servers, parse_store
from tg_video_streamer.ingest.address import ingest_warnings, parse_doors
from tg_video_streamer.ingest.state import LiveTake
from tg_video_streamer.languages import parse_audio, parse_subtitles
from tg_video_streamer.media import Fit, FrameRate
from tg_video_streamer.resolve.plugins import Plugin, missing_plugins
from tg_video_streamer.resolve.proxies import parse_proxies
from tg_video_streamer.settings.fields import (
    based,
    each,
    folders,
    languages,
    matching,
    network,
    read_by,
    secret_matching,
    words,
)
from tg_video_streamer.state_dir import default_state_dir
from tg_video_streamer.telegram.chat.reference import parse_chat_reference
from tg_video_streamer.telegram.client.proxy import read_proxy

_NO_SECRET = SecretStr("")


_PEER = matching(r"-?\d+|@\w{4,32}", "a number such as -1001234567890, or @name")
_Path = Annotated[Path, AfterValidator(based)]
_Port = Annotated[int, Field(ge=0, le=65535)]
_Token = Annotated[SecretStr, secret_matching(r"\S{16,}", "at least 16 characters without spaces")]
_HOST_NAME = matching(r"[A-Za-z0-9.-]+", "a host name such as tv.example.org")


class Settings(BaseModel):
    """Every key of `.env`, in lower case; `.env.template` explains each. Paths are absolute; empty means the default."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    api_id: Annotated[int, Field(gt=0)] | None = None
    api_hash: Annotated[SecretStr, secret_matching(r"[0-9a-fA-F]{32}", "32 hexadecimal digits")] = _NO_SECRET
    session_string: SecretStr = _NO_SECRET
    session_string_spare: SecretStr = _NO_SECRET
    chat_id: Annotated[str, read_by(parse_chat_reference)] = ""

    playlist: _Path = Path("playlist.txt")
    schedule: Annotated[_Path, Field(validate_default=True)] = Path("schedule.toml")
    media_dirs: Annotated[tuple[_Path, ...], BeforeValidator(folders)] = ()
    loop: bool = True
    order: Literal["sequential", "shuffle"] = "sequential"

    audio_language: Annotated[str, languages(parse_audio)] = ""
    subtitles: Annotated[str, languages(parse_subtitles)] = "off"

    video_size: Annotated[str, read_by(VideoSize.parse)] = ""
    video_quality: Literal["480p", "720p", "1080p", "1440p"] = "720p"
    frame_rate: FrameRate = FrameRate.FPS30
    fit: Fit = Fit.PAD
    audio_bitrate: Annotated[str, read_by(parse_audio_kilobits)] = f"{USUAL_AUDIO_KILOBITS}k"
    transition: Annotated[str, read_by(parse_transition)] = "cut"
    ffmpeg_args: str = ""

    telegram_proxy: Annotated[SecretStr, read_by(read_proxy)] = _NO_SECRET
    ytdlp_proxy: Annotated[SecretStr, read_by(parse_proxies)] = _NO_SECRET

    outputs: SecretStr = _NO_SECRET
    telegram_transport: Literal["auto", "rtmp", "call"] = "auto"
    call_join_as: Literal["me", "channel"] = "me"

    buffer_seconds: Annotated[float, Field(ge=2, le=120)] = 15.0
    slate_image: _Path | None = None
    slate_text: str = ""
    filler_dir: _Path | None = None

    library_dir: _Path
    library_max_gb: Annotated[float, Field(ge=0)] = 20.0
    spool_max_gb: Annotated[float, Field(ge=0)] = 5.0
    library_keep_removed: bool = False
    upload_dir: _Path | None = None
    upload_max_gb: Annotated[float, Field(gt=0)] = 20.0
    prepare_preset: X264Preset = X264Preset.SLOW
    prepare_bitrate: Annotated[str, matching(r"\d{2,6}k|\d{1,2}(\.\d{1,3})?M", "a bit rate such as 1500k or 1.5M")] = ""
    loudness_lufs: Annotated[float, Field(ge=-70, le=-5)] = -16.0
    state_dir: _Path

    prometheus_host: Annotated[str, matching(r"\S+", "a host name or address")] = "127.0.0.1"
    prometheus_port: _Port = 9090
    web_host: Annotated[str, matching(r"\S+", "a host name or address")] = "127.0.0.1"
    web_port: _Port = 8080
    web_token: _Token = _NO_SECRET
    web_viewer_token: _Token = _NO_SECRET
    web_names: Annotated[tuple[str, ...], BeforeValidator(words), each(_HOST_NAME)] = ()
    web_behind_proxy: bool = False
    web_proxies: Annotated[tuple[str, ...], BeforeValidator(words), each(AfterValidator(network))] = ()

    ytdlp_cookies: _Path | None = None
    ytdlp_args: SecretStr = _NO_SECRET
    ytdlp_plugins: Annotated[tuple[Plugin, ...], BeforeValidator(words)] = ()
    ytdlp_pot_url: Annotated[
        str, matching(r"https?://[^\s:/@]+(?::\d{1,5})?/?", "a URL such as http://127.0.0.1:4416")
    ] = ""
    ytdlp_pin: Annotated[str, matching(r"\d{4}\.\d{1,2}\.\d{1,2}(?:\.\w+)?", "a version such as 2026.01.31")] = ""

    notify_urls: SecretStr = _NO_SECRET
    notify_after_seconds: Annotated[float, Field(ge=0)] = 30.0
    webhooks: SecretStr = _NO_SECRET
    webhook_secret: _Token = _NO_SECRET
    heartbeat_url: Annotated[SecretStr, secret_matching(r"https?://\S+", "an http(s) URL")] = _NO_SECRET

    fleet: Annotated[str, read_by(parse_servers)] = ""
    fleet_credentials: Annotated[SecretStr, secret_matching(r"[^:\s]+:\S+", "user:password")] = _NO_SECRET
    fleet_ca: _Path | None = None
    fleet_priority: Annotated[int, Field(ge=1, le=9)] = 1
    fleet_isolated: Literal["leave", "stay"] = "leave"
    fleet_store: Annotated[str, read_by(parse_store)] = ""
    fleet_store_credentials: Annotated[SecretStr, secret_matching(r"[^:\s]+:\S+", "key:secret")] = _NO_SECRET
    fleet_store_endpoint: Annotated[str, matching(r"https?://[^\s@]+", "an http(s) URL")] = ""
    fleet_store_max_gb: Annotated[float, Field(gt=0)] = 200.0
    channel: Annotated[str, matching(r"[A-Za-z0-9_-]{1,32}", "letters, digits, - and _")] = ""
    host_name: Annotated[str, matching(r"[A-Za-z0-9_-]{1,63}", "letters, digits, - and _")] = ""

    operators: Annotated[tuple[str, ...], BeforeValidator(words), each(_PEER)] = ()
    chat_commands: bool = False
    chat_public: bool = False
    chat_guide: bool = False
    live_ingest: Annotated[SecretStr, read_by(parse_doors)] = _NO_SECRET
    live_take: LiveTake = LiveTake.AUTO
    logo: _Path | None = None
    clock: bool = False
    now_playing: bool = False

    log_format: Literal["console", "json"] = "console"
    telegram_server: Annotated[str, matching(r"\S+:\d{1,5}", "host:port")] = ""
    telegram_server_key: _Path | None = None

    def house_format(self, *, encoder_arguments: tuple[str, ...] = ()) -> HouseFormat:
        """The format of the program, encoded with `encoder_arguments` (the checked FFMPEG_ARGS)."""
        return house_format(
            VideoSize.parse(self.video_size or self.video_quality),
            frame_rate=self.frame_rate,
            fit=self.fit,
            loudness_lufs=self.loudness_lufs,
            audio_kilobits=parse_audio_kilobits(self.audio_bitrate),
            fade_seconds=parse_transition(self.transition),
            encoder_arguments=encoder_arguments,
        )


KEYS = tuple(name.upper() for name in Settings.model_fields)
"""Every key of `.env`; `.env.template` explains each."""

_MAY_BE_AWAY = ("slate_image", "filler_dir", "logo", "ytdlp_cookies", "telegram_server_key")


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadedSettings:
    """The settings, and warnings that keep nothing from starting, one line each."""

    settings: Settings
    warnings: tuple[str, ...]
    env_file: Path | None = None
    """The file that they were read from; None where there is only the environment."""


Check = Callable[[Settings], list[str]]
"""A check of all settings; returns one line a problem, which starts with the key."""


def load_settings(
    env_file: Path | None, environment: Mapping[str, str], *, checks: tuple[Check, ...] = ()
) -> LoadedSettings:
    """Read `env_file` over `environment` (without a file: that alone), check all, and make STATE_DIR, mode 0700.

    A key that the file names counts even where its value is empty, which means the default: so a value that was
    cleared in the file does not come back from an environment that still has it. Raises ConfigError with all problems
    of file and values together; the `checks` receive settings in which bad values have their defaults.
    """
    found = read_env_file(env_file) if env_file is not None else EnvFile(values={}, lines={}, problems=(), warnings=())
    problems = list(found.problems)
    values = {key: environment[key] for key in KEYS if key in environment} | found.values
    given = {key.lower(): value for key, value in values.items() if key in KEYS and value.strip()}
    given.setdefault("state_dir", str(default_state_dir(environment, env_file)))
    given.setdefault("library_dir", f"{given['state_dir']}/library")
    given.setdefault("playlist", "playlist.txt")
    if "upload_dir" in given:
        # What was uploaded may play.
        given["media_dirs"] = ":".join(filter(None, (given.get("media_dirs"), given["upload_dir"])))
    base = env_file.resolve().parent if env_file is not None else Path.cwd()
    home = Path(environment["HOME"]) if environment.get("HOME") else Path.home()
    context = {"base": base, "home": home}
    settings = None
    try:
        settings = Settings.model_validate(given, context=context)
    except ValidationError as error:
        problems += [_problem(details) for details in error.errors(include_url=False)]
        bad = {str(word) for details in error.errors() for word in details["loc"][:1]}
        with suppress(ValidationError):
            settings = Settings.model_validate({key: given[key] for key in given.keys() - bad}, context=context)
    if settings is not None:
        problems += [line for check in checks for line in check(settings)]
        if not problems:
            know_disks(settings)
            problems += _made_private(settings.state_dir)
    if problems or settings is None:
        raise ConfigError(problems)
    return LoadedSettings(
        settings=settings,
        warnings=(
            *found.warnings,
            *_unknown(found),
            *_away(settings),
            *_proxy(settings),
            *_plugins(settings),
            *_ingest(settings),
        ),
        env_file=env_file,
    )


_PLAIN_WORDS = {
    "int_parsing": "must be a whole number",
    "float_parsing": "must be a number",
    "bool_parsing": "must be 1 or 0",
}


def _problem(details: ErrorDetails) -> str:
    """One line for the operator; a short value is repeated, a long one or a secret never."""
    name = str(details["loc"][0])
    message = _PLAIN_WORDS.get(details["type"], details["msg"].removeprefix("Value error, "))
    message = message.replace("Input should be", "must be")
    got = details["input"]
    # A secret that was pasted behind the wrong key is longer than any value that is right there.
    shown = f", not '{got}'" if name not in SECRET_NAMES and isinstance(got, str) and len(got) <= 12 else ""
    return f"{name.upper()}: {message}{shown}"


def _made_private(folder: Path) -> list[str]:
    """Create the state folder; a problem where that fails."""
    try:
        DISKS.wait(START_SECONDS, folder, folder.mkdir, mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        return [f"STATE_DIR: {folder} cannot be made: {error.strerror}; make it, or set STATE_DIR to a writable folder"]
    return []


def _unknown(found: EnvFile) -> list[str]:
    """A warning for each key that is none of ours; a name that may be a piece of a secret is not repeated."""
    warnings = []
    for key, number in found.lines.items():
        if key in KEYS:
            continue
        near = difflib.get_close_matches(key.upper(), KEYS, n=1)
        name = key if near or re.fullmatch(r"[A-Z][A-Z_]{0,31}", key) else f"in line {number}"
        warnings.append(f"unknown key {name}: ignored" + (f"; did you mean {near[0]}?" if near else ""))
    return warnings


def know_disks(settings: Settings) -> None:
    """Each folder of the settings may lie on a disk of its own."""
    files = (settings.playlist, settings.schedule, settings.logo, settings.slate_image, settings.ytdlp_cookies)
    folders = (*settings.media_dirs, settings.filler_dir, settings.library_dir, settings.state_dir)
    DISKS.know((*(file.parent for file in files if file is not None), *(one for one in folders if one is not None)))
    DISKS.know((settings.state_dir / "spool",))


def _away(settings: Settings) -> list[str]:
    """A warning for each file that is named but missing, or whose disk hangs: the channel runs without it."""
    know_disks(settings)
    # A schedule is looked for in any case; one that is named should be there.
    paths = [(name, getattr(settings, name)) for name in (*_MAY_BE_AWAY, *({"schedule"} & settings.model_fields_set))]
    paths += [("media_dirs", folder) for folder in settings.media_dirs]
    found = []
    for name, path in paths:
        try:
            if path and not DISKS.wait(START_SECONDS, path, path.exists):
                found.append(f"{name.upper()}: {path} is not there")
        except DiskHangs as error:
            found.append(f"{name.upper()}: {error}")
    return found


def _proxy(settings: Settings) -> list[str]:
    """A warning where pages are read through a proxy that ffmpeg cannot use for what it reads directly."""
    routes = parse_proxies(settings.ytdlp_proxy.get_secret_value())
    schemes = {proxy.partition("://")[0] for proxies in routes.values() for proxy in proxies} - {"", "http"}
    if not schemes:
        return []
    what = f"ffmpeg cannot go through a {min(schemes)} proxy: downloads go through it, live streams do not"
    return [f"YTDLP_PROXY: {what}; give an http:// proxy if the site binds its links to your address"]


def _plugins(settings: Settings) -> list[str]:
    """A warning where a plugin is named and not installed, or has no provider."""
    missing = missing_plugins(settings.ytdlp_plugins)
    found = [f"YTDLP_PLUGINS: {name} is not installed; run scripts/yt-dlp-plugins.sh {name}" for name in missing]
    if Plugin.BGUTIL in settings.ytdlp_plugins and not settings.ytdlp_pot_url:
        found.append(
            "YTDLP_PLUGINS: bgutil needs its provider; set YTDLP_POT_URL=http://127.0.0.1:4416 (docs/youtube.md)"
        )
    return found


def _ingest(settings: Settings) -> list[str]:
    """Warnings of LIVE_INGEST: a key that can be guessed, a connection that can be overheard."""
    rtmp = parse_doors(settings.live_ingest.get_secret_value()).rtmp
    return ingest_warnings(rtmp) if rtmp is not None else []


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr


SECRET_NAMES = frozenset(name for name, field in Settings.model_fields.items() if _is_secret(field.annotation))
"""The attributes that hold secrets."""


def secret_values(settings: Settings) -> frozenset[str]:
    """Every text that must never be shown: the secrets themselves, and the keys and passwords inside of URLs."""
    found: set[str] = set()
    for name in SECRET_NAMES:
        value = getattr(settings, name).get_secret_value()
        if name not in {"outputs", "ytdlp_args", "live_ingest"}:
            found.add(value)
        for word in value.split():
            if "://" in word:
                found |= {word, *_secret_parts(word)}
            if name in {"notify_urls", "webhooks", "ytdlp_args"}:
                # Their tokens may stand anywhere; host names, which have dots, and options may be shown.
                found |= {part for part in re.split(r"[/:@?&=,]", word) if re.fullmatch(r"[^.-][^.]{9,}", part)}
    # A word as short as these stands in innocent texts too.
    return frozenset(text for secret in found for text in (secret, unquote(secret)) if len(text) >= 6)


def _secret_parts(url: str) -> set[str]:
    """User, password, query values and the last part of the path: where URLs keep their keys."""
    try:
        parts = urlsplit(url)
        credentials = {parts.username or "", parts.password or ""}
    except ValueError:
        return set()
    queries = {pair.partition("=")[2] for pair in parts.query.split("&")}
    return credentials | queries | {parts.path.rpartition("/")[2]}
