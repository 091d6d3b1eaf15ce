import zoneinfo
from dataclasses import replace
from pathlib import Path

import pytest

from exporter import config
from exporter.config import Auth, Calls, Config, Labels, Limits, PlatformConfig, RelayConfig, Target, WebhooksConfig
from exporter.config.settings import MAX_VALUES
from exporter.errors import ConfigError
from exporter.platforms.elevenlabs import ELEVENLABS
from exporter.platforms.retell import RETELL
from tests.config.files import valid, write


@pytest.mark.parametrize("name", ["empty", "empty-map", "empty-sections", "nothing-but-comments"])
def test_every_key_is_optional(name: str) -> None:
    """A file that says nothing gives the defaults, as no file does."""
    assert valid(name) == config.load(None) == Config()


def test_defaults_are_those_of_the_contract() -> None:
    """Without a file the contract's numbers hold."""
    loaded = config.load(None)
    assert loaded.labels == Labels(assistant_id=True, max_values=MAX_VALUES, max_series=20_000, ttl=2_592_000.0)
    assert dict(MAX_VALUES) == {"assistant_id": 500, "provider": 50, "model": 50, "error_code": 100, "tool": 50}
    assert loaded.calls == Calls(idle_timeout=7200.0, max_retries=3, retention=86_400.0, max_tracked=100_000)
    assert (loaded.webhooks.max_body_bytes, loaded.webhooks.read_timeout) == (8_388_608, 10.0)
    assert loaded.limits == Limits(max_connections=1000, max_in_flight=1000, rate_limit=None)
    assert (loaded.timezone.key, dict(loaded.buckets)) == ("UTC", {})
    assert dict(loaded.webhooks.platforms) == {
        "interactly": PlatformConfig(auth=(Auth(headers=("x-interactly-secret", "x-interactly.ai-secret")),)),
        "vapi": PlatformConfig(auth=(Auth(headers=("x-vapi-secret",)),)),
        "retell": PlatformConfig(auth=(Auth("platform", tolerance=300, signed=RETELL.signature),)),
        "elevenlabs": PlatformConfig(auth=(Auth("platform", tolerance=1800, signed=ELEVENLABS.signature),)),
        "events": PlatformConfig(auth=(Auth(headers=("x-webhook-secret",)),)),
    }


def test_a_platform_that_signs_may_be_told_apart_by_other_means(tmp_path: Path) -> None:
    """Its own way is the default with its own tolerance; another is chosen by its type, and nobody else has it."""
    path = tmp_path / "exporter.yml"
    path.write_text("webhooks: {retell: {auth: {tolerance: 1m}, secrets: [a-key-of-retell]}}\n")
    [auth] = config.load(path).webhooks.platforms["retell"].auth
    assert (auth.type, auth.tolerance, auth.signed) == ("platform", 60.0, RETELL.signature)
    path.write_text("webhooks: {elevenlabs: {auth: {type: bearer}, secrets: [a-token]}}\n")
    [auth] = config.load(path).webhooks.platforms["elevenlabs"].auth
    assert (auth.type, auth.signed) == ("bearer", None)
    path.write_text("webhooks: {vapi: {auth: platform, secrets: [a-secret]}}\n")
    with pytest.raises(ConfigError, match="vapi does not sign by itself"):
        config.load(path)


def test_the_contracts_example_is_the_defaults_with_secrets() -> None:
    """The contract's own file loads; but for secrets and relay it says what holds anyway."""
    loaded = valid("contract")
    interactly, vapi = loaded.webhooks.platforms["interactly"], loaded.webhooks.platforms["vapi"]
    assert interactly.secrets == (b"s3cr3t-of-autumn", b"s3cr3t-of-winter", b"s3cr3t-from-a-file")
    assert interactly.auth[0].headers == ("x-interactly-secret", "x-interactly.ai-secret")
    assert interactly.relay == RelayConfig("http://127.0.0.1:8080/hook", 18.0)
    assert (vapi.secrets, vapi.auth[0].explicit) == ((b"s3cr3t-of-vapi",), True)
    assert config.restart_only_changes(Config(), loaded) == []
    assert replace(loaded, webhooks=WebhooksConfig(), buckets=Config().buckets) == Config()


def test_every_key_reaches_its_setting() -> None:
    """Whatever can be written arrives where it belongs, in base units."""
    loaded = valid("everything")
    assert loaded.webhooks.platforms["interactly"] == PlatformConfig(
        secrets=(b"s3cr3t-from-a-file",),
        secret_files=(Path("../one-secret"),),
        auth=(Auth("bearer", header="x-token", headers=("authorization", "x-token"), explicit=True),),
        relay=RelayConfig(
            "https://app.example/hook?from=interactly",
            timeout=5.0,
            ack="exporter",
            targets=(
                Target("http://127.0.0.1:8081/"),
                Target("http://[::1]:8082/all", ("end-of-call-report", "hang")),
            ),
            forward_secret=True,
        ),
    )
    assert loaded.webhooks.platforms["vapi"] == PlatformConfig(
        secrets=(b"whsec_czNjcjN0", b"czNjcjN0LW9mLXZhcGk="),
        auth=(
            Auth(
                type="hmac",
                algorithm="sha512",
                signature_header="x-vapi-signature",
                timestamp_header="x-vapi-timestamp",
                id_header="webhook-id",
                payload_format="{svix-id}.{timestamp}.{body}",
                encoding="base64",
                prefix="v1=",
                secret_is_base64=True,
                tolerance=0.0,
                timestamp_unit="ms",
                explicit=True,
            ),
        ),
    )
    assert (loaded.webhooks.max_body_bytes, loaded.webhooks.read_timeout) == (1_048_576, 2.5)
    assert loaded.labels == Labels(
        assistant_id=False, max_values={**MAX_VALUES, "tool": 7}, max_series=1000, ttl=604_800.0
    )
    assert loaded.calls == Calls(idle_timeout=5400.0, max_retries=1, retention=172_800.0, max_tracked=10)
    assert loaded.timezone == zoneinfo.ZoneInfo("Asia/Kolkata")
    assert loaded.buckets == {"response_seconds": (1.0, 3.0, 10.0), "stt_confidence_ratio": (0.5, 1.0)}
    assert loaded.limits == Limits(max_connections=5, max_in_flight=6, rate_limit=0.5)


def test_aliases_stand_for_what_they_name() -> None:
    """Anchors and aliases of YAML work, and quoted digits stay the text they are."""
    loaded = valid("aliases")
    platforms = loaded.webhooks.platforms
    assert platforms["interactly"] == platforms["vapi"]
    assert platforms["vapi"].secrets == (b"s3cr3t-shared", b"0123")
    assert loaded.calls.idle_timeout == loaded.calls.retention == 3600.0


def test_a_file_from_windows_loads() -> None:
    """A byte order mark and carriage returns do no harm."""
    assert valid("from-windows").calls.max_retries == 4


@pytest.mark.parametrize(
    ("platform", "written", "read"),
    [
        ("interactly", "", ("x-interactly-secret", "x-interactly.ai-secret")),
        ("interactly", "header: X-Interactly-Secret", ("x-interactly-secret", "x-interactly.ai-secret")),
        ("interactly", "header: X-INTERACTLY.AI-SECRET", ("x-interactly-secret", "x-interactly.ai-secret")),
        ("interactly", "header: X-Own", ("x-own",)),
        ("interactly", "auth: {header: X-Own}", ("x-own",)),
        ("interactly", "header: X-Own, auth: bearer", ("authorization", "x-own")),
        ("vapi", "", ("x-vapi-secret",)),
        ("vapi", "auth: {header: X-Own}", ("x-own",)),
        ("vapi", "auth: bearer", ("authorization",)),
        ("vapi", "auth: {type: bearer, header: Authorization}", ("authorization",)),
        ("vapi", "header: X-Own", ("x-own",)),
        ("vapi", "auth: hmac", ()),
    ],
)
def test_a_header_of_ones_own_replaces_the_default(
    tmp_path: Path, platform: str, written: str, read: tuple[str, ...]
) -> None:
    """The configured header is read instead of the platform's; Interactly's two spellings go together."""
    path = write(tmp_path, f"webhooks: {{{platform}: {{secrets: [s3cr3t], {written}}}}}")
    assert config.load(path).webhooks.platforms[platform].auth[0].headers == read


@pytest.mark.parametrize("kind", ["none", "header", "bearer", "hmac", "standard"])
def test_auth_has_a_short_form(tmp_path: Path, kind: str) -> None:
    """``auth: none`` is short for ``auth: {type: none}``, and so for every type."""
    secrets = "" if kind == "none" else ", secrets: [c2VjcmV0]"
    short = config.load(write(tmp_path, f"webhooks: {{vapi: {{auth: {kind}{secrets}}}}}"))
    long = config.load(write(tmp_path, f"webhooks: {{vapi: {{auth: {{type: {kind}}}{secrets}}}}}"))
    assert short == long
    [auth] = short.webhooks.platforms["vapi"].auth
    assert (auth.type, auth.explicit) == (kind, True)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("1e3", 1000.0), ("1.5E+1", 15.0), ("2e-1", 0.2), ("5", 5.0), (".5", 0.5), ("5.", 5.0), ("0x10", 16.0)),
        *(("1_000.5", 1000.5), ("+2", 2.0), ("null", None)),
    ],
)
def test_numbers_are_read_as_people_write_them(tmp_path: Path, text: str, value: float | None) -> None:
    """Whole numbers do where fractions may stand, and so does an exponent without a dot."""
    assert config.load(write(tmp_path, f"limits: {{rate_limit: {text}}}")).limits.rate_limit == value


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "Etc/UTC"])
def test_time_zones_are_those_of_the_database(tmp_path: Path, name: str) -> None:
    """A name of the IANA database is a time zone."""
    assert config.load(write(tmp_path, f"timezone: {name}")).timezone.key == name


def test_a_reload_refuses_what_series_depend_on() -> None:
    """Buckets and labels that differ are named; everything else may change while running."""
    everything = valid("everything")
    assert config.restart_only_changes(Config(), everything) == [
        "labels.assistant_id",
        "labels.max_values.tool",
        "labels.max_series",
        "labels.ttl",
        "buckets.response_seconds",
        "buckets.stt_confidence_ratio",
    ]
    kept = replace(everything, buckets=Config().buckets, labels=Labels())
    assert config.restart_only_changes(Config(), kept) == []
    assert config.restart_only_changes(everything, valid("everything")) == []
