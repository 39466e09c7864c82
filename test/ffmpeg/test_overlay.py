"""The overlay's command lines: unchanged without an overlay, and without secrets or escaping with one."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from stands.house import house_of
from tg_video_streamer.ffmpeg.command import feed_command
from tg_video_streamer.ffmpeg.filters import ItemRange, filter_graphs
from tg_video_streamer.ffmpeg.overlay import CLOCK_BYTES, OverlayInput, clock_text
from tg_video_streamer.ffmpeg.source import AudioTrack, Picture, SourceFacts

HOUSE = house_of("720p")
PICTURE = Picture(input_index=0, stream_index=0, codec="h264", width=1280, height=720, frame_rate=25.0)
SOUND = AudioTrack(input_index=0, stream_index=0, codec="aac", channels=2, sample_rate=48000)
FONT = Path("/fonts/a: 'font' [x], y;z.ttf")
ALL = OverlayInput(logo=7, caption=8, clock=9, font=FONT)


def _command(overlay: OverlayInput | None, *, sound: AudioTrack | None = SOUND) -> list[str]:
    source = SourceFacts(picture=PICTURE, sound=sound, duration_seconds=60.0)
    return feed_command(
        Path("ffmpeg"), [["-i", "file:a"]], source=source, house=HOUSE, item_range=ItemRange(), overlay=overlay
    )


def test_a_picture_with_nothing_on_it_is_made_as_ever() -> None:
    """Without an overlay there is no filter and no label for it."""
    command = _command(None)
    assert command.count("-i") == 1
    assert not any(word in " ".join(command) for word in ("overlay", "drawtext", "[bare]"))


def test_images_are_read_by_the_graph() -> None:
    """Logo and title are no inputs: a graph that is built again in the middle of an item reads them again."""
    for sound in (SOUND, None):
        command = _command(ALL, sound=sound)
        assert command.count("-i") == (1 if sound else 2)
        graph = command[command.index("-filter_complex") + 1]
        assert "movie=/proc/self/fd/7:" in graph
        assert "movie=/proc/self/fd/8:" in graph


def test_black_and_frozen_pictures_are_seen_below_a_clock_that_moves() -> None:
    """The detectors see the item's picture without the overlay."""
    (graph,) = filter_graphs(
        SourceFacts(picture=PICTURE, sound=None, duration_seconds=9.0), HOUSE, ItemRange(), overlay=ALL
    )
    watched = next(chain for chain in graph.split(";") if "freezedetect" in chain)
    assert watched.startswith("[watched]")
    split = next(at for at, chain in enumerate(graph.split(";")) if "split[seen][watched]" in chain)
    assert split < next(at for at, chain in enumerate(graph.split(";")) if "drawtext" in chain)
    assert ALL.descriptors == (7, 8, 9)


@given(age=st.floats(min_value=0, max_value=9, allow_nan=False))
def test_a_title_ends_when_it_would_have_ended(age: float) -> None:
    """An attempt that starts while the title shows has the rest of it."""
    graph = " ".join(_command(OverlayInput(caption=8, caption_age_seconds=age)))
    repeated = int(graph.partition("loop=")[2].partition(":")[0])
    assert abs(repeated + 1 + round(age * 25) - 225) <= 1


@given(wall=st.none() | st.floats(min_value=0, max_value=4e9, allow_nan=False))
def test_the_clocks_words_are_always_as_long(wall: float | None) -> None:
    """The clock's text has a fixed size, so that one write replaces it."""
    assert len(clock_text(wall)) == CLOCK_BYTES
