"""The two grids are exact for months with any items."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stands.house import FRAME_TICKS, RATE
from tg_video_streamer.errors import OffGrid
from tg_video_streamer.media import PACKET_TICKS, TICKS_PER_SECOND, FrameRate
from tg_video_streamer.playout.timeline import GridPosition, Splice

DAY_SECONDS = 86_400

items = st.lists(st.tuples(st.integers(1, 400), st.integers(-150, 150), st.integers(-40, 40)), min_size=1, max_size=40)


def play(
    start: GridPosition, frames: int, offset_ticks: int, surplus: int, rate: FrameRate = RATE
) -> tuple[list[int], list[int], list[int], GridPosition]:
    """One item: `frames` pictures, sound `offset_ticks` off and `surplus` packets longer than the picture."""
    splice, frame_ticks = Splice(start, rate), rate.frame_ticks
    video = [splice.video(n * frame_ticks) for n in range(frames)]
    audio: list[int] = []
    skews: list[int] = []
    for n in range(max(0, round(frames * frame_ticks / PACKET_TICKS) + surplus)):
        own = n * PACKET_TICKS + offset_ticks
        if own >= frames * frame_ticks:
            break
        place = splice.audio(own)
        audio += place.silence
        if place.slot is not None:
            audio.append(place.slot)
            skews.append(place.slot * PACKET_TICKS - start.video * frame_ticks - own)
    silence, position = splice.leave()
    return video, [*audio, *silence], skews, position


@settings(deadline=None, max_examples=200)
@given(items, st.sampled_from(FrameRate))
def test_neither_grid_ever_has_a_hole_or_an_overlap(sequence: list[tuple[int, int, int]], rate: FrameRate) -> None:
    """At any rate, with any lengths and offsets every slot is taken once, in order, and the lip-sync error does not add up."""
    position = GridPosition()
    video: list[int] = []
    audio: list[int] = []
    for frames, offset, surplus in sequence:
        item_video, item_audio, skews, position = play(position, frames, offset, surplus, rate)
        video += item_video
        audio += item_audio
        assert all(abs(skew) <= PACKET_TICKS // 2 for skew in skews)
        assert abs(position.video * rate.frame_ticks - position.audio * PACKET_TICKS) <= PACKET_TICKS * 3 // 2
    assert video == list(range(len(video)))
    assert audio == list(range(len(audio)))


@pytest.mark.parametrize("rate", FrameRate)
def test_a_thousand_items_end_where_arithmetic_says(rate: FrameRate) -> None:
    """At each rate, after 1,000 items of awkward lengths the sound is still within half a packet of the picture."""
    position = GridPosition()
    for number in range(1000):
        *_, skews, position = play(position, 50 + number % 7, (number * 37) % 121 - 60, number % 5 - 2, rate)
        assert all(abs(skew) <= PACKET_TICKS // 2 for skew in skews)
    assert position.video == sum(50 + number % 7 for number in range(1000))
    assert abs(position.video * rate.frame_ticks - position.audio * PACKET_TICKS) <= PACKET_TICKS * 3 // 2


@pytest.mark.parametrize(
    "start_seconds",
    [2 * 86_400, 2**31 // 1000 - 2, 2**33 // 90_000 - 2, 400 * 86_400],
    ids=["48 h", "2^31 ms", "2^33 ticks of 90 kHz", "400 days"],
)
def test_slots_stay_exact_in_a_stream_of_months(start_seconds: int) -> None:
    """Around every number that wraps in a container the slots are correct integers."""
    start = GridPosition(video=start_seconds * 25, audio=round(start_seconds * TICKS_PER_SECOND / PACKET_TICKS))
    video, audio, skews, end = play(start, 100, 0, 0)
    assert video == list(range(start.video, start.video + 100))
    assert audio == list(range(start.audio, start.audio + len(audio)))
    assert len(audio) in {187, 188}
    assert max(abs(skew) for skew in skews) <= PACKET_TICKS // 2
    assert end.video == start.video + 100


@pytest.mark.parametrize("rate", FrameRate)
def test_two_days_of_splices_drift_by_nothing(rate: FrameRate) -> None:
    """48 h of 8 s items whose sound is 3 ms too long: the error at the end is that of one item, not of all."""
    position = GridPosition()
    for _ in range(2 * DAY_SECONDS // 8):
        splice = Splice(position, rate)
        for n in (0, 8 * rate - 1):
            splice._video = position.video + n
            splice.video(n * rate.frame_ticks)
        splice.audio(9)
        _, position = splice.leave()
    assert position.video == 2 * DAY_SECONDS * rate
    assert abs(position.video * rate.frame_ticks - position.audio * PACKET_TICKS) <= PACKET_TICKS


def test_a_feed_at_another_frame_rate_is_refused() -> None:
    """Frames that come every 1/24 s are noticed within two seconds instead of being played 4 % too fast."""
    splice = Splice(GridPosition(), RATE)
    for n in range(13):
        splice.video(n * TICKS_PER_SECOND // 24)
    with pytest.raises(OffGrid, match="frame 13 of the item"):
        splice.video(13 * TICKS_PER_SECOND // 24)


def test_an_item_that_resumes_in_its_middle_is_in_lip_sync() -> None:
    """A segment that starts at an item's 61st second places its sound by the item's own time."""
    base = 61 * TICKS_PER_SECOND
    splice = Splice(GridPosition(video=10, audio=19), RATE, base_ticks=base)
    assert splice.video(base) == 10
    assert splice.audio(base - PACKET_TICKS).slot is None
    assert splice.audio(base).slot == 19


def test_a_hole_in_the_sound_is_filled_and_an_overlap_dropped() -> None:
    """A pause in an item's sound is filled with silence of its length; repeated sound is dropped."""
    splice = Splice(GridPosition(), RATE)
    splice.video(0)
    assert splice.audio(0).slot == 0
    later = splice.audio(11 * PACKET_TICKS)
    assert (list(later.silence), later.slot) == (list(range(1, 11)), 11)
    assert splice.audio(5 * PACKET_TICKS).slot is None


def test_sound_that_ends_before_the_picture_starves_no_output() -> None:
    """While a picture plays on without its sound, silence follows within two seconds, and sound that returns is in sync."""
    splice = Splice(GridPosition(), RATE)
    audio: list[int] = []
    for n in range(400):
        splice.video(n * FRAME_TICKS)
        if n * FRAME_TICKS < 2 * TICKS_PER_SECOND:
            place = splice.audio(n * FRAME_TICKS // PACKET_TICKS * PACKET_TICKS)
            audio += [*place.silence, *([] if place.slot is None else [place.slot])]
        audio += splice.overdue()
        assert (n + 1) * FRAME_TICKS - len(audio) * PACKET_TICKS <= 2 * TICKS_PER_SECOND
    back = 400 * FRAME_TICKS // PACKET_TICKS * PACKET_TICKS
    place = splice.audio(back)
    audio += place.silence
    assert place.slot == back // PACKET_TICKS
    assert audio == list(range(len(audio)))
