import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics.catalogue import (
    ASSISTANT_INFO,
    CALL_COST,
    CALLS_ACTIVE,
    CALLS_STARTED,
    CALLS_TRACKED,
    HANGS,
    METRICS,
    RESPONSE,
    SERIES,
    STORAGE_COMMIT,
    STT_CONFIDENCE,
    TTS_AUDIO,
    WEBHOOKS,
)
from exporter.metrics.exposition import (
    CHUNK_LENGTH,
    CHUNK_LINES,
    Format,
    Rows,
    process_families,
    render,
)
from exporter.metrics.label_limits import LabelLimits
from exporter.metrics.metric import NANO, Increment, Labels, Metric
from exporter.metrics.series import Family
from exporter.metrics.series_table import Exemplar, SeriesTable
from exporter.metrics.text_format import openmetrics_sections, text_sections
from tests.metrics.scraped import (
    BOTH,
    NOW,
    OPENMETRICS,
    PA,
    PARSE,
    TEXT,
    Samples,
    expected_of,
    filled,
    lines_of,
    parsed,
    scraped,
)


@st.composite
def tables(draw: st.DrawFn) -> SeriesTable:
    """Tables of any metrics with any text in their labels."""
    table = filled()
    text = st.text(st.one_of(st.sampled_from('\\"\n\r\t {}=,#%\0\u2028\x85'), st.characters(codec="utf-8")), max_size=8)
    for metric in draw(st.lists(st.sampled_from(list(METRICS.values())), max_size=8)):
        labels = tuple(draw(text) for _ in metric.labels)
        amounts = st.integers(-(10**18), 10**18) if metric.kind == "gauge" else st.integers(0, 10**18)
        for amount in draw(st.lists(amounts, min_size=1, max_size=4)):
            table.add(metric, labels, amount, draw(st.floats(0, 4e9)))
    return table


@BOTH
@given(table=tables())
def test_a_reader_gets_every_value_and_nothing_else(fmt: Format, table: SeriesTable) -> None:
    """Whatever the labels hold, prometheus-client's parsers read exactly the values of the table."""
    expected: Samples = {}
    for family in table.families():
        for series in family.series:
            expected |= expected_of(series)
    scrape = scraped(table, fmt)
    assert {key: value for key, value in parsed(scrape, fmt).items() if key[0].startswith("voice_")} == expected


@BOTH
def test_every_metric_has_its_type_and_help(fmt: Format) -> None:
    """A reader learns type and help of each family of the catalogue."""
    table = filled(*((metric, ("x",) * len(metric.labels), 1) for metric in METRICS.values()))
    families = {family.name: family for family in PARSE[fmt](scraped(table, fmt))}
    for metric in METRICS.values():
        family = families[metric.family]
        assert (family.type, family.documentation) == (metric.kind, metric.help)


def test_promtool_has_no_complaint() -> None:
    """Names, types and help of the whole catalogue are as Prometheus wants them."""
    table = filled(*((metric, ("x",) * len(metric.labels), 1) for metric in METRICS.values()))
    scrape = scraped(table, TEXT).encode()
    checked = subprocess.run(["promtool", "check", "metrics"], input=scrape, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_a_counter_in_text() -> None:
    """The created timestamp is a gauge family of its own."""
    assert lines_of(filled((HANGS, (*PA, "openai", "gpt-4o"), 17)), TEXT, HANGS) == [
        f"# HELP voice_hangs_total {HANGS.help}",
        "# TYPE voice_hangs_total counter",
        'voice_hangs_total{platform="vapi",assistant_id="a1",provider="openai",model="gpt-4o"} 17',
        f"# HELP voice_hangs_created {HANGS.help}",
        "# TYPE voice_hangs_created gauge",
        'voice_hangs_created{platform="vapi",assistant_id="a1",provider="openai",model="gpt-4o"} 1700000000.500',
    ]


def test_a_counter_in_openmetrics() -> None:
    """The created timestamp is part of the family, whose name lacks ``_total``."""
    assert lines_of(filled((HANGS, (*PA, "openai", "gpt-4o"), 17)), OPENMETRICS, HANGS) == [
        f"# HELP voice_hangs {HANGS.help}",
        "# TYPE voice_hangs counter",
        'voice_hangs_total{platform="vapi",assistant_id="a1",provider="openai",model="gpt-4o"} 17',
        'voice_hangs_created{platform="vapi",assistant_id="a1",provider="openai",model="gpt-4o"} 1700000000.500',
        "# EOF",
    ]


def test_a_histogram_in_openmetrics() -> None:
    """Buckets are cumulative, their bounds canonical floats, and what belongs to one series stays together."""
    table = SeriesTable(LabelLimits({}, 10, 1.0), {"voice_response_seconds": (0.25, 3.0, 1_000_000.0)})
    for milliseconds in (250, 3913, 251):
        table.add(RESPONSE, PA, milliseconds * NANO // 1000, NOW)
    labels = 'platform="vapi",assistant_id="a1"'
    assert lines_of(table, OPENMETRICS, RESPONSE)[2:] == [
        "# UNIT voice_response_seconds seconds",
        f'voice_response_seconds_bucket{{{labels},le="0.25"}} 1',
        f'voice_response_seconds_bucket{{{labels},le="3.0"}} 2',
        f'voice_response_seconds_bucket{{{labels},le="1e+06"}} 3',
        f'voice_response_seconds_bucket{{{labels},le="+Inf"}} 3',
        f"voice_response_seconds_count{{{labels}}} 3",
        f"voice_response_seconds_sum{{{labels}}} 4.414",
        f"voice_response_seconds_created{{{labels}}} 1700000000.500",
        "# EOF",
    ]


def test_a_histogram_without_labels() -> None:
    """Where there is no label there are no braces, except around ``le``."""
    table = filled((STORAGE_COMMIT, (), NANO))
    lines = lines_of(table, TEXT, STORAGE_COMMIT)
    assert 'voice_exporter_storage_commit_seconds_bucket{le="1.0"} 1' in lines
    assert "voice_exporter_storage_commit_seconds_count 1" in lines
    assert "voice_exporter_storage_commit_seconds_sum 1.0" in lines


@BOTH
@pytest.mark.parametrize(
    ("nanos", "shown"),
    [
        (0, "0.0"),
        (1, "0.000000001"),
        (50_000, "0.000050000"),
        (123_456_789, "0.123456789"),
        (3_913_000_000, "3.913"),
        (10**15, "1000000.0"),
        (1_700_000_000_123_000_000, "1700000000.123"),
        (10**25 + 1, "10000000000000000.000000000"),
    ],
)
def test_amounts_are_plain_decimals(fmt: Format, nanos: int, shown: str) -> None:
    """The shortest decimal of the value, without an exponent."""
    lines = lines_of(filled((TTS_AUDIO, (*PA, "openai"), nanos)), fmt, TTS_AUDIO)
    line = next(line for line in lines if not line.startswith("#"))
    assert line.rsplit(" ", 1)[1] == shown


@BOTH
def test_counts_are_whole_numbers(fmt: Format) -> None:
    """A large count keeps its last digit."""
    assert lines_of(filled((CALLS_STARTED, PA, 2**60 + 1)), fmt, CALLS_STARTED)[2].endswith(f" {2**60 + 1}")


@pytest.mark.parametrize(
    ("metric", "labels", "unit"),
    [
        (RESPONSE, PA, "seconds"),
        (TTS_AUDIO, (*PA, "openai"), "seconds"),
        (CALL_COST, (*PA, "llm", "openai"), "dollars"),
        (STT_CONFIDENCE, (*PA, "deepgram"), "ratio"),
        (HANGS, (*PA, "openai", "gpt-4o"), ""),
    ],
)
def test_openmetrics_names_the_unit(metric: Metric, labels: Labels, unit: str) -> None:
    """Whatever the family's name ends in, as the format wants it; the text format knows no units."""
    table = filled((metric, labels, NANO))
    (family,) = PARSE[OPENMETRICS]("\n".join(lines_of(table, OPENMETRICS, metric)) + "\n")
    assert (family.name, family.unit) == (metric.family, unit)
    assert not any(line.startswith("# UNIT") for line in lines_of(table, TEXT, metric))


def test_a_family_without_series_is_left_out() -> None:
    """No header promises what is not there."""
    scrape = scraped(filled(), OPENMETRICS)
    assert "voice_" not in scrape
    assert scrape.endswith("\n# EOF\n")


def test_help_is_escaped() -> None:
    """Backslash and line feed in both formats, the quote in OpenMetrics."""
    family = Family(Metric("voice_odd", "gauge", (), 'a\\b\n"c"'))
    assert text_sections(family)[0].header == '# HELP voice_odd a\\\\b\\n"c"\n# TYPE voice_odd gauge\n'
    assert openmetrics_sections(family)[0].header == '# HELP voice_odd a\\\\b\\n\\"c\\"\n# TYPE voice_odd gauge\n'


def test_exemplars_are_openmetrics_only() -> None:
    """Text format has no place for them."""
    table = filled((RESPONSE, PA, NANO), (CALLS_STARTED, PA, 1), exemplar=Exemplar("call-1", NOW))
    assert "call-1" in scraped(table, OPENMETRICS)
    assert "call-1" not in scraped(table, TEXT)


def test_exemplars_stand_behind_their_bucket_and_counter() -> None:
    """Call id, measured value and time, for the latest call of the bucket."""
    table = filled()
    events: list[tuple[str, list[Increment]]] = [
        ("c1", [(RESPONSE, PA, NANO)]),
        ("c2", [(RESPONSE, PA, 5 * NANO), (CALL_COST, (*PA, "llm", "openai"), NANO // 100)]),
        ("c3", [(RESPONSE, PA, NANO - 1)]),
    ]
    for place, (call, increments) in enumerate(events):
        table.apply(table.resolve(increments, NOW), Exemplar(call, NOW + place))
    shown = {
        (sample.name, sample.labels.get("le")): (
            sample.exemplar.labels,
            sample.exemplar.value,
            float(sample.exemplar.timestamp or 0),
        )
        for family in PARSE[OPENMETRICS](scraped(table, OPENMETRICS))
        for sample in family.samples
        if sample.exemplar
    }
    assert shown == {
        ("voice_response_seconds_bucket", "1.0"): ({"call_id": "c3"}, 0.999999999, NOW + 2),
        ("voice_response_seconds_bucket", "5.0"): ({"call_id": "c2"}, 5.0, NOW + 1),
        ("voice_call_cost_dollars_total", None): ({"call_id": "c2"}, 0.01, NOW + 1),
    }


def test_the_longest_call_id_is_a_valid_exemplar() -> None:
    """64 characters of a call id and its name stay below OpenMetrics' 128; a longer one is left out."""
    for length, shown in ((64, True), (65, False)):
        table = filled((CALLS_STARTED, PA, 1), exemplar=Exemplar("x" * length, NOW))
        (family,) = (each for each in PARSE[OPENMETRICS](scraped(table, OPENMETRICS)) if each.name.startswith("voice_"))
        assert [bool(sample.exemplar) for sample in family.samples] == [shown, False]


@BOTH
def test_the_families_of_the_process_are_part_of_a_scrape(fmt: Format) -> None:
    """Process, platform and garbage collector, once each, before the end."""
    names = [family.name for family in PARSE[fmt](scraped(filled((HANGS, (*PA, "x", "m"), 1)), fmt))]
    assert {"process_resident_memory_bytes", "process_open_fds", "python_info", "python_gc_collections"} <= set(names)
    assert len(names) == len(set(names))
    assert b"# EOF" not in process_families(fmt)


@BOTH
def test_families_come_in_the_order_of_the_catalogue(fmt: Format) -> None:
    """Computed ones too, wherever they stand in the call, and in place of those of the table."""
    table = filled((WEBHOOKS, ("vapi", "hang", "counted"), 1), (CALLS_ACTIVE, PA, 1), (CALLS_TRACKED, (), 1))
    info = ("vapi", "a1", 'Ada "A"\nExample', "openai", "gpt-4o", "deepgram", "cartesia")
    derived: list[tuple[Metric, Rows]] = [
        (SERIES, [(("voice_calls_active",), 1)]),
        (CALLS_TRACKED, [((), 12)]),
        (ASSISTANT_INFO, [(info, 1)]),
    ]
    scrape = scraped(table, fmt, None, derived)
    families = [family for family in PARSE[fmt](scrape) if family.name.startswith("voice_")]
    assert [family.name for family in families if not family.name.endswith("_created")] == [
        "voice_calls_active",
        "voice_assistant_info",
        "voice_exporter_webhooks",
        "voice_exporter_calls_tracked",
        "voice_exporter_series",
    ]
    samples = parsed(scrape, fmt)
    assert samples["voice_exporter_calls_tracked", frozenset()] == 12
    assert samples["voice_assistant_info", frozenset(zip(ASSISTANT_INFO.labels, info, strict=True))] == 1


@BOTH
def test_a_name_that_cannot_be_encoded_does_not_end_a_scrape(fmt: Format) -> None:
    """Half a surrogate pair is shown as a question mark."""
    rows = [(("vapi", "a1", "\ud83d", "x", "x", "x", "x"), 1)]
    assert 'assistant_name="?"' in scraped(filled(), fmt, None, [(ASSISTANT_INFO, rows)])


def _large(calls: int = 1500) -> SeriesTable:
    return filled(
        *((RESPONSE, ("vapi", f"a{number}"), number * NANO // 100) for number in range(calls)),
        *((CALLS_STARTED, ("vapi", f"a{number}"), number) for number in range(calls)),
        *((CALLS_ACTIVE, ("vapi", f"a{number}"), number) for number in range(calls)),
    )


@BOTH
def test_a_chunk_holds_a_bounded_number_of_whole_series(fmt: Format) -> None:
    """No chunk is much work, small families share one, and none ends within a series."""
    chunks = [chunk.decode() for chunk in render(_large(), fmt)]
    samples = [[line for line in chunk.splitlines() if not line.startswith("#")] for chunk in chunks]
    assert max(map(len, samples)) <= 2 * CHUNK_LINES
    assert min(map(len, chunks[:-2])) >= CHUNK_LENGTH
    for chunk in chunks:
        assert chunk.endswith("\n")
        assert chunk.count('le="0.25"') == chunk.count("voice_response_seconds_sum{")


@BOTH
def test_series_may_come_and_go_during_a_scrape(fmt: Format) -> None:
    """What a scrape shows stays readable, and every series that was there all the time is in it."""
    table = _large()
    chunks = []
    for place, chunk in enumerate(render(table, fmt)):
        chunks.append(chunk)
        labels = ("vapi", f"new{place}")
        increments: list[Increment] = [(RESPONSE, labels, NANO), (CALLS_STARTED, labels, 1), (CALLS_ACTIVE, labels, 1)]
        table.apply(table.resolve(increments, NOW + place * 86_400))
        table.expire(NOW + place * 86_400, lambda _, value: value.startswith("a"))
        if place == 2:
            table.expire(NOW + 86_400, lambda _, value: int(value.strip("anew")) < 1000)
    samples = parsed(b"".join(chunks).decode(), fmt)
    assert len(chunks) > 3
    for name in ("voice_response_seconds_count", "voice_calls_started_total", "voice_calls_started_created"):
        shown = {dict(labels)["assistant_id"] for sample, labels in samples if sample == name}
        assert shown >= {f"a{number}" for number in range(1000)}
    created = {labels for sample, labels in samples if sample == "voice_calls_started_created"}
    assert created == {labels for sample, labels in samples if sample == "voice_calls_started_total"}


def test_labels_of_a_computed_family_are_written_as_they_are() -> None:
    """A template's own signs in a label do no harm."""
    labels: Labels = ("vapi", "a1", "100%s \0 %d", "x", "x", "x", "x")
    samples = parsed(scraped(filled(), TEXT, None, [(ASSISTANT_INFO, [(labels, 1)])]), TEXT)
    assert samples["voice_assistant_info", frozenset(zip(ASSISTANT_INFO.labels, labels, strict=True))] == 1
