"""Names that are promised at this path: what FFMPEG_ARGS may hold, and the encoder options that come of it."""

from __future__ import annotations

from tg_video_streamer.ffmpeg.arguments import build_ffmpeg_av_args, parse_ffmpeg_args

__all__ = ["build_ffmpeg_av_args", "parse_ffmpeg_args"]
