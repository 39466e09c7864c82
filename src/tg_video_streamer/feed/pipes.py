"""The pipes and input arguments of one ffmpeg child: files on its command line, URLs as scripts in its pipes.

Each descriptor is closed exactly once: the kernel reuses its number, so a second close would hit another connection.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from tg_video_streamer.errors import ProbeFailed
from tg_video_streamer.ffmpeg.filters import ItemRange
from tg_video_streamer.ffmpeg.inputs import (
    file_input,
    growing_input,
    manifest_input,
    manifest_script,
    plain_manifest,
    plain_stream,
    script_input,
    stream_input,
    stream_list,
    url_script,
)
from tg_video_streamer.ffmpeg.source import SourceFacts
from tg_video_streamer.resolve.media import MediaInput


class Pipes:
    """Owns its descriptors until `close`, or until one is handed over."""

    def __init__(self, inputs: Sequence[MediaInput], *, fed: bool = False, held: Sequence[int] = ()) -> None:
        """One pipe for each of `inputs` that is a URL or still grows; with `fed` one more, for the child's stdin.

        `held`: descriptors of others that the child inherits too.
        """
        self._held = held
        self._ours: set[int] = set()
        self.output, self.child_output = self._pipe()
        """The child writes to `child_output`; `output` is the read end."""
        self.scripts = [None if one.is_file and one.growing is None else self._pipe() for one in inputs]
        """(read end, write end) for each URL and growing file, None for each whole one, in the order of the inputs."""
        self.child_input: int | None = None
        self._input: int | None = None
        if fed:
            self.child_input, self._input = self._pipe()

    @property
    def inherited(self) -> list[int]:
        """Descriptors that the child must inherit besides its stdout."""
        return [*self._held, *(script[0] for script in self.scripts if script is not None)]

    def close_childs(self) -> None:
        """Close the ends that the child has inherited."""
        ours = self._ours & {self.output, self._input}
        for descriptor in self._ours - ours:
            os.close(descriptor)
        self._ours = ours

    def hand_over_input(self) -> int:
        """The write end of the child's stdin; the caller closes it."""
        assert self._input is not None  # noqa: S101 - the caller asked for it
        self._ours.discard(self._input)
        return self._input

    def hand_over_script(self, index: int) -> int:
        """The write end of the pipe of input number `index`; the caller closes it."""
        script = self.scripts[index]
        assert script is not None  # noqa: S101 - the caller knows that it has one
        self._ours.discard(script[1])
        return script[1]

    def hand_over_output(self) -> None:
        """The reader of `output` closes it."""
        self._ours.discard(self.output)

    def close(self) -> None:
        """Close what was not handed over."""
        while self._ours:
            os.close(self._ours.pop())

    def _pipe(self) -> tuple[int, int]:
        ends = os.pipe()
        self._ours.update(ends)
        return ends


def trims_lead(source: SourceFacts) -> bool:
    """Whether the part before the first frame is decoded and discarded, because a seek cannot skip it exactly."""
    return source.inexact_seek and not source.live


def reads_from_start(inputs: Sequence[MediaInput], source: SourceFacts, begin_seconds: float) -> bool:
    """Whether the part before `begin_seconds` is decoded and discarded: but for an MP4, no seek works in a pipe."""
    growing = any(one.growing is not None for one in inputs)
    return growing and begin_seconds > 0 and source.container != "mov"


def child_inputs(
    inputs: Sequence[MediaInput],
    source: SourceFacts,
    item_range: ItemRange,
    scripts: Sequence[tuple[int, int] | None],
    *,
    silent_seconds: float,
    passthrough: bool,
    from_start: bool = False,
) -> list[list[str]]:
    """The arguments of each input; writes the scripts. Raises ProbeFailed.

    `passthrough`: for a child that does not encode. `from_start`: see `reads_from_start`.
    """
    words = []
    for index, (one, script) in enumerate(zip(inputs, scripts, strict=True)):
        still = source.picture is not None and source.picture.still and source.picture.input_index == index
        alone = still and (source.sound is None or source.sound.input_index != index)
        lead = 0.0 if trims_lead(source) else source.lead_seconds(index)
        seek = 0.0 if alone or source.live or from_start else item_range.seek_seconds + lead
        if script is None:
            words.append(
                file_input(
                    one.location,
                    seek_seconds=seek,
                    still_format=source.still_container if alone else "",
                    read_ahead=source.read_ahead,
                    is_manifest=one.is_manifest,
                )
            )
        elif one.growing is not None:
            words.append(growing_input(script[0], seek_seconds=seek))
        else:
            words.append(_scripted(one, source, script, seek, silent_seconds, passthrough=passthrough))
        if still and source.picture is not None and source.picture.rotation:
            # The filters turn it.
            words[-1].insert(0, "-noautorotate")
        if source.picture is not None and source.picture.stands and source.picture.input_index == index:
            # Also the picture before the first frame is decoded.
            words[-1] = ["-noaccurate_seek", *words[-1]]
    return words


def _scripted(
    one: MediaInput,
    source: SourceFacts,
    script: tuple[int, int],
    seek: float,
    silent_seconds: float,
    *,
    passthrough: bool,
) -> list[str]:
    """Write the script of a URL into its pipe, which is large enough to hold it unread."""
    manifest = plain_manifest(source.container, one.headers)
    stream = not one.request_bytes and plain_stream(source.container, one.headers, states_length=one.states_length)
    try:
        if manifest:
            text = manifest_script(one.location)
        elif stream:
            text = stream_list(one.location)
        else:
            text = url_script(
                one.location,
                one.headers,
                silent_seconds=silent_seconds,
                read_ahead=source.read_ahead,
                request_bytes=one.request_bytes,
                states_length=one.states_length,
            )
    except ValueError as error:
        raise ProbeFailed.of("probe.not_opened", detail=str(error)) from None
    os.write(script[1], text)
    if manifest:
        return manifest_input(script[0], seek_seconds=seek)
    if stream:
        return stream_input(script[0], seek_seconds=seek, read_ahead=source.read_ahead)
    return script_input(script[0], seek_seconds=seek, passthrough=passthrough)
