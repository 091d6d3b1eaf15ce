"""``voice-exporter simulate``."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Coroutine

from exporter.commands import MISUSE
from exporter.config.secret import SECRET_VARIABLE
from exporter.errors import CommandError
from exporter.simulate import SCENARIOS, simulate
from exporter.simulate.model import EVERY_PLATFORM, PLATFORMS
from exporter.yamlfile.durations import parse_duration


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    flag = parser.add_argument
    flag("--url", default="http://127.0.0.1:10060", help="URL of the exporter, default %(default)s")
    flag("--calls-per-minute", metavar="N", type=float, default=6.0, help="new calls a minute, default %(default)s")
    flag(
        "--duration",
        metavar="DURATION",
        type=_duration,
        help="how long new calls begin, such as 10m; open calls finish; default until interrupted",
    )
    flag("--scenario", default="normal", choices=tuple(SCENARIOS), help="what goes wrong, default %(default)s")
    flag(
        "--platform",
        action="append",
        dest="platforms",
        choices=EVERY_PLATFORM,
        help="whose calls, may be repeated; default interactly and vapi",
    )
    flag(
        "--time-scale",
        metavar="N",
        type=float,
        default=1.0,
        help="speed-up of the conversations, default %(default)s",
    )
    flag("--seed", metavar="N", type=int, default=1, help="the same seed gives the same calls, default %(default)s")
    parser.epilog = (
        f"{SECRET_VARIABLE} is the webhook secret, if the exporter has one.\n\n"
        f"scenarios, the alerts of the shipped rules, and the time until they fire at the default rate:\n{_scenarios()}"
    )


def _scenarios() -> str:
    text = ""
    for name, scenario in SCENARIOS.items():
        text += f"  {name:<17}{scenario.description}\n"
        if scenario.alerts:
            raised = (f"{alert} {minutes}m" for alert, minutes in scenario.alerts.items())
            text += f"{'':<19}{', '.join(raised)}\n"
    return text


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(arguments: argparse.Namespace) -> int:
    """Send traffic; 1 where nothing was delivered.

    Raises:
        CommandError: a flag's value is of no use.
    """
    traffic = simulate(
        arguments.url,
        arguments.calls_per_minute,
        arguments.duration,
        arguments.scenario,
        arguments.seed,
        os.environ.get(SECRET_VARIABLE) or None,
        out=sys.stdout,
        time_scale=arguments.time_scale,
        platforms=tuple(arguments.platforms or PLATFORMS),
    )
    try:
        return asyncio.run(_until_stopped(traffic))
    except ValueError as error:
        raise CommandError(MISUSE, error) from None


async def _until_stopped(traffic: Coroutine[None, None, int]) -> int:
    """SIGTERM ends it as SIGINT does: in a container, where this is process 1, nothing else would before SIGKILL."""
    sending = asyncio.create_task(traffic)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, sending.cancel)
    return await sending
