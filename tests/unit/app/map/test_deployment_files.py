"""The files an administrator starts from: each fits its schema, and what they say of Osteon is true."""

from __future__ import annotations

import copy
import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator

from app import platform_layout as layout
from app.map.configuration import faults
from app.map.tools import Container, Mount, build_words, run_words
from app.node.queue.database import STUDIES
from app.node.settings.configuration import NodeSettings
from app.settings import ROOT

DEPLOY = ROOT / "deploy"
KUBERNETES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
CUSTOM = {"ScaledObject", "TriggerAuthentication", "Kustomization"}
# The newest that the pinned package knows, and one that clusters still have
VERSIONS = ("1.37", "1.31")


def documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


def objects(kind: str) -> list[dict[str, Any]]:
    every = [document for path in KUBERNETES for document in documents(path)]
    return [document for document in every if document.get("kind") == kind]


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_its_objects(version: str) -> None:
    checked = 0
    for path in KUBERNETES:
        for document in documents(path):
            if document.get("kind") not in CUSTOM | {None}:
                kubernetes_validate.validate(document, version, strict=True)
                checked += 1
    assert checked == 8


KEDA = json.loads((ROOT / "tests/references/keda.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", ["ScaledObject", "TriggerAuthentication"])
def test_keda_takes_its_objects(kind: str) -> None:
    (found,) = objects(kind)
    assert list(Draft202012Validator(KEDA).iter_errors(found)) == []


KEDA_BREAKS: dict[str, Callable[[dict[str, Any]], object]] = {
    "no target": lambda spec: spec.pop("scaleTargetRef"),
    "a number that is no text": lambda spec: spec["triggers"][0]["metadata"].update(targetQueryValue=1),
    "a key that it does not know": lambda spec: spec.update(minReplicas=0),
    "fewer than none": lambda spec: spec.update(minReplicaCount=-1),
}


@pytest.mark.parametrize("name", KEDA_BREAKS)
def test_kedas_schema_finds_what_is_wrong(name: str) -> None:
    (found,) = copy.deepcopy(objects("ScaledObject"))
    KEDA_BREAKS[name](found["spec"])
    assert len(list(Draft202012Validator(KEDA).iter_errors(found))) == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_the_autoscaler_that_keda_makes(version: str) -> None:
    """KEDA hands its `behavior` on as it is."""
    (scaled,) = objects("ScaledObject")
    target = scaled["spec"]["scaleTargetRef"]
    behavior = scaled["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    spec = {"scaleTargetRef": target, "maxReplicas": scaled["spec"]["maxReplicaCount"], "behavior": behavior}
    made = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "spec": spec}
    kubernetes_validate.validate(made | {"metadata": {"name": "osteon"}}, version, strict=True)


def test_every_pod_runs_without_root_on_a_read_only_root() -> None:
    for workload in objects("StatefulSet"):
        pod = workload["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert not pod["automountServiceAccountToken"]
        for container in pod["containers"]:
            assert not container["securityContext"]["allowPrivilegeEscalation"]
            if container["name"] == "osteon":
                assert container["securityContext"]["readOnlyRootFilesystem"]
                assert pod["securityContext"]["runAsUser"] == 10001


def test_workers_are_scaled_by_the_queue_that_the_node_fills() -> None:
    (scaled,) = objects("ScaledObject")
    target = scaled["spec"]["scaleTargetRef"]
    names = {workload["metadata"]["name"] for workload in objects(target["kind"])}
    assert target["name"] in names
    (trigger,) = scaled["spec"]["triggers"]
    assert f"queue_name = '{STUDIES}'" in trigger["metadata"]["query"]
    (login,) = objects("TriggerAuthentication")
    (made,) = objects("Kustomization")[0]["secretGenerator"]
    assert made["options"]["disableNameSuffixHash"]
    assert login["spec"]["secretTargetRef"][0]["name"] == made["name"]
    assert trigger["authenticationRef"]["name"] == login["metadata"]["name"]


@pytest.mark.parametrize("path", sorted(DEPLOY.glob("*/app.yaml")), ids=lambda path: path.parent.name)
def test_the_settings_are_right_and_keep_their_data_where_the_volume_is(path: Path) -> None:
    assert faults(path) == []
    assert documents(path)[0]["osteon"]["node"]["data"] == str(layout.DATA)


def test_the_pods_ports_and_variables_are_settings() -> None:
    files = [*KUBERNETES, DEPLOY / "compose/compose.yaml"]
    text = "".join(path.read_text(encoding="utf-8") for path in files)
    named = {name.lower() for name in re.findall(r"OSTEON_NODE__([A-Z_]+)", text)}
    assert named <= set(NodeSettings.model_fields)
    assert NodeSettings().port == 11112


def test_compose_keeps_the_database_inside_and_the_root_read_only() -> None:
    (compose,) = documents(DEPLOY / "compose/compose.yaml")
    osteon, postgres = compose["services"]["osteon"], compose["services"]["postgres"]
    assert "ports" not in postgres
    assert postgres["networks"] == ["inside"]
    assert compose["networks"]["inside"]["internal"]
    assert osteon["read_only"]
    assert osteon["cap_drop"] == ["ALL"]
    assert f"data:{layout.DATA}" in osteon["volumes"]
    volumes = [volume for service in compose["services"].values() for volume in service["volumes"]]
    files = [name.split(":")[0] for name in volumes if name.startswith("./")]
    assert all((DEPLOY / "compose" / name).is_file() for name in files)


def test_systemd_units_name_their_user_and_wait_for_work_in_hand() -> None:
    for path in (DEPLOY / "osteon.service", DEPLOY / "osteon.container"):
        text = path.read_text(encoding="utf-8")
        assert float(re.findall(r"TimeoutStopSec=(\d+)", text)[0]) > NodeSettings().grace_s
        assert "osteon" in text


@pytest.mark.parametrize("tool", ["docker", "podman"])
def test_a_container_has_no_network_and_nothing_to_write_but_its_results(tool: str, tmp_path: Path) -> None:
    mounts = [Mount(tmp_path, "/var/holoscan/input"), Mount(tmp_path, "/var/holoscan/output", writable=True)]
    words = run_words(tool, Container("osteon", ("show",), mounts))
    text = " ".join(words)
    for part in ("--network none", "--read-only", "--cap-drop ALL", ":/var/holoscan/input:ro"):
        assert part in text
    assert words[-2:] == ["osteon", "show"]


def test_the_build_is_told_what_it_builds(tmp_path: Path) -> None:
    words = build_words("buildah", "osteon", tmp_path, {"VARIANT": "cpu"}, ["--no-cache"])
    assert words[:4] == ["buildah", "build", "--format", "docker"]
    assert "VARIANT=cpu" in words
    assert words[-4:] == ["--no-cache", "--tag", "osteon", str(tmp_path)]


EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]
IMAGE_EXTRAS = sorted((*EXTRAS["messages"], *EXTRAS["web"]))


def test_the_image_has_what_the_page_and_messages_need() -> None:
    listed = (DEPLOY / "image" / "extras.in").read_text(encoding="utf-8").splitlines()
    assert [line for line in listed if not line.startswith("#")] == IMAGE_EXTRAS
    assert set(IMAGE_EXTRAS) <= set(EXTRAS["dev"])


@pytest.mark.parametrize("variant", ["cpu", "cuda"])
def test_every_wheel_of_the_image_is_pinned_with_its_hash_and_as_in_the_requirements(variant: str) -> None:
    lock = (DEPLOY / "image" / f"requirements.{variant}.lock").read_text(encoding="utf-8")
    pins = re.findall(r"^([a-z0-9-]+)==(\S+) \\\n    --hash=sha256:[0-9a-f]{64}", lock, re.MULTILINE)
    assert len(pins) == len(re.findall(r"^[a-z]", lock, re.MULTILINE))
    versions = dict(pins)
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8").split()
    for line in (*requirements, *IMAGE_EXTRAS):
        name, version = line.split("==")
        name = re.sub(r"\[.*\]", "", name).lower()
        assert versions[name].split("+")[0] == version
    assert ("nvidia-cublas" in versions) == (variant == "cuda")


def test_mercures_module_names_settings_that_a_module_may_have() -> None:
    from app.platform_conventions import MODULE_SETTINGS

    module = json.loads((DEPLOY / "mercure-module.json").read_text(encoding="utf-8"))
    assert set(module["settings"]) <= set(MODULE_SETTINGS)
