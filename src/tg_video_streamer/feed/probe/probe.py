"""Probes a source in a child process (`probe_child`), which decodes the untrusted bytes."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import structlog

from tg_video_streamer.errors import ChildFailed, ProbeFailed
from tg_video_streamer.ffmpeg.inputs import proxy_environment
from tg_video_streamer.ffmpeg.runner import run
from tg_video_streamer.ffmpeg.source import AudioTrack, Goal, Level, Measured, Picture, ReadAhead, SourceFacts
from tg_video_streamer.ffmpeg.tracks import Track, TrackKind
from tg_video_streamer.languages import NO_PREFERENCE, TrackPreference
from tg_video_streamer.locales.message import Message
from tg_video_streamer.resolve.media import Media

_log = structlog.get_logger(__name__)

PROBE_SECONDS = 25.0
"""A probe of a file that takes longer is killed …"""
_WEB_PROBE_SECONDS = 60.0
"""… and one of an address, whose server may begin each of its answers slowly."""
MEASURE_SECONDS = 3600.0
"""The limit when the whole item is measured: a slow site needs the item's duration for it."""
_NICE = 19
_STATES_LENGTH = frozenset({"mov", "matroska", "flv"})
"""Containers whose head has the length of the whole."""


async def probe(
    media: Media,
    *,
    wanted_height: int = 1080,
    measured: Measured = Measured.SAMPLES,
    goal: Goal | None = None,
    preference: TrackPreference = NO_PREFERENCE,
    pass_fds: Sequence[int] = (),
) -> SourceFacts:
    """The facts of all inputs; `wanted_height` chooses among several pictures, `measured` how to measure the loudness.

    `goal`: the target if the whole is measured. `preference` chooses among several languages. `pass_fds`: descriptors
    that the inputs are read from. Raises ProbeFailed.
    """
    question = {
        "inputs": [
            {
                "location": one.location,
                "is_file": one.is_file,
                "is_manifest": one.is_manifest,
                "headers": dict(one.headers),
                "request_bytes": one.request_bytes,
                "has_video": one.has_video,
                "has_audio": one.has_audio,
                "states_length": one.states_length,
            }
            for one in media.inputs
        ],
        "live": media.is_live,
        "wanted_height": wanted_height,
        "measured": Measured.NOT if media.is_live else measured,
        "goal": None if goal is None else asdict(goal),
        "preference": asdict(preference),
        "subtitle_files": media.subtitle_files,
    }
    command = (sys.executable, "-m", "tg_video_streamer.feed.probe.probe_child")
    limit = PROBE_SECONDS if media.is_file else _WEB_PROBE_SECONDS
    try:
        done = await run(
            command,
            stdin=json.dumps(question).encode(),
            timeout_seconds=MEASURE_SECONDS if measured is Measured.WHOLE else limit,
            nice=_NICE if measured is Measured.WHOLE else 0,
            limit_bytes=1 << 20,
            pass_fds=pass_fds,
            environment=proxy_environment(media.proxy),
        )
    except ChildFailed as error:
        raise ProbeFailed.of("probe.failed", problem=error.message) from error
    if done.stderr_tail:
        _log.debug("probe stderr", lines=done.stderr_tail.splitlines()[-5:], code=done.returncode)
    found = _answer(done.returncode, done.stdout)
    growing = any(one.growing is not None for one in media.inputs)
    if growing and found.container != "mov":
        # A pipe cannot go back to where a seek without an index would begin: what lies before the first frame is decoded.
        found = replace(found, inexact_seek=True)
    return _without_guesses(found) if growing and found.container not in _STATES_LENGTH else found


def _without_guesses(found: SourceFacts) -> SourceFacts:
    """The facts without lengths: those of a growing file that has no index are what it holds now."""
    picture, sound = found.picture, found.sound
    return replace(
        found,
        duration_seconds=None,
        picture=picture and replace(picture, duration_seconds=None),
        sound=sound and replace(sound, duration_seconds=None),
    )


def _answer(returncode: int, stdout: bytes) -> SourceFacts:
    try:
        answer = json.loads(stdout)
    except ValueError:
        raise ProbeFailed.of("probe.no_answer", code=returncode) from None
    if "reason" in answer:
        reason = Message.from_json(answer["reason"])
        own = Message.find(f"{reason.key}.remedy", **reason.values)
        raise ProbeFailed(reason, remedy=own or Message.of("probe.no_answer.remedy"))
    ahead = answer.pop("read_ahead")
    picture, sound, subtitles = answer.pop("picture"), answer.pop("sound"), answer.pop("subtitles")
    return SourceFacts(
        picture=Picture(**picture) if picture else None,
        sound=_sound(sound) if sound else None,
        tracks=tuple(_track(one) for one in answer.pop("tracks")),
        subtitles=_track(subtitles) if subtitles else None,
        read_ahead=ReadAhead(**ahead) if ahead else None,
        **answer,
    )


def _sound(answer: dict[str, Any]) -> AudioTrack:
    level = answer.pop("level")
    return AudioTrack(**answer, level=Level(**level) if level else None)


def _track(answer: dict[str, Any]) -> Track:
    return Track(**{**answer, "kind": TrackKind(answer["kind"])})


def carried_over(found: SourceFacts, before: SourceFacts | None, media: Media) -> SourceFacts:
    """`found` with the loudness of an earlier probe and the duration of the resolver."""
    if before is not None and before.sound is not None and found.sound is not None:
        # One item has one gain, whatever its URL.
        known = before.sound
        sound = replace(
            found.sound, loudness_lufs=known.loudness_lufs, peak_decibels=known.peak_decibels, level=known.level
        )
        found = replace(found, sound=sound)
    still_alone = found.endless_picture and found.sound is None
    if found.duration_seconds is None and media.duration_seconds and not media.is_live and not still_alone:
        found = replace(found, duration_seconds=media.duration_seconds, duration_estimated=True)
    return found
