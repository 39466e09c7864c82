"""`check` says which languages a file has, which would be played, and whether another frame rate suits most files."""

from __future__ import annotations

from pathlib import Path

from stands.multilingual import Voice, make_voices
from stands.numbered import Plan, make_clip
from stands.subtitled import srt
from tg_video_streamer.doctor.files import check_frame_rate, file_lines
from tg_video_streamer.doctor.finding import Verdict
from tg_video_streamer.locales.translator import Translator
from tg_video_streamer.settings.settings import load_settings


async def test_check_names_tracks_and_choice(tmp_path: Path) -> None:
    """A file with several tracks has one line with all of them and the chosen ones; a file with one has none."""
    voices = (Voice(hertz=400, language="eng", flags="default"), Voice(hertz=700, language="rus", title="Дубляж"))
    make_voices(tmp_path / "film.mkv", voices, seconds=1)
    make_voices(tmp_path / "clip.mkv", voices[:1], seconds=1)
    (tmp_path / "film.ru.srt").write_text(srt(), encoding="utf-8")
    (tmp_path / "playlist.txt").write_text("film.mkv | subtitles=ru\nclip.mkv\n")
    env = tmp_path / ".env"
    env.write_text(f"AUDIO_LANGUAGE=ru\nSTATE_DIR={tmp_path}/state\nOUTPUTS=file:{tmp_path}/out.flv\n")
    lines = await file_lines(load_settings(env, {}).settings)
    assert [Translator().message_text(line) for line in lines] == [
        f'{tmp_path}/film.mkv: sound en (default), ru "Дубляж" (dubbed), plays ru "Дубляж" (dubbed); subtitles ru, shows ru'
    ]


async def test_check_says_what_becomes_of_surround_sound(tmp_path: Path) -> None:
    """A file with six channels has a line that says that dialogue keeps its level."""
    make_clip(tmp_path / "film.mkv", Plan(item_id=1, frames=10, channels=6, audio_encoder=("-c:a", "flac")))
    (tmp_path / "playlist.txt").write_text("film.mkv\n")
    env = tmp_path / ".env"
    env.write_text(f"STATE_DIR={tmp_path}/state\nOUTPUTS=file:{tmp_path}/out.flv\n")
    (line,) = await file_lines(load_settings(env, {}).settings)
    assert (
        Translator().message_text(line).startswith(f"{tmp_path}/film.mkv: 6 channels become stereo; dialogue (center)")
    )


async def test_check_names_a_frame_rate_that_most_files_have(tmp_path: Path) -> None:
    """Where most files have 60 pictures a second, `check` and the doctor say what becomes of them at 30."""
    clip = make_clip(tmp_path / "a.mp4", Plan(item_id=1, frames=30, rate=60))
    for name in "bc":
        (tmp_path / f"{name}.mp4").write_bytes(clip.read_bytes())
    (tmp_path / "playlist.txt").write_text("a.mp4\nb.mp4\nc.mp4\n")
    env = tmp_path / ".env"
    env.write_text(f"STATE_DIR={tmp_path}/state\nOUTPUTS=file:{tmp_path}/out.flv\n")
    settings = load_settings(env, {}).settings
    (line,) = await file_lines(settings)
    (finding,) = await check_frame_rate(settings)
    assert (
        Translator()
        .message_text(line)
        .startswith("3 of 3 files have 60 pictures a second; at FRAME_RATE=30 every second")
    )
    assert (finding.verdict, finding.text) == (Verdict.WARNING, line)
