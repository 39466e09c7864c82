"""Checks what no linter knows: sizes of modules, words that no text may have, and links to files."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
MOST_MODULE_LINES = 450
LEAST_MODULE_LINES = 25

_HOME = re.compile(r"(?<![\w.])/(?:root|home/(?!somebody\b|user\b)\w+)/")
_LATER = re.compile(r"\b(?:TODO|FIXME|XXX)\b")
_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def committed() -> list[Path]:
    """Every file that git keeps and that is still there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True).stdout.decode()
    return [path for name in listed.split("\0") if name and (path := REPOSITORY / name).is_file()]


def sizes(path: Path, text: str) -> Iterator[str]:
    """Modules that are too long to read at once, and modules too short to be one."""
    lines = text.count("\n")
    tree = ast.parse(text)
    # A table of texts has one line for each text, and a language is one file.
    if lines > MOST_MODULE_LINES and path.parent.name != "locales":
        yield f"{path}: {lines} lines, more than {MOST_MODULE_LINES}; which part is a job of its own?"
    if lines < LEAST_MODULE_LINES and not path.name.startswith("__") and not only_values(tree):
        yield f"{path}: {lines} lines, fewer than {LEAST_MODULE_LINES}; whose job is it part of?"


def only_values(tree: ast.Module) -> bool:
    """Whether a module defines constants, enums and dataclasses, and no function at its top."""
    return not any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in tree.body) and all(
        any(name in ast.unparse(node) for name in ("@dataclass", "Enum)", "Exception)", "Error)", "Protocol)"))
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    )


def words(path: Path, text: str) -> Iterator[str]:
    """Paths of one machine, and promises to do it later."""
    for number, line in enumerate(text.splitlines(), start=1):
        if _HOME.search(line):
            yield f"{path}:{number}: names a home folder of one machine"
        if _LATER.search(line):
            yield f"{path}:{number}: promises to do it later; do it, or leave it"


def links(path: Path, text: str) -> Iterator[str]:
    """Links of a Markdown file that lead nowhere."""
    for target in _LINK.findall(text):
        if not (REPOSITORY / path.parent / target).exists():
            yield f"{path}: links to {target}, which is not there"


def problems() -> Iterator[str]:
    """All that is wrong, a line each."""
    for file in committed():
        path = file.relative_to(REPOSITORY)
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        if path.parts[0] == "src" and path.suffix == ".py":
            yield from sizes(path, text)
        if file != Path(__file__).resolve():
            yield from words(path, text)
        if path.suffix == ".md":
            yield from links(path, text)


if __name__ == "__main__":
    found = list(problems())
    print("\n".join(found) or "sizes, words and links are in order")  # noqa: T201 # that is its output
    sys.exit(bool(found))
