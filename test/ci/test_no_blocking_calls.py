"""No coroutine of the service looks at a disk itself: that is done by threads with deadlines."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import tg_video_streamer

_PACKAGE = Path(tg_video_streamer.__file__).parent
_BLOCKS = frozenset(
    {
        "stat",
        "lstat",
        "exists",
        "is_file",
        "is_dir",
        "iterdir",
        "glob",
        "rglob",
        "read_text",
        "read_bytes",
        "write_text",
    }
    | {"write_bytes", "unlink", "mkdir", "rmdir", "rename", "scandir", "listdir", "realpath", "readlink", "statvfs"}
)
_NOT_THE_SERVICE = frozenset({"cli", "doctor", "terminal"})


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    """The calls that the coroutine makes itself; what it defines may run in a thread."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.Call):
            yield child
        yield from _calls(child)


def test_no_coroutine_of_the_service_calls_the_disk() -> None:
    """Neither stat nor any other operation on a path is called by a coroutine in its own thread."""
    found = []
    for path in _PACKAGE.rglob("*.py"):
        relative = path.relative_to(_PACKAGE)
        if relative.parts[0] in _NOT_THE_SERVICE or path.name.endswith("_child.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.AsyncFunctionDef):
                found += [
                    f"{relative}:{call.lineno} {call.func.attr}"
                    for call in _calls(node)
                    if isinstance(call.func, ast.Attribute) and call.func.attr in _BLOCKS
                ]
    assert not found, "\n".join(found)
