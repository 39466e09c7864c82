"""The child process that probes a source: `python -m tg_video_streamer.feed.probe.probe_child`.

It reads the inputs as JSON from stdin, so that no URL is on its command line, opens them with PyAV under ffmpeg's limits
(`ffmpeg.inputs`), decodes the first frames, and prints the facts or a reason. It starts for each item, so it imports
little.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from tg_video_streamer.errors import ProbeFailed
from tg_video_streamer.feed.probe import inspection
from tg_video_streamer.feed.probe.side_files import side_tracks
from tg_video_streamer.ffmpeg.source import Goal, Measured
from tg_video_streamer.languages import TrackPreference
from tg_video_streamer.resolve.media import MediaInput


def main() -> int:
    """Question on stdin, answer on stdout; 0 in either case: a reason is an answer too."""
    question: dict[str, Any] = json.load(sys.stdin)
    preference = TrackPreference(**{name: tuple(tags) for name, tags in question["preference"].items()})
    try:
        found = [
            inspection.inspect(
                index,
                MediaInput(**one),
                wanted_height=question["wanted_height"],
                measured=Measured(question["measured"]),
                goal=Goal(**question["goal"]) if question["goal"] else None,
                preference=preference,
            )
            for index, one in enumerate(question["inputs"])
        ]
        side_files = side_tracks(question["inputs"][0]["location"], question["subtitle_files"], preference)
        answer = asdict(inspection.combine(found, live=question["live"], preference=preference, side_files=side_files))
    except ProbeFailed as error:
        answer = {"reason": asdict(error.message)}
    sys.stdout.write(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
