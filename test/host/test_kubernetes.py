"""The shipped Kubernetes files: what the cluster's schemas take, what a restricted namespace admits, and no file forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]  # it ships no types
import pytest
import yaml  # type: ignore[import-untyped]  # the same

from tg_video_streamer.fleet.address import parse_servers, store_address

SHIPPED = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
VERSIONS = ("1.33", "1.37")


def _documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


_RESOURCES = [
    pytest.param(document, id=f"{document['kind']} {document['metadata']['name']}")
    for path in sorted(SHIPPED.glob("*.yaml"))
    if path.name != "kustomization.yaml"
    for document in _documents(path)
]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("resource", _RESOURCES)
def test_a_cluster_takes_each_resource(resource: dict[str, Any], version: str) -> None:
    """Every key is one that the schemas of an older and a newer version know."""
    kubernetes_validate.validate(resource, version, strict=True)


def test_kustomize_finds_every_file() -> None:
    """The files are those that it names; settings come from a file that the operator makes from the example."""
    (named,) = _documents(SHIPPED / "kustomization.yaml")
    files = {path.name for path in SHIPPED.iterdir()} - {"kustomization.yaml", "settings.env.example"}
    generated = {file for one in named["configMapGenerator"] for file in one["files"]}
    assert files == {*named["resources"], *generated}
    assert named["secretGenerator"] == [{"name": "settings", "envs": ["settings.env"]}]
    values = dict(
        line.split("=", 1) for line in (SHIPPED / "settings.env.example").read_text().splitlines() if "=" in line
    )
    assert len(parse_servers(values["FLEET"])) == 3
    store_address(values["FLEET_STORE"], credentials="", endpoint=values["FLEET_STORE_ENDPOINT"])


@pytest.mark.parametrize(
    "template",
    [
        pytest.param(one.values[0]["spec"]["template"]["spec"], id=one.id)
        for one in _RESOURCES
        if isinstance(one.values[0], dict) and one.values[0]["kind"] in {"Deployment", "StatefulSet"}
    ],
)
def test_a_restricted_namespace_admits_the_pods(template: dict[str, Any]) -> None:
    """What the Pod Security Standard "restricted" asks for, a root that cannot be written to, and a bound on memory."""
    around = template["securityContext"]
    assert (around["runAsNonRoot"], around["seccompProfile"]["type"]) == (True, "RuntimeDefault")
    assert template["automountServiceAccountToken"] is False
    for container in template["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]


def test_the_two_hosts_of_a_channel_are_never_on_one_node() -> None:
    """They are apart, replaced one at a time, and one of them always stays."""
    (channel, budget) = _documents(SHIPPED / "channel.yaml")
    apart = channel["spec"]["template"]["spec"]["affinity"]["podAntiAffinity"]
    (rule,) = apart["requiredDuringSchedulingIgnoredDuringExecution"]
    assert rule["topologyKey"] == "kubernetes.io/hostname"
    assert channel["spec"]["replicas"] == 2
    assert channel["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    assert budget["spec"]["minAvailable"] == 1
