"""Every constructor that Telegram's schema has for an answer has a stated meaning."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from telethon.tl import functions
from telethon.tl.alltlobjects import tlobjects
from telethon.tl.tlobject import TLObject, TLRequest

import tg_video_streamer.telegram
from tg_video_streamer.telegram.answers.tl_type import TlType

SOURCE = Path(tg_video_streamer.telegram.__file__).parent
PLAIN = frozenset({"CheckGroupCallRequest", "GetUsersRequest"})
"""Their answers are vectors."""


def constructors(result: int) -> frozenset[type[TLObject]]:
    """Those of a type of the schema."""
    return frozenset(
        one for one in tlobjects.values() if result == one.SUBCLASS_OF_ID and not issubclass(one, TLRequest)
    )


def stated() -> dict[str, TlType[object]]:
    """Every table of meanings in the package, by module and name."""
    found: dict[str, TlType[object]] = {}
    for module in pkgutil.walk_packages(tg_video_streamer.telegram.__path__, "tg_video_streamer.telegram."):
        if module.name.endswith(".worker"):
            continue  # a program of its own
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, TlType):
                found[f"{module.name}.{name}"] = value
    return found


STATED = stated()


@pytest.mark.parametrize("name", STATED)
def test_a_table_has_every_constructor_of_its_type(name: str) -> None:
    """A table of meanings has exactly the constructors that the installed schema has for its type."""
    known = STATED[name].constructors
    (result,) = {one.SUBCLASS_OF_ID for one in known}
    assert known == constructors(result)


def called() -> Iterator[tuple[str, type[TLRequest]]]:
    """Each request that the package makes, and where."""
    by_name: dict[str, list[type[TLRequest]]] = {}
    for one in tlobjects.values():
        if issubclass(one, TLRequest):
            by_name.setdefault(one.__name__, []).append(one)
    for file in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call):
                continue
            words = ast.unparse(node.func).split(".")
            requests = by_name.get(words[-1], [])
            if len(words) == 3 and words[0] == "functions":
                requests = [getattr(getattr(functions, words[1]), words[2])]
            if requests:
                assert len({one.SUBCLASS_OF_ID for one in requests}) == 1, f"{file}: which {words[-1]}?"
                yield file.name, requests[0]


CALLED = sorted({(request.__name__, request.SUBCLASS_OF_ID) for _, request in called()})


@pytest.mark.parametrize(("name", "result"), CALLED, ids=[name for name, _ in CALLED])
def test_the_answer_to_each_request_has_a_table(name: str, result: int) -> None:
    """For each method that the program calls there is a table with all constructors of its answer."""
    if name in PLAIN or len(constructors(result)) == 1:
        return
    assert any(constructors(result) == table.constructors for table in STATED.values()), constructors(result)


ASKING = ("count.invoke", "account().invoke", "line.ask", "line.begin")
"""What sends a request: of an account, or of a login."""
ALONE = PLAIN | {name for name, result in CALLED if len(constructors(result)) == 1}
"""Requests whose answer can be only one thing."""


def test_answers_are_read_by_their_tables() -> None:
    """No module reads an answer in another way: it goes into a table at once, or is not looked at."""
    loose = []
    for file in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(file.read_text())
        parents = {child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Await) and isinstance(node.value, ast.Call)):
                continue
            if not ast.unparse(node.value.func).endswith(ASKING) or isinstance(parents[node], ast.Expr):
                continue
            around = parents[node]
            reads = isinstance(around, ast.Call) and ast.unparse(around.func).rpartition(".")[2] in {
                "read",
                "joined_chats",
            }
            if not reads and not any(name in ast.unparse(node) for name in ALONE):
                loose.append(f"{file.relative_to(SOURCE)}:{node.lineno}: {ast.unparse(node)}")
    assert loose == []
