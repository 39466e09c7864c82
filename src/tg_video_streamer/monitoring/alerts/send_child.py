"""The child process that sends one message through Apprise: a JSON object on stdin, one line of JSON on stdout.

In: `{"urls": [...], "title": "", "body": "", "kind": "info"}`. Out: `{"sent": 1, "failed": 0, "unknown": 0}`, where
`unknown` counts the URLs that Apprise cannot read. Its own words may hold the URLs, so they go nowhere.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any


def main() -> None:
    """Read the order, carry it out, say how it went."""
    order: dict[str, Any] = json.load(sys.stdin)
    logging.disable(logging.CRITICAL)
    # Of a child of its own, so that the service never loads it and what it brings along.
    import apprise  # noqa: PLC0415 - after logging was silenced

    asset = apprise.AppriseAsset(
        app_id="tg-video-streamer",
        app_desc="tg-video-streamer",
        storage_mode=apprise.PersistentStoreMode.MEMORY,
    )
    services = [apprise.Apprise.instantiate(url, asset=asset) for url in order["urls"]]
    known = [service for service in services if service is not None]
    sent = 0
    for service in known:
        one = apprise.Apprise(asset=asset)
        one.add(service)
        sent += bool(one.notify(body=order["body"], title=order["title"], notify_type=order["kind"]))
    result = {"sent": sent, "failed": len(known) - sent, "unknown": len(services) - len(known)}
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
