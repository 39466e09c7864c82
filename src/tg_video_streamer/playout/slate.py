"""The slate: a still image that states why nothing else is on air, as packets in memory, so it cannot fail."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from types import MappingProxyType

import structlog

from tg_video_streamer.atomic_file import replace_file
from tg_video_streamer.disk import DISKS, START_SECONDS
from tg_video_streamer.errors import DiskHangs, EncoderFailed, ForeignHeaders, StreamerError
from tg_video_streamer.events import SlateReason
from tg_video_streamer.ffmpeg.binary import fingerprint
from tg_video_streamer.ffmpeg.generated import plain_picture, still_command
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.ffmpeg.image import BAD_IMAGE_EXIT_CODE, BadImage, bad_image
from tg_video_streamer.ffmpeg.runner import run
from tg_video_streamer.media import CodecHeaders, FrameRate, Kind, Packet
from tg_video_streamer.playout.slate_image import SlateImageRequest

log = structlog.get_logger(__name__)

DEFAULT_TEXT = "We\u2019ll be right back"
_DRAW_SECONDS = 20.0
_ENCODE_SECONDS = 60.0
_BACKGROUND_NICE = 10
_GROUND = (11, 14, 22)


SENTENCES: Mapping[SlateReason, str] = MappingProxyType(
    {
        SlateReason.STARTING: "The program is about to start.",
        SlateReason.PLAYLIST_EMPTY: "The next program is being prepared.",
        SlateReason.LOADING: "The next program starts shortly.",
        SlateReason.SOURCE_FAILED: "We lost the picture and are getting it back.",
        SlateReason.PAUSED: "The program is paused.",
        SlateReason.OPERATOR: "The program continues shortly.",
        SlateReason.SCHEDULED: "The next program begins in a moment.",
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Still:
    """One encoded image: a closed GOP, its headers and silence."""

    headers: CodecHeaders
    frames: tuple[Packet, ...]
    silence: bytes


class Slate:
    """The images in memory: first the general one; `complete` adds one for each reason."""

    def __init__(self, maker: _SlateMaker, general: _Still, reasons: Mapping[SlateReason, str]) -> None:
        self._maker = maker
        self.rate = maker.house.frame_rate
        self._general = general
        self._reasons = reasons
        self._by_reason: dict[SlateReason, tuple[Packet, ...]] = {}

    @property
    def headers(self) -> CodecHeaders:
        """The codec headers of everything in the program."""
        return self._general.headers

    @property
    def silence(self) -> bytes:
        """One raw AAC packet of silence, from the middle of long silence."""
        return self._general.silence

    def gop(self, reason: SlateReason) -> tuple[Packet, ...]:
        """One GOP at consecutive frame times, from a keyframe at 0 on; the general image where `reason` has none (yet).

        Callable from any thread. Their sound is `silence`.
        """
        return self._by_reason.get(reason, self._general.frames)

    async def complete(self) -> None:
        """Make the images of all reasons, one at a time, at low priority; one that fails is logged and left out."""
        for reason, sentence in self._reasons.items():
            try:
                still = await self._maker.still(sentence, nice=_BACKGROUND_NICE)
                if still.headers != self.headers:
                    raise ForeignHeaders.of("slate_image.headers", reason=str(reason))
            except StreamerError as error:
                log.warning("slate image failed, the general one is shown instead", slate=str(reason), error=str(error))
            else:
                self._by_reason[reason] = still.frames
        await asyncio.to_thread(self._maker.remove_unused)


async def prepare_slate(
    house: HouseFormat,
    *,
    ffmpeg: Path,
    text: str = "",
    image: Path | None = None,
    cache_dir: Path,
    reasons: Mapping[SlateReason, str] = SENTENCES,
) -> Slate:
    """A slate with its general image; call `complete` in a task for the others.

    `text` is the large line (on the image; without either, a default), `image` the operator's picture; where that cannot
    be used, the plain background replaces it, with a warning. `cache_dir` holds the encoded images.
    Raises EncoderFailed where ffmpeg cannot make the house format.
    """
    maker = _SlateMaker(house, ffmpeg=ffmpeg, text=text, image=image, cache_dir=cache_dir)
    return Slate(maker, await maker.still("", nice=0), reasons)


async def _draw_image(house: HouseFormat, *, text: str, reason: str = "", image: Path | None = None) -> bytes:
    """A slate image of the house size as PNG, drawn in a child process.

    Raises EncoderFailed where it cannot be drawn, and BadImage where only the operator's image cannot be used.
    """
    request = SlateImageRequest(
        width=house.width, height=house.height, text=text, reason=reason, image=str(image or "")
    )
    command = [sys.executable, "-I", "-m", "tg_video_streamer.playout.slate_image"]
    done = await run(command, stdin=json.dumps(asdict(request)).encode(), timeout_seconds=_DRAW_SECONDS)
    if done.returncode == BAD_IMAGE_EXIT_CODE:
        raise bad_image(done.stderr_tail)
    if done.returncode != 0:
        raise EncoderFailed.of("slate_image.not_drawn", code=done.returncode, detail=done.stderr_tail)
    return done.stdout


class _SlateMaker:
    """Draws, encodes and caches slate images; a cache file's name is a digest of all that the image depends on."""

    def __init__(self, house: HouseFormat, *, ffmpeg: Path, text: str, image: Path | None, cache_dir: Path) -> None:
        self.house = house
        self._ffmpeg = ffmpeg
        self._image = image
        self._text = text if text or image is not None else DEFAULT_TEXT
        self._cache_dir = cache_dir
        self._image_fingerprint = ""
        self._used: set[Path] = set()

    async def still(self, sentence: str, *, nice: int) -> _Still:
        """The image with `sentence`, cached or new."""
        await self._look_at_image()
        cached_at = await asyncio.to_thread(self._cached_at, sentence)
        self._used.add(cached_at)
        still = await asyncio.to_thread(_load, cached_at, self.house.frame_rate)
        if still is not None:
            return still
        matroska = await self._encode(await self._draw(sentence), nice=nice)
        still = await asyncio.to_thread(_demux, matroska, self.house.frame_rate)
        await asyncio.to_thread(_save, cached_at, matroska)
        return still

    def remove_unused(self) -> None:
        """Remove cached images of other texts, formats and versions."""
        for path in self._cache_dir.glob("slate-*.card"):
            if path not in self._used:
                path.unlink(missing_ok=True)

    async def _look_at_image(self) -> None:
        if self._image is None:
            return
        try:
            self._image_fingerprint = await DISKS.run_within(START_SECONDS, self._image, fingerprint, self._image)
        except DiskHangs as error:
            log.warning("the plain slate is shown", image=str(self._image), why=str(error))
            self._image, self._image_fingerprint = None, ""
            self._text = self._text or DEFAULT_TEXT

    async def _draw(self, sentence: str) -> bytes:
        try:
            return await _draw_image(self.house, text=self._text, reason=sentence, image=self._image)
        except BadImage as error:
            remedy = "correct SLATE_IMAGE; the plain slate is shown"
            log.warning("the slate's image cannot be used", image=str(self._image), error=str(error), remedy=remedy)
        except StreamerError as error:
            log.warning("the slate image could not be drawn, trying without SLATE_IMAGE", error=str(error))
        self._image = None
        self._text = self._text or DEFAULT_TEXT
        try:
            return await _draw_image(self.house, text=self._text, reason=sentence)
        except StreamerError as error:
            log.warning("the slate image could not be drawn, it stays dark", error=str(error))
        return plain_picture(self.house.width, self.house.height, _GROUND)

    async def _encode(self, picture: bytes, *, nice: int) -> bytes:
        done = await run(
            still_command(self.house, self._ffmpeg), stdin=picture, timeout_seconds=_ENCODE_SECONDS, nice=nice
        )
        if done.returncode != 0:
            raise EncoderFailed.of("slate_image.not_encoded", code=done.returncode, detail=done.stderr_tail)
        return done.stdout

    def _cached_at(self, sentence: str) -> Path:
        design = hashlib.sha256((Path(__file__).parent / "slate_image.py").read_bytes()).hexdigest()
        facts = [
            still_command(self.house, self._ffmpeg),
            fingerprint(self._ffmpeg),
            self._text,
            sentence,
            self._image_fingerprint,
            design,
        ]
        digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
        return self._cache_dir / f"slate-{digest[:32]}.card"


def _load(cached_at: Path, rate: FrameRate) -> _Still | None:
    """The cached image; None where there is no undamaged one."""
    try:
        content = cached_at.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("a cached slate image cannot be read and is made again", path=str(cached_at), error=error.strerror)
        return None
    digest, matroska = content[:32], content[32:]
    if hashlib.sha256(matroska).digest() != digest:
        log.warning("a cached slate image is damaged and is made again", path=str(cached_at))
        return None
    return _demux(matroska, rate)


def _save(cached_at: Path, matroska: bytes) -> None:
    """Cache the image. A full disk only makes the next start slower."""
    try:
        cached_at.parent.mkdir(parents=True, exist_ok=True)
        replace_file(cached_at, hashlib.sha256(matroska).digest() + matroska, durable=False)
    except OSError as error:
        log.warning("a slate image cannot be cached for the next start", path=str(cached_at), error=error.strerror)


def _demux(matroska: bytes, rate: FrameRate) -> _Still:
    """One GOP and a packet of silence from the encoder's output. Raises EncoderFailed where it is anything else."""
    import av  # noqa: PLC0415 - takes 90 ms; imported in a thread and only when needed

    try:
        with av.open(BytesIO(matroska), mode="r", format="matroska") as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            headers = CodecHeaders(
                video=bytes(video.codec_context.extradata or b""), audio=bytes(audio.codec_context.extradata or b"")
            )
            frames: list[Packet] = []
            sound: list[bytes] = []
            for packet in container.demux(video, audio):
                if packet.size == 0:
                    continue
                if packet.stream is audio:
                    sound.append(bytes(packet))
                else:
                    ticks = len(frames) * rate.frame_ticks
                    key = bool(packet.is_keyframe)
                    frames.append(Packet(kind=Kind.VIDEO, ticks=ticks, keyframe=key, data=bytes(packet)))
    except (av.FFmpegError, IndexError) as error:
        raise EncoderFailed.of("slate_image.unreadable", detail=str(error)) from error
    keyframes = [frame.ticks for frame in frames if frame.keyframe]
    if len(frames) != rate.gop_frames or keyframes != [0] or len(sound) < 10 or not (headers.video and headers.audio):
        counts = {"frames": len(frames), "keyframes": len(keyframes), "packets": len(sound)}
        raise EncoderFailed.of("slate_image.no_gop", **counts)
    return _Still(headers=headers, frames=tuple(frames), silence=sound[len(sound) // 2])
