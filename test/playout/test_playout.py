"""The playout in virtual time: no slot is ever missing, and the best level is on air."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stands.house import FRAME_TICKS, GOP_FRAMES, RATE
from tg_video_streamer.events import (
    AirContent,
    CutReason,
    Event,
    EventBus,
    SegmentEnded,
    SegmentStarted,
    SlateReason,
    SourceFailed,
    SourceLevel,
)
from tg_video_streamer.feed.buffer import Buffer
from tg_video_streamer.media import PACKET_TICKS, Kind, Packet, Stamped
from tg_video_streamer.playout.cue import CueTime
from tg_video_streamer.playout.fanout import Fanout, Subscription
from tg_video_streamer.playout.playout import Playout
from tg_video_streamer.playout.slate import Slate
from tg_video_streamer.playout.source import AirSource, PlayoutEvent, SourceEnded, SourceStarted


@dataclass
class VirtualClock:
    """Time that moves when a test says so."""

    now: float = 1000.0
    wall_offset: float = 1_700_000_000.0

    def monotonic(self) -> float:
        """See Clock."""
        return self.now

    def wall(self) -> float:
        """See Clock."""
        return self.now + self.wall_offset


def fill(buffer: Buffer, name: str, frames: range, *, frame_ticks: int = FRAME_TICKS) -> None:
    """Put pictures and their sound into `buffer`, each naming its item and number."""
    packet = frames.start * FRAME_TICKS // PACKET_TICKS
    for frame in frames:
        ticks = frame * frame_ticks
        key = (frame - frames.start) % GOP_FRAMES == 0
        buffer.put(Packet(kind=Kind.VIDEO, ticks=ticks, keyframe=key, data=f"{name}{frame}".encode()))
        while packet * PACKET_TICKS < ticks + FRAME_TICKS:
            data = f"{name}a{packet}".encode()
            buffer.put(Packet(kind=Kind.AUDIO, ticks=packet * PACKET_TICKS, keyframe=True, data=data))
            packet += 1


def primed(
    name: str, frames: int, *, finished: bool = True, level: SourceLevel = SourceLevel.ITEM, grace: float = 0.0
) -> AirSource:
    """A primed item of `frames` pictures."""
    buffer = Buffer(RATE, limit_seconds=3600)
    fill(buffer, name, range(frames))
    if finished:
        buffer.finish()
    content = AirContent(level=level, key=name, title=name, new_play=True)
    return AirSource(packets=buffer, content=content, grace=lambda: grace)


@dataclass
class Stage:
    """A playout without a thread, and all that it published and reported."""

    slate: Slate
    clock: VirtualClock = field(default_factory=VirtualClock)
    reported: list[tuple[type[PlayoutEvent], str, str]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    packets: list[Stamped] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        bus = EventBus(self.loop)
        bus.subscribe(self.events.append)
        self.fanout = Fanout(self.slate.headers, RATE)
        self.subscription: Subscription = self.fanout.subscribe(limit_seconds=1e6)
        self.playout = Playout(
            slate=self.slate, fanout=self.fanout, clock=self.clock, events=bus, listener=self._on_playout_event
        )

    def _on_playout_event(self, event: PlayoutEvent) -> None:
        self.reported.append((type(event), event.source.content.key, event.reason))

    def run(self, seconds: float, *, step: float = 0.08) -> None:
        """Let time pass."""
        end = self.clock.now + seconds
        self.playout.play_until(self.clock.now)
        while self.clock.now < end:
            self.clock.now = min(end, self.clock.now + step)
            self.playout.play_until(self.clock.now)
        self.collect()

    def collect(self) -> None:
        """Take what was published."""
        self.packets += self.subscription.take(0)
        self.loop.run_until_complete(asyncio.sleep(0))

    def video(self) -> list[str]:
        """What each video slot showed: `a12` is picture 12 of item a, `-` the slate."""
        pictures = [one for one in self.packets if one.kind is Kind.VIDEO]
        return [one.data.decode() if len(one.data) < 12 else "-" for one in pictures]

    def check_grids(self) -> None:
        """Every slot of both grids is there once, in order, and sound never lags or leads by more than a packet."""
        for kind in Kind:
            times = [one.ticks for one in self.packets if one.kind is kind]
            step = FRAME_TICKS if kind is Kind.VIDEO else PACKET_TICKS
            assert times == list(range(0, step * len(times), step))
        video = sum(one.kind is Kind.VIDEO for one in self.packets)
        audio = sum(one.kind is Kind.AUDIO for one in self.packets)
        assert abs(video * FRAME_TICKS - audio * PACKET_TICKS) <= 2 * FRAME_TICKS

    def levels(self) -> list[tuple[str, str]]:
        """Level and reason of each segment."""
        return [(str(event.content.level), event.reason) for event in self.events if isinstance(event, SegmentStarted)]


@pytest.fixture
def stage(slate: Slate) -> Iterator[Stage]:
    """A new stage."""
    made = Stage(slate)
    yield made
    made.loop.close()


def test_the_slate_is_there_when_nothing_else_is(stage: Stage) -> None:
    """With no item at all, three seconds of program are three seconds of slate with silence."""
    stage.run(3)
    assert stage.video() == ["-"] * 76
    assert {one.data for one in stage.packets if one.kind is Kind.AUDIO} == {stage.slate.silence}
    stage.check_grids()


def test_items_shorter_than_a_wakeup_follow_each_other(stage: Stage) -> None:
    """Thirty items of 0.2 s that are on offer in a row leave no slot to the slate, and start in their order."""
    stage.run(1)
    clips = [primed(f"{number}:", 5) for number in range(30)]
    stage.playout.offer(clips[0])
    for clip in clips[1:]:
        stage.playout.offer_after(clip)
    stage.run(7, step=0.33)
    shown = stage.video()
    assert shown[shown.index("0:0") :][:150] == [f"{number}:{frame}" for number in range(30) for frame in range(5)]
    assert [level for level, _ in stage.levels()] == ["slate", *["item"] * 30, "slate"]
    stage.check_grids()


def test_an_offered_item_behind_another_waits_for_its_cue(stage: Stage) -> None:
    """An item with a time that follows a short one on offer does not start early."""
    stage.playout.set_cues({"b": CueTime(wall=stage.clock.wall() + 4, cuts=False)})
    stage.playout.offer(primed("a", 5))
    stage.playout.offer_after(primed("b", 50))
    stage.run(7, step=0.33)
    assert stage.video()[:150] == [f"a{n}" for n in range(5)] + ["-"] * 95 + [f"b{n}" for n in range(50)]
    assert stage.video()[150:] == ["-"] * (len(stage.video()) - 150)


def test_one_item_follows_another_in_the_next_slot(stage: Stage) -> None:
    """The last picture of an item and the first of the next are in neighboring slots."""
    stage.playout.offer(primed("a", 60))
    stage.run(1)
    stage.playout.offer(primed("b", 60))
    stage.run(3)
    assert stage.video()[:101] == [f"a{n}" for n in range(60)] + [f"b{n}" for n in range(41)]
    assert stage.reported == [
        (SourceStarted, "a", "started"),
        (SourceEnded, "a", "ended"),
        (SourceStarted, "b", "ended"),
    ]
    stage.check_grids()


def test_skip_cuts_within_two_frames(stage: Stage) -> None:
    """After `skip` at most two more pictures of the item are published."""
    stage.playout.offer(primed("a", 500))
    stage.run(1)
    stage.playout.offer(primed("b", 500))
    stage.collect()
    aired = len(stage.video())
    stage.playout.skip()
    stage.run(1)
    assert stage.video()[aired + 2].startswith("b")
    assert (SourceEnded, "a", "skipped") in stage.reported
    stage.check_grids()


def test_a_dry_item_gives_way_to_the_next_one(stage: Stage) -> None:
    """An item without grace that runs dry is replaced by the next one in the slot of the missing picture."""
    stage.playout.offer(primed("a", 50, finished=False))
    stage.run(1)
    stage.playout.offer(primed("b", 50))
    stage.run(2.5)
    assert stage.video()[49:51] == ["a49", "b0"]
    assert (SourceEnded, "a", "source_stalled") in stage.reported
    stage.check_grids()


def test_a_dry_live_item_comes_back_after_the_slate(stage: Stage) -> None:
    """A source with grace waits behind the slate and resumes at the picture where it ran dry."""
    live = primed("a", 50, finished=False, grace=60)
    stage.playout.offer(live)
    stage.run(1)
    stage.playout.offer(primed("b", 50))
    stage.run(4)
    assert stage.video()[49:51] == ["a49", "-"]
    assert isinstance(live.packets, Buffer)
    fill(live.packets, "a", range(50, 200))
    stage.run(2)
    video = stage.video()
    assert video[video.index("a50") - 1] == "-"
    assert video.index("a99") - video.index("a50") == 49
    assert not [change for change in stage.reported if change[0] is SourceEnded]
    stage.check_grids()


def test_a_live_item_that_stays_away_is_given_up(stage: Stage) -> None:
    """After its grace the next item replaces a live source that did not come back."""
    stage.playout.offer(primed("a", 25, finished=False, grace=5))
    stage.run(0.5)
    stage.playout.offer(primed("b", 250))
    stage.run(4)
    assert stage.video()[-1] == "-"
    stage.run(3)
    assert stage.video()[-1].startswith("b")
    assert (SourceEnded, "a", "source_stalled") in stage.reported
    stage.check_grids()


def test_filler_covers_what_items_leave_open(stage: Stage) -> None:
    """A primed filler replaces the slate until an item is ready."""
    stage.playout.offer(primed("a", 25))
    stage.playout.offer_filler(primed("f", 500, level=SourceLevel.FILLER))
    stage.run(2)
    stage.playout.offer(primed("b", 500))
    stage.run(1)
    assert stage.levels() == [("item", "started"), ("filler", "ended"), ("item", "item_ready")]
    stage.check_grids()


def test_pause_keeps_the_item_where_it_is(stage: Stage) -> None:
    """While held viewers see the slate; then the item resumes with a keyframe and loses no picture."""
    stage.playout.offer(primed("a", 500))
    stage.run(1.5)
    stage.playout.hold(SlateReason.PAUSED)
    stage.run(3)
    stage.playout.release()
    stage.run(6)
    video = stage.video()
    first, last = video.index("-"), len(video) - 1 - video[::-1].index("-")
    before, after = int(video[first - 1][1:]), int(video[last + 1][1:])
    assert after == before // GOP_FRAMES * GOP_FRAMES
    assert video[last + 1 :] == [f"a{after + n}" for n in range(len(video) - last - 1)]
    assert stage.packets[0].keyframe
    plays = [event for event in stage.events if isinstance(event, SegmentStarted) and event.content.new_play]
    assert len(plays) == 1
    stage.check_grids()


def test_skip_while_paused_leaves_the_item(stage: Stage) -> None:
    """An item that waits behind the slate can be skipped; the next one comes after the pause."""
    stage.playout.offer(primed("a", 500))
    stage.run(1)
    stage.playout.hold(SlateReason.PAUSED)
    stage.run(1)
    stage.playout.offer(primed("b", 500))
    stage.playout.skip()
    stage.run(1)
    assert stage.video()[-1] == "-"
    stage.playout.release()
    stage.run(1)
    assert stage.video()[-1].startswith("b")
    assert (SourceEnded, "a", "skipped") in stage.reported
    stage.check_grids()


def test_pictures_at_another_rate_leave_the_air_at_once(stage: Stage) -> None:
    """A source at 24 fps is not played too fast: within a second the next level is on air, and the failure is an event."""
    buffer = Buffer(RATE, limit_seconds=3600)
    fill(buffer, "a", range(100), frame_ticks=125)
    stage.playout.offer(AirSource(packets=buffer, content=AirContent(level=SourceLevel.ITEM, key="a", title="a")))
    stage.run(2)
    assert stage.video()[-1] == "-"
    assert (SourceEnded, "a", "off_grid") in stage.reported
    stage.check_grids()


def test_a_frozen_host_costs_a_reported_gap_and_no_slot(stage: Stage) -> None:
    """After 30 s in which the process did not run, the program continues in its next slot and the gap is counted."""
    stage.playout.offer(primed("a", 2000))
    stage.run(1)
    stage.clock.now += 30
    stage.run(1)
    assert 29 < stage.playout.gap_seconds < 31
    assert len(stage.video()) < 60
    stage.check_grids()


def test_a_wall_clock_that_is_set_back_changes_nothing(stage: Stage) -> None:
    """An hour back on the wall clock moves no slot."""
    stage.playout.offer(primed("a", 2000))
    stage.run(1)
    stage.clock.wall_offset -= 3600
    stage.run(1)
    assert stage.video() == [f"a{n}" for n in range(51)]
    assert stage.playout.gap_seconds == 0


def test_every_segment_is_recorded(stage: Stage) -> None:
    """Every segment has an event with its level, reason and length."""
    stage.playout.offer(primed("a", 50))
    stage.run(3)
    stage.playout.stop()
    stage.collect()
    records = [event for event in stage.events if isinstance(event, SegmentEnded)]
    assert [(one.content.level, one.reason) for one in records] == [
        (SourceLevel.ITEM, "ended"),
        (SourceLevel.SLATE, "stopped"),
    ]
    assert records[0].seconds == 2.0
    assert records[0].skew_seconds <= 0.0107


def test_an_item_that_is_set_aside_again_at_once_loses_nothing(stage: Stage) -> None:
    """An item that is set aside again while it repeats pictures resumes without a gap in its own time."""
    stage.playout.offer(primed("a", 500))
    stage.run(1.8)
    for _ in range(3):
        stage.playout.hold(SlateReason.PAUSED)
        stage.run(0.5)
        stage.playout.release()
        stage.run(0.3)
    stage.run(4)
    video = stage.video()
    last = len(video) - 1 - video[::-1].index("-")
    assert video[last + 1 :] == [f"a{n}" for n in range(len(video) - last - 1)]
    assert not [event for event in stage.events if isinstance(event, SourceFailed)]
    stage.check_grids()


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("offer"), st.integers(1, 200)),
        st.tuples(st.just("unfinished"), st.integers(0, 100)),
        st.tuples(st.just("filler"), st.integers(1, 100)),
        st.tuples(st.sampled_from(["backup", "failing", "end"]), st.integers(1, 100)),
        st.tuples(st.just("live"), st.integers(1, 100)),
        st.tuples(st.just("stalling live"), st.integers(1, 100)),
        st.tuples(st.sampled_from(["skip", "hold", "release"]), st.just(0)),
        st.tuples(st.just("run"), st.integers(1, 60)),
    ),
    max_size=30,
)


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ACTIONS)
def test_no_order_of_events_makes_a_hole(slate: Slate, actions: list[tuple[str, int]]) -> None:
    """With any order of offers, skips, holds and dry sources both grids stay complete."""
    stage = Stage(slate)
    playout = stage.playout
    for number, (action, amount) in enumerate(actions):
        if action == "run":
            stage.run(amount / 25)
        elif action == "hold":
            playout.hold(SlateReason.PAUSED)
        elif action == "release":
            playout.release()
        elif action == "skip":
            playout.skip()
        elif action == "end":
            if playout.item is not None:
                playout.end_item(playout.item, CutReason.TIME_OVER)
        else:
            _offer(playout, action, number, amount)
    stage.run(1)
    stage.check_grids()
    assert not [event for event in stage.events if isinstance(event, SourceFailed)]
    stage.loop.close()


def _offer(playout: Playout, action: str, number: int, amount: int) -> None:
    if action == "offer":
        playout.offer(primed(f"{number}-", amount))
    elif action == "unfinished":
        playout.offer(primed(f"{number}-", amount, finished=False, grace=number % 3))
    elif action == "failing":
        playout.offer(replace(primed(f"{number}-", amount), outcome=lambda: CutReason.SOURCE_FAILED))
    elif action == "filler":
        playout.offer_filler(primed(f"{number}f", amount, level=SourceLevel.FILLER))
    elif action == "backup":
        playout.offer_backup(primed(f"{number}s", amount, level=SourceLevel.BACKUP))
    else:
        playout.offer(live(amount, finished=action == "live", name=f"{number}L"))


def live(frames: int, *, finished: bool = True, name: str = "L") -> AirSource:
    """The operator's own stream, primed with `frames` pictures."""
    made = primed(name, frames, finished=finished, level=SourceLevel.LIVE)
    outcome = CutReason.LIVE_ENDED if finished else CutReason.LIVE_STALLED
    return replace(made, content=replace(made.content, new_play=False), outcome=lambda: outcome)


def test_a_live_stream_takes_over_at_once_and_the_item_resumes_after_it(stage: Stage) -> None:
    """The item's last picture, the live stream from its first to its last, and the item again from its keyframe."""
    stage.playout.offer(primed("a", 500))
    stage.run(1.5)
    stage.playout.offer(live(75))
    stage.run(10)
    video = stage.video()
    begin = video.index("L0")
    before = int(video[begin - 1][1:])
    assert video[begin : begin + 75] == [f"L{n}" for n in range(75)]
    after = before // GOP_FRAMES * GOP_FRAMES
    assert video[begin + 75 :] == [f"a{after + n}" for n in range(len(video) - begin - 75)]
    assert stage.levels() == [("item", "started"), ("live", "takeover"), ("item", "live_ended")]
    assert stage.reported[-2:] == [(SourceEnded, "L", "live_ended"), (SourceStarted, "a", "live_ended")]
    assert sum(event.content.new_play for event in stage.events if isinstance(event, SegmentStarted)) == 1
    live_seconds = [
        event.seconds
        for event in stage.events
        if isinstance(event, SegmentEnded) and event.content.level is SourceLevel.LIVE
    ]
    assert live_seconds == [3.0]
    stage.check_grids()


def test_a_live_stream_that_runs_dry_gives_way_in_the_same_slot(stage: Stage) -> None:
    """No slate is seen where it stalls, and it takes over again once it is offered again."""
    stage.playout.offer(primed("a", 500))
    stage.run(1)
    stalling = live(50, finished=False)
    stage.playout.offer(stalling)
    stage.run(3)
    assert isinstance(stalling.packets, Buffer)
    fill(stalling.packets, "L", range(100, 200))
    stage.playout.offer(replace(stalling))
    stage.run(3)
    video = stage.video()
    assert video[video.index("L49") + 1].startswith("a")
    assert "-" not in video
    assert video[-1].startswith("L1")
    assert [reason for _, reason in stage.levels()] == ["started", "takeover", "live_stalled", "takeover"]
    stage.check_grids()


def test_the_operators_slate_is_above_a_live_stream(stage: Stage) -> None:
    """A pause covers the live stream, another one waits for its end, and the item resumes where it was."""
    stage.playout.offer(primed("a", 500))
    stage.run(1)
    stage.playout.offer(live(500, finished=False))
    stage.run(1)
    stage.playout.hold(SlateReason.PAUSED)
    stage.run(1)
    assert stage.video()[-1] == "-"
    assert stage.reported[-1] == (SourceEnded, "L", "held")
    stage.playout.offer(live(50, name="M"))
    stage.run(1)
    assert stage.video()[-1] == "-"
    stage.playout.release()
    stage.run(1)
    assert stage.video()[-1].startswith("M")
    stage.run(3)
    assert stage.video()[-1].startswith("a")
    assert stage.playout.item is not None
    stage.check_grids()


def test_skip_leaves_the_live_stream_and_not_the_item(stage: Stage) -> None:
    """A skip resumes the item; a jump changes only what follows the live stream."""
    stage.playout.offer(primed("a", 500))
    stage.run(1)
    stage.playout.offer(live(500))
    stage.run(1)
    left = stage.playout.skip()
    assert left is not None
    assert left.content.level is SourceLevel.LIVE
    stage.run(1)
    assert stage.video()[-1].startswith("a")
    assert (SourceEnded, "L", "skipped") in stage.reported
    stage.playout.offer(live(100, name="M"))
    stage.run(1)
    following = primed("b", 500)
    stage.playout.offer(following)
    stage.playout.cut_to_next(following)
    stage.run(1)
    assert stage.video()[-1].startswith("M")
    assert (SourceEnded, "a", "skipped") in stage.reported
    stage.run(4)
    assert stage.video()[-1].startswith("b")
    stage.check_grids()


def test_one_live_stream_follows_another_without_the_item(stage: Stage) -> None:
    """A publisher that connects again takes over while the end of its last stream is on air."""
    stage.playout.offer(primed("a", 500))
    stage.run(1)
    stage.playout.offer(live(50))
    stage.run(1)
    stage.playout.offer(live(50, name="M"))
    stage.run(2)
    video = stage.video()
    assert video[video.index("L49") + 1] == "M0"
    stage.run(2)
    assert stage.video()[-1].startswith("a")
    stage.check_grids()
