"""The page on receivers: each configuration on it, put into the shipped file, is taken by both releases and works."""

import asyncio
import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.alerting import Alertmanager, Receivers
from tests.support.pages import ROOT, TEXTS, commands
from tests.support.programs import Programs
from tests.support.waiting import until

PAGE = TEXTS["docs/receivers.md"]
SNIPPETS: list[dict[str, Any]] = [*map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))]
SHIPPED = ROOT / "rules" / "alertmanager.yml"


def put_into(shipped: dict[str, Any], snippet: dict[str, Any]) -> dict[str, Any]:
    """The configuration with the keys of a snippet in the place of its own; null takes one away."""
    for key, value in snippet.items():
        if value is None:
            shipped.pop(key)
        elif isinstance(value, dict):
            put_into(shipped.setdefault(key, {}), value)
        elif isinstance(value, list) and isinstance(shipped.get(key), list) and isinstance(value[0], dict):
            for item in value:
                named = [own for own in shipped[key] if own.get("name") == item.get("name")]
                put_into(named[0], item)
        else:
            shipped[key] = value
    return shipped


def configuration(snippet: dict[str, Any]) -> dict[str, Any]:
    """The shipped configuration with a snippet."""
    return put_into(json.loads(json.dumps(yaml.safe_load(SHIPPED.read_text()))), snippet)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: snippet["receivers"][0]["name"])
def test_every_configuration_is_taken(snippet: dict[str, Any], tmp_path: Path, programs: Programs) -> None:
    """Amtool finds nothing wrong with any of them."""
    path = tmp_path / "alertmanager.yml"
    path.write_text(yaml.safe_dump(configuration(snippet)))
    checked = programs.run("amtool", "check-config", path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "SUCCESS" in checked.stdout


def test_the_page_is_about_every_receiver() -> None:
    """Who is told, and how, is what the shipped file says."""
    for receiver in yaml.safe_load(SHIPPED.read_text())["receivers"]:
        assert receiver["name"].startswith("example-") or f"| `{receiver['name']}` |" in PAGE


@pytest.fixture
def told(tmp_path: Path, programs: Programs) -> Iterator[tuple[Alertmanager, Receivers]]:
    """An Alertmanager of each release in turn, and what it tells."""
    with Receivers() as receivers, Alertmanager(tmp_path / "alertmanager", receivers, programs, words=True) as running:
        yield running, receivers


def test_the_commands_of_the_page_work(told: tuple[Alertmanager, Receivers], programs: Programs) -> None:
    """The file is taken, a hang goes to the operators, and the alert raised by hand reaches them, all in its words."""
    alertmanager, receivers = told
    shown = [command for command in commands(PAGE) if command.startswith("amtool")]
    printed = []
    for command in shown:
        here = command.replace("http://localhost:9093", alertmanager.url).replace(
            "amtool", shlex.quote(programs.path("amtool")), 1
        )
        done = subprocess.run(["bash", "-c", here], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    assert "SUCCESS" in printed[0]
    assert printed[1] == "operators\n"
    (message,) = until("a message", lambda: [body for name, body in receivers.messages if name == "operators"])
    assert "VoiceAssistantHang (high)" in message["attachments"][0]["title"]
    assert "A test." in message["attachments"][0]["text"]


class Mailbox:
    """A mail server that takes everything, as little of SMTP as Alertmanager speaks."""

    def __init__(self) -> None:
        self.mails: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        writer.write(b"220 mail\r\n")
        while line := (await reader.readline()).decode().strip():
            word = line.upper().split()[0]
            if word == "DATA":
                writer.write(b"354 go on\r\n")
                self.mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
            writer.write(b"221 bye\r\n" if word == "QUIT" else b"250 ok\r\n")
            if word == "QUIT":
                break
        writer.close()


async def test_a_mail_says_what_it_is_about(tmp_path: Path, programs: Programs) -> None:
    """The e-mail of the page reaches a mail server, with the alert in its subject and its description in the text."""
    mailbox = Mailbox()
    server = await asyncio.start_server(mailbox.serve, "127.0.0.1", 0)
    (snippet,) = (snippet for snippet in SNIPPETS if "global" in snippet)
    config = configuration(snippet)
    host, port = server.sockets[0].getsockname()
    config["global"] = {"smtp_smarthost": f"{host}:{port}", "smtp_from": "a@example.com", "smtp_require_tls": False}
    labels = {"alertname": "VoiceCallCostHigh", "severity": "warning", "platform": "vapi"}
    said = {"summary": "Calls cost much.", "description": "Assistant billing on vapi: $2.", "assistant": "billing"}

    def raise_it() -> None:
        with Receivers() as receivers, Alertmanager(tmp_path, receivers, programs, config=config) as running:
            running.send({"labels": labels, "annotations": said})
            until("a mail", lambda: mailbox.mails)

    await asyncio.to_thread(raise_it)
    server.close()
    (mail,) = mailbox.mails
    text = re.sub(r"=\r\n", "", mail)
    assert "Subject: [FIRING] VoiceCallCostHigh billing vapi" in text
    assert "Calls cost much." in text
    assert "firing: Assistant billing on vapi: $2." in text
