"""The real promtool."""

import re
import subprocess
from math import gcd
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from exporter.yamlfile.durations import parse_duration
from tests.rules.needed import needed, selected
from tests.rules.shipped import RULES, alerts
from tests.support.programs import INSTALLED, Programs
from tests.support.yamls import dumped, loaded

_HALF_A_DAY: Final = 12 * 3600


def promtool(*arguments: object, cwd: Path = RULES, programs: Programs = INSTALLED) -> subprocess.CompletedProcess[str]:
    """Run promtool, by default in the folder of the rules."""
    return programs.run("promtool", *arguments, cwd=cwd)


def run_rule_test(file: Path, folder: Path, programs: Programs) -> subprocess.CompletedProcess[str]:
    """Run a test of rules, whose alerts are expected with a description only: the other annotations are added here.

    The rules are evaluated as seldom as the moments that a case looks at allow, up to once a minute, and every four
    minutes where it lasts for half a day; the interval of the file is the least.

    Args:
        file: under `rules/tests`.
        folder: where the whole test may be written.
        programs: whose promtool.
    """
    text = file.read_text()
    suite, words = loaded(text), loaded(text, strings=True)
    files = [file.parent / name for name in suite["rule_files"]]
    paths = []
    for number, (case, said) in enumerate(zip(suite["tests"], words["tests"], strict=True)):
        # Of what promtool writes 0x12 for, thirteen zeros, YAML would make a hexadecimal number.
        case["input_series"] = said["input_series"]
        rules = folder / f"{number}.rules.yml"
        rules.write_text(dumped(needed(files, _wanted(case))))
        for moment in case.get("alert_rule_test", ()):
            moment["exp_alerts"] = [_whole(moment["alertname"], alert) for alert in moment["exp_alerts"]]
        every = f"{_evaluated_every(case, suite['evaluation_interval'])}s"
        alone = {**suite, "rule_files": [str(rules)], "evaluation_interval": every, "tests": [case]}
        paths.append(folder / f"{number}-{file.name}")
        paths[-1].write_text(dumped(alone))
    return promtool("test", "rules", *paths, programs=programs)


def _wanted(case: dict[str, Any]) -> set[str]:
    """Names of the alerts and series that a case looks at."""
    names = {alert["alert"] for alert in alerts()}
    asked = {name for query in case.get("promql_expr_test", ()) for name in selected(query["expr"], names)}
    return asked | {moment["alertname"] for moment in case.get("alert_rule_test", ())}


def _evaluated_every(case: dict[str, Any], least: str) -> int:
    """Seconds between the evaluations of a case."""
    asked = [*case.get("alert_rule_test", ()), *case.get("promql_expr_test", ())]
    moments = [round(parse_duration(str(moment["eval_time"]))) for moment in asked]
    most = 240 if max(moments) >= _HALF_A_DAY else 60
    return max(gcd(most, *moments), round(parse_duration(least)))


def _whole(name: str, expected: dict[str, Any]) -> dict[str, Any]:
    """An alert with the annotations that follow from its name."""
    shipped = next(alert["annotations"] for alert in alerts() if alert["alert"] == name)
    said, labels = expected["exp_annotations"], expected["exp_labels"]
    who = re.match(r"Assistant (.+?) on ", said["description"])
    whole = {
        "summary": shipped["summary"],
        "runbook_url": f"http://localhost:10060/runbooks/{name}",
        **({"incidents_url": _incidents(shipped["incidents_url"], labels)} if "incidents_url" in shipped else {}),
        "dashboard_url": _dashboard(shipped["dashboard_url"].partition("?")[0], labels),
        **({"assistant": who[1]} if who else {}),
    }
    return {**expected, "exp_annotations": {**whole, **said}}


def _incidents(template: str, labels: dict[str, str]) -> str:
    """The list of a kind of incidents, of the alert's platform and assistant."""
    kind = re.findall(r"/incidents\?kind=[a-z]+", template)[0]
    return f"http://localhost:10060{kind}{_chosen({'platform': 'platform', 'assistant': 'assistant_id'}, labels)}"


def _dashboard(url: str, labels: dict[str, str]) -> str:
    """The dashboard with its variables set to the alert's labels."""
    variables = {"job": "job", "instance": "instance", "platform": "platform", "assistant": "assistant_id"}
    return f"{url}?from=now-6h&to=now{_chosen({f'var-{name}': label for name, label in variables.items()}, labels)}"


def _chosen(parameters: dict[str, str], labels: dict[str, str]) -> str:
    """The alert's labels as parameters of an address."""
    chosen = ((name, labels[label]) for name, label in parameters.items() if label in labels)
    return "".join(f"&{name}={quote(value, safe='')}" for name, value in chosen)
