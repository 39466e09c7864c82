"""Describes a session for people: account, data center, age, and the account's other sessions; masked."""

from __future__ import annotations

from dataclasses import dataclass

from telethon.tl import functions, types

from tg_video_streamer.locales.message import Message
from tg_video_streamer.telegram.answers.login import USER
from tg_video_streamer.telegram.client.account import Account

LEFT_OVER = Message.of("session.left_over")


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownSession:
    """One session of the account."""

    device: str
    country: str
    """Empty where Telegram does not know it."""
    created: float
    """Seconds since 1970."""
    active: float
    """When it was last seen, in seconds since 1970."""
    same_application: bool
    """Made with the same API_ID: by this program, and perhaps left over from before a renewal."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownAccount:
    """What may be shown of an account on a screen that others can see."""

    name: str
    phone: str
    """Its last two digits behind a mask; empty where it is not known."""
    user_id: int
    data_center: int
    this: ShownSession | None
    """None where Telegram does not list it."""
    others: tuple[ShownSession, ...]
    days_to_live: int
    """Telegram ends sessions that are not used for so long."""


async def fetch_account(account: Account) -> ShownAccount:
    """Ask Telegram about a connected account; raises SessionError, TelegramRefused."""
    (answer,) = await account.invoke(functions.users.GetUsersRequest([types.InputUserSelf()]))
    user = USER.read(answer)
    found = await account.invoke(functions.account.GetAuthorizationsRequest())
    current = next((one for one in found.authorizations if one.current), None)
    api_id = current.api_id if current is not None else 0
    others = tuple(_shown(one, api_id) for one in found.authorizations if not one.current)
    return ShownAccount(
        name=" ".join(filter(None, (user.first_name, user.last_name))),
        phone=f"***{user.phone[-2:]}" if user.phone else "",
        user_id=int(user.id),
        data_center=account.data_center,
        this=_shown(current, api_id) if current is not None else None,
        others=others,
        days_to_live=int(found.authorization_ttl_days),
    )


def _shown(one: types.Authorization, api_id: int) -> ShownSession:
    return ShownSession(
        device=f"{one.device_model}, {one.app_name} {one.app_version}".strip(),
        country=one.country,
        created=one.date_created.timestamp(),
        active=one.date_active.timestamp(),
        same_application=one.api_id == api_id,
    )


def describe(shown: ShownAccount, now: float) -> list[Message]:
    """The lines for people."""
    phone = shown.phone or Message.of("unknown")
    lines = [
        Message.of("session.line_account", name=shown.name, id=str(shown.user_id), phone=phone),
        Message.of("session.line_data_center", number=shown.data_center),
    ]
    if shown.this is not None:
        lines.append(Message.of("session.line_this", device=shown.this.device, age=_age(now - shown.this.created)))
    lines.append(Message.of("session.line_unused", days=shown.days_to_live))
    lines.append(Message.of("session.line_others", count=len(shown.others)))
    lines += [
        Message.of(
            "session.line_same_api" if one.same_application else "session.line_other",
            device=one.device,
            country=one.country or Message.of("session.somewhere"),
            age=_age(now - one.created),
            seen=_age(now - one.active),
        )
        for one in shown.others
    ]
    if any(one.same_application for one in shown.others):
        lines.append(Message.of("session.line_left_over", remedy=LEFT_OVER))
    return lines


def _age(seconds: float) -> Message:
    days = int(max(seconds, 0) // 86400)
    return Message.of("session.days", days=days) if days else Message.of("session.today")
