"""Healthy traffic through deploys, restarts and lost scrapes: ``python -m tests.rules.healthy`` says what it raises.

Thirty hours of it, evaluated each minute, take some minutes a volume; the tests take less of it, in coarser steps.
"""

import argparse
import random
import sys
from collections.abc import Iterable, Iterator, Mapping

from tests.rules.shipped import alerts
from tests.rules.traffic import Pod, Traffic, promtool_series
from tests.rules.volume import HEALTHY, HOUR, STEP, VOLUMES, Firings, evaluate
from tests.support.programs import INSTALLED, Programs

LIFE = 4 * HOUR
"""Minutes from one deploy, which takes another name, to the next."""


def pods(minutes: int, seed: int) -> Iterator[Pod]:
    """Exporters that follow each other; each restarts once, is away for two minutes, and loses some scrapes."""
    chance = random.Random(seed)
    for begins in range(0, minutes + 1, LIFE):
        ends = min(begins + LIFE, minutes + 1)
        restart = begins + LIFE // 2
        lost = {chance.randrange(begins + 5, ends) for _ in range(3)} if ends > begins + 5 else set[int]()
        away = 2 if begins else 0
        yield Pod(
            instance=f"pod-{begins}", begins=begins + away, ends=ends, lost=frozenset(lost | {restart, restart + 1})
        )


def raised(
    volumes: Iterable[float], hours: int, seed: int, programs: Programs = INSTALLED, step: int = STEP
) -> Firings:
    """What fired, with so many minutes between evaluations."""
    minutes = hours * HOUR
    series: list[Mapping[str, str]] = []
    for volume in volumes:
        traffic = Traffic(f"healthy {volume:g}", volume, seed)
        traffic.run(minutes + 1, HEALTHY)
        series += promtool_series(traffic, [*pods(minutes, seed)])
    return evaluate(series, minutes, programs, {alert["alert"] for alert in alerts()}, step)


def main() -> None:
    """Say what fired."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--volumes", type=float, nargs="+", default=VOLUMES, metavar="CALLS_PER_HOUR")
    parser.add_argument("--step", type=int, default=1, metavar="MINUTES", help="time between evaluations")
    arguments = parser.parse_args()
    found = raised(arguments.volumes, arguments.hours, arguments.seed, step=arguments.step)
    for (job, alert, severity), fired in sorted(found.items()):
        sys.stdout.write(f"{job}\t{severity}\t{alert}\tfirst after {fired.first:g} minutes, {fired.times:g} times\n")


if __name__ == "__main__":
    main()
