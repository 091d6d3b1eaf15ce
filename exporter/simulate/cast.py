"""The cast: invented assistants, invented callers and their lines. Numbers are from the fictional 555-01xx range."""

from random import Random
from typing import Final

from exporter.simulate.model import Assistant, Person, Platform

ASSISTANTS: Final[tuple[Assistant, ...]] = (
    Assistant(
        platform="interactly",
        id="65f0a1c2d3e4f5a6b7c8d901",
        name="Harbor Dental - main",
        channel="phone",
        direction="inbound",
        llm_provider="openai",
        llm_model="gpt-4o",
        stt_vendor="deepgram",
        stt_model="nova-3",
        tts_vendor="eleven-labs",
        tts_model="eleven_flash_v2",
        llm_ms=860,
        tts_ms=260,
        detection_ms=350,
        input_price=2.5,
        output_price=10.0,
        weight=4,
    ),
    Assistant(
        platform="interactly",
        id="65f0a1c2d3e4f5a6b7c8d902",
        name="Lakeside Orthopedics - ingest",
        channel="phone",
        direction="inbound",
        llm_provider="anthropic",
        llm_model="claude-sonnet-4-5",
        stt_vendor="deepgram",
        stt_model="nova-2-medical",
        tts_vendor="eleven-labs",
        tts_model="eleven_turbo_v2_5",
        llm_ms=950,
        tts_ms=300,
        detection_ms=300,
        input_price=3.0,
        output_price=15.0,
        weight=3,
    ),
    Assistant(
        platform="interactly",
        id="65f0a1c2d3e4f5a6b7c8d903",
        name="Juniper Pharmacy - refills",
        channel="web",
        direction="inbound",
        llm_provider="gemini",
        llm_model="gemini-3-flash-preview",
        stt_vendor="microsoft",
        stt_model="latest",
        tts_vendor="microsoft",
        tts_model="neural",
        llm_ms=760,
        tts_ms=220,
        detection_ms=400,
        input_price=0.5,
        output_price=3.0,
        weight=2,
    ),
    Assistant(
        platform="interactly",
        id="65f0a1c2d3e4f5a6b7c8d904",
        name="Northgate Clinic - reminders",
        channel="phone",
        direction="outbound",
        llm_provider="openai",
        llm_model="gpt-4.1-mini",
        stt_vendor="deepgram",
        stt_model="nova-3",
        tts_vendor="cartesia",
        tts_model="sonic-2",
        llm_ms=820,
        tts_ms=180,
        detection_ms=350,
        input_price=0.4,
        output_price=1.6,
        weight=2,
    ),
    Assistant(
        platform="vapi",
        id="3f6c0d52-7a41-4e0b-9d3e-5b1f0a2c4e01",
        name="Copper Kettle bookings",
        channel="phone",
        direction="inbound",
        llm_provider="openai",
        llm_model="gpt-4o",
        stt_vendor="deepgram",
        stt_model="nova-2",
        tts_vendor="11labs",
        tts_model="eleven_flash_v2_5",
        llm_ms=860,
        tts_ms=250,
        detection_ms=350,
        input_price=2.5,
        output_price=10.0,
        weight=4,
        tools=("checkAvailability", "bookTable"),
        rubric="PassFail",
    ),
    Assistant(
        platform="vapi",
        id="3f6c0d52-7a41-4e0b-9d3e-5b1f0a2c4e02",
        name="Summit Motors service desk",
        channel="phone",
        direction="inbound",
        llm_provider="anthropic",
        llm_model="claude-haiku-4-5",
        stt_vendor="deepgram",
        stt_model="flux-general-en",
        tts_vendor="11labs",
        tts_model="eleven_turbo_v2_5",
        llm_ms=900,
        tts_ms=280,
        detection_ms=300,
        input_price=1.0,
        output_price=5.0,
        weight=3,
        tools=("lookUpVehicle", "scheduleService"),
    ),
    Assistant(
        platform="vapi",
        id="3f6c0d52-7a41-4e0b-9d3e-5b1f0a2c4e03",
        name="Bluebird Travel helper",
        channel="web",
        direction="inbound",
        llm_provider="google",
        llm_model="gemini-2.5-flash",
        stt_vendor="assembly-ai",
        stt_model="universal-streaming",
        tts_vendor="cartesia",
        tts_model="sonic-2",
        llm_ms=760,
        tts_ms=190,
        detection_ms=400,
        input_price=0.3,
        output_price=2.5,
        weight=2,
        tools=("searchTrips",),
        rubric="NumericScale",
    ),
    Assistant(
        platform="vapi",
        id="3f6c0d52-7a41-4e0b-9d3e-5b1f0a2c4e04",
        name="Fernwood Vet - callbacks",
        channel="phone",
        direction="outbound",
        llm_provider="openai",
        llm_model="gpt-4.1-mini",
        stt_vendor="deepgram",
        stt_model="nova-3",
        tts_vendor="openai",
        tts_model="gpt-4o-mini-tts",
        llm_ms=820,
        tts_ms=320,
        detection_ms=350,
        input_price=0.4,
        output_price=1.6,
        weight=2,
        rubric="PassFail",
    ),
)

USER_LINES: Final = (
    "Hello.",
    "Hi, I would like to memory an appointment.",
    "Do you have anything on Tuesday afternoon?",
    "For next week, if that is possible.",
    "My name is Ada Example.",
    "It is five five five, zero one four two.",
    "Yes, that works for me.",
    "No, the morning would be better.",
    "Can you repeat that, please?",
    "I need to move my appointment because something came up at work.",
    "How long does it usually take?",
    "Is there parking nearby?",
    "What should I bring along?",
    "My knee has been hurting since the weekend and I would like somebody to look at it.",
    "Do you take new customers at the moment?",
    "Okay.",
    "Let me think for a second. Yes, ten thirty is fine.",
    "Could you send me a confirmation by text message?",
)
BOT_LINES: Final = (
    "Of course, I can help you with that.",
    "Could you tell me your full name, please?",
    "Thank you. And which number can we reach you at?",
    "We have a slot on Tuesday at two thirty in the afternoon.",
    "Would the morning or the afternoon suit you better?",
    "Let me make sure I have this right.",
    "I have written that down.",
    "There is parking behind the building, free for two hours.",
    "It usually takes about half an hour.",
    "You will get a confirmation by text message shortly.",
    "I am sorry to hear that. Since when has it been like this?",
    "Please bring an identity card along.",
    "Is there anything else I can do for you?",
)
WAITING_LINES: Final = ("Hello? Are you still there?", "Hello?", "Can you hear me?")
FILLER: Final = "One moment, let me check that for you."
USER_GOODBYE: Final = "No, that is all. Thank you, goodbye."
BOT_GOODBYE: Final = "Thank you for calling. Goodbye!"

_FIRST = ("Ada", "Ben", "Cleo", "Dara", "Emil", "Fay", "Gus", "Hana", "Ivo", "June", "Kofi", "Lena")
_LAST = ("Example", "Sample", "Specimen", "Placeholder", "Testwood", "Mockley", "Nobody", "Standin")
_AREAS = ("202", "312", "415", "503", "617", "702", "808", "919")


def pick_assistant(rng: Random, platforms: tuple[Platform, ...]) -> Assistant:
    """An assistant of one of the platforms, the busier ones more often."""
    able = [assistant for assistant in ASSISTANTS if assistant.platform in platforms]
    return rng.choices(able, [assistant.weight for assistant in able])[0]


def pick_person(rng: Random) -> Person:
    """A caller who does not exist."""
    name = f"{rng.choice(_FIRST)} {rng.choice(_LAST)}"
    return Person(name, f"+1{rng.choice(_AREAS)}55501{rng.randrange(100):02d}")


def welcome(assistant: Assistant) -> str:
    """The sentence that opens each call of the assistant."""
    return f"Welcome to {assistant.name.partition(' - ')[0]}! How can I help you?"


def prompt(assistant: Assistant) -> str:
    """The system prompt of the assistant."""
    return (
        f"You are the voice assistant of {assistant.name}, located at 1 Example Street. Your name is Robin. The hours "
        "are 8 AM to 5 PM daily, closed on Sundays. The phone number is 555-0100.\n\nToday's date is {{date}}.\n\n"
        "You answer questions about the business and memory appointments. To memory one, gather what is needed in a "
        "friendly and efficient manner:\n\n1. Ask for their full name.\n2. Ask for their mobile number.\n3. Ask for "
        "the purpose of their visit.\n4. Ask for their preferred date and time.\n5. Confirm the details with the "
        "caller, and then memory the appointment.\n\n- Keep all your responses short and simple, in casual language.\n"
        "- Once the appointment is booked, ask whether they need anything else.\n- If not, end the conversation by "
        "saying 'Goodbye'."
    )
