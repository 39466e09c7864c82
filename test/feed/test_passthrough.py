"""An item in house format is played and cached without encoding; one that only looks like it is encoded."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import av
import pytest

from stands.cached import read_all
from stands.feeding import SMALL, Played, feed_of, item_of, play
from stands.house import FRAME_TICKS, GOP_FRAMES, house_of
from stands.numbered import Plan, make_clip
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.errors import NotHouseFormat
from tg_video_streamer.feed.handler import Feed
from tg_video_streamer.feed.passthrough import HouseRules, may_pass_through
from tg_video_streamer.feed.prepare import PrepareResult, prepare_item
from tg_video_streamer.feed.state import FeedMode
from tg_video_streamer.ffmpeg.encode import audio_arguments, group_bytes_limit, video_arguments
from tg_video_streamer.ffmpeg.source import AudioTrack, Picture, SourceFacts
from tg_video_streamer.ffmpeg.tracks import Track, TrackKind
from tg_video_streamer.library.library import Library
from tg_video_streamer.media import PACKET_TICKS, CodecHeaders, Kind, Packet
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.media import Media, MediaInput

FRAMES = 130
PLAN = Plan(item_id=7, frames=FRAMES, flashes=(25, 75), hum=0.2)


@dataclass(kw_only=True)
class Stage:
    """A library, and a folder of the operator's with what one library has exported."""

    library: Library
    media: Path
    ffmpeg: Path
    headers: CodecHeaders
    exported: Path
    packets: tuple[Packet, ...]
    """Of what was exported."""

    async def resolve(self, item: Item) -> Media:
        """A file."""
        return Media(inputs=(MediaInput(location=item.locator, is_file=True),), source_id=item.locator, title="seven")

    async def prepare(self, path: Path) -> PrepareResult:
        """Ahead of need."""

        async def preparing(item: Item) -> Feed:
            return feed_of(
                item,
                self.ffmpeg,
                headers=self.headers,
                resolve=self.resolve,
                library=self.library,
                mode=FeedMode.PREPARING,
            )

        return (await prepare_item(item_of(path), preparing)).result

    async def play(self, path: Path, **changes: object) -> Played:
        """On air, for the first time."""
        item = item_of(path, **changes)
        feed = feed_of(item, self.ffmpeg, headers=self.headers, resolve=self.resolve, library=self.library)
        return await play(feed)

    def made(self, name: str, *arguments: str) -> Path:
        """What ffmpeg makes of the exported item."""
        path = self.media / name
        command = [str(self.ffmpeg), "-nostdin", "-v", "error", "-y", "-i", str(self.exported), *arguments, str(path)]
        subprocess.run(command, check=True, timeout=120)
        return path

    def encoded(self, name: str, *arguments: str) -> Path:
        """The exported item, encoded as the house does it but for `arguments`; no packet of it can be of the house's encoder.

        The same encoder may be in both, which makes the same packets of the same pictures: a tenth of the rate does not.
        """
        rate = ("-b:v", f"{SMALL.video_kilobits // 10}k")
        return self.made(name, *video_arguments(SMALL), *rate, *audio_arguments(SMALL), *arguments)


def same(packets: tuple[Packet, ...], others: tuple[Packet, ...]) -> bool:
    """Whether they are the same packets; containers count in milliseconds."""
    pairs = [
        (
            [one for one in packets if one.kind is kind and one.ticks >= 0],
            [one for one in others if one.kind is kind and one.ticks >= 0],
        )
        for kind in Kind
    ]
    return all(
        [(one.data, one.keyframe) for one in ours] == [(one.data, one.keyframe) for one in theirs]
        and all(abs(one.ticks - two.ticks) <= 6 for one, two in zip(ours, theirs, strict=True))
        for ours, theirs in pairs
    )


@pytest.fixture(scope="module")
def exported(
    tmp_path_factory: pytest.TempPathFactory, ffmpeg: Path, headers: CodecHeaders
) -> Iterator[tuple[Path, tuple[Packet, ...]]]:
    """KEY.flv of a library in a media folder, and its packets."""
    folder = tmp_path_factory.mktemp("exported")
    clip = make_clip(folder / "seven.mp4", PLAN)
    library = Library(
        folder / "library", max_bytes=10**9, floor_bytes=0, house=SMALL, headers=headers, clock=SystemClock()
    )
    library.open()
    stage = Stage(library=library, media=folder, ffmpeg=ffmpeg, headers=headers, exported=clip, packets=())
    assert asyncio.run(stage.prepare(clip)) is PrepareResult.CACHED
    (encode,) = library.encodes()
    path = folder / "exported.flv"
    path.write_bytes(encode.path.read_bytes())
    yield path, tuple(read_all(encode))
    library.close()


@pytest.fixture
def stage(
    exported: tuple[Path, tuple[Packet, ...]], ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> Iterator[Stage]:
    """With an empty library."""
    library = Library(
        tmp_path / "library", max_bytes=10**9, floor_bytes=0, house=SMALL, headers=headers, clock=SystemClock()
    )
    library.open()
    path, packets = exported
    yield Stage(library=library, media=tmp_path, ffmpeg=ffmpeg, headers=headers, exported=path, packets=packets)
    library.close()


async def test_what_a_library_exported_is_taken_over(stage: Stage, tmp_path: Path) -> None:
    """On air and when prepared its packets come out unchanged from any container, and are cached unchanged."""
    played = await stage.play(stage.exported)
    assert same(played.packets, stage.packets)
    (encode,) = stage.library.encodes()
    assert same(tuple(read_all(encode)), stage.packets)
    assert stage.library.misses == 0
    recording = played.decoded(tmp_path, stage.headers)
    assert recording.numbers(7) == list(range(FRAMES))
    for name in ("again.mp4", "again.mkv"):
        assert await stage.prepare(stage.made(name, "-c", "copy")) is PrepareResult.CACHED
        (encode,) = [one for one in stage.library.encodes() if one.source_id.endswith(name)]
        assert same(tuple(read_all(encode)), stage.packets)


async def test_where_a_rule_is_broken_the_encoder_goes_on(stage: Stage, tmp_path: Path) -> None:
    """Two exports in one file: its packets pass through up to the group that is too short; the rest is encoded."""
    once = stage.made("once.mp4", "-c", "copy")
    (stage.media / "list.txt").write_text(f"file '{once}'\n" * 2)
    twice = stage.media / "twice.mkv"
    _concat(stage, twice)
    played = await stage.play(twice)
    pictures = [one.data for one in played.pictures]
    originals = [one.data for one in stage.packets if one.kind is Kind.VIDEO]
    assert pictures[:100] == originals[:100]
    assert not {one.data for one in played.pictures[100:] if one.keyframe} & set(originals)
    # The sound of the first may be longer than its picture, which then stands for one more frame.
    assert len(pictures) - 2 * FRAMES in {0, 1}
    assert [one.ticks for one in played.pictures] == [n * FRAME_TICKS for n in range(len(pictures))]
    numbers = played.decoded(tmp_path, stage.headers).numbers(7)
    assert numbers[:FRAMES] == list(range(FRAMES))
    again = numbers[numbers.index(0, 1) :]
    assert again == list(range(len(again)))
    # Some programs write the second one frame later without a longer length, which then ends one frame before the last.
    assert FRAMES - len(again) in {0, 1}
    (encode,) = stage.library.encodes()
    assert encode.frames == len(pictures)


def _concat(stage: Stage, twice: Path) -> None:
    command = [str(stage.ffmpeg), "-nostdin", "-v", "error", "-f", "concat", "-safe", "0", "-auto_convert", "0"]
    subprocess.run([*command, "-i", str(stage.media / "list.txt"), "-c", "copy", str(twice)], check=True)


async def test_what_another_encoder_made_like_the_house_is_taken_over(stage: Stage) -> None:
    """A file with the program's headers, groups and loudness passes through, at whichever rate it was made."""
    alike = stage.encoded("alike.mp4")
    played = await stage.play(alike)
    assert {one.data for one in played.pictures if one.keyframe} == keyframes_of(alike)


_LONG = pytest.mark.long


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("other-headers.mp4", ("-level:v", "5.1")),
        ("short-groups.mp4", ("-g", "25", "-keyint_min", "25")),
        pytest.param("b-frames.mp4", ("-bf", "2"), marks=_LONG),
        pytest.param("open-groups.mp4", ("-bf", "2", "-flags:v", "-cgop", "-x264-params", "open-gop=1"), marks=_LONG),
        pytest.param("no-keyframes.mp4", ("-x264-params", "intra-refresh=1"), marks=_LONG),
        pytest.param("30-fps.mp4", ("-r", "30"), marks=_LONG),
        pytest.param("long-groups.mp4", ("-g", "100", "-keyint_min", "100"), marks=_LONG),
        pytest.param("mono.mp4", ("-ac", "1"), marks=_LONG),
        pytest.param("quiet.mp4", ("-af", "volume=-6dB"), marks=_LONG),
        pytest.param("mpeg-ts.ts", ("-f", "mpegts"), marks=_LONG),
        pytest.param("annex-b.ts", ("-flags:v", "+cgop-global_header"), marks=_LONG),
    ],
)
async def test_a_near_miss_is_encoded(stage: Stage, name: str, arguments: tuple[str, ...], tmp_path: Path) -> None:
    """With other headers, groups, rates or loudness every picture is encoded, none is missing, and the headers are the program's."""
    near = stage.encoded(name, *arguments)
    played = await stage.play(near)
    assert abs(len(played.pictures) - FRAMES) <= 2
    assert not {one.data for one in played.pictures if one.keyframe} & keyframes_of(near)
    assert stage.library.misses >= 1
    recording = played.decoded(tmp_path, stage.headers)
    assert {look.item_id for look in recording.looks} == {7}


def keyframes_of(path: Path) -> set[bytes]:
    """The keyframes of a file as they are; what stands still is the same few bytes in every encode."""
    with av.open(str(path)) as container:
        return {bytes(packet) for packet in container.demux(video=0) if packet.is_keyframe}


HOUSE = house_of("480p")
HEADERS = CodecHeaders(video=b"video", audio=b"audio")
PICTURE = Picture(input_index=0, stream_index=0, codec="h264", width=854, height=480, codec_header=HEADERS.video.hex())
SOUND = AudioTrack(
    input_index=0,
    stream_index=0,
    codec="aac",
    channels=2,
    sample_rate=48000,
    loudness_lufs=-16.4,
    codec_header=HEADERS.audio.hex(),
)
SOURCE = SourceFacts(picture=PICTURE, sound=SOUND, duration_seconds=60.0)


@pytest.mark.parametrize(
    ("source", "changes", "taken"),
    [
        (SOURCE, {}, True),
        (SOURCE, {"volume": 0.5}, False),
        (SOURCE, {"start_seconds": 2.0}, False),
        (SOURCE, {"end_seconds": 10.0}, False),
        (replace(SOURCE, sound=None), {}, False),
        (replace(SOURCE, live=True), {}, False),
        (replace(SOURCE, picture=replace(PICTURE, codec_header="00")), {}, False),
        (replace(SOURCE, picture=replace(PICTURE, rotation=90)), {}, False),
        (replace(SOURCE, picture=replace(PICTURE, sample_aspect="4:3")), {}, False),
        (
            replace(
                SOURCE, picture=replace(PICTURE, duration_seconds=60.0), sound=replace(SOUND, duration_seconds=58.0)
            ),
            {},
            False,
        ),
        (replace(SOURCE, sound=replace(SOUND, codec_header="00")), {}, False),
        (replace(SOURCE, sound=replace(SOUND, loudness_lufs=-14.9)), {}, False),
        (replace(SOURCE, sound=replace(SOUND, loudness_lufs=None)), {}, False),
        (replace(SOURCE, sound=replace(SOUND, peak_decibels=-1.6)), {}, True),
        (replace(SOURCE, sound=replace(SOUND, peak_decibels=-1.3)), {}, False),
        (replace(SOURCE, subtitles=Track(kind=TrackKind.SUBTITLES, input_index=0, stream_index=0)), {}, False),
    ],
)
def test_only_what_encoding_would_not_change_is_taken_over(
    source: SourceFacts,
    changes: dict[str, float],
    taken: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Passthrough needs a whole item with the program's headers, no rotation, equal durations and house loudness."""
    assert may_pass_through(item_of("/film.mkv", **changes), source, HOUSE, HEADERS) is taken


def test_what_would_fade_is_encoded() -> None:
    """With TRANSITION=fade a file in house format is encoded, unless its line says gapless=1."""
    fading = replace(HOUSE, fade_seconds=1.0)
    assert not may_pass_through(item_of("/film.mkv"), SOURCE, fading, HEADERS)
    assert may_pass_through(item_of("/film.mkv", gapless=True), SOURCE, fading, HEADERS)


@pytest.mark.parametrize(("kilobits", "refused"), [(128, False), (192, True)])
def test_sound_keeps_the_bit_rate(kilobits: int, refused: bool) -> None:  # noqa: FBT001 - a parameter
    """Sound above AUDIO_BITRATE is refused; what varies around it is not."""
    rules = HouseRules(HOUSE)
    sizes = [round(kilobits * 1000 / 8 * 1024 / 48000 * (1.4 if second % 2 else 0.6)) for second in range(20)]
    heavy = 0
    for number in range(20 * 46):
        packet = Packet(kind=Kind.AUDIO, ticks=number * PACKET_TICKS, keyframe=True, data=bytes(sizes[number // 46]))
        try:
            rules.take(packet)
        except NotHouseFormat:
            heavy += 1
    assert bool(heavy) is refused


def units(*kinds: int, weight: int = 10) -> bytes:
    """One packet of NAL units."""
    return b"".join((weight + 1).to_bytes(4, "big") + bytes([kind]) + bytes(weight) for kind in kinds)


def picture(frame: int, data: bytes | None = None, *, keyframe: bool | None = None) -> Packet:
    """Of a group as it should be, but for what is given."""
    first = frame % GOP_FRAMES == 0
    return Packet(
        kind=Kind.VIDEO,
        ticks=frame * FRAME_TICKS,
        keyframe=first if keyframe is None else keyframe,
        data=data if data is not None else units(6, 5) if first else units(1),
    )


def test_groups_are_handed_on_whole() -> None:
    """Nothing of a group comes out before the next one has begun; its last, short one comes at the end."""
    rules = HouseRules(HOUSE)
    given = [picture(frame) for frame in range(120)]
    out = [rules.take(one) for one in given]
    assert [len(some) for some in out if some] == [50, 50]
    assert [*out[50], *out[100], *rules.rest()] == given


@pytest.mark.parametrize(
    "broken",
    [
        picture(20, units(5)),
        picture(20, units(1), keyframe=True),
        picture(50, units(1), keyframe=True),
        picture(50, units(1), keyframe=False),
        picture(0, units(7, 8, 5)),
        picture(20, units(1, 5)),
        picture(20, units(6)),
        picture(20, units(1)[:-1]),
        picture(20, b"\0\0\0\1" + bytes(5)),
        picture(20, units(1, weight=group_bytes_limit(HOUSE) * 2)),
        Packet(kind=Kind.AUDIO, ticks=3 * PACKET_TICKS, keyframe=True, data=b"late"),
    ],
)
def test_what_breaks_a_rule_is_refused(broken: Packet) -> None:
    """A keyframe where none belongs, or none where one does; parameter sets; torn or too heavy pictures; a hole in the sound."""
    rules = HouseRules(HOUSE)
    rules.take(Packet(kind=Kind.AUDIO, ticks=0, keyframe=True, data=b"sound"))
    for frame in range(0 if broken.kind is Kind.AUDIO else broken.ticks // FRAME_TICKS):
        rules.take(picture(frame))
    with pytest.raises(NotHouseFormat):
        rules.take(broken)
