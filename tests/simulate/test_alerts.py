"""Each scenario raises its alerts: real promtool, shipped rules and thresholds, the command's own rate and seed."""

import argparse
from collections.abc import Iterator
from itertools import chain, takewhile
from pathlib import Path

import pytest

from exporter.commands import simulate
from exporter.platforms.values import provider
from exporter.simulate import SCENARIOS, Delivery, Scenario, Traffic, arriving, interleaved
from exporter.simulate.cast import ASSISTANTS
from exporter.simulate.model import PLATFORMS, PlatformName
from exporter.simulate.traffic import MONDAY
from tests.rules.shipped import RULES, alerts, groups
from tests.simulate.scraping import Question, asked, rules_of, scrape

FILES = sorted(RULES.glob("*.rules.yml"))
LONGEST = max(minutes for scenario in SCENARIOS.values() for minutes in scenario.alerts.values())
HISTORY = 6 * 60 + 10
"""Minutes before a spike counts as one: six hours and the window that runs."""
(QUALITY,) = (group["rules"] for group in groups() if group["name"] == "voice-quality")
OF_EVERYBODY = {rule["alert"] for rule in QUALITY if "alert" in rule}
"""Bad audio, low confidence and long prompts are not a provider's fault."""


def defaults() -> argparse.Namespace:
    """What `voice-exporter simulate` does when nothing is said."""
    parser = argparse.ArgumentParser()
    simulate.add_arguments(parser)
    return parser.parse_args([])


def calls(
    scenario: str, start: int, end: int, rate: float | None = None, platforms: tuple[PlatformName, ...] = PLATFORMS
) -> Iterator[tuple[int, list[Delivery]]]:
    """The command's calls of a scenario, between minutes after `MONDAY`."""
    begin, given = MONDAY + start * 60_000, defaults()
    traffic = Traffic(rate or given.calls_per_minute, platforms)
    created = arriving(given.seed, begin, SCENARIOS[scenario], traffic)
    return takewhile(lambda call: call[0] < MONDAY + end * 60_000, created)


def fired(matchers: str, over: int) -> str:
    """Names of the alerts that fired within the last minutes."""
    return f'group by (alertname) (last_over_time(ALERTS{{alertstate="firing",{matchers}}}[{over}m]))'


def promised(scenario: Scenario, start: int = 0) -> list[Question]:
    """Each alert of the scenario fires within the time that the help states, and blames only who is affected."""
    found = [
        asked(fired(f'alertname="{alert}"', minutes), start + minutes, **{alert: 1})
        for alert, minutes in scenario.alerts.items()
    ]
    blaming = "|".join(set(scenario.alerts) - OF_EVERYBODY)
    ids = "|".join(who.id for who in ASSISTANTS if any(fault.matches(who) for fault in scenario.faults))
    providers = "|".join({provider(name) for fault in scenario.faults for name in fault.providers} or {".*"})
    others = (f'assistant_id!~"{ids}|"', f'assistant_id="",scope!="platform",provider!~"{providers}|"')
    return found + [asked(fired(f'alertname=~"{blaming}",{other}', LONGEST), start + LONGEST) for other in others]


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name not in {"normal", "error-spike"}])
async def test_a_scenario_raises_its_alerts(name: str, tmp_path: Path) -> None:
    """In the time that the help promises, and for no assistant or provider that is not affected."""
    scenario = SCENARIOS[name]
    scrapes = await scrape(interleaved(calls(name, 0, LONGEST)), LONGEST, rules_of(scenario.alerts, tmp_path))
    scrapes.tell(tmp_path, promised(scenario))


@pytest.mark.parametrize(
    ("name", "raised"),
    [
        ("hang-storm", ("VoiceSlowRepliesRepeated", "VoiceResponseTimeHigh")),
        ("llm-rate-limit", ("VoiceLLMErrorRateHigh",)),
    ],
)
async def test_a_team_on_retell_alone_is_told(name: str, raised: tuple[str, ...], tmp_path: Path) -> None:
    """Without hang events, providers and models: slow replies and failed calls raise alerts all the same."""
    silent = "VoiceExporterHangEventsNotSubscribed"
    created = calls(name, 0, LONGEST, platforms=("retell",))
    scrapes = await scrape(interleaved(created), LONGEST, rules_of({*raised, silent}, tmp_path))
    told = [asked(fired(f'alertname="{alert}",platform="retell"', LONGEST), LONGEST, **{alert: 1}) for alert in raised]
    scrapes.tell(tmp_path, [*told, asked(fired(f'alertname="{silent}"', LONGEST), LONGEST)])


async def test_a_spike_raises_its_alert_after_hours_of_history(tmp_path: Path) -> None:
    """After six hours of healthy calls the spike is one; the hours before have none."""
    end = HISTORY + LONGEST
    # A twelfth of the rate: how many calls there were before decides nothing.
    created = chain(calls("normal", 0, HISTORY, rate=0.5), calls("error-spike", HISTORY, end))
    scrapes = await scrape(interleaved(created), end, rules_of({"VoiceErrorSpike"}, tmp_path), step=60)
    questions = promised(SCENARIOS["error-spike"], HISTORY)
    before = asked(fired('alertname="VoiceErrorSpike"', HISTORY), HISTORY)
    scrapes.tell(tmp_path, [*questions, before])


async def test_healthy_traffic_raises_none_of_them(tmp_path: Path) -> None:
    """Nobody is paged. A stray hang is told, and hangs of a young history are over its budget: a ticket."""
    scrapes = await scrape(interleaved(calls("normal", 0, LONGEST)), LONGEST, FILES)
    told = "VoiceAssistantHang|VoiceHangBudgetBurning|VoiceWatchdog"
    questions = [
        asked(fired('severity="critical"', LONGEST), LONGEST),
        asked(fired(f'alertname!~"{told}"', LONGEST), LONGEST),
        asked(fired('alertname="VoiceAssistantHang"', LONGEST), LONGEST, VoiceAssistantHang=1),
    ]
    scrapes.tell(tmp_path, questions)


def test_scenarios_name_alerts_that_exist() -> None:
    """Every scenario but the healthy one promises alerts, and all of them are shipped."""
    assert {name for name, scenario in SCENARIOS.items() if not scenario.alerts} == {"normal"}
    assert {alert for scenario in SCENARIOS.values() for alert in scenario.alerts} <= {
        rule["alert"] for rule in alerts()
    }
