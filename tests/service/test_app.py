"""Everything but the webhooks, over real HTTP."""

import gzip
import io

import aiohttp
import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as text_families

from exporter import DOCS
from exporter.service.app import web_app, webhook_app
from tests.conftest import Connect, Serve, head
from tests.support.service import running
from tests.webhooks.posting import HANG, PATH, Failing, post

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


async def get(url: str, path: str, method: str = "GET", **headers: str) -> tuple[aiohttp.ClientResponse, bytes]:
    """The answer and its body as it went over the wire, never inflated."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    session = aiohttp.ClientSession(auto_decompress=False, headers={"Accept-Encoding": "identity"})
    async with session, session.request(method, url + path, headers=named) as answer:
        return answer, await answer.read()


def _openmetrics(body: bytes) -> list[Metric]:
    return list(openmetrics_families(body.decode()))  # type: ignore[no-untyped-call]  # prometheus-client left it untyped


# --- metrics ---


async def test_metrics_are_text_unless_openmetrics_is_asked_for(serve: Serve) -> None:
    """Both formats carry the event, each with its own content type, and each is read by its own parser."""
    async with running() as service:
        url = await serve(service.app)
        await post(url, HANG)

        text, plain = await get(url, "/metrics")
        openmetrics, lines = await get(url, "/metrics", accept=OPENMETRICS)

    assert text.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "voice_hangs" in {family.name for family in text_families(plain.decode())}
    assert openmetrics.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert "voice_hangs" in {family.name for family in _openmetrics(lines)}


@pytest.mark.parametrize(
    ("accepted", "encoded"),
    [("gzip", True), ("br, GZIP;q=0.5", True), ("identity", False), ("gzip;q=0", False), ("deflate", False)],
)
async def test_metrics_are_compressed_where_gzip_is_accepted(serve: Serve, accepted: str, encoded: bool) -> None:
    """Gzip and nothing else, and only for who wants it."""
    async with running() as service:
        answer, body = await get(await serve(service.app), "/metrics", accept_encoding=accepted)

    assert (answer.headers.get("Content-Encoding") == "gzip") is encoded
    plain = gzip.GzipFile(fileobj=io.BytesIO(body)).read() if encoded else body
    assert b"voice_exporter_build_info" in plain


async def test_metrics_can_be_filtered_by_name(serve: Serve) -> None:
    """``name[]`` leaves the families that are named."""
    async with running() as service:
        url = await serve(service.app)
        _, body = await get(url, "/metrics?name[]=voice_exporter_build_info&name[]=voice_exporter_calls_tracked")

    names = {family.name for family in text_families(body.decode())}
    assert names == {"voice_exporter_build_info", "voice_exporter_calls_tracked"}


async def test_a_head_request_for_metrics_has_no_body(serve: Serve) -> None:
    """HEAD tells the type without rendering anything."""
    async with running() as service:
        answer, body = await get(await serve(service.app), "/metrics", "HEAD")

    assert (answer.status, body) == (200, b"")
    assert answer.headers["Content-Type"].startswith("text/plain")


# --- health, readiness, reload ---


async def test_it_is_healthy_and_ready(serve: Serve) -> None:
    """An exporter that can keep events says so."""
    async with running() as service:
        url = await serve(service.app)
        for path in ("/-/healthy", "/-/ready"):
            answer, _ = await get(url, path)
            assert answer.status == 200


async def test_it_is_healthy_but_not_ready_while_storage_fails(serve: Serve) -> None:
    """Restarting would not help, so only readiness goes, and it says why; metrics are served all the same."""
    async with running(store=Failing()) as service:
        url = await serve(service.app)

        ready, reason = await get(url, "/-/ready")
        assert (ready.status, reason) == (503, b"storage: no space left on device\n")
        for path in ("/-/healthy", "/metrics", "/"):
            answer, _ = await get(url, path)
            assert answer.status == 200


async def test_reloading_by_http_is_off_by_default(serve: Serve) -> None:
    """403 with the flag that would allow it."""
    async with running() as service:
        answer, body = await get(await serve(service.app), "/-/reload", "POST")

    assert answer.status == 403
    assert b"--web.enable-lifecycle" in body


async def test_reloading_by_http_tells_how_it_went(serve: Serve) -> None:
    """200 when it worked, 400 with the fault in one line when it did not."""
    async with running(lifecycle=True) as service:
        url = await serve(service.app)
        answer, _ = await get(url, "/-/reload", "POST")
        assert answer.status == 200

        service.fault = "voice.yml:3: labels: no"
        answer, body = await get(url, "/-/reload", "POST")
        assert (answer.status, body) == (400, b"voice.yml:3: labels: no\n")


async def test_reloading_takes_a_post(serve: Serve) -> None:
    """A link or an image can't reload."""
    async with running(lifecycle=True) as service:
        answer, _ = await get(await serve(service.app), "/-/reload")

    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


# --- landing page, paths ---


async def test_the_landing_page_shows_what_happens(serve: Serve) -> None:
    """Events, refusals and label values of the running exporter, under a policy that lets nothing be loaded."""
    async with running() as service:
        url = await serve(service.app)
        await post(url, HANG)
        await post(url, b"nonsense")
        await post(url, b"{}", "/webhook/nobody")
        answer, body = await get(url, "/")

    page = body.decode()
    assert f'<a href="{DOCS}">Documentation</a>' in page
    assert "<td>hang</td><td>counted</td>" in page
    assert "<td>unknown</td><td>invalid</td>" in page
    assert "<td>unknown path or platform</td>" in page
    assert '<td>assistant_id</td><td class="n">1</td><td class="n">500</td>' in page
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "nonsense" not in page


@pytest.mark.parametrize("path", ["/nothing", "/metrics/", "/%6detrics", "/-/", "/.env", "//", "/-/healthy?x", "/?y"])
async def test_other_paths_are_unknown(serve: Serve, connect: Connect, path: str) -> None:
    """404 for what is not there; a query changes no path."""
    async with running() as service:
        wire = await connect(await serve(service.app))
        await wire.send(head(path, method="GET"))

        status, _ = await wire.answer()
        assert status == (200 if "?" in path else 404)
        assert not service.activity.rejections


async def test_answers_name_no_version(serve: Serve) -> None:
    """What serves is nobody's business."""
    async with running() as service:
        answer, _ = await get(await serve(service.app), "/-/healthy")

    assert answer.headers["Server"] == "voice-exporter"


@pytest.mark.parametrize(
    "target", ["http://exporter/-/healthy", "http://exporter/metrics?name[]=up", "http://exporter/"]
)
async def test_pages_are_found_by_a_whole_url(serve: Serve, connect: Connect, target: str) -> None:
    """As proxies are asked."""
    async with running() as service:
        wire = await connect(await serve(service.app))
        await wire.send(head(target, "Connection: close", method="GET"))

        assert (await wire.reader.read()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("path", ["/", "/incidents", "/runbooks/", "/runbooks/VoiceAssistantHang"])
async def test_a_page_is_not_asked_for_again_before_it_is_read(serve: Serve, connect: Connect, path: str) -> None:
    """Hundreds behind each other get one answer: they would take the time of webhooks."""
    async with running() as service:
        wire = await connect(await serve(service.app))
        for _ in range(2):
            await wire.send(head(path, method="GET"))
            assert (await wire.answer())[0] == 200
        await wire.send(head(path, method="GET") * 100)

        assert (await wire.answer())[0] == 200
        assert await wire.closed()


# --- two listeners ---


async def test_with_two_listeners_each_path_is_on_one(serve: Serve) -> None:
    """The webhooks' listener serves nothing else, and the other everything else."""
    async with running() as service:
        inside = await serve(web_app(service.pages, None, service.activity))
        outside = await serve(webhook_app(service.webhooks, service.activity))

        assert (await post(outside, HANG))[0] == 200
        assert (await post(inside, HANG, PATH))[0] == 404
        for path in ("/", "/metrics", "/-/healthy", "/-/ready"):
            assert (await get(inside, path))[0].status == 200
            assert (await get(outside, path))[0].status == 404
        assert (await get(outside, "/-/reload", "POST"))[0].status == 404
