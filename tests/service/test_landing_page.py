"""The landing page as a browser gets it."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

from exporter import __version__
from exporter.recording.recent_activity import RecentActivity, Rejection
from exporter.service import landing_page


class Tables(HTMLParser):
    """Reads the cells of a document's tables, and which attributes load something."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.loaded: list[str] = []
        self.in_cell = False
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: D102 - the parser calls it
        if tag == "tr":
            self.rows.append([])
        self.in_cell = tag in {"td", "th"}
        if self.in_cell:
            self.rows[-1].append("")
        self.loaded += [f"{tag} {name}" for name, _ in attrs if name in {"src", "srcset", "onclick"} or tag == "link"]

    def handle_endtag(self, _tag: str) -> None:  # noqa: D102 - the parser calls it
        self.in_cell = False

    def handle_data(self, data: str) -> None:  # noqa: D102 - the parser calls it
        if self.in_cell:
            self.rows[-1][-1] += data


LAST = {"hang": 420.0, "error": 5.0}


def page(activity: RecentActivity | None = None, not_ready: str | None = None) -> str:
    """A page at the epoch's tenth minute."""
    shown = landing_page.Page(
        not_ready,
        "/var/lib/voice-exporter",
        [
            landing_page.Webhook("vapi", "https://voice.example.com/webhook/vapi", "secret in x-vapi-secret"),
            landing_page.Webhook("interactly", "/webhook/interactly", "signature", relayed=True, last=LAST),
        ],
        {"/metrics": "Metrics"},
        [("assistant_id", 3, 500)],
        activity or RecentActivity(),
    )
    return landing_page.render(shown, now=600.0)


def test_it_shows_version_state_links_and_labels() -> None:
    """What runs, whether it is ready, where to go, and how full the labels are."""
    document = page()

    assert f"Version {__version__}, ready. Storage: /var/lib/voice-exporter." in document
    assert '<a href="/metrics">Metrics</a>' in document
    assert ["assistant_id", "3", "500"] in Tables(document).rows


def test_it_shows_why_it_is_not_ready() -> None:
    """The reason stands where the state is."""
    assert "not ready: storage: disk full<" in page(not_ready="storage: disk full")


def test_it_shows_what_to_paste_and_whether_it_works() -> None:
    """Each webhook's URL, what a request has to show, and when something last came."""
    rows = Tables(page()).rows

    assert ["vapi", "none yet", "https://voice.example.com/webhook/vapi", "secret in x-vapi-secret"] in rows
    wants = "signature, and the relay's application answers"
    assert ["interactly", "3 minutes ago", "/webhook/interactly", wants] in rows
    newest = rows.index(["interactly", "hang", "1970-01-01 00:07:00", "3 minutes ago"])
    assert rows[newest + 1] == ["interactly", "error", "1970-01-01 00:00:05", "9 minutes ago"]


def test_a_webhook_is_readable_on_a_narrow_screen() -> None:
    """Its row becomes a card there, on which each value has its name beside it, and a long URL breaks."""
    document = page()
    (webhooks,) = re.findall(r'<table class="cards">.*?</table>', document)
    assert '<td data-name="URL to paste">https://voice.example.com/webhook/vapi</td>' in webhooks
    (narrow,) = re.findall(r"@media \(max-width: 40rem\) \{(.*?)\n\}", document, re.DOTALL)
    assert "content: attr(data-name)" in narrow
    assert "overflow-wrap: anywhere" in narrow


def test_it_shows_the_events_of_the_last_minutes() -> None:
    """One row for each platform, event and outcome, one column for each span."""
    activity = RecentActivity()
    activity.count(("interactly", "hang", "counted"), 0.0)
    activity.count(("interactly", "hang", "counted"), 500.0)
    activity.count(("vapi", "hang", "duplicate"), 600.0)

    rows = Tables(page(activity)).rows

    assert ["interactly", "hang", "counted", "0", "1", "2"] in rows
    assert ["vapi", "hang", "duplicate", "1", "1", "1"] in rows


def test_it_shows_the_last_rejections_newest_first() -> None:
    """Time, platform, status and reason of each refused request."""
    activity = RecentActivity()
    activity.rejections.append(Rejection(60.0, "vapi", 401, "unauthorized"))
    activity.rejections.append(Rejection(120.0, "interactly", 400, "body is not JSON"))

    rows = Tables(page(activity)).rows

    newest = rows.index(["1970-01-01 00:02:00", "interactly", "400", "body is not JSON"])
    assert rows[newest + 1] == ["1970-01-01 00:01:00", "vapi", "401", "unauthorized"]


def test_everything_is_escaped() -> None:
    """Not even a reason or a path can bring markup into the page."""
    activity = RecentActivity()
    evil = "<script>alert('x')</script>"
    activity.count((evil, evil, evil), 600.0)
    activity.rejections.append(Rejection(600.0, evil, 400, evil))

    webhook = landing_page.Webhook(evil, evil, evil, last={evil: 0.0})
    shown = landing_page.Page(evil, evil, [webhook], {f'"{evil}': evil}, [(evil, 1, 2)], activity)
    document = landing_page.render(shown, now=600.0)

    assert "<script" not in document
    assert [evil, evil, evil, "1", "1", "1"] in Tables(document).rows


def test_it_says_whether_texts_are_judged() -> None:
    """Only where sentiment is on, and by what."""
    off = landing_page.Page(None, "memory", [], {}, [], RecentActivity())
    assert "entiment" not in landing_page.render(off)
    on = landing_page.render(replace(off, analyser="acme.sentiment:analyse"))
    assert "Sentiment is on: acme.sentiment:analyse judges the text of user messages, which is then dropped." in on


def test_it_loads_nothing_and_its_policy_allows_its_own_style_only() -> None:
    """The page is complete in itself; the Content-Security-Policy names the hash of the style it has."""
    document = page()
    style = re.search(r"<style>(.*)</style>", document, re.DOTALL)
    assert style

    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()

    assert f"'sha256-{digest}'" in landing_page.HEADERS["Content-Security-Policy"]
    assert landing_page.HEADERS["Content-Security-Policy"].startswith("default-src 'none'")
    assert not Tables(document).loaded
    assert "color-scheme: light dark" in document
