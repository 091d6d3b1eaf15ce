"""Interactly's assistant object, as full as each event shows it."""

from functools import cache
from typing import Final

from exporter.simulate import cast
from exporter.simulate.model import Assistant, Body

_EVENTS: Final = ("conversation-update", "status-update", "end-of-call-report", "hang", "error")


def named(assistant: Assistant) -> Body:
    """What the end-of-call report and speech errors show."""
    return {"_id": assistant.id, "name": assistant.name}


def opening(assistant: Assistant) -> Body:
    """What the status update of a call just created shows."""
    return {**named(assistant), "welcomeMessage": cast.welcome(assistant)}


@cache
def brief(assistant: Assistant) -> Body:
    """What conversation updates show."""
    return {
        **opening(assistant),
        "assistantProvider": assistant.llm_provider,
        "assistantModel": assistant.llm_model,
    }


@cache
def prompted(assistant: Assistant) -> Body:
    """What hangs and LLM errors show."""
    return {
        **brief(assistant),
        "assistantSystemPrompt": cast.prompt(assistant),
        "assistantTemperature": 0,
        "assistantMaxTokens": 256,
    }


@cache
def full(assistant: Assistant) -> Body:
    """What the status update of a queued call shows: everything, secrets included."""
    return {
        **opening(assistant),
        "welcomeMessageMode": "automatic",
        "welcomeMessageInterruptionsEnabled": False,
        "endCallMessage": "",
        "endCallToolDescription": "",
        "endCallPhrases": ["Goodbye", "Bye"],
        "bargeInEnabled": True,
        "callForwardData": [],
        "assistantKnowledgeBaseIds": [],
        "assistantToolIds": [],
        "assistantProvider": assistant.llm_provider,
        "assistantModel": assistant.llm_model,
        "assistantLLMUrl": "",
        "assistantSystemPrompt": cast.prompt(assistant),
        "assistantTemperature": 0,
        "assistantMaxTokens": 256,
        "assistantResponseSplitter": "",
        "assistantBackchannelingEnabled": False,
        "assistantAnalysis": _analysis(),
        "assistantServer": {
            "enabled": True,
            "url": "https://voice-exporter.example/webhook/interactly",
            "timeoutSeconds": 20,
            "secret": "an-invented-secret",
            "headers": {"Authorization": "Bearer an-invented-token"},
            "messages": list(_EVENTS),
        },
        "config": {"speech": _speech(assistant)},
    }


def _analysis() -> Body:
    step: Body = {"enabled": True, "provider": "", "model": "", "timeoutInSecs": 30}
    return {
        "summary": {**step, "prompt": "You are an expert note-taker. Summarize the call in 2-3 sentences."},
        "successEvaluation": {
            **step,
            "prompt": "You are an expert call evaluator. Determine if the call was successful.",
            "rubric": "DescriptiveScale",
            "rubricDescription": "A scale of Excellent, Good, Fair, Poor.",
        },
        "structuredData": {
            **step,
            "prompt": "You are an expert data extractor. Extract structured data per the JSON Schema.",
            "schema": {"type": "object", "properties": {"Name": {"type": "string"}}, "required": ["Name"]},
        },
        "guardrails": {**step, "enabled": False, "prompt": "", "metrics": []},
        "phiRedaction": {**step, "prompt": ""},
        "callbackUrl": "http://127.0.0.1:8506/internal/v1/conversations/analysis",
    }


def _speech(assistant: Assistant) -> Body:
    stt: Body = {
        "vendor": assistant.stt_vendor,
        "language": "en-US",
        "languages": ["en-US"],
        "profanityFilter": True,
        "interim": True,
        "hints": [],
    }
    if assistant.stt_vendor == "deepgram":
        stt["deepgramOptions"] = {
            "model": assistant.stt_model,
            "punctuate": True,
            "endpointing": 10,
            "smart_format": True,
            "numerals": True,
            "no_delay": True,
            "eagerEotThreshold": 0.5,
            "eotThreshold": 0.7,
            "eotTimeoutMs": 5000,
        }
    voice: Body = {
        "vendor": assistant.tts_vendor,
        "language": "en-US",
        "voice": "exampleVoice01",
        "voiceName": "Robin",
        "default": True,
        "config": {"modelId": assistant.tts_model, "stability": 0.5, "similarityBoost": 0.8, "speed": 1},
    }
    return {"stt": stt, "ttsData": [voice]}
