import re
from html import unescape
from pathlib import Path

import bcrypt
import pytest
from aiohttp import ClientSession, encode_basic_auth

from exporter.service.markdown import to_html
from tests.conftest import StartExporter
from tests.rules.shipped import RULES, alerts

NAMES = sorted({alert["alert"] for alert in alerts()})


async def test_every_alert_has_its_page(start_exporter: StartExporter) -> None:
    """The list names every alert; its page holds the runbook's words and queries, and leads to other pages only."""
    exporter = start_exporter()
    async with ClientSession(exporter.url) as client:
        async with client.get("/runbooks/") as answer:
            assert answer.status == 200
            assert re.findall(r'<li><a href="(\w+)">', await answer.text()) == NAMES
        for name in NAMES:
            async with client.get(f"/runbooks/{name}") as answer:
                text = await answer.text()
                assert (answer.status, answer.content_type) == (200, "text/html")
            assert f"<h1>{name}</h1>" in text
            assert "those of the default thresholds" in text
            assert "<pre>" not in re.sub(r"<details>.*?</details>", "", text.partition("<h2>")[0], flags=re.DOTALL)
            assert set(re.findall(r'href="([^"]*)"', text)) - {"./"} <= set(NAMES)
            written = (RULES / "runbooks" / f"{name}.md").read_text()
            for query in re.findall(r"^```promql\n(.*?)^```", written, re.DOTALL | re.MULTILINE):
                assert query.strip() in unescape(text)


async def test_a_page_is_found_by_its_file_name_too(start_exporter: StartExporter) -> None:
    """Boards link files; another name, or another way, leads nowhere."""
    exporter = start_exporter()
    async with ClientSession(exporter.url) as client:
        for path, status in {
            "/runbooks/VoiceWatchdog.md": 200,
            "/runbooks/VoiceNothing": 404,
            "/runbooks/..%2Fthresholds": 404,
            "/runbooks/": 200,
        }.items():
            async with client.get(path) as answer:
                assert answer.status == status, path


async def test_links_lead_where_the_exporter_is_told_to_be(start_exporter: StartExporter) -> None:
    """The URL stands in a metric, for the rules to read: the flag's, else this machine's name and port."""
    given = start_exporter("--web.external-url=https://voice.example/exporter/")
    async with ClientSession() as client, client.get(f"{given.url}/metrics") as answer:
        assert 'voice_exporter_external_url_info{url="https://voice.example/exporter"} 1' in await answer.text()
    own = start_exporter("--storage.path=")
    port = own.addresses[0].rpartition(":")[2]
    async with ClientSession() as client, client.get(f"{own.url}/metrics") as answer:
        assert f'voice_exporter_external_url_info{{url="http://localhost:{port}"}} 1' in await answer.text()


async def test_runbooks_are_the_operators(start_exporter: StartExporter, tmp_path: Path) -> None:
    """They are guarded as the metrics are, and are not on the webhooks' own listener."""
    secret = bcrypt.hashpw(b"invented", bcrypt.gensalt(4)).decode()
    (tmp_path / "web.yml").write_text(f"basic_auth_users: {{someone: {secret}}}\n")
    exporter = start_exporter(f"--web.config.file={tmp_path / 'web.yml'}", "--webhook.listen-address=127.0.0.1:0")
    paths = ("/runbooks/", "/runbooks/VoiceWatchdog", "/metrics")
    known = {"Authorization": encode_basic_auth("someone", "invented")}
    async with ClientSession() as client:
        for path in paths:
            async with client.get(exporter.url + path) as answer:
                assert answer.status == 401
            async with client.get(exporter.url + path, headers=known) as answer:
                assert answer.status == 200
            async with client.get(f"http://{exporter.addresses[1]}{path}") as answer:
                assert answer.status == 404


@pytest.mark.parametrize("url", ["voice.example", "ftp://voice.example", "https://someone:secret@voice.example"])
def test_a_wrong_url_is_refused(start_exporter: StartExporter, url: str) -> None:
    """What is no URL to link to is misuse of the command line."""
    exporter = start_exporter(f"--web.external-url={url}", ready=False)
    assert exporter.wait() == 2
    assert "is not an http or https URL" in exporter.log


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("# A `b` & c", "<h1>A <code>b</code> &amp; c</h1>"),
        ("one\ntwo", "<p>one two</p>"),
        ("**bold `code`** <script>", "<p><strong>bold <code>code</code></strong> &lt;script&gt;</p>"),
        ("[other](VoiceOther.md)", '<p><a href="VoiceOther">other</a></p>'),
        (
            "[web](https://x.example/?a=1&b=2)",
            '<p><a href="https://x.example/?a=1&amp;b=2" rel="noreferrer">web</a></p>',
        ),
        ("[file](../x.yml) [bad](javascript:x)", "<p>file bad</p>"),
        ("- one\n  more\n- two", "<ul><li>one more</li><li>two</li></ul>"),
        ("1. one\n2. two", "<ol><li>one</li><li>two</li></ol>"),
        (
            "- one:\n\n  ```promql\n  a <\n    b\n  ```\n- two",
            "<ul><li><p>one:</p><pre><code>a &lt;\n  b</code></pre></li><li>two</li></ul>",
        ),
        (
            "| a | b |\n|---|---|\n| `c` | d |",
            "<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td><code>c</code></td><td>d</td></tr></tbody></table>",
        ),
        ("```\nunclosed", "<pre><code>unclosed</code></pre>"),
    ],
)
def test_what_runbooks_are_written_in(text: str, html: str) -> None:
    """Each form becomes its element, everything in it escaped; only pages and the web are linked."""
    assert to_html(text) == html
