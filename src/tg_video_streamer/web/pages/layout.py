"""The frame of every page: header, navigation, badge, messages, footer."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse

from tg_video_streamer.locales.translator import LANGUAGES, Translator
from tg_video_streamer.web.auth.visitor import FlashMessage, Visitor, take_flash_messages, visitor
from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.language import COOKIE, COOKIE_SECONDS, words_of
from tg_video_streamer.web.pages.elements import badge, badge_tag, reason_tag

_NAVIGATION = (
    ("/", "on_air"),
    ("/queue", "queue"),
    ("/day", "day"),
    ("/as-run", "as_run"),
    ("/schedule", "schedule"),
    ("/fleet", "fleet"),
    ("/session", "session"),
    ("/health", "health"),
)
_PARENT_PAGE = {
    "playlist": "queue",
    "playlist_table": "queue",
    "uploads": "queue",
    "media_folders": "queue",
    "audience": "as_run",
}
_FOR_OPERATORS = frozenset({"session"})


@dataclass(frozen=True, kw_only=True, slots=True)
class PageView:
    """What a page is rendered from: visitor, language, and the running service."""

    request: Request
    context: WebContext
    visitor: Visitor
    words: Translator

    @property
    def may_change(self) -> bool:
        """Whether buttons are shown."""
        return self.visitor.role.may_change

    @property
    def csrf(self) -> str:
        """The hidden CSRF field of every form."""
        return f'<input type="hidden" name="csrf" value="{escape(self.visitor.csrf)}">'


def page_view(request: Request, context: WebContext) -> PageView:
    """The view of this request."""
    return PageView(request=request, context=context, visitor=visitor(request), words=words_of(request))


def page(
    view: PageView,
    name: str,
    main: str,
    *,
    status_code: int = 200,
    messages: tuple[FlashMessage, ...] = (),
    reload_seconds: int = 0,
) -> HTMLResponse:
    """The document of the page `name`; without scripts it reloads after `reload_seconds`, 0: never."""
    words, status = view.words, view.context.commands.status()
    label = escape(badge(status, words)[0])
    # The script sets the title in the same format.
    page_title = "" if name == "on_air" else words(f"page.{name}")
    title = f"{label} · {page_title}" if page_title else label
    reload = f'<noscript><meta http-equiv="refresh" content="{reload_seconds}"></noscript>' if reload_seconds else ""
    text = f"""<!doctype html>
<html lang="{words.language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark light">
<title>{title}</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/page.css">
<script src="/page.js" defer></script>{reload}
</head>
<body class="page-{name}" data-csrf="{escape(view.visitor.csrf)}" data-holds="{" ".join(status.holds)}"
 data-page="{page_title}" data-disconnected="{words("disconnected")}" data-outdated="{words("disconnected.outdated")}" data-failed="{words("failed")}" data-confirm="{words("confirm")}">
<a class="skip" href="#main">{words("skip_to_main")}</a>
{_header(view, name)}
<section class="status-bar" aria-label="{words("status_bar")}"><div id="live-badge" role="status">{badge_tag(status, words)}</div>
<p class="reason" id="live-reason">{reason_tag(status, words, now_wall=view.context.clock.wall())}</p></section>
<main id="main" tabindex="-1">
<h1>{words(f"page.{name}")}</h1>
<div id="flash-messages" role="status">{_flash_messages((*take_flash_messages(view.request), *messages), words)}</div>
{main}
</main>
{_footer(view, status.version)}
</body>
</html>
"""
    return _with_language(HTMLResponse(text.encode("utf-8", "replace"), status_code=status_code), view)


def _with_language(answer: HTMLResponse, view: PageView) -> HTMLResponse:
    """Remember a language chosen in the URL."""
    if view.request.query_params.get("lang", "") in LANGUAGES:
        answer.set_cookie(
            COOKIE, view.words.language.code, max_age=COOKIE_SECONDS, samesite="lax", path="/", httponly=True
        )
    answer.headers["Vary"] = "Accept-Language, Cookie"
    return answer


def _header(view: PageView, name: str) -> str:
    words, has_fleet = view.words, view.context.commands.status().fleet is not None
    links = "".join(
        f'<li><a href="{path}"{" aria-current=page" if target == _PARENT_PAGE.get(name, name) else ""}>{words(f"page.{target}")}</a></li>'
        for path, target in _NAVIGATION
        if (target not in _FOR_OPERATORS or (view.may_change and view.context.login is not None))
        and (target != "schedule" or view.context.has_schedule())
        and (target != "fleet" or has_fleet)
    )
    return f"""<header>
<a class="brand" href="/"><img src="/icon.svg" alt="" width="28" height="28">{words("brand")}</a>
<nav aria-label="{words("nav")}"><ul>{links}</ul></nav>
<div class="account">{_languages(view)}{_account(view)}</div>
</header>"""


def _languages(view: PageView) -> str:
    here = escape(view.request.url.path)
    links = "".join(
        f'<a href="{here}?lang={one}" lang="{one}" hreflang="{one}" title="{one.name}"'
        f"{' aria-current=true' if one is view.words.language else ''}>{one.code.upper()}</a>"
        for one in LANGUAGES.values()
    )
    return f'<span class="languages">{links}</span>'


def _account(view: PageView) -> str:
    """The sign-in link or the sign-out button."""
    words = view.words
    if view.visitor.signed_in:
        return (
            f'<form method="post" action="/logout">{view.csrf}<button class="link">{words("sign_out")}</button></form>'
        )
    back = quote(view.request.url.path, safe="/")
    return f'<a class="sign-in" href="/login?back={back}">{words("sign_in")}</a>'


def _flash_messages(messages: tuple[FlashMessage, ...], words: Translator) -> str:
    return "".join(
        f'<p class="flash" data-ok="{int(one.ok)}">{words.message(one.text)}'
        f"{f' <span>{words.message(one.remedy)}</span>' if one.remedy else ''}</p>"
        for one in messages
    )


def _footer(view: PageView, version: str) -> str:
    words = view.words
    return f"""<footer>
<p>{words("version")} {escape(version)} · <a href="/status.json">status.json</a> · <a href="/healthz">healthz</a> ·
<a href="/api/openapi.json">API</a> · {words("streams")} <a href="/preview/live.m3u8">HLS</a>, <a href="/preview/live.mp4">MP4</a></p>
<noscript><p>{words("no_scripts")}</p></noscript>
</footer>"""
