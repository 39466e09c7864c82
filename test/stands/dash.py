"""A clip as DASH, which only yt-dlp's downloader puts together: `cut_dash(clip, folder).serve(site, "/dash")`."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from stands.site import Site


@dataclass(frozen=True)
class Dash:
    """A manifest with its media files."""

    folder: Path

    def serve(self, site: Site, at: str) -> str:
        """Serve it under `at`; the manifest's address."""
        for path in self.folder.iterdir():
            kind = "application/dash+xml" if path.suffix == ".mpd" else "video/mp4"
            site.file(f"{at}/{path.name}", path, content_type=kind)
        return site.url(f"{at}/index.mpd")


def cut_dash(clip: Path, folder: Path) -> Dash:
    """`clip` in segments of a second, picture and sound apart, packets copied."""
    folder.mkdir()
    command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-i", str(clip), "-c", "copy"]
    subprocess.run([*command, "-f", "dash", "-seg_duration", "1", str(folder / "index.mpd")], check=True)
    return Dash(folder)
