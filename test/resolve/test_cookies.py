"""Cookies that sites renew are used from then on, and the operator's file is never written."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stands.site import Site
from tg_video_streamer.resolve.cookies import Cookies, merged

HEAD = "# Netscape HTTP Cookie File\n"


def line(name: str, value: str, domain: str = "127.0.0.1") -> str:
    """A cookie as a line of a Netscape file, which never ends."""
    return f"{domain}\tFALSE\t/\tFALSE\t4102444800\t{name}\t{value}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The operator's cookies."""
    file = tmp_path / "cookies.txt"
    file.write_text(HEAD + line("login", "old"))
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The private folder."""
    folder = tmp_path / "scratch"
    folder.mkdir(mode=0o700)
    return folder


def test_renewed_cookies_outlive_a_restart(file: Path, folder: Path) -> None:
    """A renewed cookie is in a private copy with mode 0600, which the next start uses; the file stays as it was."""
    before = file.read_bytes()
    first = Cookies(file, folder)
    first.store(first.read(), HEAD + line("login", "new"))
    assert "\tnew\n" in Cookies(file, folder).read()
    (copy,) = folder.iterdir()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert file.read_bytes() == before


def test_a_newer_file_of_the_operator_counts(file: Path, folder: Path) -> None:
    """Once the operator replaces the file, the copy of the old one is neither used nor left on the disk."""
    cookies = Cookies(file, folder)
    cookies.store(cookies.read(), HEAD + line("login", "new"))
    file.write_text(HEAD + line("login", "given"))
    assert "\tgiven\n" in cookies.read()
    cookies.store(cookies.read(), HEAD + line("login", "newer"))
    assert "\tnewer\n" in cookies.read()
    assert len(list(folder.iterdir())) == 1


def test_two_sites_renew_at_the_same_time(file: Path, folder: Path) -> None:
    """Answers that began from the same cookies both count."""
    file.write_text(HEAD + line("a", "1", "a.org") + line("b", "1", "b.org"))
    cookies = Cookies(file, folder)
    sent = cookies.read()
    cookies.store(sent, sent.replace(line("a", "1", "a.org"), line("a", "2", "a.org")))
    cookies.store(sent, sent.replace(line("b", "1", "b.org"), ""))
    assert line("a", "2", "a.org") in cookies.read()
    assert "b.org" not in cookies.read()


def test_without_a_file_nothing_is_stored(folder: Path, tmp_path: Path) -> None:
    """No YTDLP_COOKIES, or one that is not there: no cookie is sent, and none stored."""
    for cookies in (Cookies(None, folder), Cookies(tmp_path / "none.txt", folder)):
        assert cookies.read() == ""
        cookies.store("", HEAD + line("tracking", "1"))
    assert list(folder.iterdir()) == []


COOKIES = st.dictionaries(st.sampled_from("abc"), st.sampled_from("123"))


@given(sent=COOKIES, returned=COOKIES, current=COOKIES)
def test_a_merge_loses_nothing(sent: dict[str, str], returned: dict[str, str], current: dict[str, str]) -> None:
    """What one answer changed is taken, and what it did not change stays as it is now."""

    def text(cookies: dict[str, str]) -> str:
        return HEAD + "".join(line(*cookie) for cookie in cookies.items())

    changed = {name: value for name, value in returned.items() if sent.get(name) != value}
    removed = sent.keys() - returned.keys()
    wanted = {name: value for name, value in current.items() if name not in removed} | changed
    result = merged(text(sent), text(returned), text(current))
    assert sorted(result.splitlines()) == sorted(text(wanted).splitlines())


def test_the_real_ytdlp_keeps_a_renewed_login(site: Site, file: Path, resolve: Callable[..., object]) -> None:
    """A site that sets a new value gets it back from the next request, through the real yt-dlp."""
    site.page("/watch", "/clip.mp4", set_cookie="login=new; Path=/")
    for _ in range(2):
        resolve(site.url("/watch"), cookies=file)
    sent = [request.headers.get("cookie", "") for request in site.requests("/watch")]
    assert "login=old" in sent[0]
    assert "login=new" in sent[-1]
    assert "old" in file.read_text()
