"""The links between the views of the playlist: table, text, folders and uploaded files."""

from __future__ import annotations

from tg_video_streamer.web.pages.layout import PageView

_VIEWS = (
    ("table", "/playlist/table"),
    ("text", "/playlist"),
    ("folders", "/playlist/folders"),
    ("uploads", "/uploads"),
)


def views_tag(view: PageView, current: str) -> str:
    """The links; `current` is the view that is shown."""
    links = " ".join(
        f'<a href="{path}"{" aria-current=page" if name == current else ""}>{view.words(f"table.{name}")}</a>'
        for name, path in _VIEWS
        if _is_there(view, name)
    )
    return f'<p class="views">{links}</p>'


def _is_there(view: PageView, name: str) -> bool:
    """Whether this service has the view."""
    return {"folders": view.context.looks, "uploads": view.context.uploads}.get(name, view) is not None
