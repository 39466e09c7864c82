"""Monitoring as an operator sets it up: rules that promtool has tried, and metrics that a running service really has."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # read in tests alone, which need no types of it
from prometheus_client.parser import text_string_to_metric_families

from stands.nats_server import NatsServer
from stands.ports import free_port
from stands.service import running

REPOSITORY = Path(__file__).resolve().parents[2]
ALERTS = REPOSITORY / "deploy/prometheus/alerts.yml"
SCRAPE = REPOSITORY / "deploy/prometheus/scrape.yml"
DASHBOARD = REPOSITORY / "deploy/grafana/tg_video_streamer.json"
RUNBOOK = REPOSITORY / "docs/runbook.md"
UNIT_TESTS = Path(__file__).with_name("alerts_test.yml")
FROM_PROMETHEUS = {"up"}
FROM_SCRAPE = {"job", "channel", "instance"}
"""The metric and the labels that Prometheus itself adds."""
NOT_METRICS = {"rate", "increase", "sum", "time", "without", "or", "unless", "level", "state", "instance"}


def _rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def _expressions() -> list[str]:
    """Every query of the dashboard."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def _metrics(expression: str) -> set[str]:
    """The metrics that a query reads."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\[[^]]*\]|\{[^}]*\}|\b[0-9][0-9e.]*", "", bare)
    return set(re.findall(r"\b[a-z_][a-z0-9_]+", bare)) - NOT_METRICS


def _choices(expression: str) -> set[tuple[str, str, str]]:
    """Metric, label and each value that a query chooses by; those that the scrape adds are left out."""
    return {
        (metric, label, value)
        for metric, choice in re.findall(r"([a-z_]+)\{([^}]*)\}", expression)
        for label, values in re.findall(r'([a-z_]+)=~?"([^"]*)"', choice)
        for value in values.split("|")
        if label not in FROM_SCRAPE
    }


def _legends() -> set[tuple[str, str]]:
    """Metric and label, for each label that a legend shows of a query of one metric."""
    targets = [target for panel in json.loads(DASHBOARD.read_text())["panels"] for target in panel["targets"]]
    return {
        (metric, label)
        for target in targets
        for metric in _metrics(target["expr"])
        for label in re.findall(r"\{\{ *(\w+) *\}\}", target["legendFormat"])
        if label not in FROM_SCRAPE
    }


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, set[str]]]:
    """Metrics of a running channel with every kind of part, their labels and the values of those.

    It is the host of a fleet that is on air, and without a valid session.
    """
    folder = tmp_path_factory.mktemp("monitored")
    settings = {
        "VIDEO_SIZE": "320x180",
        "FRAME_RATE": "25",
        "OUTPUTS": f"file:{folder}/record.mkv telegram",
        "API_ID": "1",
        "API_HASH": "0" * 32,
        "SESSION_STRING": "none",
        "CHAT_ID": "-1001",
        "TELEGRAM_SERVER": f"127.0.0.1:{free_port()}",
    }
    with (
        NatsServer(folder / "nats") as nats,
        running(folder, settings | {"FLEET": nats.url, "CHANNEL": "tv"}, arguments=("--demo",)) as service,
    ):
        service.wait_for(
            lambda status: status["channel_state"] == "on_air" and status["degraded"], timeout=90, what="degraded"
        )
        families = list(text_string_to_metric_families(service.metrics()))
    found: dict[str, dict[str, set[str]]] = {}
    for family in families:
        # A family without a value yet, such as the viewers, is there all the same.
        found.setdefault(family.name if family.type != "counter" else f"{family.name}_total", {})
        for sample in family.samples:
            for label, value in sample.labels.items():
                found.setdefault(sample.name, {}).setdefault(label, set()).add(value)
    return found


def test_promtool_finds_every_rule_and_the_scrape_right() -> None:
    """Prometheus takes both files as they are."""
    for kind, path in (("rules", ALERTS), ("config", SCRAPE)):
        done = _promtool("check", kind, str(path))
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_raised_when_it_should_be_and_only_then() -> None:
    """Each rule has unit tests that fire it, word for word, and that do not; promtool runs them."""
    done = _promtool("test", "rules", str(UNIT_TESTS))
    assert done.returncode == 0, done.stdout + done.stderr
    cases = [case for test in yaml.safe_load(UNIT_TESTS.read_text())["tests"] for case in test["alert_rule_test"]]
    for rule in _rules():
        raised = [bool(case["exp_alerts"]) for case in cases if case["alertname"] == rule["alert"]]
        assert set(raised) == {True, False}, rule["alert"]


def test_every_alert_has_its_section_in_the_runbook() -> None:
    """The link in the alert ends at a section that says what it means and what to do, and there is no section more."""
    section = RUNBOOK.read_text().partition("\n## Alerts\n")[2]
    sections = dict(re.findall(r"(?ms)^### (\w+)\n(.*?)(?=^### |\Z)", section))
    assert list(sections) != []
    assert set(sections) == {rule["alert"] for rule in _rules()}
    for rule in _rules():
        assert "**Meaning.**" in sections[rule["alert"]]
        assert "**Action.**" in sections[rule["alert"]]
        path, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert path == "file:///opt/tg_video_streamer/current/docs/runbook.md"
        assert anchor == rule["alert"].lower()


def test_every_metric_of_alerts_and_dashboard_exists(exported: dict[str, dict[str, set[str]]]) -> None:
    """No panel and no rule waits for a metric, or chooses by a label or its value, that a running service does not have."""
    expressions = [*_expressions(), *(rule["expr"] for rule in _rules())]
    wanted = set().union(*map(_metrics, expressions)) - FROM_PROMETHEUS
    assert len(wanted) > 20
    assert wanted - exported.keys() == set()
    chosen = set().union(*map(_choices, expressions))
    assert {
        (metric, label, value) for metric, label, value in chosen if value not in exported[metric].get(label, ())
    } == set()
    assert len(chosen) >= 3
    # A counter that nothing was counted in yet has no labels to show.
    silent = {(metric, label) for metric, label in _legends() if exported[metric] and label not in exported[metric]}
    assert silent == set()


def test_the_dashboard_shows_what_the_service_is_there_for(exported: dict[str, dict[str, set[str]]]) -> None:
    """Every metric of the service itself has its place on the dashboard."""
    shown = set().union(*map(_metrics, _expressions()))
    ours = {name for name in exported if not name.startswith(("process_", "python_"))}
    assert ours - shown == set()


def test_every_panel_has_a_place_of_its_own() -> None:
    """Grafana draws what is asked for: ids and places are not used twice, and nothing is wider than the page."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def _promtool(*words: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed; scripts/install-test-packages.sh does it")
    return subprocess.run(["promtool", *words], capture_output=True, text=True, timeout=120, check=False)
