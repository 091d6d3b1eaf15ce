"""Scenarios: what goes wrong, where and how often. Each names the documented failure that raises its alert."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final

from exporter.simulate.model import Assistant, ServiceComponent, ServiceError


@dataclass(frozen=True, slots=True)
class ServiceFault:
    """One way for a service to fail.

    Attributes:
        component: the service that fails.
        share: of the calls of matching assistants, how many meet the fault, 0 to 1.
        providers: spellings of the provider that fails; empty for any.
        within: the fault is first met in one of so many turns.
        repeat: how likely a later turn of a call that met the fault meets it again, 0 to 1.
        slow: the reply takes longer than 5 seconds, so that the platform sends a hang.
        error: what Interactly's error event says; Vapi has no such event.
        errors: fewest and most errors in a turn.
        fatal: how likely it ends the call, 0 to 1. With `error`, it always ends a Vapi call.
        ended_reasons: Vapi's words for a call that it ended, `{provider}` standing for the assistant's.
    """

    component: ServiceComponent
    share: float
    providers: frozenset[str] = frozenset()
    within: int = 3
    repeat: float = 0.0
    slow: bool = False
    error: ServiceError | None = None
    errors: tuple[int, int] = (1, 1)
    fatal: float = 0.0
    ended_reasons: tuple[str, ...] = ()

    def matches(self, assistant: Assistant) -> bool:
        """Whether the assistant uses the service that fails."""
        used = {"llm": assistant.llm_provider, "stt": assistant.stt_vendor, "tts": assistant.tts_vendor}
        return not self.providers or used[self.component] in self.providers


_RATE_LIMIT = ServiceError(
    type="llm_error",
    code="rate_limit_exceeded",
    message="Rate limit exceeded for organization",
    retryable=True,
    details={"limit_type": "requests_per_minute", "current_usage": 150, "limit": 100},
)
_AUTHENTICATION = ServiceError(
    type="llm_error",
    code="authentication_failed",
    message="Invalid API key provided",
    retryable=False,
    details={"status": 401},
)
_AUDIO_QUALITY = ServiceError(
    type="stt_error",
    code="audio_quality_insufficient",
    message="Audio quality too low for accurate transcription",
    retryable=False,
    details={
        "confidence_score": 0.12,
        "noise_level": "high",
        "signal_to_noise_ratio": -5,
        "suggested_action": "request_user_repeat",
    },
)
_LLM_FAILED = ("call.in-progress.error-providerfault-{provider}-llm-failed",)

_STRAY_HANG = ServiceFault("llm", share=0.008, slow=True, fatal=0.15)
_STRAY_ERROR = ServiceFault("llm", share=0.004, error=_RATE_LIMIT, ended_reasons=_LLM_FAILED)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A kind of traffic.

    Attributes:
        description: one line for the command's help.
        faults: what may go wrong; a call meets at most one of them.
        confidence: alpha and beta of the transcription confidence's beta distribution.
        context_tokens: tokens that each LLM request carries on top of the conversation.
        noisy: the share of calls with bad audio from the caller, 0 to 1.
        window: seconds after the start of the traffic between which the faults happen; None for always.
        alerts: what the shipped rules raise, and within how many minutes of the start at the command's default rate,
            with room for other seeds than the default one.
    """

    description: str
    faults: tuple[ServiceFault, ...] = (_STRAY_HANG, _STRAY_ERROR)
    confidence: tuple[float, float] = (17.0, 3.0)
    context_tokens: int = 0
    noisy: float = 0.0
    window: tuple[float, float] | None = None
    alerts: Mapping[str, int] = field(default_factory=dict)

    def fault(self, rng: Random, assistant: Assistant, elapsed_ms: int) -> ServiceFault | None:
        """What goes wrong in a call of the assistant that starts so long after the traffic began, if anything."""
        if self.window and not self.window[0] <= elapsed_ms / 1000 < self.window[1]:
            return None
        for fault in self.faults:
            if fault.matches(assistant) and rng.random() < fault.share:
                return fault
        return None


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "normal": Scenario("healthy traffic; not quite one call in a hundred hangs, and VoiceAssistantHang says so"),
    "llm-rate-limit": Scenario(
        "openai refuses: rate_limit_exceeded, retryable, three times and more in a call",
        (
            ServiceFault(
                "llm",
                share=0.75,
                providers=frozenset({"openai"}),
                repeat=0.3,
                error=_RATE_LIMIT,
                errors=(3, 5),
                fatal=0.3,
                ended_reasons=(
                    "pipeline-error-openai-429-rate-limit-reached",
                    "call.in-progress.error-vapifault-openai-429-rate-limit-reached",
                ),
            ),
        ),
        alerts={"VoiceErrorEscalated": 4, "VoiceLLMErrorRateHigh": 4},
    ),
    "auth-failure": Scenario(
        "anthropic's key is refused: authentication_failed, not retryable, in each of its calls",
        (
            ServiceFault(
                "llm",
                share=1.0,
                providers=frozenset({"anthropic"}),
                within=1,
                repeat=1.0,
                error=_AUTHENTICATION,
                fatal=0.4,
                ended_reasons=("pipeline-error-anthropic-401-unauthorized",),
            ),
        ),
        alerts={"VoiceCriticalError": 4, "VoiceErrorEscalated": 4},
    ),
    "audio-quality": Scenario(
        "deepgram cannot transcribe: audio_quality_insufficient, dropped audio, low confidence",
        (
            ServiceFault(
                "stt",
                share=0.6,
                providers=frozenset({"deepgram"}),
                repeat=0.3,
                error=_AUDIO_QUALITY,
                ended_reasons=("pipeline-error-deepgram-transcriber-failed",),
            ),
        ),
        confidence=(7.0, 6.0),
        noisy=0.8,
        alerts={"VoiceSTTErrorRateHigh": 5, "VoiceSTTConfidenceLow": 11, "VoiceAudioQualityLow": 15},
    ),
    "network-timeout": Scenario(
        "elevenlabs is slow or gone: speech takes 5 s and more, calls hang, retries show in the reports",
        (
            ServiceFault(
                "tts",
                share=0.7,
                providers=frozenset({"eleven-labs", "11labs"}),
                repeat=0.6,
                slow=True,
                fatal=0.25,
                ended_reasons=(
                    "pipeline-error-eleven-labs-503-server-error",
                    "call.in-progress.error-providerfault-eleven-labs-500-server-error",
                    "call.in-progress.error-vapifault-eleven-labs-voice-failed",
                ),
            ),
        ),
        alerts={
            "VoiceAssistantHang": 2,
            "VoiceAssistantHangsRepeated": 3,
            "VoiceProviderErrorRateHigh": 12,
            "VoiceHangRateHigh": 20,
        },
    ),
    "hang-storm": Scenario(
        "the models of all assistants are slow: two calls in five hang, several of each assistant",
        (ServiceFault("llm", share=0.4, repeat=0.3, slow=True, fatal=0.15),),
        alerts={"VoiceAssistantHang": 2, "VoiceAssistantHangsRepeated": 4, "VoiceHangRateHigh": 20},
    ),
    "error-spike": Scenario(
        "quiet for two minutes, then two of errors in most calls, then quiet; alerts after 6 h of any traffic",
        (ServiceFault("llm", share=0.8, repeat=0.3, error=_RATE_LIMIT, errors=(1, 2), ended_reasons=_LLM_FAILED),),
        window=(120.0, 240.0),
        alerts={"VoiceErrorSpike": 15},
    ),
    "low-confidence": Scenario(
        "callers are hard to understand: confidence about 0.42",
        confidence=(5.0, 7.0),
        alerts={"VoiceSTTConfidenceLow": 11},
    ),
    "cost-runaway": Scenario(
        "prompts grow out of hand: 200 000 tokens a request",
        context_tokens=200_000,
        alerts={"VoiceCallCostHigh": 18},
    ),
}
"""Every scenario by the name that `--scenario` takes."""
