"""What every page has: the head, the way to the other pages, the badge, and what became of the last change."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse

from tg_video_streamer.locales.translator import LANGUAGES, Translator
from tg_video_streamer.web.auth.visitor import Notice, Visitor, take_notices, visitor
from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.language import COOKIE, COOKIE_SECONDS, words_of
from tg_video_streamer.web.pages.badge import badge, badge_tag, why_tag

_PLACES = (
    ("/", "on_air"),
    ("/queue", "queue"),
    ("/as-run", "as_run"),
    ("/schedule", "schedule"),
    ("/session", "session"),
    ("/health", "health"),
)
_SHOWN_UNDER = {"playlist": "queue"}
_FOR_OPERATORS = frozenset({"session"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """One who looks at a page: who it is, in which language, and the room."""

    request: Request
    room: WebContext
    visitor: Visitor
    words: Translator

    @property
    def may_change(self) -> bool:
        """Whether controls are shown."""
        return self.visitor.role.may_change

    @property
    def csrf(self) -> str:
        """The hidden field that every form must have."""
        return f'<input type="hidden" name="csrf" value="{escape(self.visitor.csrf)}">'


def visit(request: Request, room: WebContext) -> Visit:
    """Who asks for a page."""
    return Visit(request=request, room=room, visitor=visitor(request), words=words_of(request))


def page(
    visit: Visit,
    name: str,
    main: str,
    *,
    status_code: int = 200,
    notices: tuple[Notice, ...] = (),
    again_seconds: int = 0,
) -> HTMLResponse:
    """The whole document of the page `name`; with scripts off it is loaded again after `again_seconds`, 0 for never."""
    words, status = visit.words, visit.room.verbs.status()
    label = escape(badge(status, words)[0])
    # The page of what is on air is told by that alone; the script writes the title in the same way.
    named = "" if name == "on_air" else words(f"page.{name}")
    title = f"{label} · {named}" if named else label
    again = f'<noscript><meta http-equiv="refresh" content="{again_seconds}"></noscript>' if again_seconds else ""
    text = f"""<!doctype html>
<html lang="{words.language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark light">
<title>{title}</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/page.css">
<script src="/page.js" defer></script>{again}
</head>
<body class="page-{name}" data-csrf="{escape(visit.visitor.csrf)}" data-holds="{" ".join(status.holds)}"
 data-page="{named}" data-silent="{words("silent")}" data-old="{words("silent.old")}" data-failed="{words("failed")}" data-sure="{words("sure")}">
<a class="skip" href="#main">{words("skip_to_main")}</a>
{_header(visit, name)}
<section class="strip" aria-label="{words("strip")}"><div id="live-badge" role="status">{badge_tag(status, words)}</div>
<p class="why" id="live-why">{why_tag(status, words, now_wall=visit.room.clock.wall())}</p></section>
<main id="main" tabindex="-1">
<h1>{words(f"page.{name}")}</h1>
<div id="notices" role="status">{_notices((*take_notices(visit.request), *notices), words)}</div>
{main}
</main>
{_footer(visit, status.version)}
</body>
</html>
"""
    return _kept(HTMLResponse(text, status_code=status_code), visit)


def _kept(answer: HTMLResponse, visit: Visit) -> HTMLResponse:
    """A language that was wished for in the address counts for later pages too."""
    if visit.request.query_params.get("lang", "") in LANGUAGES:
        answer.set_cookie(
            COOKIE, visit.words.language.code, max_age=COOKIE_SECONDS, samesite="lax", path="/", httponly=True
        )
    answer.headers["Vary"] = "Accept-Language, Cookie"
    return answer


def _header(visit: Visit, name: str) -> str:
    words = visit.words
    places = "".join(
        f'<li><a href="{path}"{" aria-current=page" if place == _SHOWN_UNDER.get(name, name) else ""}>{words(f"page.{place}")}</a></li>'
        for path, place in _PLACES
        if (place not in _FOR_OPERATORS or (visit.may_change and visit.room.desk is not None))
        and (place != "schedule" or visit.room.has_schedule())
    )
    return f"""<header>
<a class="brand" href="/"><img src="/icon.svg" alt="" width="28" height="28">{words("brand")}</a>
<nav aria-label="{words("nav")}"><ul>{places}</ul></nav>
<div class="who">{_languages(visit)}{_way_in(visit)}</div>
</header>"""


def _languages(visit: Visit) -> str:
    here = escape(visit.request.url.path)
    links = "".join(
        f'<a href="{here}?lang={one}" lang="{one}" hreflang="{one}" title="{one.name}"'
        f"{' aria-current=true' if one is visit.words.language else ''}>{one.code.upper()}</a>"
        for one in LANGUAGES.values()
    )
    return f'<span class="languages">{links}</span>'


def _way_in(visit: Visit) -> str:
    """Sign in, or out."""
    words = visit.words
    if visit.visitor.signed_in:
        return (
            f'<form method="post" action="/logout">{visit.csrf}<button class="link">{words("sign_out")}</button></form>'
        )
    back = quote(visit.request.url.path, safe="/")
    return f'<a class="sign-in" href="/login?back={back}">{words("sign_in")}</a>'


def _notices(notices: tuple[Notice, ...], words: Translator) -> str:
    return "".join(
        f'<p class="notice" data-ok="{int(one.ok)}">{words.said(one.text)}'
        f"{f' <span>{words.said(one.remedy)}</span>' if one.remedy else ''}</p>"
        for one in notices
    )


def _footer(visit: Visit, version: str) -> str:
    words = visit.words
    return f"""<footer>
<p>{words("version")} {escape(version)} · <a href="/status.json">status.json</a> · <a href="/healthz">healthz</a> ·
<a href="/api/openapi.json">API</a> · {words("streams")} <a href="/preview/live.m3u8">HLS</a>, <a href="/preview/live.mp4">MP4</a></p>
<noscript><p>{words("no_scripts")}</p></noscript>
</footer>"""
