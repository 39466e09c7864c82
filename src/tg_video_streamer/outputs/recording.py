"""One attempt at a file output: a new recording every hour, the oldest deleted beyond the quota."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import OutputLost
from tg_video_streamer.media import TICKS_PER_SECOND, CodecHeaders, Kind, Stamped
from tg_video_streamer.outputs.muxed import Muxer
from tg_video_streamer.outputs.target import FILE_FORMATS

HOUR_TICKS = 3600 * TICKS_PER_SECOND
_OPTIONS = {
    # Fragments: what was written before a crash can be played.
    "mp4": {"movflags": "empty_moov+default_base_moof+frag_keyframe"},
    "flv": {"flvflags": "no_duration_filesize"},
}
_STAMP = "%Y%m%dT%H%M%SZ"
_STAMP_PATTERN = "[0-9]" * 8 + "T" + "[0-9]" * 6 + "Z"


class FileAdapter:
    """See Adapter. `show.mkv` becomes `show-20250131T180000Z.mkv` and so on, by the time of its first frame."""

    limit_ticks: int | None = None

    def __init__(
        self, pattern: Path, headers: CodecHeaders, *, quota_bytes: int, clock: Clock, rotate_ticks: int = HOUR_TICKS
    ) -> None:
        """`quota_bytes` is for all files of this pattern together, the one being written included."""
        self._pattern = pattern
        self._headers = headers
        self._quota = quota_bytes
        self._clock = clock
        self._rotate_ticks = rotate_ticks
        self._muxer: Muxer | None = None
        self._began_ticks = 0
        self._finished_bytes = 0

    def open(self) -> None:
        """See Adapter."""
        try:
            self._pattern.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            detail = error.strerror or type(error).__name__
            raise OutputLost.of("file_output.folder", folder=str(self._pattern.parent), detail=detail) from error

    def send(self, packets: Sequence[Stamped]) -> None:
        """See Adapter."""
        for packet in packets:
            if packet.keyframe and packet.kind is Kind.VIDEO:
                if self._muxer is None or packet.ticks - self._began_ticks >= self._rotate_ticks:
                    self._begin(packet)
                self._keep_quota()
            if self._muxer is not None:
                self._muxer.add(packet)

    def attend(self) -> None:
        """See Adapter; a file needs no answers."""

    def delivering(self) -> bool:
        """See Adapter."""
        return self.bytes_sent > 0

    def close(self) -> None:
        """See Adapter."""
        if self._muxer is not None:
            muxer, self._muxer = self._muxer, None
            self._finished_bytes += muxer.bytes_written
            muxer.close()

    @property
    def bytes_sent(self) -> int:
        """See Adapter."""
        return self._finished_bytes + (self._muxer.bytes_written if self._muxer is not None else 0)

    def _begin(self, keyframe: Stamped) -> None:
        self.close()
        self._muxer = Muxer(
            self._free_name(),
            FILE_FORMATS[self._pattern.suffix],
            self._headers,
            keyframe,
            options=_OPTIONS.get(self._pattern.suffix[1:]),
        )
        self._began_ticks = keyframe.ticks

    def _free_name(self) -> Path:
        """A name with the time of now; with seconds of the future where several begin within one."""
        wall = int(self._clock.wall())
        while True:
            stamp = datetime.fromtimestamp(wall, UTC).strftime(_STAMP)
            path = self._pattern.with_name(f"{self._pattern.stem}-{stamp}{self._pattern.suffix}")
            if not path.exists():
                return path
            wall += 1

    def _keep_quota(self) -> None:
        """Remove our oldest recordings until what there is fits; the one being written stays."""
        pattern = f"{_literal(self._pattern.stem)}-{_STAMP_PATTERN}{self._pattern.suffix}"
        files = sorted(self._pattern.parent.glob(pattern))
        sizes = [path.stat().st_size for path in files]
        excess = sum(sizes) - self._quota
        for path, size in zip(files[:-1], sizes[:-1], strict=True):
            if excess <= 0:
                return
            path.unlink(missing_ok=True)
            excess -= size


def _literal(name: str) -> str:
    """`name` for a glob pattern, with nothing special in it."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
