"""Tool calls: from the message that asks for a tool to the one that brings its result."""

from exporter.calls.state import COUNTED, ToolMark
from exporter.calls.step import Step
from exporter.events import UNKNOWN, ToolsAnswered, ToolUse
from exporter.metrics import catalogue as m
from exporter.metrics.metric import NANO

_KEPT = 64
"""Tool calls without a result that a call may have; more are no conversation."""


def tool(step: Step, use: ToolUse, time_ms: int | None) -> None:
    """Count the time from a tool call to its result, once both are known, whichever comes first.

    Called for a message of a conversation, whose update has made ``seen`` and ``tools`` its own.
    """
    if time_ms is None or step.state.seen.get(use.key, 0) & COUNTED:
        return
    tools = step.state.tools
    mark, other = ToolMark(time_ms, use.tool, use.result), tools.get(use.key)
    if other is None or other.result == use.result:
        tools.setdefault(use.key, mark)
        if len(tools) > _KEPT:
            del tools[next(iter(tools))]
        return
    del tools[use.key]
    step.state.seen[use.key] = COUNTED
    asked, answered = (other, mark) if use.result else (mark, other)
    if answered.time_ms < asked.time_ms:
        step.add_to(m.REJECTED_VALUES, (step.state.platform, "tool", "negative"))
        return
    waited = (answered.time_ms - asked.time_ms) * (NANO // 1000)
    step.add(m.TOOL_CALL, asked.tool or answered.tool or UNKNOWN, amount=waited)


def tools_answered(step: Step, fact: ToolsAnswered) -> None:
    """Count what the application took for tool calls, those that no conversation has measured yet."""
    seen = step.state.seen
    new = {use.key: use for use in fact.uses if not seen.get(use.key, 0) & COUNTED}
    if not new or step.is_full("tool"):
        return
    step.state.seen = seen.fork()
    for key in new:
        step.state.seen[key] = COUNTED
    step.state.tools = {key: mark for key, mark in step.state.tools.items() if key not in new}
    for use in new.values():
        step.add(m.TOOL_CALL, use.tool or UNKNOWN, amount=fact.seconds)
