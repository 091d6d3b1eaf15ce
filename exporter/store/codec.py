"""Values to bytes and back: MessagePack, with a checksum that a changed byte or a swapped row can't pass.

MessagePack ends at 64 bits. A number beyond is written as its decimal digits, and digits are read as a number, so that
no sum is too large to be kept.
"""

import zlib
from typing import TypeAlias

import msgspec

from exporter.errors import StoreLost
from exporter.store.base import Batch, StoredSeries

Row: TypeAlias = tuple[int | bytes, ...]
"""A row of any table: its numbers, their key first, then the checksum, then the blob."""

_encoder = msgspec.msgpack.Encoder()
_batches = msgspec.msgpack.Decoder(Batch, strict=False)
_series = msgspec.msgpack.Decoder(list[StoredSeries], strict=False)


def pack(value: Batch | list[StoredSeries]) -> bytes:
    """Encode a batch or some series."""
    try:
        return _encoder.encode(value)
    except OverflowError:
        return _encoder.encode(_digits(msgspec.to_builtins(value, builtin_types=(bytes,))))


def unpack_batch(blob: bytes) -> Batch:
    """Decode a batch.

    Raises:
        StoreLost: these bytes are none.
    """
    try:
        return _batches.decode(blob)
    except msgspec.MsgspecError:
        raise StoreLost("the database holds a batch that can't be read") from None


def unpack_series(blob: bytes) -> list[StoredSeries]:
    """Decode some series.

    Raises:
        StoreLost: these bytes are none.
    """
    try:
        return _series.decode(blob)
    except msgspec.MsgspecError:
        raise StoreLost("the database holds series that can't be read") from None


def sealed(blob: bytes, *numbers: int) -> Row:
    """A row with its checksum."""
    return *numbers, _checksum(blob, numbers), blob


def opened(row: tuple[object, ...]) -> bytes:
    """The blob of a row that was read.

    Raises:
        StoreLost: the row is not the one that was written.
    """
    *numbers, checksum, blob = row
    if not isinstance(blob, bytes) or _checksum(blob, tuple(numbers)) != checksum:
        raise StoreLost("the database holds a row that does not match its checksum")
    return blob


def _checksum(blob: bytes, numbers: tuple[object, ...]) -> int:
    return zlib.crc32(blob, zlib.crc32(repr(numbers).encode()))


def _digits(value: object) -> object:
    """The same value with every number beyond 64 bits as text."""
    match value:
        case int():
            return value if -(2**63) <= value < 2**64 else str(value)
        case list() | tuple():
            return [_digits(item) for item in value]
        case dict():
            return {key: _digits(item) for key, item in value.items()}
        case _:
            return value
