"""Turns the settings LOGO, CLOCK and NOW_PLAYING into overlays: reads and fits the logo, tries the clock.

What cannot be shown is left out with a WARNING, and stays in `problems` until it can.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from tg_video_streamer.disk import DISKS, START_SECONDS
from tg_video_streamer.errors import ChildFailed, DiskHangs, ToolMissing
from tg_video_streamer.feed.overlay.draw import DESIGN
from tg_video_streamer.feed.overlay.overlay import Logo, Overlay, OverlayFiles
from tg_video_streamer.ffmpeg.binary import fingerprint, roboto
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.ffmpeg.image import BAD_IMAGE_EXIT_CODE, BadImage, bad_image
from tg_video_streamer.ffmpeg.overlay import overlay_trial
from tg_video_streamer.ffmpeg.runner import run
from tg_video_streamer.locales.message import Message

_log = structlog.get_logger(__name__)

_MOST_BYTES = 20_000_000
_DRAW_SECONDS = 20.0
_TRIAL_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class OverlaySettings:
    """The settings of the overlay."""

    logo: Path | None = None
    clock: bool = False
    now_playing: bool = False


class Branding:
    """All methods belong to the event loop's thread."""

    def __init__(self, settings: OverlaySettings, *, house: HouseFormat, ffmpeg: Path) -> None:
        self._settings = settings
        self._house = house
        self._ffmpeg = ffmpeg
        self._lock = asyncio.Lock()
        self._logo: Logo | None = None
        self._logo_fingerprint = ""
        self._clock_font: Path | None = None
        self._clock_tried = False
        self._problems: dict[str, Message] = {}

    @property
    def logo_digest(self) -> str:
        """Of the current logo; empty for none."""
        return self._logo.digest if self._logo is not None else ""

    @property
    def problems(self) -> list[Message]:
        """What is set but cannot be shown."""
        return list(self._problems.values())

    def change(self, settings: OverlaySettings) -> bool:
        """Use other settings from the next feed on; whether they differ."""
        changed = settings != self._settings
        self._settings = settings
        return changed

    async def choose(self) -> Overlay:
        """The overlay of an item that begins now; a logo file that has changed is read again."""
        async with self._lock:
            settings = self._settings
            await self._find_logo(settings.logo)
            if not settings.clock:
                self._problems.pop("CLOCK", None)
            elif not self._clock_tried:
                await self._try_clock()
            return Overlay(
                logo=self._logo,
                clock_font=self._clock_font if settings.clock else None,
                caption=settings.now_playing,
            )

    async def choose_untitled(self) -> Overlay:
        """The overlay of filler, which has no title."""
        return replace(await self.choose(), caption=False)

    async def _find_logo(self, path: Path | None) -> None:
        try:
            found = await DISKS.run_within(START_SECONDS, path, fingerprint, path) if path is not None else ""
        except DiskHangs:
            return  # the logo that was read last stays
        if found == self._logo_fingerprint:
            return
        self._logo_fingerprint, self._logo = found, None
        self._problems.pop("LOGO", None)
        if path is None:
            return
        try:
            self._logo = await fit_logo(path, self._house)
        except BadImage as error:
            self._report("LOGO", Message.of("overlay.logo", path=str(path), problem=error.message))

    async def _try_clock(self) -> None:
        self._clock_tried = True
        try:
            font = roboto("Medium")
            with OverlayFiles(Overlay(clock_font=font), None, age_seconds=0.0) as files:
                assert files.overlay_input is not None  # noqa: S101 - it has a clock
                files.set_clock(0.0)
                done = await run(
                    overlay_trial(files.overlay_input, self._house, self._ffmpeg),
                    timeout_seconds=_TRIAL_SECONDS,
                    pass_fds=files.overlay_input.descriptors,
                )
        except (ChildFailed, ToolMissing) as error:
            self._report("CLOCK", Message.of("overlay.clock", problem=error.message))
            return
        if done.returncode == 0:
            self._clock_font = font
        else:
            lines = done.stderr_tail.splitlines()
            detail = lines[0] if lines else Message.of("no_message")
            self._report("CLOCK", Message.of("overlay.no_clock", detail=detail))

    def _report(self, key: str, problem: Message) -> None:
        self._problems[key] = problem
        _log.warning("overlay left out", setting=key, why=str(problem))


async def fit_logo(path: Path, house: HouseFormat) -> Logo:
    """The image at `path` in the size of logos. Raises BadImage."""
    try:
        data = await DISKS.run(path, _read, path)
    except OSError as error:
        raise BadImage(error.strerror or str(error)) from error
    return Logo(png=await _draw({"logo": True}, house, data), digest=_digest(data))


def logo_digest(path: Path | None) -> str:
    """What `Logo.digest` is for the image at `path`; empty for none. Raises OSError."""
    return _digest(_read(path)) if path is not None else ""


def _digest(image: bytes) -> str:
    return hashlib.blake2b(DESIGN.encode() + image, digest_size=16).hexdigest()


async def draw_caption(title: str, house: HouseFormat) -> bytes:
    """The title as a PNG with transparency. Raises BadImage."""
    return await _draw({"caption": title}, house, b"")


async def _draw(question: dict[str, object], house: HouseFormat, data: bytes) -> bytes:
    question = {**question, "width": house.width, "height": house.height}
    command = (sys.executable, "-I", "-m", "tg_video_streamer.feed.overlay.draw")
    try:
        done = await run(command, stdin=json.dumps(question).encode() + b"\n" + data, timeout_seconds=_DRAW_SECONDS)
    except ChildFailed as error:
        raise BadImage.because_of(error) from error
    if done.returncode == BAD_IMAGE_EXIT_CODE:
        raise bad_image(done.stderr_tail)
    if done.returncode != 0:
        lines = done.stderr_tail.splitlines()
        raise BadImage.of(
            "image.not_drawn", code=done.returncode, detail=lines[-1] if lines else Message.of("no_message")
        )
    return done.stdout


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise BadImage.of("image.too_many_bytes", size=_MOST_BYTES)
    return data
