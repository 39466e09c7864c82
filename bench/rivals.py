"""How others are told to stream a list of clips to one RTMP address, in the house format."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from tg_video_streamer.ffmpeg.house import HouseFormat


def vlc_command(clips: Sequence[Path], url: str, house: HouseFormat, *, loop: bool) -> list[str]:
    """VLC, encoding; without `gather` its stream would end with the first clip."""
    picture = f"vcodec=h264,venc=x264{{preset=veryfast,keyint=50,bframes=0}},vb={house.video_kilobits},fps=25"
    picture += f",width={house.width},height={house.height}"
    sound = "acodec=mp4a,ab=128,channels=2,samplerate=48000"
    sout = f"#gather:transcode{{{picture},{sound}}}:std{{access=rtmp,mux=ffmpeg{{mux=flv}},dst={url}}}"
    command = ["cvlc", "-I", "dummy", *(["--loop"] if loop else []), "--sout-keep", "--sout", sout, *map(str, clips)]
    command += [] if loop else ["vlc://quit"]
    if os.geteuid() == 0:
        # It refuses to be run by root.
        command = ["setpriv", "--reuid=65534", "--clear-groups", "env", "HOME=/nonexistent", *command]
    return command


def liquidsoap_command(folder: Path, clips: Sequence[Path], url: str, house: HouseFormat, *, loop: bool) -> list[str]:
    """Liquidsoap, encoding, by a script that is written into `folder`; ffmpeg copies to RTMP.

    Its own `output.url` opens the stream twice, which nginx-rtmp refuses.
    """
    (folder / "list.m3u").write_text("".join(f"{clip}\n" for clip in clips))
    script = folder / "channel.liq"
    script.write_text(
        f"""
settings.init.allow_root.set(true)
settings.frame.audio.samplerate.set(48000)
settings.frame.video.framerate.set(25)
settings.frame.video.width.set({house.width})
settings.frame.video.height.set({house.height})
program = mksafe(playlist(mode="normal", loop={str(loop).lower()}, reload_mode="never", "{folder}/list.m3u"))
encoder = %ffmpeg(
  format="flv",
  %audio(codec="aac", b="128k", samplerate=48000, channels=2),
  %video(codec="libx264", preset="veryfast", b="{house.video_kilobits}k", g=50, bf=0, framerate=25)
)
output.external(encoder, "ffmpeg -nostdin -v error -f flv -i pipe:0 -c copy -f flv {url}", program)
"""
    )
    return ["liquidsoap", str(script)]
