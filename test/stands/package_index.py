"""A package index on loopback, with yt-dlp wheels made from the installed one under other version numbers.

Each wheel's yt-dlp names itself to the sites that it asks, as `agent(version)`, so that a site can tell who came.
"""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

_NETWORK = "yt_dlp/utils/networking.py"
BROKEN = 'raise ImportError("this version is broken")\n'


def agent(version: str) -> str:
    """The User-Agent of the yt-dlp that was published as `version`."""
    return f"yt-dlp {version}"


class PackageIndex:
    """Serves one project by PEP 503's simple pages."""

    def __init__(self, folder: Path, port: int) -> None:
        """`folder` is what is served."""
        self._folder = folder
        self.url = f"http://127.0.0.1:{port}/simple/"
        self._project = folder / "simple" / "yt-dlp"
        self._project.mkdir(parents=True)
        (self._project / "index.html").write_text("")

    def publish(self, version: str, *, broken: bool = False, needs: str = "") -> None:
        """Offer yt-dlp as `version`, which ends with an error at each start where it is `broken`; `needs` is one more package."""
        name = f"yt_dlp-{version}-py3-none-any.whl"
        write_ytdlp_wheel(self._project / name, version, broken=broken, needs=needs)
        with (self._project / "index.html").open("a") as page:
            page.write(f'<a href="{name}">{name}</a>\n')


@contextmanager
def package_index(folder: Path) -> Iterator[PackageIndex]:
    """An index without any version."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield PackageIndex(folder, server.server_port)
        finally:
            server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def write_ytdlp_wheel(path: Path, version: str, *, broken: bool = False, needs: str = "") -> Path:
    """The installed yt-dlp as a wheel of another version; its path again."""
    installed = distribution("yt-dlp")
    own = f"yt_dlp-{installed.version}.dist-info/"
    other = f"yt_dlp-{version}.dist-info/"
    names: list[str] = []
    with zipfile.ZipFile(path, "w") as wheel:
        for file in installed.files or ():
            name = str(file)
            inside = name.startswith("yt_dlp/") and not name.endswith(".pyc")
            if not inside and name not in {f"{own}METADATA", f"{own}WHEEL", f"{own}entry_points.txt"}:
                continue
            text = Path(str(installed.locate_file(file))).read_bytes()
            if name.endswith("/METADATA"):
                text = text.replace(f"\nVersion: {installed.version}\n".encode(), f"\nVersion: {version}\n".encode(), 1)
                text = text.replace(b"\nName:", f"\nRequires-Dist: {needs}\nName:".encode(), 1) if needs else text
            if name == "yt_dlp/version.py":
                text += f"\n__version__ = {version!r}\n".encode()
            if name == _NETWORK:
                text += f"\nstd_headers['User-Agent'] = {agent(version)!r}\n".encode()
            if name == "yt_dlp/YoutubeDL.py" and broken:
                text = BROKEN.encode()
            names.append(name.replace(own, other))
            wheel.writestr(names[-1], text)
        wheel.writestr(f"{other}RECORD", "".join(f"{name},,\n" for name in [*names, f"{other}RECORD"]))
    return path
