"""What is taken out of a body because an earlier one brought it, and what never is."""

import json
from typing import Any, Final

import msgspec
import pytest

from exporter.errors import InvalidEvent
from exporter.events import Conversation, Event
from exporter.platforms.history_cache import HistoryCache
from exporter.platforms.interactly import INTERACTLY
from exporter.platforms.platform import Platform
from exporter.platforms.vapi import VAPI

HELLO: Final = {"messageId": "welcome-1", "role": "assistant", "timestamp": 1772702473000, "time": 1772702473000}
each_platform: Final = pytest.mark.parametrize("platform", [INTERACTLY, VAPI], ids=lambda platform: platform.name)


def said(number: int, **more: object) -> dict[str, object]:
    """A message of the user, in the words of both platforms."""
    time = 1772702473000 + number
    return {"messageId": f"user-{number}", "role": "user", "timestamp": time, "time": time, **more}


def reply(to: int) -> dict[str, object]:
    """The assistant's reply to a message."""
    return said(to, messageId=f"user-{to}-x-1", role="assistant")


def update(sent: list[Any], text: str = "Hello", **call: object) -> dict[str, Any]:
    """A conversation-update of the welcome and what was said after it."""
    first = [{**HELLO, "text": text}] if sent else []
    body = {"timestamp": 1772702480281, "type": "conversation-update", "call": {"id": "WC-1", **call}}
    return {"message": {**body, "messages": [*first, *sent]}}


def encoded(body: object) -> bytes:
    """A body without needless white space."""
    return msgspec.json.encode(body)


def told(event: Event) -> list[int]:
    """What the messages of an event are known by."""
    (fact,) = event.facts
    assert isinstance(fact, Conversation)
    return [message.key for message in fact.messages]


def knowing(platform: Platform, *bodies: bytes) -> HistoryCache:
    """A cache of what these bodies brought, counted."""
    cache = HistoryCache()
    for body in bodies:
        cache.remember(platform.parse(body, cache))
    return cache


@each_platform
def test_only_what_is_new_is_decoded(platform: Platform) -> None:
    """A body that repeats a counted conversation gives the messages after it, and no others, from one to the next."""
    cache = knowing(platform, encoded(update([said(1)])))
    for number in range(2, 6):
        body = encoded(update([said(each) for each in range(1, number + 1)]))
        event = platform.parse(body, cache)
        assert told(event) == told(platform.parse(body))[-1:]
        cache.remember(event)


@each_platform
def test_only_what_is_durable_is_known(platform: Platform) -> None:
    """A body that was read but not kept leaves nothing behind: the next one is read whole."""
    cache = HistoryCache()
    platform.parse(encoded(update([said(1)])), cache)
    longer = encoded(update([said(1), said(2)]))
    assert told(platform.parse(longer, cache)) == told(platform.parse(longer))


@each_platform
@pytest.mark.parametrize("indent", [None, 0, 1, 4])
def test_white_space_does_not_matter(platform: Platform, indent: int | None) -> None:
    """However a sender writes its JSON, what it repeats is recognised."""

    def written(*numbers: int) -> bytes:
        return json.dumps(update([said(number) for number in numbers]), indent=indent).encode()

    cache = knowing(platform, written(1))
    # json.dumps ends the array in white space that the longer one does not repeat.
    body = written(1, 2, 3)
    assert cache.cut(body) is not None
    assert told(platform.parse(body, cache)) == told(platform.parse(body))[-2:]


@each_platform
def test_conversation_of_another_call_is_read_whole(platform: Platform) -> None:
    """Two calls that begin with the same bytes are two conversations."""
    cache = knowing(platform, encoded(update([said(1)])))
    body = encoded(update([said(1), said(2)], id="WC-2"))
    assert cache.cut(body) is not None
    assert told(platform.parse(body, cache)) == told(platform.parse(body))


@each_platform
def test_unchanged_conversation_has_nothing_new(platform: Platform) -> None:
    """The same body again gives no message."""
    body = encoded(update([said(1)]))
    assert told(platform.parse(body, knowing(platform, body))) == []


@each_platform
def test_shorter_conversation_is_read_whole(platform: Platform) -> None:
    """An update that comes late does not have all that is known."""
    cache = knowing(platform, encoded(update([said(1), said(2)])))
    body = encoded(update([said(1)]))
    assert told(platform.parse(body, cache)) == told(platform.parse(body))


@each_platform
def test_changed_beginning_is_read_again(platform: Platform) -> None:
    """Where a message changed that was read before, nothing is cut."""
    cache = knowing(platform, encoded(update([said(1)])))
    body = encoded(update([said(1, skippedAssistantMessages=[]), said(2)]))
    assert cache.cut(body) is None
    assert told(platform.parse(body, cache)) == told(platform.parse(body))


@each_platform
def test_array_elsewhere_is_not_taken_for_the_conversation(platform: Platform) -> None:
    """A known conversation under another key of the body leaves the body's own conversation alone."""
    cache = knowing(platform, encoded(update([said(1)], "elsewhere")))
    body = encoded(update([said(8), said(9)], "own", messages=[{**HELLO, "text": "elsewhere"}, said(1)]))
    assert cache.cut(body) is not None
    assert told(platform.parse(body, cache)) == told(platform.parse(body))


@each_platform
def test_text_that_looks_like_a_conversation_is_text(platform: Platform) -> None:
    """What somebody says is never taken for the beginning of the conversation."""
    cache = knowing(platform, encoded(update([said(1)], "quoted")))
    quoted = encoded([{**HELLO, "text": "quoted"}, said(1)]).decode()
    body = encoded(update([said(1)], f'"messages":{quoted}'))
    assert told(platform.parse(body, cache)) == told(platform.parse(body))


@each_platform
def test_other_events_are_never_cut(platform: Platform) -> None:
    """A hang that carries a known conversation is measured whole, whatever it is called elsewhere in the body."""
    body = update([said(1)])
    cache = knowing(platform, encoded(body))
    body["message"] = {"assistant": {"serverMessages": ["conversation-update"]}, **body["message"], "type": "hang"}
    assert cache.cut(encoded(body)) is None


@each_platform
def test_conversation_of_no_call_is_read_whole(platform: Platform) -> None:
    """Without a call's id the conversation itself says which it is, so all of it is read."""
    body = encoded(update([said(1)], id=None))
    cache = knowing(platform, body)
    assert cache.cut(body) is None
    assert platform.parse(body, cache).call == platform.parse(body).call is not None


def test_reply_brings_the_message_that_it_answers() -> None:
    """One of the user's latest two messages is remembered; for an older one all is read again."""
    talk = [said(number) for number in range(1, 5)]
    cache = knowing(INTERACTLY, encoded(update(talk)))
    for number in (3, 4):
        (fact,) = INTERACTLY.parse(encoded(update([*talk, reply(number)])), cache).facts
        assert isinstance(fact, Conversation)
        assert [(len(fact.messages), turn.time_ms) for turn in fact.earlier] == [(1, said(number)["timestamp"])]
    old = encoded(update([*talk, reply(1)]))
    assert told(INTERACTLY.parse(old, cache)) == told(INTERACTLY.parse(old))


@each_platform
def test_length_is_limited_across_updates(platform: Platform) -> None:
    """A conversation that grows past any real one is refused, however little of it is new."""
    cache = knowing(platform, encoded(update([said(number) for number in range(9_990)])))
    longer = encoded(update([said(number) for number in range(10_010)]))
    assert cache.cut(longer) is not None
    with pytest.raises(InvalidEvent, match="more than"):
        platform.parse(longer, cache)


@each_platform
def test_what_is_no_json_is_refused_as_without_a_cache(platform: Platform) -> None:
    """Behind a known beginning, too, a body is judged when it is parsed."""
    cache = knowing(platform, encoded(update([said(1)])))
    body = encoded(update([said(1), said(2)])).replace(b'"user-2"', b"user-2").replace(b'"role":"user"', b'"role":user')
    assert cache.cut(encoded(update([said(1), said(2)]))) is not None
    with pytest.raises(InvalidEvent):
        platform.parse(body, cache)
    with pytest.raises(InvalidEvent):
        platform.parse(body[:-40], cache)
