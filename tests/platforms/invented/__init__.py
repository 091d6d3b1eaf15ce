"""A third platform, which exists in the tests only: what adding one takes."""

from typing import Any, Final

from msgspec import Struct

from exporter.errors import InvalidEvent
from exporter.events import OTHER, Assistant, Ended, Event, Fact, Status, identity
from exporter.platforms.history_cache import HistoryCache
from exporter.platforms.json_decoding import decode, decoded
from exporter.platforms.platform import Platform
from exporter.platforms.values import Values, label, text

_EVENTS: Final = frozenset({"begun", "over", "may-i"})


class _Body(Struct):
    invented: Any = None
    at: Any = None
    talk: Any = None
    bot: Any = None


def _parse(body: bytes, _: HistoryCache | None) -> Event:
    raw, rejected = decode(body, _Body)
    if not isinstance(raw.invented, str):
        raise InvalidEvent("invented is missing")
    kind = raw.invented if raw.invented in _EVENTS else OTHER
    facts: dict[str, tuple[Fact, ...]] = {
        "begun": (Status("ongoing"),),
        "over": (Ended("ok", "customer", "customer_ended", "none"),),
    }
    return Event(
        platform="invented",
        kind=kind,
        call=identity("invented", text(raw.talk)),
        call_id=text(raw.talk),
        time_ms=Values().time_ms(raw.at),
        assistant=Assistant(id=label(raw.bot)),
        facts=facts.get(kind, ()),
        rejected=rejected,
        needs_answer=kind == "may-i",
    )


def _recognises(body: bytes) -> bool:
    return (decoded(body, _Body) or _Body()).invented is not None


INVENTED: Final = Platform(
    name="invented",
    secret_headers=("x-invented-secret",),
    events=_EVENTS,
    counted=_EVENTS - {"may-i"},
    needs_answer=frozenset({"may-i"}),
    colour="#009E73",
    decode=_parse,
    recognises=_recognises,
)
