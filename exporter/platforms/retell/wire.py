"""The fields of Retell's payloads that are measured. Numbers are taken as they come and judged later."""

from typing import Any

from msgspec import Struct

from exporter.platforms.json_decoding import Listed


class _Wire(Struct, gc=False):
    pass


class Stage(_Wire):
    values: Listed[Any] | None = None


class Latency(_Wire):
    e2e: Stage | None = None
    llm: Stage | None = None
    tts: Stage | None = None
    asr: Stage | None = None


class ProductCost(_Wire):
    product: Any = None
    cost: Any = None


class CallCost(_Wire):
    combined_cost: Any = None
    product_costs: Listed[ProductCost] | None = None


class CallAnalysis(_Wire):
    call_successful: Any = None


class Utterance(_Wire):
    role: Any = None
    tool_call_id: Any = None
    name: Any = None
    time_sec: Any = None


class Call(_Wire):
    call_id: Any = None
    agent_id: Any = None
    agent_name: Any = None
    call_type: Any = None
    direction: Any = None
    call_status: Any = None
    start_timestamp: Any = None
    end_timestamp: Any = None
    duration_ms: Any = None
    disconnection_reason: Any = None
    latency: Latency | None = None
    call_cost: CallCost | None = None
    call_analysis: CallAnalysis | None = None
    transcript_object: Listed[Utterance] | None = None
    transcript_with_tool_calls: Listed[Utterance] | None = None


class Body(_Wire):
    event: Any = None
    call: Call | None = None
    data: Call | None = None
