"""The numbers of panels against recorded traffic, through a real exporter and a real Prometheus."""

import time
from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import Final

import pytest

from tests.grafana.boards import LIVE, targets
from tests.grafana.recorded import Said, again, record
from tests.support.servers import Prometheus
from tests.support.traffic import post_all
from tests.support.waiting import until

_EXPRESSIONS: Final = {target.name: target.json["expr"] for target in targets()}
_CHOSEN: Final = {"platform": "interactly"}
_MEANS: Final = "voice-latency: Means"


class Boards:
    """What panels show.

    Args:
        prometheus: their data source.
    """

    def __init__(self, prometheus: Prometheus) -> None:
        self._prometheus = prometheus

    def rows(self, name: str, **chosen: str) -> list[tuple[dict[str, str], float]]:
        """Labels and values of a panel's query, asked as Grafana asks."""
        expr = _EXPRESSIONS[name]
        for variable, value in LIVE.items():
            expr = expr.replace(variable, value)
        choices = {**_CHOSEN, **chosen}
        for variable in ("job", "instance", "platform", "assistant", "provider"):
            expr = expr.replace(f"${variable}", choices.get(variable, ".+"))
        return self._prometheus.query(expr)

    def by(self, name: str, *labels: str) -> Mapping[str, float]:
        """Values of a panel's query by labels."""
        return {" ".join(row[label] for label in labels): value for row, value in self.rows(name)}

    def number(self, name: str) -> float:
        """The only number of a panel's query."""
        [(_, value)] = self.rows(name)
        return value


@pytest.fixture(scope="module")
def sent() -> list[bytes]:
    """A round of calls that began some minutes ago."""
    return record(int(time.time() * 1000) - 900_000)


@pytest.fixture(scope="module")
def said(sent: list[bytes]) -> Said:
    """What one round says."""
    return Said(sent)


@pytest.fixture(scope="module")
def boards(sent: list[bytes], exporter: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boards]:
    """Panels after two rounds of the same calls: a Prometheus that starts between them measures those of the second."""
    folder = tmp_path_factory.mktemp("numbers")
    post_all(exporter, [("interactly", body) for body in sent])
    with Prometheus(folder, {"voice-exporter": exporter}) as prometheus:
        _await_scrapes(prometheus)
        post_all(exporter, [("interactly", body) for body in again(sent)])
        _await_scrapes(prometheus)
        yield Boards(prometheus)


def _await_scrapes(prometheus: Prometheus) -> None:
    """Wait until what there is now has been scraped, and a second time."""
    since = time.time()
    until("two scrapes", lambda: (prometheus.value("min(timestamp(up))") or 0) > since + 1)


def test_counts_are_those_of_both_rounds(boards: Boards, said: Said) -> None:
    """Tiles and lists count each event once, in whole numbers."""
    errors = "voice-hangs-errors: Errors by code, most frequent first A"
    assert boards.number("voice-hangs-errors: Hangs A") == 2 * len(said.of("hang"))
    assert boards.number("voice-hangs-errors: Hung calls A") == 2 * len(said.hung)
    assert boards.number("voice-hangs-errors: Errors A") == 2 * len(said.of("error"))
    assert sum(boards.by("voice-overview: Assistants, worst first B", "assistant_id").values()) == 2 * len(said.calls)
    assert boards.by("voice-overview: Evaluations A", "evaluation") == {
        evaluation: 2 * calls for evaluation, calls in said.evaluations.items()
    }
    counted: dict[str, float] = {}
    for row, value in boards.rows(errors):
        counted[row["error_code"]] = counted.get(row["error_code"], 0) + value
    assert counted == {code: 2 * count for code, count in said.errors.items()}
    assert sum(boards.by("voice-hangs-errors: Hangs by hour of day A", "hour").values()) == 2 * len(said.of("hang"))
    assert sum(boards.by("voice-hangs-errors: Assistants, most hangs first A", "assistant_id").values()) == 2 * len(
        said.of("hang")
    )


def test_shares_are_those_of_what_was_sent(boards: Boards, said: Said) -> None:
    """Rates are whole events over whole events."""
    share = len(said.hung) / len(said.calls)
    assert boards.number("voice-overview: Hang rate A") == pytest.approx(share)
    assert boards.number("voice-hangs-errors: Hang rate A") == pytest.approx(share)
    in_time = sum(wait <= 3000 for wait in said.responses()) / len(said.responses())
    assert boards.number("voice-latency: Within 3s A") == pytest.approx(in_time)


@pytest.mark.parametrize(
    ("letter", "what"), [("A", "turn"), ("B", "queue"), ("C", "llm"), ("D", "speech queue"), ("E", "speech")]
)
def test_means_are_those_of_what_was_sent(letter: str, what: str, boards: Boards, said: Said) -> None:
    """The mean time of each stage equals the mean of the messages' own numbers."""
    measured = {
        "turn": said.measured("interactlyEOU", "turnDetectionTimeMs"),
        "queue": said.llm("queueLatencyMs"),
        "llm": said.llm("responseLatencyMs"),
        "speech queue": said.measured("tts", "queueLatencyMs"),
        "speech": said.measured("tts", "generationTimeMs"),
    }
    assert boards.number(f"{_MEANS} {letter}") == pytest.approx(fmean(measured[what]) / 1000)


@pytest.mark.parametrize(
    ("title", "what"),
    [
        ("LLM queue", "queue"),
        ("LLM response", "llm"),
        ("End of utterance", "turn"),
        ("TTS generation, cached", "cached"),
        ("TTS generation, not cached", "uncached"),
        ("Player wait", "player"),
    ],
)
def test_stages_show_their_mean_and_percentiles_where_the_values_are(
    title: str, what: str, boards: Boards, said: Said
) -> None:
    """The line of the mean is exact; percentiles lie between the two bounds around the true one."""
    values = {
        "queue": said.llm("queueLatencyMs"),
        "llm": said.llm("responseLatencyMs"),
        "turn": said.measured("interactlyEOU", "turnDetectionTimeMs"),
        "cached": said.measured("tts", "generationTimeMs", isCachePlaying=True),
        "uncached": said.measured("tts", "generationTimeMs", isCachePlaying=False),
        "player": said.measured("interactlyPlayer", "waitTimeMs"),
    }[what]
    panel = f"voice-latency: {title}, 10m"
    assert boards.number(f"{panel} A") == pytest.approx(fmean(values) / 1000)
    for letter, share in (("B", 0.5), ("C", 0.95)):
        true = sorted(values)[int(share * len(values))] / 1000
        assert boards.number(f"{panel} {letter}") == pytest.approx(true, rel=0.6, abs=0.0015)


def test_response_time_is_that_of_what_was_sent(boards: Boards, said: Said) -> None:
    """Percentiles of the response time lie where the replies' do, and the mean is exact."""
    waits = sorted(wait / 1000 for wait in said.responses())
    assert boards.number("voice-latency: Mean time of each stage, 10m F") == pytest.approx(fmean(waits))
    for name, share in (("p50", 0.5), ("p95", 0.95)):
        true = waits[int(share * len(waits))]
        assert boards.number(f"voice-latency: Response {name} A") == pytest.approx(true, rel=0.35)


def test_cost_and_confidence_are_those_of_what_was_sent(boards: Boards, said: Said) -> None:
    """Means by assistant, weighted with what each mean is of, are the means of all."""
    confidence = boards.by("voice-overview: Assistants, dearest first B", "assistant_id")
    stated: dict[str, list[float]] = {}
    for event in said.of("conversation-update"):
        stated.setdefault(event["call"]["assistantId"], [])
    for call_id, messages in said.conversations.items():
        assistant = next(event["call"]["assistantId"] for event in said.events if event["call"]["id"] == call_id)
        stated[assistant] += [
            message["metrics"]["stt"]["confidence"]
            for message in messages.values()
            if "confidence" in (message.get("metrics") or {}).get("stt", {})
        ]
    assert confidence == pytest.approx({assistant: fmean(values) for assistant, values in stated.items()})
    cost = boards.by("voice-overview: Assistants, dearest first A", "assistant_id")
    costs: dict[str, list[float]] = {}
    for event in said.of("end-of-call-report"):
        if event["call"]["cost"]:
            costs.setdefault(event["call"]["assistantId"], []).append(event["call"]["cost"]["totalCost"])
    assert cost == pytest.approx({assistant: fmean(values) for assistant, values in costs.items()}, abs=1e-6)
