import os
from pathlib import Path

import pytest

from exporter import config
from exporter.config.secret import SECRET_VARIABLE
from exporter.errors import ConfigError
from tests.config.files import CANARY, faults, valid, write


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
def test_a_secret_file_may_end_in_a_line_break(tmp_path: Path, ending: bytes) -> None:
    """Editors end a file with a line break; it is not part of the secret, whatever bytes the secret has."""
    (tmp_path / "secret").write_bytes(b"caf\xc3\xa9 \xff" + ending)
    path = write(tmp_path, "webhooks: {vapi: {secret_files: [secret]}}")
    assert config.load(path).webhooks.platforms["vapi"].secrets == (b"caf\xc3\xa9 \xff",)


def test_a_secret_file_is_found_beside_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path starts where the configuration is, wherever the process was started; an absolute one stays."""
    (tmp_path / "secret").write_text("relative")
    (tmp_path / "other").write_text("absolute")
    path = write(tmp_path, f"webhooks: {{vapi: {{secret_files: [secret, {tmp_path / 'other'}]}}}}")
    monkeypatch.chdir("/")
    assert config.load(path).webhooks.platforms["vapi"].secrets == (b"relative", b"absolute")


def test_a_secret_file_that_is_a_pipe_does_not_block(tmp_path: Path) -> None:
    """A pipe that nobody writes into is refused, not waited for."""
    os.mkfifo(tmp_path / "pipe")
    path = write(tmp_path, "webhooks: {vapi: {secret_files: [pipe]}}")
    assert "the file is not a regular file" in faults(path)


def test_a_large_secret_file_is_refused(tmp_path: Path) -> None:
    """A file that no header could carry is not a secret."""
    (tmp_path / "secret").write_text("x" * 4097)
    path = write(tmp_path, "webhooks: {vapi: {secret_files: [secret]}}")
    assert "the file is larger than 4096 bytes; is it the right file?" in faults(path)


def test_the_environments_secret_is_every_platforms(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable's secret comes behind those of the file, on every platform, without a file too."""
    monkeypatch.setenv(SECRET_VARIABLE, "s3cr3t-of-all")
    assert {p.secrets for p in config.load(None).webhooks.platforms.values()} == {(b"s3cr3t-of-all",)}
    assert valid("contract").webhooks.platforms["vapi"].secrets == (b"s3cr3t-of-vapi", b"s3cr3t-of-all")


def test_the_environments_secret_leaves_an_open_platform_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One platform may ask for no secret while the environment has one for the others."""
    monkeypatch.setenv(SECRET_VARIABLE, "s3cr3t-of-all")
    loaded = config.load(write(tmp_path, "webhooks: {vapi: {auth: none}}"))
    assert loaded.webhooks.platforms["vapi"].auth[0].type == "none"


def test_the_environments_secret_is_enough_for_a_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A type that needs a secret takes that of the environment."""
    monkeypatch.setenv(SECRET_VARIABLE, "s3cr3t-of-all")
    assert config.load(write(tmp_path, "webhooks: {vapi: {auth: bearer}}")).webhooks.platforms["vapi"].secrets


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("", "is empty: write the secret there, or remove it"),
        *((value, "has spaces or line breaks around it: remove them") for value in (" ", "s3cr3t\n", " s3cr3t")),
        ("s3cr3t\tx", "has several lines or a control character, which no header can carry: keep one line of text"),
        ("s3c", "is shorter than 4 bytes: make one with openssl rand -hex 32"),
        ('"s3cr3t"', "has quotes around it, which would be part of it: remove them"),
        *(
            (
                value,
                "is a placeholder, and nothing fills it in: write the secret itself, or name its file in secret_files",
            )
            for value in ("${SECRET}", "$(cat secret)", "{{ .Values.secret }}", "<your secret>")
        ),
    ],
)
def test_a_slip_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch, value: str, fault: str) -> None:
    """What a shell, a template or an editor made of a secret is no secret; an empty one is no wish for none."""
    monkeypatch.setenv(SECRET_VARIABLE, value)
    with pytest.raises(ConfigError) as raised:
        config.load(None)
    assert str(raised.value) == f"environment: VOICE_EXPORTER_WEBHOOK_SECRET: {fault}"


def test_a_byte_order_mark_is_no_part_of_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Editors of Windows write one in silence, and a shell passes it on from a file."""
    (tmp_path / "secret").write_text("s3cr3t-from-a-file\r\n", encoding="utf-8-sig")
    monkeypatch.setenv(SECRET_VARIABLE, "\ufeffs3cr3t-of-all")
    path = write(tmp_path, "webhooks: {vapi: {secret_files: [secret]}}")
    assert config.load(path).webhooks.platforms["vapi"].secrets == (b"s3cr3t-from-a-file", b"s3cr3t-of-all")


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
def test_a_secret_file_in_utf_16_is_refused(tmp_path: Path, order: str) -> None:
    """PowerShell's redirection writes it; no sender does."""
    (tmp_path / "secret").write_text("\ufeffs3cr3t", encoding=order)
    path = write(tmp_path, "webhooks: {vapi: {secret_files: [secret]}}")
    assert faults(path) == ("1: webhooks.vapi.secret_files[0]: the file's secret is UTF-16: save the file as UTF-8")


@pytest.mark.parametrize("name", ["contract", "everything", "aliases"])
def test_secrets_do_not_show(name: str) -> None:
    """No repr of a configuration holds a secret."""
    loaded = valid(name)
    assert any(CANARY in str(platform.secrets) for platform in loaded.webhooks.platforms.values())
    assert CANARY not in f"{loaded!r} {loaded} {loaded.webhooks} {loaded.webhooks.platforms['vapi']!r}"


def test_each_way_may_have_secrets_of_its_own(tmp_path: Path) -> None:
    """An entry of `auth` without secrets takes the platform's; one with its own takes no others."""
    (tmp_path / "signing").write_text("of-the-signature\n")
    text = """
        webhooks:
          vapi:
            secrets: [s3cr3t-of-vapi]
            auth: [header, {type: hmac, secrets: [c2VjcmV0], secret_files: [signing]}]
    """
    platform = config.load(write(tmp_path, text)).webhooks.platforms["vapi"]
    assert [(auth.type, secrets) for auth, secrets in platform.credentials] == [
        ("header", (b"s3cr3t-of-vapi",)),
        ("hmac", (b"c2VjcmV0", b"of-the-signature")),
    ]
    assert platform.auth[0].headers == ("x-vapi-secret",)
