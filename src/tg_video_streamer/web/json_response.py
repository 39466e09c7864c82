"""JSON over HTTP: ASCII, so that half a surrogate pair in a file's name cannot break it."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import JSONResponse


class JsonResponse(JSONResponse):
    """As starlette's, for any text."""

    def render(self, content: Any) -> bytes:
        """One line."""
        return json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")
