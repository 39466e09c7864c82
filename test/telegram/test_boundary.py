"""The boundary to Telegram: nothing that its library, its servers or the network raise passes it untranslated."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import tg_video_streamer

PACKAGE = Path(tg_video_streamer.__file__).parent
BOUNDARY = PACKAGE / "telegram" / "client" / "boundary.py"


def _modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path, ast.parse(path.read_text())


def _imported(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Each import: the module, and the name under which it is used."""
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((f"{node.module}.{one.name}", one.asname or one.name) for one in node.names)
        elif isinstance(node, ast.Import):
            yield from ((one.name, one.asname or one.name) for one in node.names)


def _caught(module: ast.Module) -> Iterator[str]:
    """The first name of everything that is caught."""
    for node in ast.walk(module):
        if isinstance(node, ast.ExceptHandler) and node.type is not None:
            for one in node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]:
                yield ast.unparse(one).partition(".")[0]


def test_no_other_module_knows_telethons_errors() -> None:
    """Telethon's errors are imported and caught in one module alone."""
    for path, module in _modules():
        used = [(name, alias) for name, alias in _imported(module) if name.partition(".")[0] == "telethon"]
        assert path == BOUNDARY or not [name for name, _ in used if "errors" in name.split(".")], path
        assert not {alias for _, alias in used} & set(_caught(module)), path
        assert not used or "telegram" in path.relative_to(PACKAGE).parts, f"{path} imports Telethon"
