import re
from pathlib import Path

import pytest

from exporter.assets.thresholds import DEFAULTS, KEYS, load
from exporter.config.kinds import THRESHOLDS
from exporter.errors import ConfigError

SOURCES = ("hang", "error", "conversation-update", "end-of-call-report", "ours")
"""Pages of the platform's documentation, and what is left open there."""


def own(folder: Path, text: str) -> Path:
    """An operator's file."""
    path = folder / "mine.yml"
    path.write_text(text)
    return path


def test_every_number_has_a_source() -> None:
    """Behind each number of thresholds.yml stands the page that states it, or that it is ours."""
    values = [line for line in DEFAULTS.read_text().splitlines() if re.match(r"\s*[a-z_]+: [^#\s]", line)]
    assert len(values) == len(KEYS) - 1, "the burn rates are a list, the others one line each"
    for line in values:
        source = line.rpartition("  # ")[2]
        assert source.split(":")[0] in SOURCES, line


def test_documented_numbers() -> None:
    """The defaults are the documented thresholds."""
    t = load()
    assert (t.hang_rate.critical, t.hang_rate.window) == (0.05, 3600)
    assert (t.response_time.warning, t.response_time.quantile) == (3, 0.95)
    assert (t.error_rate.llm.warning, t.error_rate.llm.critical) == (0.02, 0.05)
    assert (t.error_rate.stt.warning, t.error_rate.stt.critical) == (0.01, 0.03)
    assert (t.error_rate.provider.warning, t.error_rate.window) == (0.02, 300)
    provider = t.provider_response_time
    assert (provider.warning, provider.critical, provider.window) == (3, 5, 60)
    assert (t.hangs_repeated.window, t.tts_cache.warning) == (600, 0.5)
    spike = t.error_spike
    assert (spike.window, spike.lookback, spike.deviations) == (600, 86400, 2)


def test_bounds_of_the_thresholds_are_kept() -> None:
    """The exporter's configuration may not leave out the bounds that the default thresholds rest on."""
    t = load()
    assert set(THRESHOLDS["response_seconds"]) == {t.response_time.warning, t.slo.fast_responses.within}
    provider = t.provider_response_time
    assert set(THRESHOLDS["llm_response_seconds"]) == {provider.warning, provider.critical}


def test_a_file_may_be_silent(tmp_path: Path) -> None:
    """An empty file changes nothing, and one key changes that key."""
    assert load(own(tmp_path, "")) == load()
    changed = load(own(tmp_path, "hang_rate: {min_calls: 50}"))
    assert changed.hang_rate.min_calls == 50
    assert changed.hang_rate.critical == load().hang_rate.critical


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("hang_rat: {}", "1: hang_rat: unknown key; did you mean hang_rate?"),
        ("hang_rate: {warning: 0.1}", "1: hang_rate.warning: unknown key"),
        ("hang_rate: 5", "1: hang_rate: expected keys with values below it"),
        ("hang_rate:\n  critical: 5%", "2: hang_rate.critical: expected a number between 0 and 1"),
        ("hang_rate: {critical: 5}", "1: hang_rate.critical: expected a number between 0 and 1"),
        ("hang_rate: {window: 60}", "1: hang_rate.window: expected a duration"),
        ("hang_rate: {min_calls: 0}", "1: hang_rate.min_calls: expected a whole number from 1"),
        ("call_cost: {warning: 0}", "1: call_cost.warning: expected a number above 0"),
        ("links: {grafana_url: grafana}", "1: links.grafana_url: expected an http or https URL"),
        ("slo: {enabled: 1}", "1: slo.enabled: expected true or false"),
        (
            "error_rate:\n  llm: {warning: 0.1}",
            "2: error_rate.llm.warning: is above error_rate.llm.critical, so nothing would warn before it pages",
        ),
        (
            "provider_response_time: {critical: 2s}",
            "1: provider_response_time.warning: is above provider_response_time.critical",
        ),
        ("error_spike: {min_history: 2d}", "1: error_spike.min_history: is longer than error_spike.lookback"),
        ("evaluation_interval: 5m", "1: evaluation_interval: is longer than provider_response_time.window"),
        ("evaluation_interval: 45s", "1: evaluation_interval: is no part of slo.window (5m)"),
        ("{evaluation_interval: 4m, scrape_interval: 1m}", "1: evaluation_interval: is no part of slo.window (5m)"),
        (
            "slo: {fast_responses: {within: 2700ms}}",
            "is no bound of voice_response_seconds: choose one of 250ms, 500ms",
        ),
        ("slo: {burn_rates: []}", "1: slo.burn_rates: is empty: give one at least, or leave the objectives out"),
        (
            "slo: {burn_rates: [{factor: 2}]}",
            "1: slo.burn_rates[0]: is incomplete: a burn rate has factor, short, long",
        ),
        (
            "slo: {burn_rates: [{factor: 2, short: 1h, long: 5m, severity: critical}]}",
            "1: slo.burn_rates[0]: has a short window that is not shorter than the long one",
        ),
        (
            "slo: {burn_rates: [{factor: 2, short: 5m, long: 1h, severity: page}]}",
            "1: slo.burn_rates[0].severity: expected one of critical, high, warning, info",
        ),
        ("hang_rate: [", "is not valid YAML"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    """A fault is one line that names the file, the line, the key and the remedy."""
    path = own(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{path}")
    assert complaint in line


def test_a_burn_rate_that_nothing_can_reach_is_refused(tmp_path: Path) -> None:
    """At an objective of 90 %, 14.4 times the allowed rate would be 144 % of all calls."""
    with pytest.raises(ConfigError, match=r"no error rate reach the burn rate of 14.4: set it above 0.9306, or drop"):
        load(own(tmp_path, "slo: {calls_without_hang: {objective: 0.9}}"))
    six = "burn_rates: [{factor: 6, short: 30m, long: 6h, severity: critical}]"
    assert load(own(tmp_path, f"slo: {{calls_without_hang: {{objective: 0.9}}, {six}}}")).slo.burn_rates[0].factor == 6
    with pytest.raises(ConfigError, match=r"fast_responses.objective: lets no error rate reach"):
        load(own(tmp_path, "slo: {fast_responses: {objective: 0.93}}"))


def test_every_fault_is_named(tmp_path: Path) -> None:
    """Several faults are told at once, a line each."""
    with pytest.raises(ConfigError) as caught:
        load(own(tmp_path, "hang_rat: 1\nhang_rate: {critical: 5}\n"))
    assert len(str(caught.value).splitlines()) == 2
