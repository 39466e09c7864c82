"""Whether others than this host can reach the page, and what has to be set before they may."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether only this host can connect to what listens at `host`: 127.0.0.0/8, ::1 or localhost."""
    name = host.strip().lower().strip("[]")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def exposure_problems(host: str, *, token: str, viewer_token: str, behind_proxy: bool) -> list[str]:
    """What is missing for a page at WEB_HOST `host`, one line each."""
    problems = []
    if not is_loopback(host):
        where = f"WEB_HOST: others can reach {host}"
        if not token:
            problems.append(f"{where}, so WEB_TOKEN must be set; make one with: openssl rand -hex 24")
        if not behind_proxy:
            problems.append(
                f"{where}, and tokens would cross the network in the clear; put a proxy with TLS in front and set "
                "WEB_BEHIND_PROXY=1, or take 127.0.0.1 and an SSH tunnel"
            )
    if token and token == viewer_token:
        problems.append("WEB_VIEWER_TOKEN: must be another than WEB_TOKEN, or every viewer is an operator")
    return problems
