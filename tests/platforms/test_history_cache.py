"""What is taken out of a body because an earlier one brought it, and what never is."""

from typing import Any

import msgspec
import pytest

from exporter.errors import InvalidEvent
from exporter.events import Conversation, Cursor, Message
from exporter.platforms.history import RawHistory
from exporter.platforms.history_cache import HISTORY_CACHE
from exporter.platforms.interactly import INTERACTLY, wire
from exporter.platforms.interactly.messages import message

HELLO = {"messageId": "welcome-1", "role": "assistant", "timestamp": 1772702473000}


def said(number: int, **more: object) -> dict[str, object]:
    """A message of the user."""
    return {"messageId": f"user-{number}", "role": "user", "timestamp": 1772702473000 + number, **more}


def update(sent: list[Any], text: str = "Hello", **call: object) -> bytes:
    """A conversation-update of the welcome and what was said after it."""
    first = [{**HELLO, "text": text}] if sent else []
    body = {"timestamp": 1772702480281, "type": "conversation-update", "call": {"id": "WC-1", **call}}
    return msgspec.json.encode({"message": {**body, "messages": [*first, *sent]}})


def read(body: bytes, cursor: Cursor | None = None) -> tuple[list[Message], Cursor | None]:
    """What the conversation of a body has after the cursor."""
    (fact,) = INTERACTLY.parse(body).facts
    assert isinstance(fact, Conversation)
    return fact.history.since(cursor)


def keys(messages: list[Message]) -> list[int]:
    """What the messages are known by."""
    return [each.key for each in messages]


def whole(body: bytes) -> list[int]:
    """The messages' keys where nothing is recognised."""
    raw = msgspec.json.decode(body, type=wire.Body).message
    assert raw is not None
    return keys(RawHistory(raw.messages, wire.Messages, message).since(None)[0])


def test_only_what_is_new_is_decoded() -> None:
    """A body that repeats a conversation is cut, and gives the messages after the cursor."""
    _, cursor = read(update([said(1)], "new"))
    longer = update([said(1), said(2), said(3)], "new")
    assert HISTORY_CACHE.cut(longer) is not None
    fresh, _ = read(longer, cursor)
    assert keys(fresh) == whole(longer)[2:]


def test_cursor_is_the_same_whether_cut_or_not() -> None:
    """A cursor of a body that was cut recognises the conversation in one that was not, and the other way round."""
    body = update([said(1), said(2)], "cursor")
    _, uncut = read(body)
    _, cut = read(body)
    assert cut == uncut


def test_known_beginning_still_gives_everything_to_another_call() -> None:
    """A call that has no cursor gets all messages of a conversation that is known from another."""
    read(update([said(1)], "shared"))
    body = update([said(1), said(2)], "shared", id="WC-2")
    assert HISTORY_CACHE.cut(body) is not None
    assert keys(read(body)[0]) == whole(body)


def test_unchanged_conversation_has_nothing_new() -> None:
    """The same body again gives no message."""
    body = update([said(1)], "same")
    _, cursor = read(body)
    assert read(body, cursor) == ([], cursor)


def test_changed_beginning_is_read_again() -> None:
    """Where a message changed that was read before, nothing is cut."""
    _, cursor = read(update([said(1)], "changed"))
    body = update([said(1, skippedAssistantMessages=[]), said(2)], "changed")
    assert HISTORY_CACHE.cut(body) is None
    assert keys(read(body, cursor)[0]) == whole(body)


def test_array_elsewhere_is_not_taken_for_the_conversation() -> None:
    """A known conversation under another key of the body leaves the body's own conversation alone."""
    read(update([said(1)], "elsewhere"))
    body = update([said(8), said(9)], "own", messages=[{**HELLO, "text": "elsewhere"}, said(1)])
    assert HISTORY_CACHE.cut(body) is not None
    assert keys(read(body)[0]) == whole(body)


def test_text_that_looks_like_a_conversation_is_text() -> None:
    """What somebody says is never taken for the beginning of the conversation."""
    read(update([said(1)], "quoted"))
    quoted = msgspec.json.encode([{**HELLO, "text": "quoted"}, said(1)]).decode()
    body = update([said(1)], f'"messages":{quoted}')
    assert keys(read(body)[0]) == whole(body)


def test_other_events_are_never_cut() -> None:
    """A hang that carries a known conversation is measured whole."""
    read(update([said(1)], "hang"))
    hang = update([said(1), said(2)], "hang").replace(b"conversation-update", b"hang")
    assert HISTORY_CACHE.cut(hang) is None


def test_conversation_of_no_call_is_read_whole() -> None:
    """Without a call's id the conversation itself says which it is, so all of it is read."""
    body = update([said(1)], "anonymous", id=None)
    assert INTERACTLY.parse(body).call == INTERACTLY.parse(body).call is not None


def test_length_is_limited_across_updates() -> None:
    """A conversation that grows past any real one is refused, however little of it is new."""
    body = update([said(number) for number in range(9_990)], "long")
    read(body)
    longer = update([said(number) for number in range(10_010)], "long")
    assert HISTORY_CACHE.cut(longer) is not None
    with pytest.raises(InvalidEvent, match="more than"):
        INTERACTLY.parse(longer)
