"""How soon alerts fire at which volume of calls: ``python -m tests.rules.table`` writes docs/volume.csv.

It takes an hour; with volumes, seeds or hours of its own it prints what it finds and writes nothing.
"""

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final, NamedTuple

from tests.rules.shipped import ROOT
from tests.rules.volume import DAY, HOUR, SIGNALS, Signal, Trial, trial
from tests.support.programs import INSTALLED, SID

TABLE: Final = ROOT / "docs" / "volume.csv"
VOLUMES: Final = (3.0, 10.0, 30.0, 3000.0)
SEEDS: Final = (1, 2, 3)


class Cell(NamedTuple):
    """What several days of a signal and a volume had.

    Attributes:
        days: how many.
        fired: on how many of them its alert fired.
        earliest: minutes to that alert; 0 where it never fired, as below.
        median: of these minutes.
        latest: the most minutes.
    """

    days: int
    fired: int
    earliest: float
    median: float
    latest: float


def cell(days: Sequence[float | None]) -> Cell:
    """Minutes to the first alert, day by day; None where none fired."""
    found = sorted(minutes for minutes in days if minutes is not None)
    if not found:
        return Cell(len(days), 0, 0, 0, 0)
    return Cell(len(days), len(found), found[0], median(found), found[-1])


def documented() -> dict[tuple[str, str, float], Cell]:
    """The table by alert, severity and calls an hour."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {
            (row["alert"], row["severity"], float(row["calls_per_hour"])): Cell(
                int(row["days"]), int(row["fired"]), *(float(row[name]) for name in Cell._fields[2:])
            )
            for row in csv.DictReader(file)
        }


def _rows(trials: Sequence[Trial], volumes: Sequence[float]) -> Iterator[Sequence[object]]:
    yield ("alert", "severity", "exceeded", "calls_per_hour", *Cell._fields)
    for signal in SIGNALS:
        for volume in volumes:
            found = cell([one.minutes[signal, volume] for one in trials])
            yield (*_about(signal), f"{volume:g}", *(f"{number:g}" for number in found))


def _about(signal: Signal) -> tuple[str, str, str]:
    return signal.alert, signal.severity, signal.exceeded


def main() -> None:
    """Write the table anew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--volumes", type=float, nargs="+", default=VOLUMES, metavar="CALLS_PER_HOUR")
    parser.add_argument("--hours", type=int, default=DAY // HOUR)
    parser.add_argument("--installed", action="store_true", help="the distribution's promtool in place of the newest")
    arguments = parser.parse_args()
    programs = INSTALLED if arguments.installed else SID
    trials = []
    for seed in arguments.seeds:
        trials.append(trial(arguments.volumes, seed, arguments.hours * HOUR, programs))
        often = {(*_about(of)[:2], volume): times for (of, volume), times in trials[-1].times.items() if times > 1}
        below = {of: fired for of, fired in trials[-1].below.items() if of[1] != "VoiceAssistantHang"}
        sys.stdout.write(f"seed {seed}\nfired more than once: {often}\nbelow every threshold: {below or 'nothing'}\n")
        sys.stdout.flush()
    csv.writer(sys.stdout, "excel-tab", lineterminator="\n").writerows(_rows(trials, arguments.volumes))
    if (arguments.seeds, arguments.volumes, arguments.hours) == (SEEDS, VOLUMES, DAY // HOUR):
        with TABLE.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(_rows(trials, VOLUMES))


if __name__ == "__main__":
    main()
