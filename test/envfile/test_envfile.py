"""The `.env` reader: what counts as a value, and what is reported about lines that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tg_video_streamer.envfile.read import parse_env, read_env_file


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("KEY=value", "value"),
        ("KEY=", ""),
        ("  KEY = value  ", "value"),
        ("export KEY=value", "value"),
        ("KEY=two words", "two words"),
        ("KEY='two  words '", "two  words "),
        ('KEY="two  words "', "two  words "),
        ("KEY=value # a comment", "value"),
        ("KEY=# a comment", ""),
        ("KEY=colour#3", "colour#3"),
        ("KEY='a # b'", "a # b"),
        ('KEY="a # b" # a comment', "a # b"),
        (r'KEY="say \"hi\" for \$5 \\o/"', r'say "hi" for $5 \o/'),
        (r"KEY='C:\new'", r"C:\new"),
        (r'KEY="C:\new"', r"C:\new"),
        ('KEY=-preset fast -x264-params "a=1 b"', '-preset fast -x264-params "a=1 b"'),
        ("KEY=$HOME/${x}", "$HOME/${x}"),
        ("KEY=a=b=c==", "a=b=c=="),
        ("KEY=value\r", "value"),
        ("\ufeffKEY=value", "value"),
    ],
)
def test_a_value_is_read_as_a_shell_would_read_it_without_expanding_it(line: str, value: str) -> None:
    """Quotes group, a hash behind a space begins a comment, and nothing is interpolated."""
    found = parse_env(line)
    assert found.problems == ()
    assert found.values == {"KEY": value}


@pytest.mark.parametrize("line", ["", "   ", "# KEY=value", "   # KEY=value", "\r"])
def test_blank_lines_and_comments_are_no_settings(line: str) -> None:
    """What says nothing sets nothing and is no problem."""
    found = parse_env(line)
    assert (found.values, found.problems) == ({}, ())


@pytest.mark.parametrize(
    "line", ["CANARY", "CANARY hunter2", "=CANARY", "1KEY=CANARY", 'KEY="CANARY', "KEY='CANARY' more", "KEY=CAN\x00ARY"]
)
def test_an_unreadable_line_is_told_by_its_number_and_not_by_its_text(line: str) -> None:
    """A line that cannot be read may be half a secret: only its number is reported."""
    found = parse_env(f"# first\n{line}\n", name="my.env")
    assert found.values == {}
    (problem,) = found.problems
    assert problem.startswith("my.env, line 2: ")
    assert "CANARY" not in problem
    assert "CANARY" not in repr(found)


def test_of_two_lines_with_one_key_the_last_counts_and_a_warning_tells() -> None:
    """A repeated key is no accident that stays unseen."""
    found = parse_env("KEY=1\nKEY=2")
    assert found.values == {"KEY": "2"}
    assert found.warnings == (".env, line 2: repeats the key of line 1; this one counts",)


@given(st.text())
def test_any_text_is_read_without_an_exception(text: str) -> None:
    """Whatever is in the file, the answer is values and problems."""
    found = parse_env(text)
    assert len(found.problems) + len(found.values) <= text.count("\n") + 1


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="'\r\n", exclude_categories=["Cc", "Cs"])))
def test_a_single_quoted_value_is_kept_as_it_is(value: str) -> None:
    """Single quotes protect every character but themselves."""
    assert parse_env(f"KEY='{value}'").values == {"KEY": value}


def test_a_file_that_others_can_read_is_a_warning_with_the_command(tmp_path: Path) -> None:
    """Secrets in a readable file are pointed out together with what to run."""
    path = tmp_path / ".env"
    path.write_text("KEY=1\n", encoding="utf-8")
    path.chmod(0o640)
    (warning,) = read_env_file(path).warnings
    assert f"chmod 600 {path}" in warning
    path.chmod(0o600)
    assert read_env_file(path).warnings == ()


def test_a_file_that_is_missing_binary_or_a_folder_is_a_problem(tmp_path: Path) -> None:
    """Each way in which a file can be no settings file is reported in one line."""
    binary = tmp_path / "binary"
    binary.write_bytes(b"KEY=\xff\xfe")
    for path, words in [(tmp_path / "none", "no such file"), (binary, "no UTF-8"), (tmp_path, "cannot be read")]:
        (problem,) = read_env_file(path).problems
        assert words in problem
