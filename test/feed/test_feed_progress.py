"""What follows an attempt at an item, as pure policy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from stands.feeding import item_of
from stands.house import RATE
from tg_video_streamer.errors import EncoderFailed
from tg_video_streamer.feed.progress import LIVE_TRIES, TRIES, AttemptResult, Expected, Progress, Step


def outcome(frames: int, *, broken: bool = False, lost: bool = False) -> AttemptResult:
    """The result of an attempt."""
    error = EncoderFailed("it broke") if broken else None
    return AttemptResult(frames=frames, sound_end_ticks=None, error=error, lost=lost)


def follow(progress: Progress, ended: AttemptResult, *, live: bool = False, is_file: bool = True) -> Step:
    """Count the attempt and return what follows, for an item of 60 s."""
    progress.add(ended)
    expected = Expected(seconds=None if live else 60.0)
    return progress.after_result(ended, live=live, is_file=is_file, expected=expected)


def test_whole_item_ends() -> None:
    """An item that played to its stated end has ended, even if the child failed at the very end."""
    assert follow(Progress(rate=RATE), outcome(1500)) is Step.END
    assert follow(Progress(rate=RATE), outcome(1480, broken=True)) is Step.END


@given(first=some.integers(1, 1400))
def test_goes_on_at_the_frame_where_it_died(first: int) -> None:
    """After a failure in the middle the next attempt starts at the very next frame of the source."""
    progress = Progress(rate=RATE)
    assert follow(progress, outcome(first, broken=True)) is Step.TRY_AGAIN
    place = progress.start_point(item_of("/a.mp4", start_seconds=5.0), live=False)
    assert place.frames == first
    assert place.source_seconds == pytest.approx(5.0 + first / 25)


def test_damage_is_left_out_and_the_rest_is_played() -> None:
    """While nothing can be decoded, more and more is skipped, and the frame numbers continue without a gap."""
    progress = Progress(rate=RATE)
    assert follow(progress, outcome(500, broken=True)) is Step.TRY_AGAIN
    assert follow(progress, outcome(0, broken=True)) is Step.TRY_AGAIN
    assert follow(progress, outcome(0, broken=True)) is Step.TRY_AGAIN
    assert progress.start_point(item_of("/a.mp4"), live=False).source_seconds == pytest.approx(22.0)
    assert follow(progress, outcome(0, broken=True)) is Step.TRY_AGAIN
    place = progress.start_point(item_of("/a.mp4"), live=False)
    assert place.frames == 500
    assert place.source_seconds == pytest.approx(27.0)
    assert follow(progress, outcome(825)) is Step.END


def test_a_child_that_gave_nothing_once_leaves_nothing_out() -> None:
    """A killed encoder, followed by one that hangs before its first frame, loses no frame of the source."""
    progress = Progress(rate=RATE)
    assert follow(progress, outcome(500, broken=True)) is Step.TRY_AGAIN
    assert follow(progress, outcome(0, broken=True)) is Step.TRY_AGAIN
    assert progress.start_point(item_of("/a.mp4"), live=False).source_seconds == pytest.approx(20.0)


def test_truncated_file_ends() -> None:
    """A truncated file ends instead of failing."""
    progress = Progress(rate=RATE)
    steps = [follow(progress, outcome(900))]
    while steps[-1] is Step.TRY_AGAIN:
        steps.append(follow(progress, outcome(0)))
    assert steps[-1] is Step.END
    assert len(steps) <= TRIES + 1


def test_unreachable_url_is_given_up() -> None:
    """An unreadable URL is given up after a few attempts, and nothing is skipped."""
    progress = Progress(rate=RATE)
    steps = [follow(progress, outcome(500, lost=True), is_file=False)]
    while steps[-1] is Step.TRY_AGAIN:
        steps.append(follow(progress, outcome(0, broken=True, lost=True), is_file=False))
    assert steps[-1] is Step.GIVE_UP
    assert len(steps) == TRIES
    assert progress.skipped_seconds == 0


def test_live_source_is_joined_until_it_says_that_it_is_over() -> None:
    """A broadcast ends with a clean end; a broken one is joined again at its present, a few times."""
    assert follow(Progress(rate=RATE), outcome(500), live=True) is Step.END
    progress = Progress(rate=RATE)
    assert follow(progress, outcome(500, lost=True), live=True) is Step.TRY_AGAIN
    assert progress.start_point(item_of("http://a/b"), live=True).source_seconds == 0
    steps = [follow(progress, outcome(0, broken=True), live=True) for _ in range(LIVE_TRIES - 1)]
    assert steps[-1] is Step.GIVE_UP
    assert set(steps[:-1]) == {Step.TRY_AGAIN}


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("start_seconds", [0.0, 7.0])
def test_what_never_gave_a_frame_is_asked_once(start_seconds: float, *, live: bool) -> None:
    """A web source that fails before its first frame is given up at once, also when it resumes."""
    assert Progress(rate=RATE, start_seconds=start_seconds).after_failure(live=live) is Step.GIVE_UP
    assert (
        follow(Progress(rate=RATE, start_seconds=start_seconds), outcome(0, broken=True), live=live, is_file=False)
        is Step.GIVE_UP
    )


def test_what_died_amid_its_item_is_asked_again_at_once() -> None:
    """A source that has given frames gets its few attempts without a long pause."""
    progress = Progress(rate=RATE)
    assert follow(progress, outcome(500, lost=True, broken=True), is_file=False) is Step.TRY_AGAIN
    steps = [progress.after_failure(live=False) for _ in range(TRIES - 1)]
    assert steps == [Step.TRY_AGAIN] * (TRIES - 2) + [Step.GIVE_UP]


def test_the_damaged_beginning_of_a_file_is_left_out() -> None:
    """A file whose start cannot be decoded plays from where it can."""
    progress = Progress(rate=RATE)
    assert {follow(progress, outcome(0, broken=True)) for _ in range(3)} == {Step.TRY_AGAIN}
    assert progress.start_point(item_of("/a.mp4"), live=False).source_seconds > 0
    assert follow(progress, outcome(1400)) is Step.END
