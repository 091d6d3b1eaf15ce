"""States to bytes and back, across releases.

A record is one byte, the layout, and a MessagePack map of field numbers to values, without fields that have their
default. A record with a platform is a whole state; one without holds what a batch changed, and is merged into those
before it. `CallState` and `AssistantState` say which number a field has.

To change a state: give a new field a new number and a default, never use a number again, increase `LAYOUT`, teach
`_upgraded` what older records lack, and add a golden record to the tests. An older release then refuses the records of
a newer one instead of dropping what it does not know.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from sys import intern
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from exporter.calls.overlay import Overlay
from exporter.calls.state import AssistantState, CallState, OpenHang, OpenHangs, Seen
from exporter.errors import StorageError
from exporter.events import identity

LAYOUT: Final = 2
"""Of the records that are written. Those of layout 1 do not name it: they are arrays by position."""

_LAYOUTS: Final = range(LAYOUT, LAYOUT + 1)
_ARRAY: Final = 0x80
"""Records of layout 1 begin with it or a higher byte."""
_NIL: Final = msgspec.Raw(msgspec.msgpack.encode(None))
_LABELS: Final = (
    "platform",
    "assistant",
    "llm_provider",
    "llm_model",
    "stt_provider",
    "tts_provider",
    "call_type",
    "direction",
    "ending",
)
_Keys: TypeAlias = dict[int | str, msgspec.Raw]
_T = TypeVar("_T")


def _from_overlay(value: object) -> object:
    if isinstance(value, Overlay):
        return dict(value.items())
    raise NotImplementedError(f"no state holds a {type(value).__name__}")


def _to_overlay(kind: type, value: dict[int, Any]) -> object:
    if kind is Seen:
        return Seen(value)
    return OpenHangs(msgspec.convert(value, dict[int, OpenHang]))


_NUMBERS: Final = {field.name: field.encode_name for field in msgspec.structs.fields(CallState)}
_PLATFORM: Final = _NUMBERS["platform"]
_MERGED: Final = frozenset(_NUMBERS[name] for name in ("seen", "hangs", "totals"))
"""Fields of which a record holds the keys that changed, nil where one was removed."""
_encode: Final = msgspec.msgpack.Encoder(enc_hook=_from_overlay).encode
_decode_call: Final = msgspec.msgpack.Decoder(CallState, dec_hook=_to_overlay).decode
_decode_assistant: Final = msgspec.msgpack.Decoder(AssistantState).decode
_decode_fields: Final = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode
_decode_keys: Final = msgspec.msgpack.Decoder(_Keys).decode


def encode(value: object) -> bytes:
    """A whole state, or what else is kept beside them."""
    return bytes((LAYOUT,)) + _encode(value)


def encode_change(before: CallState, after: CallState) -> bytes | None:
    """What differs between two states of a call, for `merge`; None where that is the time of the last event alone."""
    changed: dict[str, object] = {}
    old, new = msgspec.structs.astuple(before), msgspec.structs.astuple(after)
    for number, was, now in zip(_NUMBERS.values(), old, new, strict=True):
        if now is was:
            continue
        if isinstance(now, Overlay):
            if now.changes:
                changed[number] = now.changes
        elif now != was:
            changed[number] = {k: v for k, v in now.items() if was.get(k) != v} if number in _MERGED else now
    return encode(changed) if changed.keys() - {_NUMBERS["last_event"]} else None


def decode_call(record: bytes) -> CallState:
    """The state of a call.

    Raises:
        StorageError: this release can't read it.
    """
    state = _decoded(record, _decode_call, _upgraded_call)
    for name in _LABELS:
        setattr(state, name, intern(getattr(state, name)))
    state.statuses = _same(state.statuses)
    return state


def decode_assistant(record: bytes) -> AssistantState:
    """The state of an assistant.

    Raises:
        StorageError: this release can't read it.
    """
    return _decoded(record, _decode_assistant, _numbered)


def decode_as(kind: type[_T], record: bytes) -> _T:
    """What else was encoded, of a type that has not changed since layout 1.

    Raises:
        StorageError: this release can't read it.
    """
    return _decoded(record, msgspec.msgpack.Decoder(kind).decode, lambda value: value)


def merge(records: Sequence[bytes]) -> bytes:
    """The records of one call as one, given in their order. The first need not be a whole state.

    Raises:
        StorageError: this release can't read one of them.
    """
    merged: dict[str, msgspec.Raw] = {}
    keys: dict[str, _Keys] = {}
    for record in records:
        fields = _decoded(record, _decode_fields, _upgraded_call)
        if _PLATFORM in fields:
            merged, keys = {}, {}
        for number in _MERGED & fields.keys():
            keys.setdefault(number, {}).update(_decode_keys(fields.pop(number)))
        merged |= fields
    if _PLATFORM in merged:
        keys = {number: {key: raw for key, raw in some.items() if raw != _NIL} for number, some in keys.items()}
    return encode(merged | keys)


def _decoded(record: bytes, decode: Callable[[bytes], _T], upgraded: Callable[[Any], object]) -> _T:
    layout = record[0] if record else 0
    try:
        if layout >= _ARRAY:
            return decode(_encode(upgraded(msgspec.msgpack.decode(record))))
        if layout in _LAYOUTS:
            return decode(record[1:])
    except (msgspec.MsgspecError, TypeError, ValueError, IndexError):
        raise StorageError(f"a state of layout {min(layout, LAYOUT)} can't be read: {_REMEDY}") from None
    raise StorageError(f"the states have layout {layout}, this release knows {LAYOUT}: {_REMEDY}")


_REMEDY: Final = "start the release that wrote them, or choose another directory"


def _numbered(state: list[Any]) -> dict[str, Any]:
    """A state of layout 1: numbers were positions."""
    return {str(number): value for number, value in enumerate(state)}


def _upgraded_call(state: list[Any]) -> dict[str, Any]:
    """A call of layout 1: open hangs had no keys, and 27 was a digest of its conversation."""
    fields = _numbered(state)
    fields[_NUMBERS["hangs"]] = {identity("hang", hang[0]): hang for hang in fields[_NUMBERS["hangs"]]}
    fields.pop("27", None)
    return fields


@lru_cache(1024)
def _same(statuses: tuple[str, ...]) -> tuple[str, ...]:
    """The same object for the same statuses: there are few of them, and many calls."""
    return statuses
