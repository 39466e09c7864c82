"""Buttons that run commands; each is its own form, so that it works without scripts."""

from __future__ import annotations

from html import escape

from tg_video_streamer.control.status import ServiceWarning, WarningAction
from tg_video_streamer.web.pages.elements import alert_tag
from tg_video_streamer.web.pages.layout import PageView


def command_button(
    view: PageView,
    command: str,
    label: str,
    *,
    fields: dict[str, str] | None = None,
    kind: str = "",
    name: str = "",
    identity: str = "",
    disabled: bool = False,
    confirm: bool = False,
) -> str:
    """A button that runs `command` and returns to this page.

    `label` and the accessible `name` are escaped; `confirm`: the script asks first.
    """
    hidden = "".join(
        f'<input type="hidden" name="{key}" value="{escape(value)}">' for key, value in (fields or {}).items()
    )
    aria = f' aria-label="{name}" title="{name}"' if name else ""
    element_id = f' id="{identity}"' if identity else ""
    asks = " data-confirm" if confirm else ""
    return (
        f'<form class="action" method="post" action="/actions/{command}" data-action{asks}>{view.csrf}'
        f'<input type="hidden" name="back" value="{escape(view.request.url.path)}">{hidden}'
        f'<button class="{kind}"{element_id}{aria}{" disabled" if disabled else ""}>{label}</button></form>'
    )


def playout_buttons(view: PageView) -> str:
    """Skip, pause or resume, slate on or off; empty for viewers. The body's `data-holds` selects one of each pair."""
    if not view.may_change:
        return ""
    words = view.words
    buttons = (
        command_button(view, "skip", words("command.skip")),
        f'<span class="unless-pause">{command_button(view, "pause", words("command.pause"))}</span>',
        f'<span class="while-pause">{command_button(view, "resume", words("command.resume"), kind="primary")}</span>',
        f'<span class="unless-slate">{command_button(view, "slate", words("command.slate_on"), fields={"on": "true"})}</span>',
        f'<span class="while-slate">{command_button(view, "slate", words("command.slate_off"), fields={"on": "false"}, kind="primary")}</span>',
    )
    return f'<div class="controls" role="group" aria-label="{words("controls")}">{"".join(buttons)}</div>'


def warnings_tag(view: PageView) -> str:
    """The warnings; for operators each with the buttons that fix it."""
    warnings = view.context.commands.status().warnings
    return alert_tag("warnings", (_warning(view, one) for one in warnings), view.words)


def _warning(view: PageView, warning: ServiceWarning) -> str:
    text = view.words.message(warning.message)
    if not view.may_change or not warning.actions:
        return text
    buttons = "".join(_fix(view, action, warning.item_key) for action in warning.actions)
    return f'{text}<span class="buttons">{buttons}</span>'


def _fix(view: PageView, action: WarningAction, key: str) -> str:
    label = view.words(f"fix.{action}")
    if action is WarningAction.RETRY:
        return command_button(view, "retry", label, fields={"key": key}, kind="small")
    if action is WarningAction.REMOVE:
        fields = {"key": key, "version": ""}
        return command_button(view, "playlist_remove", label, fields=fields, kind="small", confirm=True)
    page = {WarningAction.EDIT_PLAYLIST: "/playlist", WarningAction.OPEN_SETTINGS: "/health"}[action]
    return f'<a class="button small" href="{page}">{label}</a>'
