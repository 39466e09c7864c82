"""The fleet page: hosts and channels, the lease, workers of the farm."""

from __future__ import annotations

from html import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tg_video_streamer.control.status import JOB_STATES, FleetStatus, HostStatus, WorkerStatus
from tg_video_streamer.locales.translator import Translator
from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.pages.layout import PageView, page, page_view
from tg_video_streamer.web.pages.refresh import part_versions


def routes(context: WebContext) -> list[Route]:
    """The page at `/fleet`."""

    async def fleet(request: Request) -> Response:
        view = page_view(request, context)
        status = context.commands.status().fleet
        if status is None:
            main = f'<section class="card"><p class="empty">{view.words("fleet.none")}</p></section>'
        else:
            main = _lease(view, status) + _hosts(view, status) + _workers(view, status)
        return page(view, "fleet", main, reload_seconds=10)

    return [Route("/fleet", fleet, methods=["GET"])]


def _lease(view: PageView, fleet: FleetStatus) -> str:
    words = view.words
    facts = (
        ("fleet.channel", escape(fleet.channel)),
        ("fleet.this_host", escape(fleet.host)),
        ("fleet.holder", escape(fleet.holder) or words("fleet.nobody")),
        ("fleet.lease_age", words("fleet.ago", seconds=f"{fleet.lease_seconds:.0f}")),
        ("fleet.nats", words("fleet.nats_answers" if fleet.connected else "fleet.nats_silent")),
        ("fleet.jobs", ", ".join(_jobs(fleet, words)) or "0"),
    )
    rows = "".join(f"<div><dt>{words(name)}</dt><dd>{value}</dd></div>" for name, value in facts)
    return _part(view, "lease", f'<dl class="facts">{rows}</dl>')


def _jobs(fleet: FleetStatus, words: Translator) -> list[str]:
    return [
        words(f"fleet.job.{state}", count=fleet.farm_jobs[state]) for state in JOB_STATES if fleet.farm_jobs.get(state)
    ]


def _hosts(view: PageView, fleet: FleetStatus) -> str:
    heads = ("channel", "host", "role_heading", "priority", "behind", "version")
    rows = "".join(_host(one, view.words) for one in fleet.hosts)
    return _part(view, "hosts", _table(view, "hosts", heads, rows))


def _host(one: HostStatus, words: Translator) -> str:
    # Only the host on air copies.
    behind = words("fleet.ago", seconds=f"{one.behind_seconds:.0f}") if one.role == "on_air" else "\N{EN DASH}"
    cells = (
        escape(one.channel),
        escape(one.host),
        words(f"fleet.role.{one.role}"),
        str(one.priority),
        behind,
        escape(one.version),
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _workers(view: PageView, fleet: FleetStatus) -> str:
    heads = ("worker_heading", "places", "encodes", "version")
    rows = "".join(_worker(one) for one in fleet.workers)
    return _part(view, "workers", _table(view, "workers", heads, rows))


def _worker(one: WorkerStatus) -> str:
    jobs = "<br>".join(f"<bdi>{escape(job)}</bdi>" for job in one.jobs) or "\N{EN DASH}"
    return f"<tr><td>{escape(one.worker)}</td><td>{one.places}</td><td>{jobs}</td><td>{escape(one.version)}</td></tr>"


def _table(view: PageView, name: str, heads: tuple[str, ...], rows: str) -> str:
    words = view.words
    if not rows:
        return f'<p class="empty">{words(f"fleet.no_{name}")}</p>'
    cells = "".join(f'<th scope="col">{words(f"fleet.{head}")}</th>' for head in heads)
    label = words(f"fleet.heading.{name}")
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">'
        f'<table class="day"><thead><tr>{cells}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _part(view: PageView, name: str, content: str) -> str:
    """A card that the script fetches again when the fleet has changed."""
    version = part_versions(view.context)["@fleet"]
    return f"""<section class="card" id="part-fleet-{name}" data-part="@fleet" data-version="{version}" aria-labelledby="fleet-{name}-heading">
<h2 id="fleet-{name}-heading">{view.words(f"fleet.heading.{name}")}</h2>
{content}
</section>"""
