"""Edits of a playlist's text: what an operator moves, and everything that must stay."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tg_video_streamer.errors import PlaylistError
from tg_video_streamer.playlist.edit import (
    AT_END,
    entry_lines,
    format_numbers,
    insert,
    move,
    parse_numbers,
    remove,
    shift,
    titled,
)
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.line import parse_line
from tg_video_streamer.playlist.parser import parse

LINES = st.sampled_from(
    [
        "",
        "# evening films",
        "#EXTM3U",
        "#EXTINF:12,Announced one",
        '#EXTINF:-1 tvg-id="a,b",Another',
        "#EXTVLCOPT:network-caching=1000",
        "one.mp4",
        "two.mp4 | title=Two",
        "https://example.com/watch?v=1",
        "  three.mp4 | start=1:00",
        "bad.mp4 | nonsense=1",
        "\t",
    ]
)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A list with any line ends, with or without the last one."""
    lines = draw(st.lists(st.tuples(LINES, ENDS), max_size=14))
    text = "".join(line + end for line, end in lines)
    return text if draw(st.booleans()) else text.rstrip("\r\n")


def meaning(text: str) -> list[tuple[str, str]]:
    """Each entry and the title that it plays with."""
    return [(one.text, one.title) for one in entry_lines(text)]


def others(text: str) -> list[str]:
    """All lines that are no entry and announce none, in order."""
    entries = entry_lines(text)
    own = {number for one in entries for number in range(one.first, one.line + 1)}
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [line for number, line in enumerate(lines, start=1) if number not in own and line.strip(" \t")]


@given(text=texts(), data=st.data())
def test_a_move_is_a_move_of_the_entries_alone(text: str, data: st.DataObject) -> None:
    """Whatever is moved where: the entries change places with their titles, and every other line stays."""
    entries = entry_lines(text)
    numbers = [one.line for one in entries]
    if not numbers:
        return
    chosen = data.draw(st.sets(st.sampled_from(numbers), min_size=1))
    before = data.draw(st.sampled_from([*numbers, AT_END]))
    edited = move(text, chosen, before=before)
    left = [one for one in entries if one.line not in chosen]
    taken = [one for one in entries if one.line in chosen]
    place = len([one for one in left if before == AT_END or one.line < before])
    wanted = [*left[:place], *taken, *left[place:]]
    assert meaning(edited.text) == [(one.text, one.title) for one in wanted]
    assert others(edited.text) == others(text)
    now = {one.line: one for one in entry_lines(edited.text)}
    assert [now[line].text for line in edited.lines] == [one.text for one in taken]


@given(text=texts(), data=st.data())
def test_a_step_there_and_back_is_the_same_program(text: str, data: st.DataObject) -> None:
    """One place down and up again leaves the program as it was, if the entries stood together."""
    numbers = [one.line for one in entry_lines(text)]
    if len(numbers) < 2:
        return
    first = data.draw(st.integers(0, len(numbers) - 2))
    last = data.draw(st.integers(first, len(numbers) - 2))
    down = shift(text, numbers[first : last + 1], down=True)
    assert meaning(down.text) != meaning(text) or len(set(meaning(text))) < len(numbers)
    assert meaning(shift(down.text, down.lines, down=False).text) == meaning(text)


@given(text=texts(), data=st.data())
def test_a_removal_leaves_the_others(text: str, data: st.DataObject) -> None:
    """Removed entries are gone with what announced them; nothing else is."""
    numbers = [one.line for one in entry_lines(text)]
    if not numbers:
        return
    chosen = data.draw(st.sets(st.sampled_from(numbers), min_size=1))
    edited = remove(text, chosen)
    assert meaning(edited.text) == [(one.text, one.title) for one in entry_lines(text) if one.line not in chosen]
    assert others(edited.text) == others(text)


@given(text=texts(), data=st.data())
def test_an_insertion_adds_and_changes_nothing_else(text: str, data: st.DataObject) -> None:
    """New lines stand where they were put, as they were written, and no announced title slips to them."""
    numbers = [one.line for one in entry_lines(text)]
    before = data.draw(st.sampled_from([*numbers, AT_END]))
    edited = insert(text, "new.mp4 | title=New\n# note\nnewer.mp4", before=before)
    place = numbers.index(before) if before != AT_END else len(numbers)
    old = meaning(text)
    new = [("new.mp4 | title=New", ""), ("newer.mp4", "")]
    assert meaning(edited.text) == [*old[:place], *new, *old[place:]]
    assert remove(edited.text, edited.lines).text.replace("# note", "").split() == text.split()


@given(text=texts())
def test_entries_are_those_of_the_parser(text: str) -> None:
    """The table shows exactly the lines that play or are reported as problems."""
    found = parse(text, base="/media", allowed=AllowedFolders.of([]))
    lines = sorted([*(one.line for one in found.entries), *(one.line for one in found.problems)])
    assert [one.line for one in entry_lines(text)] == lines


@given(numbers=st.sets(st.integers(1, 30_000), min_size=1, max_size=50))
def test_numbers_read_as_they_are_written(numbers: set[int]) -> None:
    """Line numbers survive their text form."""
    assert set(parse_numbers(format_numbers(numbers))) == numbers


@pytest.mark.parametrize("text", ["", "0", "x", "3-1", "1-", "-1", "1-999999", "²"])
def test_what_is_no_number_is_refused(text: str) -> None:
    """Anything but line numbers is refused, also a range that would fill the memory."""
    with pytest.raises(PlaylistError):
        parse_numbers(text)


@pytest.mark.parametrize(
    "line",
    ["a.mp4", "a.mp4 | start=1:00", "https://x.example/a|b", "rtmp://x.example/a | for=1h | backup=b.mp4 | title=Other", "a.mp4 | end=9 | title=New"],
)  # fmt: skip
def test_a_title_becomes_that_of_the_item(line: str) -> None:
    """A title that is typed next to a line is the item's, whatever options the line has, and never the backup's."""
    item = parse_line(titled(line, "New"), base="/media", allowed=AllowedFolders.of(["/media"]))
    plain = parse_line(line, base="/media", allowed=AllowedFolders.of(["/media"]))
    assert item.title == "New"
    assert (item.key, item.backup) == (plain.key, plain.backup)


def test_a_line_without_an_entry_is_refused() -> None:
    """A comment cannot be moved, nor a line that does not exist."""
    for chosen in ([1], [9]):
        with pytest.raises(PlaylistError):
            move("# comment\none.mp4\n", chosen, before=AT_END)


def test_ten_thousand_lines_in_one_step() -> None:
    """A step in a list of 10,000 lines costs less than 100 ms of processor time."""
    text = "".join(f"# {n}\nfilm-{n}.mp4 | title=Film {n}\n" for n in range(5000))
    steps = []
    for step in range(5):
        began = time.process_time()
        numbers = [one.line for one in entry_lines(text)]
        text = move(text, [numbers[step], numbers[-2]], before=numbers[step + 9]).text
        steps.append(time.process_time() - began)
    assert min(steps) < 0.1
