import asyncio
import base64

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import TooManyAttempts
from exporter.http.basic_auth import MAX_WAITING, Passwords, basic_credentials


def hashed(password: bytes) -> bytes:
    """A bcrypt hash of the lowest cost."""
    return bcrypt.hashpw(password, bcrypt.gensalt(4))


def header(text: bytes) -> str:
    """An Authorization header around user and password."""
    return f"Basic {base64.b64encode(text).decode()}"


async def test_only_the_right_password_of_a_known_user_is_right() -> None:
    """Wrong, empty, other users' and unknown users' passwords are wrong, first and later times alike."""
    passwords = Passwords({"ada": hashed(b"one"), "grace": hashed(b"two")})
    for _ in range(2):
        assert await passwords.right(b"ada", b"one")
        assert await passwords.right(b"grace", b"two")
        for user, password in (
            (b"ada", b"two"),
            (b"ada", b""),
            (b"Ada", b"one"),
            (b"", b""),
            (b"eve", b"one"),
            (b"eve", b""),
        ):
            assert not await passwords.right(user, password)


async def test_an_unknown_user_with_a_real_password_is_not_let_in() -> None:
    """The hash that an unknown name is compared with for time's sake opens nothing, even where it matches."""
    passwords = Passwords({"ada": hashed(b"one")})
    assert not await passwords.right(b"eve", b"one")


async def test_long_and_odd_passwords() -> None:
    """Passwords count up to bcrypt's 72 bytes, and may hold NUL and any other byte."""
    passwords = Passwords({"long": hashed(b"x" * 72), "odd": hashed(b"a\x00\xff")})
    assert await passwords.right(b"long", b"x" * 100)
    assert not await passwords.right(b"long", b"x" * 71)
    assert await passwords.right(b"odd", b"a\x00\xff")
    assert not await passwords.right(b"odd", b"a")


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The hash of each bcrypt check that is made."""
    checks: list[bytes] = []
    real = bcrypt.checkpw

    def check(password: bytes, hashed_password: bytes) -> bool:
        checks.append(hashed_password)
        return real(password, hashed_password)

    monkeypatch.setattr(bcrypt, "checkpw", check)
    return checks


async def test_a_right_password_is_remembered(slow: list[bytes]) -> None:
    """A check runs once for a right password, and each time for a wrong one."""
    passwords = Passwords({"ada": hashed(b"one")})
    for _ in range(3):
        assert await passwords.right(b"ada", b"one")
    assert len(slow) == 1
    for _ in range(3):
        assert not await passwords.right(b"ada", b"wrong")
    assert len(slow) == 4


async def test_unknown_users_cost_as_much_as_known_ones(slow: list[bytes]) -> None:
    """An unknown name is compared with a real user's hash, always the same one."""
    users = {"ada": hashed(b"one"), "grace": hashed(b"two"), "joan": hashed(b"three")}
    passwords = Passwords(users)
    for _ in range(5):
        assert not await passwords.right(b"eve", b"wrong")
    assert len(slow) == 5
    assert len(set(slow)) == 1
    assert set(slow) <= set(users.values())


async def test_the_event_loop_stays_free() -> None:
    """While bcrypt works the loop does other things: a check takes a thread."""
    passwords = Passwords({"ada": bcrypt.hashpw(b"one", bcrypt.gensalt(10))})
    check = asyncio.create_task(passwords.right(b"ada", b"one"))
    turns = 0
    while not check.done():
        await asyncio.sleep(0)
        turns += 1
    assert await check
    assert turns > 10


async def test_guesses_do_not_pile_up() -> None:
    """So many checks wait and no more; a password that was right before does not wait at all."""
    passwords = Passwords({"ada": hashed(b"one"), "grace": hashed(b"two")})
    assert await passwords.right(b"ada", b"one")
    guesses = [asyncio.create_task(passwords.right(b"eve", b"%d" % guess)) for guess in range(MAX_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyAttempts):
        await passwords.right(b"grace", b"two")
    assert await passwords.right(b"ada", b"one")
    assert not any(await asyncio.gather(*guesses))
    assert await passwords.right(b"grace", b"two")


def test_users_and_hashes_do_not_show() -> None:
    """Printing the checker shows nobody."""
    hash_of_grace = hashed(b"one")
    shown = repr(Passwords({"grace": hash_of_grace}))
    assert "grace" not in shown
    assert hash_of_grace.decode() not in shown


@pytest.mark.parametrize(
    ("value", "credentials"),
    [
        (header(b"ada:one"), (b"ada", b"one")),
        (header(b"ada:o:n:e"), (b"ada", b"o:n:e")),
        (header(b":"), (b"", b"")),
        (header(b"\xff:\x00"), (b"\xff", b"\x00")),
        ("basic   YWRhOm9uZQ==", (b"ada", b"one")),
        (header(b"ada"), None),
        (header(b""), None),
        ("Bearer YWRhOm9uZQ==", None),
        ("Basic YWRhOm9uZQ", None),
        ("Basic YWRh OmV2ZQ==", None),
        ("Basic \u00e9\udcff", None),
        ("Basic", None),
        ("", None),
    ],
)
def test_basic_credentials(value: str, credentials: tuple[bytes, bytes] | None) -> None:
    """User and password are read from well-formed headers, and nothing from others."""
    assert basic_credentials(value) == credentials


@given(st.text(), st.text())
def test_no_header_breaks_it(scheme: str, rest: str) -> None:
    """Whatever the header holds, nothing is raised."""
    for value in (scheme, f"Basic {rest}", f"{scheme} {rest}"):
        found = basic_credentials(value)
        assert found is None or len(found) == 2
