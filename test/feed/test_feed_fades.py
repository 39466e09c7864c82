"""Cuts between items do not click, and items fade where that is set: measured on the decoded program."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from stands.feeding import SMALL, feed_of, item_of, play, write_packets
from stands.house import FRAME_TICKS, RATE
from stands.recording import Recording, read_recording
from tg_video_streamer.feed.fades import fades_of
from tg_video_streamer.feed.progress import StartPoint
from tg_video_streamer.ffmpeg.filters import ItemRange
from tg_video_streamer.ffmpeg.source import AudioTrack, Picture, SourceFacts
from tg_video_streamer.media import PACKET_TICKS, CodecHeaders, Kind, Packet
from tg_video_streamer.playout.timeline import GridPosition, Splice

SECONDS = 2
SAMPLES = SECONDS * 48000
TONE = "0.3*cos(2*PI*443*t)"
"""It begins and ends at its highest value."""


def made(path: Path, ffmpeg: Path, *, sound: str = TONE, seconds: float = SECONDS, codec: str = "pcm_s16le") -> Path:
    """A white clip with this sound."""
    command = [str(ffmpeg), "-nostdin", "-v", "error", "-f", "lavfi", "-i", f"color=white:s=320x180:r=25:d={seconds}"]
    command += ["-f", "lavfi", "-i", f"aevalsrc='{sound}':s=48000:d={seconds}", "-c:v", "libx264"]
    subprocess.run([*command, "-preset", "ultrafast", "-c:a", codec, str(path)], check=True, timeout=120)
    return path


async def spliced(
    items: list[Path], ffmpeg: Path, headers: CodecHeaders, folder: Path, *, fade: float = 0.0, **changes: object
) -> Recording:
    """The items one after the other on the program's grids, decoded."""
    program: list[Packet] = []
    position = GridPosition()
    for path in items:
        house = replace(SMALL, fade_seconds=fade)
        played = await play(feed_of(item_of(path, **changes), ffmpeg, headers=headers, house=house))
        splice = Splice(position, RATE)
        for packet in played.packets:
            if packet.kind is Kind.VIDEO:
                program.append(replace(packet, ticks=splice.video(packet.ticks) * FRAME_TICKS))
            elif (slot := splice.audio(packet.ticks).slot) is not None:
                program.append(replace(packet, ticks=slot * PACKET_TICKS))
        silence, position = splice.leave()
        assert len(silence) <= 1
    path = folder / f"program-{fade}-{len(changes)}.mkv"
    write_packets(path, program, headers)
    return read_recording(path)


def click(samples: NDArray[np.float32], at: int) -> float:
    """The energy above 8 kHz around a splice, in dB of full scale."""
    part = samples[0, at - 3072 : at + 3072] * np.hanning(6144)
    spectrum = np.abs(np.fft.rfft(part))[round(8000 * 6144 / 48000) :]
    return float(10 * np.log10(np.sum(spectrum**2) / 6144**2 + 1e-15))


def level(samples: NDArray[np.float32], hertz: float) -> float:
    """How loud a tone is, in dB of full scale."""
    times = np.arange(samples.shape[-1]) / 48000
    return float(20 * np.log10(2 * abs(np.mean(samples * np.exp(-2j * np.pi * hertz * times))) + 1e-9))


async def test_a_cut_does_not_click(each_ffmpeg: Path, headers: CodecHeaders, tmp_path: Path) -> None:
    """Two tones cut at their peaks: at the splice no step is larger than within a tone, and 20 dB less above 8 kHz; no frame is lost."""
    item = made(tmp_path / "tone.mkv", each_ffmpeg)
    faded = await spliced([item, item], each_ffmpeg, headers, tmp_path)
    hard = await spliced([item, item], each_ffmpeg, headers, tmp_path, gapless=True)
    assert click(faded.samples, SAMPLES) <= click(hard.samples, SAMPLES) - 20
    around = slice(SAMPLES - 3000, SAMPLES + 3000)
    within = np.abs(np.diff(faded.samples[0, 20000:40000])).max()
    assert np.abs(np.diff(faded.samples[0, around])).max() <= 1.1 * within
    assert np.abs(np.diff(hard.samples[0, around])).max() > 3 * within
    for recording in (faded, hard):
        assert len(recording.looks) == 2 * SECONDS * 25
        assert 0 <= recording.samples.shape[1] - 2 * SAMPLES <= 2 * 1024
    # Sample-exact: what is before the last 20 ms and after the first 20 ms is as it was, but for what one packet spreads.
    for part in (slice(20000, SAMPLES - 960 - 1024), slice(SAMPLES + 960 + 2048, 2 * SAMPLES - 960 - 2048)):
        one, other = (level(recording.samples[0, part], 443) for recording in (faded, hard))
        assert abs(one - other) < 0.05


async def test_items_fade_through_black_and_silence(ffmpeg: Path, headers: CodecHeaders, tmp_path: Path) -> None:
    """TRANSITION=fade 0.4: the first and the last picture of each item are black, half of a fade is gray, and the sound follows."""
    item = made(tmp_path / "tone.mkv", ffmpeg)
    recording = await spliced([item, item], ffmpeg, headers, tmp_path, fade=0.4)
    assert len(recording.looks) == 2 * SECONDS * 25
    light = lightness(tmp_path / "program-0.4-0.mkv")
    for first in (0, 50):
        assert light[first] <= 18
        assert 100 <= light[first + 5] <= 150
        assert min(light[first + 11 : first + 39]) >= 230
        assert 100 <= light[first + 44] <= 150
        assert light[first + 49] <= 18
    loud = [float(np.abs(recording.samples[0, at : at + 480]).max()) for at in range(0, 2 * SAMPLES, 480)]
    assert loud[20] == pytest.approx(loud[180], rel=0.15)
    assert loud[20] == pytest.approx(loud[100] / 2, rel=0.2)
    assert loud[198] < 0.02 * loud[100]


async def test_a_gapless_item_does_not_fade(ffmpeg: Path, headers: CodecHeaders, tmp_path: Path) -> None:
    """gapless=1 leaves picture and sound as they are, whatever TRANSITION is."""
    item = made(tmp_path / "tone.mkv", ffmpeg)
    await spliced([item], ffmpeg, headers, tmp_path, fade=0.4, gapless=True)
    light = lightness(tmp_path / "program-0.4-1.mkv")
    assert min(light) >= 230


def lightness(path: Path) -> list[float]:
    """The mean luma of each picture."""
    with av.open(str(path)) as container:
        return [float(frame.to_ndarray(format="gray").mean()) for frame in container.decode(video=0)]


@pytest.mark.parametrize(
    ("frames", "estimated", "live", "expected"),
    [
        (0, False, False, (True, 3.0, 3.04)),
        # The item continues: it is not faded in again, and its end is nearer.
        (25, False, False, (False, 2.0, 2.04)),
        (0, True, False, (True, None, None)),
        (0, False, True, (True, None, None)),
    ],
)
def test_only_a_real_end_fades(
    *, frames: int, estimated: bool, live: bool, expected: tuple[bool, float | None, float | None]
) -> None:
    """The sound ends with its stream or with the picture; where the length is a guess nothing fades out."""
    picture = Picture(
        input_index=0, stream_index=0, codec="h264", width=320, height=180, late_seconds=0.02, duration_seconds=3.04
    )
    sound = AudioTrack(input_index=0, stream_index=0, codec="aac", channels=2, sample_rate=48000, duration_seconds=3.02)
    source = SourceFacts(picture=picture, sound=sound, duration_seconds=3.06, duration_estimated=estimated, live=live)
    start = StartPoint(item_start_seconds=0.0, rate=RATE, frames=frames)
    fades = fades_of(source, start, ItemRange(), SMALL)
    found = (fades.sound_end_seconds, fades.picture_end_seconds)
    assert fades.begins is expected[0]
    assert found == tuple(one if one is None else pytest.approx(one) for one in expected[1:])


def test_a_line_that_ends_earlier_fades_there() -> None:
    """With end= the fade lies before it, and no fade is longer than half of its item."""
    source = SourceFacts(picture=None, sound=None, duration_seconds=None)
    start = StartPoint(item_start_seconds=0.0, rate=RATE)
    fades = fades_of(source, start, ItemRange(length_seconds=0.03), SMALL)
    assert fades.sound_end_seconds == 0.03
    assert fades.sound_seconds == pytest.approx(0.015)
