"""Uploads over real connections: broken, hostile, two at once, on a full disk."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stands import secrets
from stands.numbered import Plan, make_clip
from stands.page import OPERATOR, VIEWER, Site, served
from stands.page_visitor import PageVisitor
from stands.program import Clip, Program
from stands.small_disk import on_small_disk
from stands.uploading import Sender, uploads_into
from stands.waiting import wait_until
from tg_video_streamer.errors import RequestRefused
from tg_video_streamer.playlist.folders import MEDIA_EXTENSIONS, AllowedFolders
from tg_video_streamer.playlist.line import parse_line
from tg_video_streamer.playlist.uses import FileUses
from tg_video_streamer.web.uploads import files
from tg_video_streamer.web.uploads.files import Incoming, Space
from tg_video_streamer.web.uploads.names import safe_name

secrets.never_shown(OPERATOR, VIEWER)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A short film."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return make_clip(path, Plan(item_id=1, frames=25, flashes=())).read_bytes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where uploads go."""
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="module")
def site(clip: Clip, folder: Path) -> Iterator[Site]:
    """The application with a list that names `used.mp4`."""

    def uses() -> FileUses:
        return FileUses(paths={str(folder / "used.mp4")})

    with served(Program(clip), uploads=uploads_into(folder, quota=4_000_000, uses=uses)) as running:
        yield running


@pytest.fixture
def sender(site: Site, folder: Path) -> Sender:
    """An operator's program, with an empty folder."""
    for path in [*folder.glob("*.*"), *(folder / files.INCOMING).glob("*")]:
        if path.is_file():
            path.unlink()
    return Sender(port=site.listener.port, token=OPERATOR)


def test_an_upload_that_is_cut_at_every_tenth_is_whole(sender: Sender, folder: Path, film: bytes) -> None:
    """Cut ten times in the middle of a request, the file arrives byte for byte, and only when it is whole."""
    place = sender.begin("Кино.mp4", len(film)).headers["location"]
    tenth = len(film) // 10
    for number in range(10):
        offset = number * tenth
        assert sender.offset(place) == offset
        assert not (folder / "Кино.mp4").exists()
        sender.break_off(place, film[offset : offset + tenth], offset, announced=len(film) - offset)
    wait_until(lambda: sender.send(place, film[10 * tenth :], 10 * tenth).status == 204, what="the end is taken")
    assert (folder / "Кино.mp4").read_bytes() == film
    assert sender.ask("HEAD", place).status == 404
    assert list((folder / files.INCOMING).iterdir()) == []


def test_two_at_once_with_one_name(sender: Sender, folder: Path, film: bytes) -> None:
    """Two that send a file of one name at the same time both get theirs; none replaces the other."""
    names: list[str] = []
    other = film[:-8] + film[-8:]
    threads = [threading.Thread(target=lambda: names.append(sender.upload("same.mp4", other))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(names) == ["same (2).mp4", "same.mp4"]
    assert all((folder / name).read_bytes() == film for name in names)


@pytest.mark.parametrize(
    "name",
    ["../../etc/cron.d/x.mp4", "..\\..\\x.mp4", "/etc/passwd.mp4", ".hidden.mp4", "-rf.mp4", "a\nb.mp4", "x | start=1.mp4", "# no.mp4", "\u202egpm.mp4", "é" * 300 + ".mp4", "https://x/y.mp4"],
)  # fmt: skip
def test_hostile_names_stay_in_the_folder(sender: Sender, folder: Path, film: bytes, name: str) -> None:
    """Whatever a file is called, it lies in the folder itself, and its path is one playlist line."""
    stored = sender.upload(name, film)
    assert [path.name for path in folder.iterdir() if path.is_file()] == [stored]
    line = parse_line(str(folder / stored), base=str(folder), allowed=AllowedFolders.of([folder]))
    assert line.locator == str(folder / stored)


@given(name=st.text(max_size=60))
def test_any_name_is_safe_or_refused(name: str) -> None:
    """A stored name is one visible path component of a media file."""
    stored = safe_name(f"{name}.mp4")
    if not stored:
        assert not name.strip(" .-") or not name.isprintable() or not name.isascii() or not name.isalnum()
        return
    assert "/" not in stored
    assert not stored.startswith((".", "-", "#"))
    assert stored.isprintable()
    assert len(stored.encode()) < 200
    assert Path(stored).suffix in MEDIA_EXTENSIONS


@pytest.mark.parametrize("name", ["list.m3u", "page.html", "run.sh", "noextension", "", "."])
def test_other_files_are_refused(sender: Sender, name: str) -> None:
    """A name without the extension of a media file is refused before a byte is sent."""
    assert sender.begin(name, 100).status == 422


@pytest.mark.parametrize(
    "content",
    [b"text " * 100, b"ffconcat version 1.0\nfile /etc/passwd\n", b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n", bytes(2000)],
)  # fmt: skip
def test_what_cannot_play_does_not_count(sender: Sender, folder: Path, content: bytes) -> None:
    """Text, scripts and lists under a film's name are refused when they are whole, and leave nothing."""
    place = sender.begin("film.mp4", len(content)).headers["location"]
    answer = sender.send(place, content, 0)
    assert answer.status == 422
    assert "cannot play" in answer.json()["error"]["text"]
    assert [path for path in folder.rglob("*") if path.is_file()] == []


def test_the_protocol_is_kept(sender: Sender, film: bytes) -> None:
    """Wrong offsets, more bytes than announced, unknown ids and another version are refused, and change nothing."""
    known = sender.ask("OPTIONS", "/uploads/tus").headers
    assert (known["tus-version"], known["tus-extension"]) == ("1.0.0", "creation,termination")
    place = sender.begin("film.mp4", len(film)).headers["location"]
    assert sender.send(place, film[:10], 5).status == 409
    assert sender.send(place, film + b"more", 0).status == 413
    assert sender.ask("PATCH", place, {"Upload-Offset": "0"}, film).status == 415
    assert sender.ask("HEAD", place, {"Tus-Resumable": "0.2.2"}).status == 412
    assert sender.ask("HEAD", "/uploads/..%2f..%2fetc%2fpasswd").status == 404
    assert sender.ask("HEAD", f"/uploads/{'0' * 32}").status == 404
    assert sender.ask("DELETE", place).status == 204
    assert sender.ask("HEAD", place).status == 404


def test_the_quota_holds(sender: Sender) -> None:
    """All files together, announced ones included, stay within the quota."""
    assert sender.begin("large.mp4", 5_000_000).status == 413
    place = sender.begin("half.mp4", 3_000_000).headers["location"]
    assert sender.begin("other.mp4", 3_000_000).status == 413
    assert sender.ask("DELETE", place).status == 204
    assert sender.begin("other.mp4", 3_000_000).status == 201


def test_only_unused_files_are_removed(site: Site, sender: Sender, folder: Path, film: bytes) -> None:
    """A file that a list names stays; another one goes; nothing outside the folder can be named."""
    page = PageVisitor(port=site.listener.port)
    assert page.sign_in(OPERATOR).status == 200
    for name in ("used.mp4", "free.mp4"):
        assert sender.upload(name, film) == name
    outside = folder.parent / "outside.mp4"
    outside.write_bytes(film)
    for name in ("used.mp4", "free.mp4", "../outside.mp4", str(outside)):
        page.post("/uploads/remove", {"name": name})
    assert [path.name for path in folder.iterdir() if path.is_file()] == ["used.mp4"]
    assert outside.exists()


@pytest.mark.usefixtures("sender")
def test_strangers_upload_nothing(site: Site) -> None:
    """Viewers, visitors without a token, and pages of other sites are refused."""
    viewer = Sender(port=site.listener.port, token=VIEWER)
    assert viewer.begin("film.mp4", 100).status == 403
    page = PageVisitor(port=site.listener.port)
    assert page.sign_in(OPERATOR).status == 200
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "100", "Upload-Metadata": "filename ZmlsbS5tcDQ="}
    assert page.ask("/uploads/tus", method="POST", body=b"", headers=headers).status == 403
    assert page.ask("/uploads/tus", method="POST", body=b"", headers=headers | {"X-CSRF": page.csrf}).status == 201


def fill(folder: Path) -> None:
    """On a disk of 4 MB: what fits counts, the rest is refused, and goes on after room was made."""
    space = Space(quota_bytes=100_000_000, floor_bytes=0)
    one = Incoming(id="0" * 32, name="film.mp4", length=3_000_000, offset=0)
    files.begin(folder, one, space)
    with pytest.raises(RequestRefused, match="no room"):
        files.begin(folder, Incoming(id="1" * 32, name="film.mp4", length=3_000_000, offset=0), space)
    other = folder / "other"
    other.write_bytes(bytes(2_000_000))
    files.append(folder, one.id, bytes(1_000_000), space)
    with pytest.raises(RequestRefused, match="no room"):
        files.append(folder, one.id, bytes(2_000_000), space)
    found = files.find(folder, one.id)
    assert found is not None
    assert found.offset >= 1_000_000
    other.unlink()
    files.append(folder, one.id, bytes(one.length - found.offset), space)
    assert files.publish(folder, one) == "film.mp4"


def test_a_full_disk(tmp_path: Path) -> None:
    """A full disk refuses with its own words, keeps what was sent, and takes the rest once there is room."""
    on_small_disk(tmp_path, "4m", "web.test_uploads", "fill")


def test_what_a_list_names(tmp_path: Path) -> None:
    """A file counts as used through a backup, a folder above it, a list in a list, or a link."""
    for name in ("direct", "backup", "folder/inner", "listed", "target", "free"):
        path = tmp_path / f"{name}.mp4"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "link.mp4").symlink_to("target.mp4")
    (tmp_path / "more.m3u").write_text("listed.mp4\n")
    (tmp_path / "playlist.txt").write_text("direct.mp4 | backup=backup.mp4\nfolder\nmore.m3u\nlink.mp4\n# free.mp4\n")
    uses = FileUses()
    uses.add_list(tmp_path / "playlist.txt", AllowedFolders.of([tmp_path]))
    used = [name for name in ("direct", "backup", "folder/inner", "listed", "target", "free") if uses.has(tmp_path / f"{name}.mp4")]  # fmt: skip
    assert used == ["direct", "backup", "folder/inner", "listed", "target"]
