"""Buttons that run commands; each is its own form, so that it works without scripts."""

from __future__ import annotations

import math
from html import escape

from tg_video_streamer.control.status import ServiceWarning, WarningAction
from tg_video_streamer.locales.format import clock_text
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


def seek_bar(view: PageView) -> str:
    """The bar and the buttons that move the item on air; empty for viewers, and for what has no other place."""
    status, words = view.context.commands.status(), view.words
    item = status.now
    if not view.may_change or item is None or item.is_live or not item.duration_seconds:
        return ""
    last = max(0, math.ceil(item.duration_seconds) - 1)
    at = min(int(status.position_seconds), last)
    back = command_button(
        view, "seek", words("command.seek_back"), fields={"to": "-30"}, name=words("command.seek_back_name")
    )
    forward = command_button(
        view, "seek", words("command.seek_forward"), fields={"to": "+30"}, name=words("command.seek_forward_name")
    )
    return (
        f'<form class="seek" method="post" action="/actions/seek" data-action>{view.csrf}'
        f'<input type="hidden" name="back" value="{escape(view.request.url.path)}">'
        f'<input type="range" id="seek" name="to" min="0" max="{last}" step="1" value="{at}"'
        f' aria-label="{words("command.seek_name")}" aria-valuetext="{clock_text(at)}">'
        f'<output for="seek" id="seek-time" class="number">{clock_text(at)}</output>'
        f'<button class="small">{words("command.seek")}</button></form>'
        f'<div class="buttons">{back}{forward}</div>'
    )


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
