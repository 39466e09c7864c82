"""Buttons that tell the service to do something: each a form of its own, so that they work with scripts off."""

from __future__ import annotations

from html import escape

from tg_video_streamer.web.pages.layout import Visit


def button(
    visit: Visit,
    verb: str,
    label: str,
    *,
    back: str,
    fields: dict[str, str] | None = None,
    kind: str = "",
    name: str = "",
    identity: str = "",
    disabled: bool = False,
    sure: bool = False,
) -> str:
    """One button for one verb. `label` is shown and `name`, if any, spoken instead, both escaped; `sure`: the script asks first."""
    hidden = "".join(
        f'<input type="hidden" name="{key}" value="{escape(value)}">' for key, value in (fields or {}).items()
    )
    spoken = f' aria-label="{name}" title="{name}"' if name else ""
    known = f' id="{identity}"' if identity else ""
    asked = " data-sure" if sure else ""
    return (
        f'<form class="act" method="post" action="/do/{verb}" data-act{asked}>{visit.csrf}'
        f'<input type="hidden" name="back" value="{escape(back)}">{hidden}'
        f'<button class="{kind}"{known}{spoken}{" disabled" if disabled else ""}>{label}</button></form>'
    )


def program_controls(visit: Visit, *, back: str) -> str:
    """Skip, pause or resume, slate on or off; nothing for who may only look. Which of a pair is shown, the body's `data-holds` says."""
    if not visit.may_change:
        return ""
    words = visit.words
    drawn = (
        button(visit, "skip", words("do.skip"), back=back),
        f'<span class="unless-pause">{button(visit, "pause", words("do.pause"), back=back)}</span>',
        f'<span class="while-pause">{button(visit, "resume", words("do.resume"), back=back, kind="strong")}</span>',
        f'<span class="unless-slate">{button(visit, "slate", words("do.slate_on"), back=back, fields={"on": "true"})}</span>',
        f'<span class="while-slate">{button(visit, "slate", words("do.slate_off"), back=back, fields={"on": "false"}, kind="strong")}</span>',
    )
    return f'<div class="controls" role="group" aria-label="{words("controls")}">{"".join(drawn)}</div>'
