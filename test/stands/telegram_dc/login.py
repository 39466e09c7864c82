"""Logging in: code, second factor, QR code, and data centers."""

from __future__ import annotations

import inspect
import ipaddress
import os
from typing import Any

from pyrogram.raw import types
from pyrogram.utils import compute_password_hash

from stands.telegram_dc.accounts import HOST, tl_user, told_session
from stands.telegram_dc.exchange import PRIME
from stands.telegram_dc.handlers import Table
from stands.telegram_dc.keys import AuthKey, sha256
from stands.telegram_dc.wire import Connection
from stands.telegram_dc.world import API_HASH, API_ID, RpcFailed, User

LOGIN = Table()
TOKEN_SECONDS = 30.0
_CONFIG_NUMBERS = [
    name
    for name, parameter in inspect.signature(types.Config.__init__).parameters.items()
    if parameter.annotation == "int" and name not in {"date", "expires", "this_dc"}
]


@LOGIN.on("help.getConfig")
def _get_config(connection: Connection, _request: Any) -> Any:
    now = int(connection.world.now())
    ports = connection.world.ports
    options = [
        types.DcOption(
            id=dc,
            ip_address=str(ipaddress.ip_address(HOST)),
            port=ports.get(dc, ports[min(ports)]),
            this_port_only=True,
        )
        for dc in range(1, 6)
    ]
    return types.Config(
        date=now,
        expires=now + 3600,
        test_mode=False,
        this_dc=connection.dc,
        dc_options=options,
        dc_txt_domain_name="localhost",
        me_url_prefix="https://t.me/",
        **dict.fromkeys(_CONFIG_NUMBERS, 1),
    )


@LOGIN.on("help.getNearestDc")
def _nearest(connection: Connection, _request: Any) -> Any:
    return types.NearestDc(country="XX", this_dc=connection.dc, nearest_dc=connection.dc)


def _checked_api(request: Any) -> None:
    if (request.api_id, request.api_hash) != (API_ID, API_HASH):
        raise RpcFailed(400, "API_ID_INVALID")


def _user_by_phone(connection: Connection, phone: str) -> User:
    digits = "".join(filter(str.isdecimal, phone))
    for user in connection.world.users.values():
        if user.phone == digits:
            if user.dc != connection.dc:
                raise RpcFailed(303, f"PHONE_MIGRATE_{user.dc}")
            return user
    raise RpcFailed(400, "PHONE_NUMBER_INVALID")


@LOGIN.on("auth.sendCode")
def _send_code(connection: Connection, request: Any) -> Any:
    _checked_api(request)
    _user_by_phone(connection, request.phone_number)
    return types.auth.SentCode(
        type=types.auth.SentCodeTypeApp(length=5),
        phone_code_hash=connection.world.code_hash,
        next_type=types.auth.CodeTypeSms(),
        timeout=120,
    )


def _checked_hash(connection: Connection, request: Any) -> None:
    if request.phone_code_hash != connection.world.code_hash:
        raise RpcFailed(400, "PHONE_CODE_EXPIRED")


@LOGIN.on("auth.resendCode")
def _resend_code(connection: Connection, request: Any) -> Any:
    _user_by_phone(connection, request.phone_number)
    _checked_hash(connection, request)
    connection.world.codes_expired = False
    return types.auth.SentCode(
        type=types.auth.SentCodeTypeSms(length=5), phone_code_hash=connection.world.code_hash, timeout=60
    )


@LOGIN.on("auth.cancelCode")
def _cancel_code(_connection: Connection, _request: Any) -> Any:
    return True


def _logged_in(connection: Connection, user: User) -> Any:
    key = _key(connection)
    key.user_id, key.pending = user.id, None
    return types.auth.Authorization(user=tl_user(user, myself=True))


def _key(connection: Connection) -> AuthKey:
    assert connection.key is not None, "a request without a key"
    return connection.key


def _after_first_factor(connection: Connection, user: User) -> Any:
    if user.password is not None:
        _key(connection).pending = user.id
        raise RpcFailed(401, "SESSION_PASSWORD_NEEDED")
    return _logged_in(connection, user)


@LOGIN.on("auth.signIn")
def _sign_in(connection: Connection, request: Any) -> Any:
    user = _user_by_phone(connection, request.phone_number)
    _checked_hash(connection, request)
    if connection.world.codes_expired:
        raise RpcFailed(400, "PHONE_CODE_EXPIRED")
    by_email = request.email_verification
    if (request.phone_code if by_email is None else by_email.code) != connection.world.code:
        raise RpcFailed(400, "PHONE_CODE_INVALID")
    return _after_first_factor(connection, user)


def _bytes256(number: int) -> bytes:
    return number.to_bytes(256, "big")


def _algorithm(connection: Connection) -> Any:
    first, second = connection.world.salts
    return types.PasswordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow(
        salt1=first, salt2=second, g=3, p=_bytes256(PRIME)
    )


@LOGIN.on("account.getPassword")
def _get_password(connection: Connection, _request: Any) -> Any:
    world = connection.world
    whose = _key(connection).pending or _key(connection).user_id
    password = world.users[whose].password if whose else None
    asked: dict[str, Any] = {}
    if password is not None and whose:
        algorithm = _algorithm(connection)
        verifier = pow(3, int.from_bytes(compute_password_hash(algorithm, password), "big"), PRIME)
        factor = int.from_bytes(sha256(_bytes256(PRIME) + _bytes256(3)), "big")
        secret = int.from_bytes(os.urandom(256), "big") % PRIME
        public = (factor * verifier + pow(3, secret, PRIME)) % PRIME
        srp_id = len(world.srp) + 1
        world.srp[srp_id] = (whose, verifier, secret, public)
        asked = {
            "has_password": True,
            "current_algo": algorithm,
            "srp_B": _bytes256(public),
            "srp_id": srp_id,
            "hint": "the usual one",
        }
    return types.account.Password(
        new_algo=_algorithm(connection),
        new_secure_algo=types.SecurePasswordKdfAlgoUnknown(),
        secure_random=os.urandom(8),
        **asked,
    )


@LOGIN.on("auth.checkPassword")
def _check_password(connection: Connection, request: Any) -> Any:
    """SRP, the server's side (https://core.telegram.org/api/srp)."""
    world = connection.world
    if request.password.srp_id not in world.srp:
        raise RpcFailed(400, "SRP_ID_INVALID")
    whose, verifier, secret, public = world.srp[request.password.srp_id]
    theirs = request.password.A.rjust(256, b"\0")
    mixed = int.from_bytes(sha256(theirs + _bytes256(public)), "big")
    shared = pow(int.from_bytes(theirs, "big") * pow(verifier, mixed, PRIME), secret, PRIME)
    hashes = zip(sha256(_bytes256(PRIME)), sha256(_bytes256(3)), strict=True)
    first, second = world.salts
    proof = sha256(
        bytes(a ^ b for a, b in hashes)
        + sha256(first)
        + sha256(second)
        + theirs
        + _bytes256(public)
        + sha256(_bytes256(shared))
    )
    if proof != request.password.M1:
        raise RpcFailed(400, "PASSWORD_HASH_INVALID")
    return _logged_in(connection, world.users[whose])


@LOGIN.on("auth.logOut")
def _log_out(connection: Connection, _request: Any) -> Any:
    _key(connection).user_id = None
    return types.auth.LoggedOut()


@LOGIN.on("auth.exportLoginToken")
def _export_login_token(connection: Connection, request: Any) -> Any:
    _checked_api(request)
    world, key = connection.world, _key(connection)
    for token in world.login_tokens:
        if token.key is key and token.accepted_by is not None:
            user = world.users[token.accepted_by]
            if user.dc != connection.dc:
                return types.auth.LoginTokenMigrateTo(dc_id=user.dc, token=token.token)
            world.login_tokens.remove(token)
            return types.auth.LoginTokenSuccess(authorization=_after_first_factor(connection, user))
    made = world.new_token(key, TOKEN_SECONDS)
    return types.auth.LoginToken(expires=int(made.expires), token=made.token)


@LOGIN.on("auth.importLoginToken")
def _import_login_token(connection: Connection, request: Any) -> Any:
    world = connection.world
    for token in world.login_tokens:
        if token.token == request.token and token.accepted_by is not None:
            user = world.users[token.accepted_by]
            world.login_tokens.remove(token)
            return types.auth.LoginTokenSuccess(authorization=_after_first_factor(connection, user))
    raise RpcFailed(400, "AUTH_TOKEN_INVALID")


def announce_acceptance(connections: set[Connection], key: AuthKey, now: float) -> None:
    """Tell the client that shows the code that it was scanned."""
    for one in connections:
        if one.key is key:
            one.send(types.UpdateShort(update=types.UpdateLoginToken(), date=int(now)), reply=False)


@LOGIN.on("auth.acceptLoginToken")
def _accept_login_token(connection: Connection, request: Any) -> Any:
    token = connection.world.accept(request.token, connection.user_id)
    announce_acceptance(connection.everybody, token.key, connection.world.now())
    return told_session(token.key, current=False)


@LOGIN.on("auth.exportAuthorization")
def _export_authorization(connection: Connection, _request: Any) -> Any:
    secret = os.urandom(16)
    connection.world.exports[secret] = connection.user_id
    return types.auth.ExportedAuthorization(id=connection.user_id, bytes=secret)


@LOGIN.on("auth.importAuthorization")
def _import_authorization(connection: Connection, request: Any) -> Any:
    user_id = connection.world.exports.pop(request.bytes, None)
    if user_id is None or user_id != request.id:
        raise RpcFailed(400, "AUTH_BYTES_INVALID")
    return _logged_in(connection, connection.world.users[user_id])
