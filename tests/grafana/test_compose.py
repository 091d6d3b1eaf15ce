import json
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml

from exporter.assets import load
from exporter.service import incidents_page
from exporter.yamlfile.durations import parse_duration
from tests.grafana.boards import FILES, ROOT

COMPOSE: dict[str, dict[str, Any]] = {
    name: yaml.safe_load((ROOT / name).read_text()) for name in ("compose.yaml", "compose.replicas.yaml")
}
SERVICES: dict[str, dict[str, Any]] = COMPOSE["compose.yaml"]["services"]
REPLICATED: dict[str, dict[str, Any]] = COMPOSE["compose.replicas.yaml"]["services"]
EVERY = [
    pytest.param(service, id=f"{file}:{name}")
    for file, composed in COMPOSE.items()
    for name, service in composed["services"].items()
    if "extends" not in service
]
"""Every service with what it has of its own."""
PROMETHEUS = ROOT / "grafana" / "compose" / "prometheus.yml"


def provisioned(kind: str) -> dict[str, Any]:
    """What Grafana is told of its data sources or dashboards."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "grafana" / "provisioning" / kind / "voice.yml").read_text())
    return found


@pytest.mark.parametrize("service", EVERY)
def test_image_is_built_here_or_pinned(service: dict[str, Any]) -> None:
    """Every image is the project's own or has a whole version; PostgreSQL's has two numbers."""
    assert service.get("build") == "." or re.fullmatch(r"([a-z/]+:v?\d+|postgres:15)(\.\d+){1,2}", service["image"])


@pytest.mark.parametrize("service", EVERY)
def test_ports_are_for_this_machine_only(service: dict[str, Any]) -> None:
    """No port is published on a public interface."""
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_nothing_has_a_default_password() -> None:
    """Grafana has no administrator and shows itself to viewers; the webhooks' secret must be chosen."""
    grafana = SERVICES["grafana"]["environment"]
    assert grafana["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert grafana["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    secrets = {SERVICES[name]["environment"]["VOICE_EXPORTER_WEBHOOK_SECRET"] for name in ("exporter", "simulate")}
    secrets |= {REPLICATED[f"replica-{number}"]["environment"]["VOICE_EXPORTER_WEBHOOK_SECRET"] for number in (1, 2, 3)}
    assert len(secrets) == 1
    assert secrets.pop().startswith("${VOICE_EXPORTER_WEBHOOK_SECRET:?")
    password = REPLICATED["postgres"]["environment"]["POSTGRES_PASSWORD"]
    assert password.startswith("${POSTGRES_PASSWORD:?")
    assert password in REPLICATED["replica-1"]["environment"]["VOICE_EXPORTER_STORAGE_URL"]


@pytest.mark.parametrize("composed", COMPOSE.values(), ids=COMPOSE)
def test_mounted_files_are_there(composed: dict[str, Any]) -> None:
    """What is mounted from the repository exists, and what keeps data is a volume of the file."""
    mounts = [mount.split(":") for service in composed["services"].values() for mount in service.get("volumes", [])]
    for source, *_ in mounts:
        assert (ROOT / source).exists() if source.startswith("./") else source in composed["volumes"], source
    assert {mode[0] for source, _, *mode in mounts if source.startswith("./")} == {"ro"}


def test_replicas_have_what_the_single_exporter_has_around_it() -> None:
    """The other services are those of compose.yaml, with their volumes; the proxy has the exporter's name."""
    assert REPLICATED.keys() >= SERVICES.keys()
    for name, service in REPLICATED.items():
        if "extends" in service:
            assert service["extends"] == {"file": "compose.yaml", "service": name}
            kept = {mount.split(":")[0] for mount in SERVICES[name].get("volumes", []) if not mount.startswith("./")}
            assert kept <= COMPOSE["compose.replicas.yaml"]["volumes"].keys()
    assert REPLICATED["exporter"]["ports"] == SERVICES["exporter"]["ports"]


def test_every_replica_is_behind_the_proxy_and_scraped() -> None:
    """The call metrics are scraped once, through it; its configuration is the example that has tests of its own."""
    replicas = {f"{name}:10060" for name in REPLICATED if name.startswith("replica-")}
    ((source, _, _),) = (mount.split(":") for mount in REPLICATED["exporter"]["volumes"])
    assert set(re.findall(r"server (replica-\S+)", (ROOT / source).read_text())) == replicas
    ((source, _, _),) = (mount.split(":") for mount in REPLICATED["prometheus"]["volumes"])
    scrapes = yaml.safe_load((ROOT / source).read_text())
    once, each = scrapes.pop("scrape_configs")
    single = yaml.safe_load(PROMETHEUS.read_text())
    assert [once] == single.pop("scrape_configs")
    assert scrapes == single
    assert each["metrics_path"] == "/metrics/replica"
    assert set(each["static_configs"][0]["targets"]) == replicas
    assert len({service["command"][-1] for name, service in REPLICATED.items() if name.startswith("replica-")}) == 1


def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    """Promtool accepts the configuration with the shipped rules, and they rest on its scrape interval."""
    config = yaml.safe_load(PROMETHEUS.read_text())
    assert config["rule_files"] == ["/etc/prometheus/rules/*.rules.yml"]
    assert "./rules:/etc/prometheus/rules:ro" in SERVICES["prometheus"]["volumes"]
    copy = tmp_path / "prometheus.yml"
    copy.write_text(PROMETHEUS.read_text().replace("/etc/prometheus/rules", str(ROOT / "rules")))
    ran = subprocess.run(["promtool", "check", "config", str(copy)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"found \d\d+ rules|SUCCESS: \d+ rules found", ran.stdout)
    assert parse_duration(config["global"]["scrape_interval"]) == load().scrape_interval
    assert "exemplars" in config["storage"]
    assert "--enable-feature=exemplar-storage" in SERVICES["prometheus"]["command"]


def test_services_find_each_other() -> None:
    """Addresses in the configurations are those of the services."""
    config = yaml.safe_load(PROMETHEUS.read_text())
    sources = provisioned("datasources")["datasources"]
    asked = [config["scrape_configs"][0]["static_configs"][0]["targets"][0]]
    asked += config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    asked += [source["url"].removeprefix("http://") for source in sources]
    asked += [argument.removeprefix("http://") for argument in SERVICES["simulate"]["command"] if "://" in argument]
    published = {f"{name}:{port.split(':')[1]}" for name, item in SERVICES.items() for port in item.get("ports", [])}
    assert set(asked) <= published


def test_data_source_tells_the_scrape_interval() -> None:
    """Grafana's $__rate_interval rests on the same scrape interval as the alerts."""
    source = next(item for item in provisioned("datasources")["datasources"] if item["type"] == "prometheus")
    assert parse_duration(source["jsonData"]["timeInterval"]) == load().scrape_interval


def test_exemplars_lead_to_the_incidents_of_their_call() -> None:
    """A click on an exemplar opens the exporter's page, which knows the call by the key that the link has."""
    source = next(item for item in provisioned("datasources")["datasources"] if item["type"] == "prometheus")
    [destination] = source["jsonData"]["exemplarTraceIdDestinations"]
    assert destination["name"] == "call_id"
    link = urlsplit(destination["url"])
    assert link.path == incidents_page.PATH
    [(key, value)] = parse_qsl(link.query)
    assert key in incidents_page.FILTERS
    assert value == "$${__value.raw}"  # Grafana reads a single dollar as a variable of its environment
    assert f"127.0.0.1:{link.port}:10060" in SERVICES["exporter"]["ports"]


def test_alertmanager_takes_its_configuration() -> None:
    """Amtool accepts the configuration."""
    path = ROOT / "grafana" / "compose" / "alertmanager.yml"
    ran = subprocess.run(["amtool", "check-config", str(path)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_grafana_finds_each_folder_that_it_provisions_from() -> None:
    """Grafana logs an error for each folder that is missing."""
    assert "./grafana/provisioning:/etc/grafana/provisioning:ro" in SERVICES["grafana"]["volumes"]
    folders = {path.name for path in (ROOT / "grafana" / "provisioning").iterdir() if path.is_dir()}
    assert folders >= {"alerting", "dashboards", "datasources", "plugins"}


def test_dashboards_are_provided_where_they_are_mounted() -> None:
    """Grafana looks for dashboards where the folder is mounted, and starts with the overview."""
    path = provisioned("dashboards")["providers"][0]["options"]["path"]
    assert f"./grafana/dashboards:{path}:ro" in SERVICES["grafana"]["volumes"]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home in {f"{path}/{file.name}" for file in FILES}
    assert json.loads((ROOT / "grafana" / "dashboards" / Path(home).name).read_text())["uid"] == "voice-overview"
