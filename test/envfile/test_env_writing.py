"""Writing `.env`: whole at every moment, private, under its lock, and every line that was not meant left as it was."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stands.waiting import wait_until
from tg_video_streamer.envfile.read import parse_env, read_env_file
from tg_video_streamer.envfile.write import changed_text, line_of, update_env
from tg_video_streamer.errors import ConfigError, EnvFileUnchanged

OLD = '# the channel\nAPI_ID=1\nSESSION_STRING=old # of May\r\n\nMY_OWN="kept as \\"it\\" is"\n# end'
ROOT = os.geteuid() == 0


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    """A settings file with comments, quotes, two kinds of line ends and none at its end."""
    path = tmp_path / ".env"
    path.write_bytes(OLD.encode())
    path.chmod(0o644)
    return path


def _value(path: Path, key: str = "SESSION_STRING") -> str:
    return read_env_file(path).values[key]


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_was_not_meant_stays_and_the_version_before_is_kept_privately(env_file: Path) -> None:
    """Keys change, are added and go in one write; order, comments, quotes and unknown keys stay; both files are 0600."""
    update_env(env_file, {"SESSION_STRING": "new", "SESSION_STRING_SPARE": "", "API_ID": None})
    assert env_file.read_bytes().decode() == (
        '# the channel\n# of May\r\nSESSION_STRING=new\r\n\nMY_OWN="kept as \\"it\\" is"\n# end\nSESSION_STRING_SPARE=\n'
    )
    assert (env_file.parent / ".env.bak").read_bytes().decode() == OLD
    assert (_mode(env_file), _mode(env_file.parent / ".env.bak"), _mode(env_file.parent / ".env.lock")) == (0o600,) * 3
    assert sorted(path.name for path in env_file.parent.iterdir()) == [".env", ".env.bak", ".env.lock"]


def test_a_file_that_is_not_there_is_made(tmp_path: Path) -> None:
    """The first login needs no file, and makes a private one."""
    update_env(tmp_path / ".env", {"SESSION_STRING": "new"})
    assert (tmp_path / ".env").read_text() == "SESSION_STRING=new\n"
    assert _mode(tmp_path / ".env") == 0o600
    assert not (tmp_path / ".env.bak").exists()


def test_a_link_stays_and_the_file_behind_it_changes(tmp_path: Path, env_file: Path) -> None:
    """A release's link still leads to the shared file, whose folder has lock and backup."""
    release = tmp_path / "release"
    release.mkdir()
    (release / ".env").symlink_to("../.env")
    update_env(release / ".env", {"SESSION_STRING": "new"})
    assert (release / ".env").is_symlink()
    assert _value(env_file) == "new"
    assert [path.name for path in release.iterdir()] == [".env"]


def test_the_owner_stays_where_root_writes(env_file: Path) -> None:
    """A login as root leaves the service's user its file, its backup and its lock."""
    if not ROOT:
        pytest.skip("needs root")
    os.chown(env_file, 12345, 23456)
    update_env(env_file, {"SESSION_STRING": "new"})
    for name in (".env", ".env.bak", ".env.lock"):
        found = (env_file.parent / name).stat()
        assert (found.st_uid, found.st_gid) == (12345, 23456), name


@pytest.mark.parametrize("twice", ["A=1\nKEY=x\nKEY=y\nB=2\n", 'KEY="x\nA=1\nexport KEY = y\nB=2\n'])
def test_nothing_old_comes_back(twice: str) -> None:
    """Of a key that stands twice, or cannot be read, one line remains, and none where it is taken out."""
    assert changed_text(twice, {"KEY": "z"}, {"KEY": "KEY=z"}) == "A=1\nKEY=z\nB=2\n"
    assert changed_text(twice, {"KEY": None}, {}) == "A=1\nB=2\n"


_LINES = st.lists(
    st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\n"), max_size=12)
    | st.from_regex(r"(export )?[ABK]\w? ?= ?['\"]?\w* ?#?\w*['\"]?\r?", fullmatch=True),
    max_size=8,
)


@given(lines=_LINES, ended=st.booleans(), value=st.from_regex(r"[A-Za-z0-9_=-]{0,20}", fullmatch=True))
def test_every_other_line_stays_byte_for_byte(lines: list[str], value: str, *, ended: bool) -> None:
    """Whatever a file says, a change of K touches no line of another key, and K reads as what was written."""
    mine = re.compile(r"[ \t\r]*(export[ \t]+)?K[ \t]*=")
    text = "\n".join(line for line in lines if not (mine.match(line) and "#" in line)) + ("\n" if ended else "")
    after = changed_text(text, {"K": value}, {"K": line_of("K", value)})

    def others(of: str) -> list[str]:
        return [line for line in of.split("\n") if line and not mine.match(line.removeprefix("\ufeff"))]

    assert others(after) == others(text)
    assert parse_env(after).values["K"] == value
    assert changed_text(after, {"K": value}, {"K": line_of("K", value)}) == after


@pytest.mark.parametrize(
    "value", ["a\nB=1", "a\\b", "'a'", '"a', " a", "a ", "a #b", "#a", "a\x00", "a\u2028b", "\udc80"]
)
def test_a_value_that_readers_would_read_differently_is_refused(env_file: Path, value: str) -> None:
    """No line can be smuggled in, and nothing is written that systemd, docker and we do not read alike."""
    with pytest.raises(ConfigError, match="SESSION_STRING"):
        update_env(env_file, {"SESSION_STRING": value})
    assert env_file.read_bytes().decode() == OLD


@given(st.text(max_size=30))
def test_a_value_that_is_written_is_read_back(value: str) -> None:
    """What is not refused is read by us as it is, and stands bare, as docker takes it."""
    try:
        line = line_of("K", value)
    except ConfigError:
        return
    assert line == f"K={value}"
    assert parse_env(line).values == {"K": value}


_WRITER = """
import os, signal, sys
from pathlib import Path
from tg_video_streamer.envfile.write import update_env
path, *pairs = sys.argv[1:]
"""


def _writer(body: str, *arguments: object, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _WRITER + body, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload, no-any-return]


def test_writers_that_race_lose_nothing_of_each_other(env_file: Path) -> None:
    """Four processes write twenty keys each at once: all eighty are there, and no reader ever saw half a file."""
    body = "for n in range(20): update_env(Path(path), {f'{pairs[0]}_{n}': 'x' * 400, 'SHARED': pairs[0]})"
    writers = [_writer(body, env_file, f"W{number}") for number in range(4)]
    seen = 0
    while any(one.poll() is None for one in writers):
        found = parse_env(env_file.read_bytes().decode())
        assert found.values["MY_OWN"] == 'kept as "it" is'
        assert all(len(value) == 400 for key, value in found.values.items() if key.startswith("W"))
        seen += 1
    for one in writers:
        assert one.communicate()[1] == ""
        assert one.returncode == 0
    assert sum(key.startswith("W") for key in read_env_file(env_file).values) == 80
    assert seen > 1


def test_a_writer_waits_for_the_lock_and_says_so(env_file: Path) -> None:
    """The deploy script's flock holds a login back; it reports that, and continues by itself."""
    told: list[object] = []
    with (env_file.parent / ".env.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        thread = threading.Thread(target=update_env, args=(env_file, {"A": "1"}), kwargs={"tell": told.append})
        thread.start()
        wait_until(lambda: told, what="a word about the lock")
        assert env_file.read_bytes().decode() == OLD
    thread.join(timeout=60)
    assert _value(env_file, "A") == "1"
    assert [str(one) for one in told] == [
        f"waiting for {env_file.parent}/.env.lock, which another program holds (up to 30 s)"
    ]


def test_a_lock_that_is_never_let_go_is_an_error(env_file: Path) -> None:
    """The wait ends, with the file as it was."""
    with (env_file.parent / ".env.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(EnvFileUnchanged, match="another program has held"):
            update_env(env_file, {"A": "1"}, wait_seconds=0.1)
    assert env_file.read_bytes().decode() == OLD


def test_a_flock_of_the_shell_is_the_same_lock(env_file: Path) -> None:
    """What the deploy script takes with flock(1) is what holds writers back, and it is free after a writer's death."""
    if shutil.which("flock") is None:
        pytest.skip("no flock(1) on this host")
    shell = subprocess.Popen(
        ["flock", env_file.parent / ".env.lock", "sh", "-c", "echo held; read -r _"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert shell.stdout is not None
    assert shell.stdout.readline() == "held\n"
    with pytest.raises(EnvFileUnchanged):
        update_env(env_file, {"A": "1"}, wait_seconds=0.1)
    shell.communicate("\n")
    update_env(env_file, {"A": "1"}, wait_seconds=0.1)


def test_killed_between_any_two_steps_the_file_is_old_or_new_and_whole(env_file: Path) -> None:
    """Killed before each system call: old before the rename, new after it, and the next writer is not in the way."""
    names: list[str] = []
    update_env(env_file, {"SESSION_STRING": "trial"}, step=names.append)
    assert len(names) > 10
    body = """
def step(name):
    if name == pairs[0]:
        os.kill(os.getpid(), signal.SIGKILL)
update_env(Path(path), {"SESSION_STRING": "new", "SESSION_STRING_SPARE": ""}, step=step)
"""
    new = changed_text(
        OLD,
        {"SESSION_STRING": "new", "SESSION_STRING_SPARE": ""},
        {"SESSION_STRING": "SESSION_STRING=new", "SESSION_STRING_SPARE": "SESSION_STRING_SPARE="},
    )
    folders = []
    for number, name in enumerate(names):
        folder = env_file.parent / str(number)
        folder.mkdir()
        (folder / ".env").write_bytes(OLD.encode())
        folders.append((name, folder, _writer(body, folder / ".env", name)))
    for name, folder, writer in folders:
        writer.communicate(timeout=120)
        assert writer.returncode == -signal.SIGKILL, name
        renamed = names.index(name) > names.index("rename")
        assert (folder / ".env").read_bytes().decode() == (new if renamed else OLD), name
        update_env(folder / ".env", {"SESSION_STRING": "next"}, wait_seconds=1)
        assert _value(folder / ".env") == "next"
        assert sorted(path.name for path in folder.iterdir()) == [".env", ".env.bak", ".env.lock"], name


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = (
        ROOT
        and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=False, capture_output=True
        ).returncode
        == 0
    )
    if not mounted:
        pytest.skip("needs the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_leaves_the_old_file_whole_and_nothing_beside_it(small_disk: Path) -> None:
    """No room: an error that says so, the old file, no half of a new one; with room again it works."""
    path = small_disk / ".env"
    path.write_bytes(OLD.encode())
    with (small_disk / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(bytes(4096))
    with pytest.raises(EnvFileUnchanged, match="No space left on device"):
        update_env(path, {"SESSION_STRING": "new"})
    assert path.read_bytes().decode() == OLD
    assert sorted(one.name for one in small_disk.iterdir()) in ([".env", "ballast"], [".env", ".env.lock", "ballast"])
    (small_disk / "ballast").unlink()
    update_env(path, {"SESSION_STRING": "new"})
    assert _value(path) == "new"


def test_a_folder_that_cannot_be_written_is_an_error(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Read-only: an error that says so, and the file as it was."""
    folder: Path = request.getfixturevalue("small_disk") if ROOT else tmp_path
    path = folder / ".env"
    path.write_bytes(OLD.encode())
    if ROOT:
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    else:
        folder.chmod(0o500)
    with pytest.raises(EnvFileUnchanged, match=r"Read-only|Permission denied"):
        update_env(path, {"SESSION_STRING": "new"})
    assert path.read_bytes().decode() == OLD
    if not ROOT:
        folder.chmod(0o700)


def test_a_folder_or_a_pipe_is_no_settings_file(tmp_path: Path) -> None:
    """What is no regular file is left alone."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "ring").symlink_to("ring")
    for name in ("folder", "ring", "away/.env"):
        with pytest.raises(EnvFileUnchanged):
            update_env(tmp_path / name, {"A": "1"})


def test_systemd_reads_what_was_written(tmp_path: Path) -> None:
    """What is not refused reads the same in systemd's EnvironmentFile=."""
    if not Path("/run/systemd/system").exists() or not ROOT:
        pytest.skip("needs a running systemd, and root")
    value = "a=b;c$d${e}`f`'g\"h%i"
    update_env(tmp_path / ".env", {"KEY": value})
    read = subprocess.run(
        ["systemd-run", "--quiet", "--pipe", "--wait", "-p", f"EnvironmentFile={tmp_path}/.env", "printenv", "KEY"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert read.stdout == f"{value}\n"
