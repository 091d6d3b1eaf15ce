"""The queries of runbooks see the event that paged: the first of a series, which begins with it and stays as it is."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import promql_parser as p

from tests.rules.lint import selectors
from tests.rules.promtool import promtool
from tests.rules.shapes import sample
from tests.rules.shipped import RULES
from tests.support.programs import Programs
from tests.support.yamls import dumped

FIRST: Final = "2m"
"""When the only event comes, and the queries are asked."""
CREATED: Final = 110


def queries() -> list[str]:
    """Every query of a runbook's diagnosis that asks how far a counter rose."""
    texts = (path.read_text().partition("## Diagnosis")[2] for path in sorted((RULES / "runbooks").glob("*.md")))
    found = [query for text in texts for query in re.findall(r"```promql\n(.*?)```", text, re.DOTALL)]
    return [query for query in found if "increase(" in query]


def begun(selector: p.VectorSelector) -> Iterator[tuple[str, str]]:
    """Series that a selector matches, with their values: the first event comes after two minutes."""
    name = selector.name or ""
    metric = sample(name, {}).metric
    assert metric is not None
    chosen = {matcher.name: matcher.value.split("|")[0] for matcher in selector.matchers.matchers}
    labels = {"job": "voice", "instance": "a", **dict.fromkeys(metric.labels, "x"), **chosen}
    if name.endswith("_created"):
        yield _series(name, labels), f"_x8 {CREATED}+0x8"
    elif name.endswith("_bucket"):
        for bound in (f"{metric.bounds[0]:.1f}", "+Inf"):
            yield _series(name, {**labels, "le": bound}), "_x8 1+0x8"
    else:
        yield _series(name, labels), "_x8 1+0x8"


def _series(name: str, labels: dict[str, str]) -> str:
    shown = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{shown}}}"


def test_a_first_event_answers_the_queries_of_every_runbook(programs: Programs, tmp_path: Path) -> None:
    """No query that asks how far a counter rose is empty where the event that paged is the first of its series."""
    asked = queries()
    assert len(asked) > 40
    series = dict(one for query in asked for selector, _ in selectors(p.parse(query)) for one in begun(selector))
    case: dict[str, Any] = {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {"expr": f"group({query})", "eval_time": FIRST, "exp_samples": [{"labels": "{}", "value": 1}]}
            for query in asked
        ],
    }
    file = tmp_path / "first.test.yml"
    file.write_text(dumped({"rule_files": [], "evaluation_interval": "15s", "tests": [case]}))
    tested = promtool("test", "rules", file, programs=programs)
    assert tested.returncode == 0, tested.stdout + tested.stderr
