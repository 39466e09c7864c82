"""The release's entry: `python main.py` is `tg-video-streamer run`."""

from __future__ import annotations

import sys

from tg_video_streamer.cli import main

if __name__ == "__main__":
    sys.exit(main(["run", *sys.argv[1:]]))
