"""The Helm chart: what it renders is valid, hardened, and the same as what the other files say."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import helm_python
import kubernetes_validate  # type: ignore[import-untyped]  # it has no types
import pytest
import yaml

from exporter import config
from tests.rules.promtool import promtool
from tests.support.pages import ROOT

CHART: Final = ROOT / "deploy" / "helm" / "voice-exporter"
SWITCHES: Final = ("ingress", "networkPolicy", "serviceMonitor", "scrapeConfig", "prometheusRule", "dashboards")
SECRET: Final = {"webhookSecret": {"existingSecret": "voice-webhooks"}}
EVERYTHING: Final[Mapping[str, Any]] = {
    **{name: {"enabled": True} for name in SWITCHES},
    **SECRET,
    "config": {
        "webhooks": {"max_body_bytes": 8388608, "vapi": {"auth": {"type": "hmac", "tolerance": "1m"}}},
        "labels": {"assistant_id": False},
        "timezone": "Europe/Vienna",
    },
    "secretMounts": [{"secretName": "vapi", "mountPath": "/run/secrets/vapi"}],
    "externalUrl": "https://voice.example.com",
    "extraArgs": ["--log.format=json"],
    "ingress": {"enabled": True, "className": "nginx", "tlsSecret": "voice-tls", "annotations": {"a": "b"}},
    "networkPolicy": {"enabled": True, "metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]},
    "persistence": {"enabled": True, "size": "5Gi", "storageClass": "fast"},
    "imagePullSecrets": [{"name": "registry"}],
    "podLabels": {"team": "voice"},
    "podAnnotations": {"c": "d"},
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "voice", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "priorityClassName": "high",
}
REPLICAS: Final[Mapping[str, Any]] = {
    **EVERYTHING,
    "serviceMonitor": {"enabled": False},
    "postgresql": {"existingSecret": "voice-database", "key": "url", "replicas": 5, "maxUnavailable": 2},
}
SHARED: Final = {**SECRET, "postgresql": {"existingSecret": "voice-exporter"}}
CASES: Final[Mapping[str, Mapping[str, Any]]] = {
    "least": SECRET,
    "everything": EVERYTHING,
    "in memory": {**SECRET, "persistence": {"enabled": False}},
    "replicas": REPLICAS,
    "least of replicas": SHARED,
}
OF_THE_OPERATOR: Final = {"PodMonitor", "ServiceMonitor", "ScrapeConfig", "PrometheusRule"}
"""Kinds whose schemas are the Prometheus operator's own."""


def render(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The resources that the chart makes of some values."""
    rendered = helm_python.Chart.load(CHART).render(dict(values), name="voice", namespace="calls")
    texts = [text for name, text in rendered.items() if not name.endswith("NOTES.txt")]
    return [resource for text in texts for resource in yaml.safe_load_all(text) if resource]


def one(resources: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """The only resource of a kind."""
    (found,) = (resource for resource in resources if resource["kind"] == kind)
    return found


@pytest.mark.parametrize("version", ["1.25.0", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("values", CASES.values(), ids=CASES)
def test_what_it_renders_is_valid(values: Mapping[str, Any], version: str) -> None:
    """Kubernetes, the oldest that the chart allows and the newest known, takes every resource and knows every field."""
    resources = render(values)
    assert len({(resource["kind"], resource["metadata"]["name"]) for resource in resources}) == len(resources)
    for resource in resources:
        assert resource["metadata"]["namespace"] == "calls"
        if resource["kind"] not in OF_THE_OPERATOR:
            kubernetes_validate.validate(resource, version, strict=True)


def test_the_linter_is_content() -> None:
    """Helm's own checks find nothing, warnings included."""
    report = helm_python.lint(CHART, dict(SECRET), strict=True)
    assert (report["messages"], report["errors"]) == ([], [])


def test_the_pod_is_that_of_the_plain_example() -> None:
    """What the examples for kubectl say of probes, privileges and resources holds here as well."""
    examples = {"kubernetes.yaml": ("StatefulSet", SECRET), "kubernetes-replicas.yaml": ("Deployment", SHARED)}
    for name, (kind, values) in examples.items():
        example = [*yaml.safe_load_all((ROOT / "docs" / "deploy" / name).read_text())]
        rendered = render(values)
        plain, ours = (one(resources, kind)["spec"] for resources in (example, rendered))
        pods = [spec["template"]["spec"] for spec in (plain, ours)]
        assert pods[0]["securityContext"] == pods[1]["securityContext"]
        containers = [pod["containers"][0] for pod in pods]
        fields = ("readinessProbe", "livenessProbe", "securityContext", "resources", "ports", "image")
        for field in fields:
            assert containers[0][field] == containers[1][field], field
        own = [argument for argument in containers[0]["args"] if not argument.startswith("--web.external-url=")]
        assert set(own) < set(containers[1]["args"])
        for field in ("volumeClaimTemplates", "replicas", "strategy"):
            assert plain.get(field) == ours.get(field), field
        assert containers[0].get("lifecycle") == containers[1].get("lifecycle")
        ports = next(each["spec"]["ports"] for each in example if each["kind"] == "Service")
        assert ports == one(rendered, "Service")["spec"]["ports"]


def test_replicas_have_no_volume_and_their_database_by_reference() -> None:
    """Any pod may go, but not all at once, and none has what the others need."""
    resources = render(REPLICAS)
    assert not [resource for resource in resources if resource["kind"] in {"StatefulSet", "PersistentVolumeClaim"}]
    spec = one(resources, "Deployment")["spec"]
    assert spec["replicas"] == 5
    pod = spec["template"]["spec"]
    assert all("configMap" in volume or "secret" in volume for volume in pod["volumes"])
    (container,) = pod["containers"]
    assert not [argument for argument in container["args"] if argument.startswith("--storage")]
    urls = [item["valueFrom"] for item in container["env"] if item["name"] == "VOICE_EXPORTER_STORAGE_URL"]
    assert urls == [{"secretKeyRef": {"name": "voice-database", "key": "url"}}]
    budget = one(resources, "PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 2
    assert budget["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
    (spread,) = pod["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"] == budget["selector"]["matchLabels"]


def test_call_metrics_of_replicas_are_scraped_once() -> None:
    """Through the Service; each pod has only what it counts of itself scraped."""
    resources = render(REPLICAS)
    service, once, each = (one(resources, kind) for kind in ("Service", "ScrapeConfig", "PodMonitor"))
    assert once["spec"]["staticConfigs"] == [{"targets": [f"{service['metadata']['name']}.calls.svc:10060"]}]
    assert once["spec"]["metricsPath"] == "/metrics"
    (endpoint,) = each["spec"]["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["path"], endpoint["interval"]) == ("metrics", "/metrics/replica", "15s")
    assert each["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
    with pytest.raises(helm_python.HelmError, match=r"set scrapeConfig\.enabled in place of serviceMonitor\.enabled"):
        render({**REPLICAS, "serviceMonitor": {"enabled": True}})


def test_flags_are_those_of_serve() -> None:
    """No argument is one that serve doesn't know."""
    known = (ROOT / "docs" / "cli.md").read_text()
    (container,) = one(render(EVERYTHING), "StatefulSet")["spec"]["template"]["spec"]["containers"]
    assert all(argument.partition("=")[0] in known for argument in container["args"])


def test_the_configuration_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands under config is read by the exporter as it was meant."""
    file = tmp_path / "voice-exporter.yml"
    file.write_text(one(render({**EVERYTHING, "dashboards": {}}), "ConfigMap")["data"]["voice-exporter.yml"])
    monkeypatch.setenv("VOICE_EXPORTER_WEBHOOK_SECRET", "s3cr3t-of-the-chart")
    loaded = config.load(file)
    assert loaded.webhooks.max_body_bytes == 8_388_608
    assert loaded.webhooks.platforms["vapi"].auth[0].tolerance == 60
    assert not loaded.labels.assistant_id


def test_only_webhooks_are_published() -> None:
    """The ingress leads to their port and to no other path."""
    (rule,) = one(render(EVERYTHING), "Ingress")["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert (path["path"], path["backend"]["service"]["port"]) == ("/webhook/", {"name": "webhooks"})


def test_rules_and_dashboards_are_the_shipped_ones(tmp_path: Path) -> None:
    """Every group and every board, byte for byte where it is text; promtool takes the rules."""
    resources = render(EVERYTHING)
    spec = one(resources, "PrometheusRule")["spec"]
    shipped = [yaml.safe_load(path.read_text())["groups"] for path in sorted((ROOT / "rules").glob("*.rules.yml"))]
    assert spec["groups"] == [group for groups in shipped for group in groups]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(spec))
    assert promtool("check", "rules", tmp_path / "rules.yml").returncode == 0
    boards = {
        name: text
        for resource in resources
        if resource["metadata"].get("labels", {}).get("grafana_dashboard") == "1"
        for name, text in resource["data"].items()
    }
    assert boards == {path.name: path.read_text() for path in (ROOT / "grafana" / "dashboards").glob("*.json")}


def test_scrapes_come_at_the_interval_of_the_rules() -> None:
    """Windows of a minute see nothing at the usual one."""
    resources = render(EVERYTHING)
    assert one(resources, "ServiceMonitor")["spec"]["endpoints"][0]["interval"] == "15s"
    assert one(resources, "ScrapeConfig")["spec"]["scrapeInterval"] == "15s"


def test_without_a_secret_it_says_what_to_do() -> None:
    """The exporter would refuse to start on a public address."""
    with pytest.raises(helm_python.HelmError, match=r"no webhook has a secret: set webhookSecret\.existingSecret"):
        render({})


@pytest.mark.parametrize(
    "values",
    [
        {"replicas": 3},
        {"postgresql": {"url": "postgresql://voice:secret@db/voice"}},
        {"postgresql": {"replicas": 0}},
        {"image": {"tga": "1"}},
        {"persistence": {"size": "much"}},
        {"serviceMonitor": {"interval": "soon"}},
        {"secretMounts": [{"secretName": "vapi"}]},
        {"externalUrl": "voice.example.com"},
    ],
    ids=json.dumps,
)
def test_a_slip_in_the_values_is_refused(values: dict[str, Any]) -> None:
    """The schema knows every value."""
    with pytest.raises(helm_python.HelmError, match=r"- at '"):
        helm_python.Chart.load(CHART).validate_schema({**SECRET, **values})
