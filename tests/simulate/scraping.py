"""Prometheus with the shipped rules over simulated traffic, in virtual time: hours of it take seconds.

Deliveries go through the code behind the webhook, the exposition is rendered at every scrape, and promtool evaluates
the rules over the samples.
"""

from collections.abc import Collection, Iterable, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from time import perf_counter
from typing import Any, Final, TypeAlias

from exporter.assets import load
from exporter.config import Config
from exporter.metrics import exposition
from exporter.recording.batch import awaited
from exporter.recording.ingest import Ingest
from exporter.recording.recent_activity import RecentActivity
from exporter.recording.recorder import Recorder
from exporter.simulate import Delivery
from exporter.simulate.traffic import MONDAY, encode
from exporter.store.memory import MemoryStore
from tests.rules.needed import needed, selected
from tests.rules.promtool import promtool
from tests.rules.shipped import RULES
from tests.support.programs import RELEASES
from tests.support.yamls import dumped, loaded

Question: TypeAlias = dict[str, Any]
"""What is asked, when, and the samples that answer it, in the words of promtool's promql_expr_test."""

LEAD: Final = 60
"""Seconds of scrapes before the traffic begins."""
STEP: Final = round(load().scrape_interval)
"""Seconds between scrapes, as shipped."""
_ORIGIN: Final = MONDAY / 1000 - LEAD
"""The Unix time that promtool calls 0: events of 1970 would pass for mistakes."""
_TARGET: Final = 'job="voice-exporter",instance="localhost:10060"'
_ABSENT: Final = "_"


class Scrapes:
    """The exporter's series that some rule files select, scrape by scrape.

    Args:
        files: of rules.
        step: seconds between scrapes.
    """

    def __init__(self, files: Sequence[Path], step: int) -> None:
        self._files = files
        self._step = step
        # Those of the process tell real time.
        self._names = frozenset(name for name in _selected(files) if name.startswith("voice_"))
        self._rows: dict[str, list[str]] = {}
        self._taken = 0

    @property
    def due(self) -> float:
        """When the next scrape is, Unix time."""
        return _ORIGIN + self._taken * self._step

    def take(self, recorder: Recorder) -> None:
        """Scrape."""
        self._add(f"up{{{_TARGET}}}", "1")
        for chunk in exposition.render(recorder.table, exposition.Format.TEXT, self._names, recorder.derived()):
            for line in chunk.decode().splitlines():
                series, _, value = line.rpartition(" ")
                name, _, labels = series.partition("{")
                if name in self._names:
                    self._add(f"{name}{{{_TARGET},{labels or '}'}", _moved(name, value))
        self._taken += 1

    def _add(self, series: str, value: str) -> None:
        row = self._rows.setdefault(series, [])
        row += [_ABSENT] * (self._taken - len(row))
        row.append(value)

    def tell(self, folder: Path, questions: Sequence[Question], every: int = 60) -> None:
        """Ask promtool of each release; fails with what it says where an answer is another.

        Args:
            folder: where the test of rules is written.
            questions: what is asked.
            every: seconds between evaluations of the rules: an alert waits for a minute, or has a window of several, so
                that one a minute misses none.
        """
        series = [{"series": name, "values": _values(row)} for name, row in self._rows.items()]
        case = {"interval": f"{self._step}s", "input_series": series, "promql_expr_test": questions}
        suite = {"rule_files": [*map(str, self._files)], "evaluation_interval": f"{every}s", "tests": [case]}
        path = folder / "simulated.test.yml"
        path.write_text(dumped(suite))
        for programs in RELEASES:
            tested = promtool("test", "rules", path, programs=programs)
            assert tested.returncode == 0, f"{programs}: {tested.stdout}{tested.stderr}"


async def scrape(deliveries: Iterable[Delivery], minutes: int, files: Sequence[Path], step: int = STEP) -> Scrapes:
    """Scrapes, so many seconds apart, of an exporter that gets the deliveries of so many minutes from `MONDAY` on."""
    now, scrapes, end = _ORIGIN, Scrapes(files, step), MONDAY / 1000 + minutes * 60
    recorder = Recorder(Config(), MemoryStore(), clock=lambda: now)
    ingest = Ingest(recorder, RecentActivity())
    recorder.load()
    await recorder.start()
    for delivery in deliveries:
        received = delivery.at_ms / 1000
        while scrapes.due < min(received, end):
            now = scrapes.due
            scrapes.take(recorder)
        if received >= end:
            break
        now = received
        event = ingest.understand(delivery.platform, encode(delivery.body))
        await awaited(partial(ingest.record, event, now))
        ingest.metrics.answered(delivery.platform, perf_counter())
    scrapes.take(recorder)
    await recorder.stop()
    return scrapes


def asked(expression: str, minutes: int, **answers: float) -> Question:
    """An expression so many minutes after `MONDAY`, and the value that each alert has in its result."""
    samples = [{"labels": f'{{alertname="{alert}"}}', "value": value} for alert, value in answers.items()]
    return {"expr": expression, "eval_time": f"{LEAD + minutes * 60}s", "exp_samples": samples}


def rules_of(names: Collection[str], folder: Path) -> list[Path]:
    """A file in the folder with the shipped rules that these alerts rest on."""
    path = folder / "needed.rules.yml"
    rules = needed(sorted(RULES.glob("*.rules.yml")), names)
    path.write_text(dumped(rules))
    return [path]


def _selected(files: Iterable[Path]) -> set[str]:
    """Names of the series that the rules of the files select."""
    rules = [rule for file in files for group in loaded(file.read_text())["groups"] for rule in group["rules"]]
    return {name for rule in rules for name in selected(rule["expr"], ())}


def _moved(name: str, value: str) -> str:
    """A sample's value; a moment as promtool's clock has it."""
    return f"{float(value) - _ORIGIN:.3f}" if name.endswith(("_created", "_timestamp_seconds")) else value


def _values(row: Iterable[str]) -> str:
    """A series as promtool reads it."""
    runs = ((value, len([*run])) for value, run in groupby(row))
    return " ".join(f"_x{times}" if value == _ABSENT else f"{value}+0x{times - 1}" for value, times in runs)
