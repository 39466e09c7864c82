"""The account itself: who it is, its sessions, the state of its updates."""

from __future__ import annotations

from typing import Any

from pyrogram.raw import types

from stands.telegram_dc.handlers import Table
from stands.telegram_dc.keys import AuthKey
from stands.telegram_dc.wire import Connection
from stands.telegram_dc.world import API_ID, RpcFailed, User

ACCOUNTS = Table()
HOST = "127.0.0.1"


def tl_user(user: User, *, myself: bool) -> Any:
    """A user as the API returns it."""
    return types.User(
        id=user.id,
        is_self=myself,
        access_hash=user.id + 1,
        first_name=user.name,
        phone=user.phone if myself else None,
        status=types.UserStatusRecently(),
    )


def told_session(key: AuthKey, *, current: bool) -> Any:
    """A session as the API returns it."""
    return types.Authorization(
        hash=0 if current else key.hash,
        current=current,
        device_model=key.device,
        platform="test",
        system_version="1.0",
        api_id=API_ID,
        app_name=key.app,
        app_version="1.0",
        date_created=key.created,
        date_active=key.created,
        ip=HOST,
        country="Nowhere",
        region="",
    )


@ACCOUNTS.on("account.getAuthorizations")
def _get_authorizations(connection: Connection, _request: Any) -> Any:
    mine = [
        told_session(key, current=key is connection.key)
        for key in connection.world.keys.values()
        if key.user_id == connection.user_id and key.dc == connection.dc
    ]
    return types.account.Authorizations(authorization_ttl_days=180, authorizations=mine)


@ACCOUNTS.on("account.resetAuthorization")
def _reset_authorization(connection: Connection, request: Any) -> Any:
    for key in connection.world.keys.values():
        if key.hash == request.hash and key.user_id == connection.user_id:
            key.revoked, key.user_id = (401, "SESSION_REVOKED"), None
            return True
    raise RpcFailed(400, "HASH_INVALID")


@ACCOUNTS.on("auth.resetAuthorizations")
def _reset_authorizations(connection: Connection, _request: Any) -> Any:
    me = connection.user_id
    for key in connection.world.keys.values():
        if key is not connection.key and key.user_id == me:
            key.revoked, key.user_id = (401, "SESSION_REVOKED"), None
    return True


@ACCOUNTS.on("account.updateStatus")
def _update_status(_connection: Connection, _request: Any) -> Any:
    return True


@ACCOUNTS.on("updates.getState")
def _get_state(connection: Connection, _request: Any) -> Any:
    return types.updates.State(pts=1, qts=0, date=int(connection.world.now()), seq=1, unread_count=0)


@ACCOUNTS.on("updates.getDifference")
def _get_difference(connection: Connection, _request: Any) -> Any:
    return types.updates.DifferenceEmpty(date=int(connection.world.now()), seq=1)


@ACCOUNTS.on("users.getUsers")
def _get_users(connection: Connection, request: Any) -> Any:
    me, users = connection.user_id, connection.world.users
    # A vector of nothing but bare constructors is read by kurigram as one of numbers.
    wanted = [me if isinstance(one, int | types.InputUserSelf) else one.user_id for one in request.id]
    return [tl_user(users[one], myself=one == me) for one in wanted if one in users]


@ACCOUNTS.on("users.getFullUser")
def _get_full_user(connection: Connection, _request: Any) -> Any:
    user = connection.world.users[connection.user_id]
    full = types.UserFull(
        id=user.id, settings=types.PeerSettings(), notify_settings=types.PeerNotifySettings(), common_chats_count=0
    )
    return types.users.UserFull(full_user=full, chats=[], users=[tl_user(user, myself=True)])
