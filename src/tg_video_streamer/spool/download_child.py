"""The child process that downloads one format with yt-dlp's own downloader: `python -I download_child.py FILE`.

It reads a `Download.request` as JSON from stdin, so that nothing secret is on its command line, and continues after what
FILE holds. Each line on stderr that begins with `{` is a step: `{"bytes": …, "whole": …}`; stdout gets `{}` at the end, or
`{"error": …}`. It runs isolated, with an interpreter that may hold nothing but yt-dlp.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Isolated, it finds only what is installed; our own package comes last.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from tg_video_streamer.resolve.ytdlp_child import Log, described, open_ytdlp

try:
    from yt_dlp.downloader import common, fragment, get_suitable_downloader
    from yt_dlp.utils import YoutubeDLError
except ImportError as error:
    sys.stdout.write(json.dumps({"error": described(error)}))
    sys.exit(0)

RANGE_BYTES = 10 * 2**20
"""Sites slow down a request for more; their own formats name the same size."""
FRAGMENTS_AT_ONCE = 4
_STEP_SECONDS = 0.1
_REPORT_RETRY = common.FileDownloader.report_retry
_LAST_RETRY: dict[str, BaseException] = {}


class _Steps:
    """Reports how far FILE reaches, a few times a second."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._reported = 0.0

    def hook(self, state: Mapping[str, Any]) -> None:
        """Called by yt-dlp."""
        now = time.monotonic()
        if state.get("status") != "finished" and now - self._reported < _STEP_SECONDS:
            return
        self._reported = now
        # The downloaded bytes of fragments are not in the file yet, and buffers may not be either.
        have = self._target.stat().st_size if self._target.exists() else 0
        whole = state.get("total_bytes") if state.get("fragment_count") is None else None
        self.report(have, whole)

    def report(self, have: int, whole: int | None) -> None:
        """One step."""
        sys.stderr.write(json.dumps({"bytes": have, "whole": whole}) + "\n")
        sys.stderr.flush()


def append_fragment(self: Any, ctx: dict[str, Any], content: bytes) -> None:
    """In place of yt-dlp's: a fragment counts only when all of it is in the file."""
    ctx["dest_stream"].write(content)
    ctx["dest_stream"].flush()
    self._write_ytdl_file(ctx)
    self.try_remove(ctx.pop("fragment_filename_sanitized"))


def report_retry(self: Any, error: BaseException, *arguments: Any, **named: Any) -> None:
    """In place of yt-dlp's: the error itself is kept, which yt-dlp only prints when it gives up."""
    _LAST_RETRY["error"] = error
    _REPORT_RETRY(self, error, *arguments, **named)


def write_place(self: Any, ctx: dict[str, Any]) -> None:
    """In place of yt-dlp's: replaced at once, and with the bytes that belong to the fragments."""
    stream = ctx.get("dest_stream")
    place = {
        "index": ctx["fragment_index"],
        "bytes": stream.tell() if stream is not None else 0,
        "extra_state": ctx.get("extra_state"),
    }
    file = Path(self.ytdl_filename(ctx["filename"]))
    newer = file.with_name(file.name + ".new")
    newer.write_text(json.dumps(place))
    newer.replace(file)


def read_place(self: Any, ctx: dict[str, Any]) -> None:
    """In place of yt-dlp's: what a killed process wrote after the last whole fragment is cut off."""
    target = Path(ctx["tmpfilename"])
    have = target.stat().st_size if target.exists() else 0
    try:
        place = json.loads(Path(self.ytdl_filename(ctx["filename"])).read_text())
        index, size = int(place["index"]), int(place["bytes"])
    except (OSError, ValueError, KeyError, TypeError):
        index, size, place = 0, 0, {}
    if size > have:
        index, size = 0, 0
    if have > size:
        os.truncate(target, size)
    ctx["fragment_index"] = index
    if place.get("extra_state") is not None and index:
        ctx["extra_state"] = place["extra_state"]


def options(target: Path) -> list[str]:
    """Options of yt-dlp for a download, after those of the request."""
    return [
        f"--http-chunk-size={RANGE_BYTES}",
        f"--concurrent-fragments={FRAGMENTS_AT_ONCE}",
        *("--no-part", "--continue", "--no-mtime", "--no-simulate", "--abort-on-unavailable-fragments"),
        *("--retries=4", "--fragment-retries=4", "--retry-sleep=http:linear=0.2:2:0.4", "--downloader=native"),
        f"--output={target.name.replace('%', '%%')}",
    ]


def download(request: Mapping[str, Any], target: Path) -> dict[str, Any]:
    """The document at the end."""
    steps = _Steps(target)
    log = Log()
    ytdlp, _cookies = open_ytdlp({**request, "words": [*request["words"], *options(target)]}, log)
    fragment.FragmentFD._append_fragment = append_fragment  # noqa: SLF001 - exactness after a kill needs these three
    fragment.FragmentFD._write_ytdl_file = write_place  # noqa: SLF001
    fragment.FragmentFD._read_ytdl_file = read_place  # noqa: SLF001
    ytdlp.add_progress_hook(steps.hook)
    info = dict(request["info"])
    common.FileDownloader.report_retry = report_retry
    with ytdlp:
        try:
            _continue(ytdlp, info, target, steps)
            success, _ = ytdlp.dl(str(target), info)
        except (YoutubeDLError, OSError) as error:
            ytdlp.failure, success = error, False
    if success:
        return {}
    raised = ytdlp.failure if isinstance(ytdlp.failure, BaseException) else _LAST_RETRY.get("error") or ytdlp.failure
    return {"error": described(raised or "the download failed"), "warnings": log.warnings}


def _continue(ytdlp: Any, info: dict[str, Any], target: Path, steps: _Steps) -> None:
    """Report what is there; fragments that are not in the file yet come again, and all of them without the record of their place."""
    for left in target.parent.glob(f"{target.name}-Frag*"):
        left.unlink()
    if not target.exists():
        return
    kind = get_suitable_downloader(info, ytdlp.params)
    if not issubclass(kind, fragment.FragmentFD):
        # The last byte comes again: a request for what follows the end of a whole file would be an error.
        have = max(0, target.stat().st_size - 1)
        os.truncate(target, have)
        steps.report(have, None)
    elif not Path(f"{target}.ytdl").exists():
        os.truncate(target, 0)


def main() -> int:
    """Request on stdin, document on stdout; 0 in either case: an error of yt-dlp is an answer too."""
    stdout, sys.stdout = sys.stdout, sys.stderr
    json.dump(download(json.load(sys.stdin), Path(sys.argv[1])), stdout)
    stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
