"""Describes a session for people: account, data center, age, and the account's other sessions; masked."""

from __future__ import annotations

from dataclasses import dataclass

from telethon.tl import functions, types

from tg_video_streamer.telegram.client.account import Account

LEFT_OVER = "end sessions that are no longer used in Telegram: Settings, Devices"


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownSession:
    """One session of the account."""

    device: str
    country: str
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
    """Its last two digits behind a mask."""
    user_id: int
    data_center: int
    this: ShownSession | None
    """None where Telegram does not list it."""
    others: tuple[ShownSession, ...]
    days_to_live: int
    """Telegram ends sessions that are not used for so long."""


async def fetch_account(account: Account) -> ShownAccount:
    """Ask Telegram about a connected account; raises SessionError, TelegramRefused."""
    (user,) = await account.invoke(functions.users.GetUsersRequest([types.InputUserSelf()]))
    found = await account.invoke(functions.account.GetAuthorizationsRequest())
    current = next((one for one in found.authorizations if one.current), None)
    api_id = current.api_id if current is not None else 0
    others = tuple(_shown(one, api_id) for one in found.authorizations if not one.current)
    return ShownAccount(
        name=" ".join(filter(None, (user.first_name, user.last_name))),
        phone=f"***{user.phone[-2:]}" if user.phone else "unknown",
        user_id=int(user.id),
        data_center=account.data_center,
        this=_shown(current, api_id) if current is not None else None,
        others=others,
        days_to_live=int(found.authorization_ttl_days),
    )


def _shown(one: types.Authorization, api_id: int) -> ShownSession:
    return ShownSession(
        device=f"{one.device_model}, {one.app_name} {one.app_version}".strip(),
        country=one.country or "somewhere",
        created=one.date_created.timestamp(),
        active=one.date_active.timestamp(),
        same_application=one.api_id == api_id,
    )


def wording(shown: ShownAccount, now: float) -> list[str]:
    """The lines for people."""
    lines = [
        f"account: {shown.name} (id {shown.user_id}, phone {shown.phone})",
        f"data center: {shown.data_center}",
    ]
    if shown.this is not None:
        lines.append(f"session: {shown.this.device}, {_days(now - shown.this.created)} old")
    lines.append(f"ends by itself when it is not used for {shown.days_to_live} days")
    lines.append(f"other sessions of the account: {len(shown.others)}")
    lines += [
        f"  {one.device}, {one.country}, {_days(now - one.created)} old, last seen {_days(now - one.active)} ago"
        + (" (same API_ID)" if one.same_application else "")
        for one in shown.others
    ]
    if any(one.same_application for one in shown.others):
        lines.append(f"of those with the same API_ID, {LEFT_OVER}")
    return lines


def _days(seconds: float) -> str:
    days = int(max(seconds, 0) // 86400)
    if days == 0:
        return "less than a day"
    return f"{days} day{'s' if days > 1 else ''}"
