"""`check` says which languages a file has, and which would be played."""

from __future__ import annotations

from pathlib import Path

from stands.multilingual import Voice, make_voices
from stands.subtitled import srt
from tg_video_streamer.doctor.tracks import file_tracks
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
    lines = await file_tracks(load_settings(env, {}).settings)
    assert [Translator().message_text(line) for line in lines] == [
        f'{tmp_path}/film.mkv: sound en (default), ru "Дубляж" (dubbed), plays ru "Дубляж" (dubbed); subtitles ru, shows ru'
    ]
