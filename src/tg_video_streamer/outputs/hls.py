"""One attempt at an HLS output: a folder with a rolling live playlist and its segments, for any web server to hand out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tg_video_streamer.errors import OutputLost
from tg_video_streamer.media import CodecHeaders, Stamped
from tg_video_streamer.outputs.muxed import Muxer
from tg_video_streamer.outputs.timestamps import MPEGTS_LIMIT_TICKS

PLAYLIST_NAME = "index.m3u8"
_SEGMENT_NAME = "segment-{}.ts"
_OPTIONS = {
    "hls_time": "2",
    "hls_list_size": "6",
    # Finished under another name and then moved: a viewer never gets half a file.
    "hls_flags": "delete_segments+independent_segments+omit_endlist+program_date_time+discont_start+temp_file",
    "hls_segment_type": "mpegts",
    # Numbers that only grow, also over restarts: players take a smaller one for an old playlist.
    "hls_start_number_source": "epoch",
    "hls_delete_threshold": "3",
}


class HlsAdapter:
    """See Adapter. MPEG-TS segments, which every player knows, each beginning with a keyframe."""

    def __init__(self, folder: Path, headers: CodecHeaders, *, limit_ticks: int = MPEGTS_LIMIT_TICKS) -> None:
        """`folder` is made where it is missing; files in it that are not ours are left alone."""
        self.limit_ticks: int | None = limit_ticks
        self._folder = folder
        self._headers = headers
        self._muxer: Muxer | None = None

    def open(self) -> None:
        """See Adapter; segments of an earlier run are removed, since no playlist will list them again."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for old in self._folder.glob(_SEGMENT_NAME.format("*")):
                old.unlink(missing_ok=True)
        except OSError as error:
            remedy = "check its rights"
            raise OutputLost(f"cannot use the folder {self._folder}: {error.strerror}", remedy=remedy) from error

    def send(self, packets: Sequence[Stamped]) -> None:
        """See Adapter."""
        if self._muxer is None:
            pattern = str(self._folder / _SEGMENT_NAME.format("%d"))
            options = {**_OPTIONS, "hls_segment_filename": pattern}
            self._muxer = Muxer(self._folder / PLAYLIST_NAME, "hls", self._headers, packets[0], options=options)
        for packet in packets:
            self._muxer.add(packet)

    def attend(self) -> None:
        """See Adapter; a file needs no answers."""

    def delivering(self) -> bool:
        """See Adapter."""
        return self.bytes_sent > 0

    def close(self) -> None:
        """See Adapter."""
        if self._muxer is not None:
            self._muxer.close()

    @property
    def bytes_sent(self) -> int:
        """See Adapter."""
        return self._muxer.bytes_written if self._muxer is not None else 0
