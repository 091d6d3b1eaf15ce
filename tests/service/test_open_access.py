"""Who may reach a webhook that asks for no secret."""

import pytest

from exporter.config import Auth, PlatformConfig
from exporter.errors import OpenAccessError
from exporter.service.open_access import closed, has_secret

SECRET = PlatformConfig(secrets=(b"open sesame",))
NOTHING = PlatformConfig()
ANYBODY = PlatformConfig(auth=(Auth("none", explicit=True),))


@pytest.mark.parametrize(
    ("interactly", "vapi", "expected"),
    [
        (SECRET, SECRET, set()),
        (SECRET, NOTHING, {"vapi"}),
        (SECRET, ANYBODY, set()),
        (ANYBODY, NOTHING, {"vapi"}),
        (ANYBODY, ANYBODY, set()),
    ],
)
def test_on_a_public_address_what_was_not_decided_is_closed(
    interactly: PlatformConfig, vapi: PlatformConfig, expected: set[str]
) -> None:
    """Who uses one platform only gets the other's webhook closed, not open."""
    assert closed({"interactly": interactly, "vapi": vapi}, public=True) == expected


def test_a_public_address_without_any_decision_is_refused() -> None:
    """The message names the three ways out."""
    with pytest.raises(OpenAccessError, match=r"secrets or VOICE_EXPORTER_WEBHOOK_SECRET, or auth: \{type: none\}"):
        closed({"interactly": NOTHING, "vapi": NOTHING}, public=True)


@pytest.mark.parametrize("interactly", [NOTHING, ANYBODY])
def test_on_this_machine_alone_nothing_is_closed(interactly: PlatformConfig) -> None:
    """Trying it out takes no secret."""
    assert closed({"interactly": interactly, "vapi": NOTHING}, public=False) == set()


def test_beside_a_secret_nothing_stays_open() -> None:
    """A reverse proxy on this machine would open a webhook without a secret to the world."""
    assert closed({"interactly": SECRET, "vapi": NOTHING}, public=False) == {"vapi"}


def test_one_secret_is_enough_to_listen_publicly() -> None:
    """The default address depends on it."""
    assert has_secret({"interactly": NOTHING, "vapi": SECRET})
    assert not has_secret({"interactly": NOTHING, "vapi": ANYBODY})
