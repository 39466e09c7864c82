"""The inputs of one ffmpeg child: files on its command line, URLs as scripts that wait in its pipes."""

from __future__ import annotations

import os
from collections.abc import Sequence

from tg_video_streamer.errors import ProbeFailed
from tg_video_streamer.ffmpeg.filters import ItemRange
from tg_video_streamer.ffmpeg.inputs import (
    file_input,
    manifest_input,
    manifest_script,
    plain_manifest,
    script_input,
    url_script,
)
from tg_video_streamer.ffmpeg.source import SourceFacts
from tg_video_streamer.resolve.media import MediaInput

Scripts = list[tuple[int, int] | None]


def trims_lead(source: SourceFacts) -> bool:
    """Whether what comes before the first frame is decoded and thrown away, since it cannot be sought behind."""
    return source.inexact_seek and not source.live


def child_inputs(
    inputs: Sequence[MediaInput],
    source: SourceFacts,
    stretch: ItemRange,
    scripts: Scripts,
    *,
    stall_seconds: float,
    as_is: bool,
) -> list[list[str]]:
    """The words for each input, its script written; `as_is`: for a child that does not encode. Raises ProbeFailed."""
    words = []
    for index, (one, script) in enumerate(zip(inputs, scripts, strict=True)):
        still = source.picture is not None and source.picture.still and source.picture.input_index == index
        alone = still and (source.sound is None or source.sound.input_index != index)
        lead = 0.0 if trims_lead(source) else source.lead_seconds(index)
        seek = 0.0 if alone or source.live else stretch.seek_seconds + lead
        if script is None:
            words.append(
                file_input(one.location, seek_seconds=seek, still_format=source.still_container if alone else "")
            )
        else:
            words.append(_scripted(one, source.container, script, seek, stall_seconds, as_is=as_is))
    return words


def _scripted(
    one: MediaInput, container: str, script: tuple[int, int], seek: float, silence: float, *, as_is: bool
) -> list[str]:
    """Write the script of a URL into its pipe: it is shorter than a pipe is deep, so nobody need be reading yet."""
    plain = plain_manifest(container, one.headers)
    try:
        text = (
            manifest_script(one.location) if plain else url_script(one.location, one.headers, silence_seconds=silence)
        )
    except ValueError as error:
        raise ProbeFailed(f"the source cannot be opened: {error}") from None
    os.write(script[1], text)
    if plain:
        return manifest_input(script[0], seek_seconds=seek)
    return script_input(script[0], seek_seconds=seek, as_is=as_is)
