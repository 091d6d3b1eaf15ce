"""Vapi's assistant, phone number and customer, which ride along with each of its events, credentials included."""

from functools import cache
from typing import Final

from exporter.simulate import cast
from exporter.simulate.model import Assistant, Body, Call

ORG: Final = "9b1f2c3d-4e5f-4a6b-8c7d-0e1f2a3b4c00"
PHONE_NUMBER: Final = "9b1f2c3d-4e5f-4a6b-8c7d-0e1f2a3b4c01"
EVENTS: Final = (
    "conversation-update",
    "end-of-call-report",
    "hang",
    "speech-update",
    "status-update",
    "transcript",
    "transfer-update",
    "user-interrupted",
)


@cache
def config(assistant: Assistant) -> Body:
    """The event's `assistant`."""
    return {
        "id": assistant.id,
        "orgId": ORG,
        "name": assistant.name,
        "firstMessage": cast.welcome(assistant),
        "transcriber": {"provider": assistant.stt_vendor, "model": assistant.stt_model, "language": "en"},
        "model": {
            "provider": assistant.llm_provider,
            "model": assistant.llm_model,
            "messages": [{"role": "system", "content": cast.prompt(assistant)}],
            "temperature": 0.3,
        },
        "voice": {"provider": assistant.tts_vendor, "voiceId": "exampleVoice01", "model": assistant.tts_model},
        "serverMessages": list(EVENTS),
        "server": {"url": "https://voice-exporter.example/webhook/vapi", "timeoutSeconds": 20},
        "metadata": {},
    }


def around(call: Call) -> Body:
    """What stands beside the call in an event; a web call has no phone number."""
    common = {"assistant": config(call.assistant), "customer": customer(call)}
    return common if call.assistant.channel == "web" else {"phoneNumber": _phone_number(), **common}


def customer(call: Call) -> Body:
    """The caller."""
    return {"name": call.person.name} if call.assistant.channel == "web" else {"number": call.person.number}


@cache
def _phone_number() -> Body:
    return {
        "id": PHONE_NUMBER,
        "orgId": ORG,
        "provider": "twilio",
        "number": "+15595550101",
        "name": "Front desk",
        "twilioAccountSid": "an-invented-account",
        "twilioAuthToken": "an-invented-token",
    }
