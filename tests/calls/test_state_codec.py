"""States as they are kept: what older releases wrote is read, what newer ones wrote is refused, changes add up."""

import hashlib
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.calls import state_codec
from exporter.calls.incident import Incident
from exporter.calls.state import (
    ANSWERED,
    COUNTED,
    FIRST,
    AssistantState,
    CallState,
    OpenHang,
    OpenHangs,
    Seen,
    Sequel,
    SpeechMark,
    ToolMark,
)
from exporter.errors import StorageError
from exporter.events import UserTurn, identity

FULL = CallState(
    platform="vapi",
    assistant="a1",
    llm_provider="openai",
    llm_model="gpt-4o",
    stt_provider="deepgram",
    tts_provider="11labs",
    call_type="web",
    direction="inbound",
    opened=True,
    started=True,
    ending="ended",
    expired=True,
    hung=True,
    statuses=("queued", "ongoing"),
    seen=Seen({1: COUNTED, -5: COUNTED | FIRST | 3, 2**63 - 1: ANSWERED}),
    live=5,
    reported=6,
    messages=7,
    errors=8,
    totals={"duration": 1, "cost:llm": 2**40},
    retryable={"llm_error": 2},
    escalated=("llm_error",),
    hangs=OpenHangs(
        {identity("hang", 1000): OpenHang(1000, "openai"), identity("hang", None): OpenHang(None, "unknown")}
    ),
    sequels=(Sequel(2000, "recovered"),),
    speech=(SpeechMark(3000, 1),),
    tools={9: ToolMark(4000, "book", False)},  # noqa: FBT003 - positional as on disk
    user=UserTurn(11, 12, None, 14),
    last_event=1.5e9,
)
ASSISTANT = AssistantState(
    platform="vapi",
    id="a1",
    name="Ada",
    llm_provider="openai",
    llm_model="gpt-4o",
    stt_provider="deepgram",
    tts_provider="11labs",
    subscribed=("hang", "status-update"),
    time_ms=1234,
    introduced=True,
    last_event=1.5e9,
)
INCIDENT = Incident(
    id=1,
    kind="hang",
    severity="high",
    component="llm",
    provider="openai",
    model="gpt-4o",
    what="llm_error",
    code="timeout",
    cause="not_retryable",
    messages=4,
    outcome="recovered",
    recovery_ms=5900,
    platform="vapi",
    assistant="a1",
    call_id="c1",
    time_ms=1000,
    received=1.5e9,
    settled=1.5e9 + 6,
    number=7,
)
GOLDEN_CALLS = {
    1: "dc001da476617069a26131a66f70656e6169a66770742d346fa8646565706772616da631316c616273a3776562a7696e626f756e64c3c3"
    "a5656e646564c3c392a6717565756564a76f6e676f696e678301ce01000000fbce03000003cf7fffffffffffffffce0400000005060708"
    "82a86475726174696f6e01a8636f73743a6c6c6dcf000001000000000081a96c6c6d5f6572726f720291a96c6c6d5f6572726f729292cd"
    "03e8a66f70656e616992c0a7756e6b6e6f776e9192cd07d0a97265636f76657265649192cd0bb801810993cd0fa0a4626f6f6bc2940b0c"
    "c00e82a66c656e67746864a6646967657374cf8000000000000005cb41d65a0bc0000000",
    2: "02de001ca130a476617069a131a26131a132a66f70656e6169a133a66770742d346fa134a8646565706772616da135a631316c616273a1"
    "36a3776562a137a7696e626f756e64a138c3a139c3a23130a5656e646564a23131c3a23132c3a2313392a6717565756564a76f6e676f69"
    "6e67a2313483fbce0300000301ce01000000cf7fffffffffffffffce04000000a2313505a2313606a2313707a2313808a2313982a86475"
    "726174696f6e01a8636f73743a6c6c6dcf0000010000000000a2323081a96c6c6d5f6572726f7202a2323191a96c6c6d5f6572726f72a2"
    "323282cf4bdfa8df38a3f64592cd03e8a66f70656e6169cf62592293f0b2e3cd92c0a7756e6b6e6f776ea232339192cd07d0a97265636f"
    "7665726564a232349192cd0bb801a23235810993cd0fa0a4626f6f6bc2a23236940b0cc00ea23238cb41d65a0bc0000000",
}
GOLDEN_INCIDENTS = {
    2: "02dc001301a468616e67a468696768a36c6c6da66f70656e6169a66770742d346fa96c6c6d5f6572726f72a774696d656f7574ad6e6f"
    "745f726574727961626c6504a97265636f7665726564cd170ca476617069a26131a26331cd03e8cb41d65a0bc0000000cb41d65a0bc1"
    "80000007",
}
GOLDEN_ASSISTANTS = {
    1: "9ba476617069a26131a3416461a66f70656e6169a66770742d346fa8646565706772616da631316c61627392a468616e67"
    "ad7374617475732d757064617465cd04d2c3cb41d65a0bc0000000",
    2: "028ba130a476617069a131a26131a132a3416461a133a66f70656e6169a134a66770742d346fa135a8646565706772616da136a631316c"
    "616273a13792a468616e67ad7374617475732d757064617465a138cd04d2a139c3a23130cb41d65a0bc0000000",
}
LAYOUTS = {2: "a75bcc48fe8ef09c"}
"""What each layout's fields are, as a digest. A change of them is a new layout, with a golden record of its own."""


@pytest.mark.parametrize("layout", GOLDEN_CALLS)
def test_calls_of_every_layout(layout: int) -> None:
    """What a release with that layout wrote is read, complete."""
    assert state_codec.decode_call(bytes.fromhex(GOLDEN_CALLS[layout])) == FULL


@pytest.mark.parametrize("layout", GOLDEN_ASSISTANTS)
def test_assistants_of_every_layout(layout: int) -> None:
    """What a release with that layout wrote is read, complete."""
    assert state_codec.decode_assistant(bytes.fromhex(GOLDEN_ASSISTANTS[layout])) == ASSISTANT


@pytest.mark.parametrize("layout", GOLDEN_INCIDENTS)
def test_incidents_of_every_layout(layout: int) -> None:
    """What a release with that layout wrote is read, complete."""
    assert state_codec.decode_as(Incident, bytes.fromhex(GOLDEN_INCIDENTS[layout])) == INCIDENT


def test_the_golden_records_are_complete() -> None:
    """They hold every field, and the current layout is what is written."""
    assert {*GOLDEN_CALLS} == {*GOLDEN_ASSISTANTS} == {*range(1, state_codec.LAYOUT + 1)}
    assert state_codec.encode(FULL).hex() == GOLDEN_CALLS[state_codec.LAYOUT]
    assert state_codec.encode(ASSISTANT).hex() == GOLDEN_ASSISTANTS[state_codec.LAYOUT]
    assert state_codec.encode(INCIDENT).hex() == GOLDEN_INCIDENTS[state_codec.LAYOUT]
    default = CallState("interactly")
    left = [name for name in CallState.__struct_fields__ if getattr(FULL, name) == getattr(default, name)]
    assert not left


def test_a_field_that_changes_is_a_new_layout() -> None:
    """Whoever changes what is kept has to say how older records are read (`exporter.calls.state_codec`)."""
    kept = (CallState, AssistantState, OpenHang, Sequel, SpeechMark, ToolMark, UserTurn, Incident)
    fields = [(kind.__name__, f.encode_name, str(f.type)) for kind in kept for f in msgspec.structs.fields(kind)]
    # Where a type is defined says nothing of what is kept.
    digest = hashlib.sha256(re.sub(r"exporter\.[a-z.]+", "", repr(fields)).encode()).hexdigest()[:16]
    assert digest == LAYOUTS[state_codec.LAYOUT], "raise LAYOUT, add a golden record, and this digest"


def test_usage_of_every_layout() -> None:
    """When label values were last used is read as well."""
    usage = {"model": {"gpt-4o": 1.5e9}}
    kind = dict[str, dict[str, float]]
    assert state_codec.decode_as(kind, msgspec.msgpack.encode(usage)) == usage
    assert state_codec.decode_as(kind, state_codec.encode(usage)) == usage


@pytest.mark.parametrize(
    "decode",
    [
        state_codec.decode_call,
        state_codec.decode_assistant,
        lambda record: state_codec.decode_as(Incident, record),
        lambda record: state_codec.merge([record]),
    ],
)
def test_a_newer_release(decode: Any) -> None:  # noqa: ANN401 - one of several functions
    """A record of a newer layout is refused in one line that says what to do."""
    newer = bytes((state_codec.LAYOUT + 1,)) + msgspec.msgpack.encode({"0": "vapi", "1": "a1"})
    with pytest.raises(StorageError, match=r"^the states have layout 3, this release knows 2: start the release that"):
        decode(newer)


@pytest.mark.parametrize("decode", [state_codec.decode_call, state_codec.decode_assistant])
@pytest.mark.parametrize(
    "damage", [b"", b"\x02", b"\x02\xc1", b"\x00", b"\x9b\x01", b"\xc1", b"\x02\x82\xa10\xa1v\xa299\x01"]
)
def test_something_else(decode: Any, damage: bytes) -> None:  # noqa: ANN401 - one of several functions
    """What is no state, or has a field that nobody here knows, is one line as well."""
    with pytest.raises(StorageError, match=r"start the release that wrote them, or choose another directory$"):
        decode(damage)


KEYS = st.integers(0, 8)
STEPS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "seen": st.dictionaries(KEYS, st.integers(1, 2**26), max_size=3),
            "hangs": st.dictionaries(
                KEYS, st.none() | st.builds(OpenHang, st.integers(0, 9), st.just("openai")), max_size=3
            ),
            "totals": st.dictionaries(st.sampled_from("abc"), st.integers(1, 2**60), max_size=2),
            "tools": st.dictionaries(KEYS, st.builds(ToolMark, st.integers(0, 9), st.just("book"), st.booleans())),
            "messages": st.integers(0, 5),
            "user": st.none() | st.builds(UserTurn, KEYS, st.none(), st.none(), st.none()),
            "last_event": st.floats(0, 2e9),
            "ending": st.sampled_from(["", "ended"]),
        },
    ),
    max_size=8,
)


def changed(state: CallState, step: dict[str, Any]) -> CallState:
    """The state after a step, made as the fold makes it."""
    fields = {name: value for name, value in step.items() if name not in {"seen", "hangs", "totals"}}
    after = msgspec.structs.replace(state, seen=state.seen.fork(), hangs=state.hangs.fork(), **fields)
    for key, mask in step.get("seen", {}).items():
        after.seen[key] = mask
    for key, opened in step.get("hangs", {}).items():
        if opened is not None:
            after.hangs[key] = opened
        elif key in after.hangs:
            del after.hangs[key]
    after.totals = {**after.totals, **step.get("totals", {})}
    return after


@given(steps=STEPS, joints=st.sets(st.integers(0, 8)), begin=st.sampled_from([FULL, CallState("vapi")]))
def test_changes_add_up(steps: list[dict[str, Any]], joints: set[int], begin: CallState) -> None:
    """A state is what its records come to, however they are merged on the way."""
    state = state_codec.decode_call(state_codec.encode(begin))
    records = [state_codec.encode(state)]
    for number, step in enumerate(steps):
        after = changed(state, step)
        if (record := state_codec.encode_change(state, after)) is not None:
            records.append(record)
        else:
            assert msgspec.structs.replace(after, last_event=state.last_event) == state
            after.last_event = state.last_event
        after.seen.settle()
        after.hangs.settle()
        state = after
        if number in joints:
            # As a checkpoint does: the newest ones first, without the whole state before them.
            records[1:] = [state_codec.merge(records[1:])] if len(records) > 2 else records[1:]
    assert state_codec.decode_call(state_codec.merge(records)) == state


def test_a_fork_leaves_the_state_before_alone() -> None:
    """What an event changes of seen keys or open hangs is not in the state that it began with."""
    before = Seen({1: COUNTED})
    after = before.fork()
    after[2] = COUNTED
    after[1] = FIRST
    del after[2]
    assert (dict(before.items()), len(before), dict(after.items()), len(after)) == ({1: COUNTED}, 1, {1: FIRST}, 1)
    after.settle()
    empty = Seen()
    another = empty.fork()
    another[3] = COUNTED
    another.settle()
    assert len(empty) == 0
    assert 3 not in empty
    assert another.get(3, 0) == COUNTED
