"""What a rules file consists of: groups of recording rules and alerts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from exporter.assets.model import Links

Dashboard: TypeAlias = Literal["voice-overview", "voice-latency", "voice-hangs-errors", "voice-exporter"]
"""Uid of a dashboard."""
Incidents: TypeAlias = Literal["", "hang", "error", "escalation", "sentiment"]
"""A kind of incidents, as `/incidents` lists them."""

_ASSISTANT: Final = (
    "{{ $labels.assistant_id }}"
    '{{ with printf "voice_assistant_info{assistant_id=%q}" $labels.assistant_id | query }}'
    ' ({{ . | first | label "assistant_name" }}){{ end }}'
)
WHO: Final = f"Assistant {_ASSISTANT} on {{{{ $labels.platform }}}}"
"""An assistant in a description: its id, its name where one is known, its platform."""

_LOCAL: Final = "http://localhost:10060"
_URL: Final = "voice_exporter_external_url_info"
_SEEN: Final = f"last_over_time(timestamp({_URL}%s)[1d:5m])"
_NOW: Final = f"topk(1, 3 * {_URL}{{job=%q, instance=%q}} or 2 * {_URL}{{job=%q}} or {_URL})"
_LATELY: Final = f"topk(1, 2 * {_SEEN % '{job=%q}'} or {_SEEN % ''})"
_EXPORTER: Final = (
    f'{{{{ with printf "{_NOW}" $labels.job $labels.instance $labels.job | query }}}}{{{{ . | first | label "url" }}}}'
    f'{{{{ else }}}}{{{{ with printf "{_LATELY}" $labels.job | query }}}}{{{{ . | first | label "url" }}}}'
    f"{{{{ else }}}}{_LOCAL}{{{{ end }}}}{{{{ end }}}}"
)
"""Where an exporter is, as it says itself (`--web.external-url`): that of the alert, else one of its job, else any that
is up, else the one that was last."""
_VARIABLES: Final = {"job": "job", "instance": "instance", "platform": "platform", "assistant": "assistant_id"}
"""The dashboards' variables, and the label that each takes its value from."""
_FILTERS: Final = {"platform": "platform", "assistant": "assistant_id"}
"""Those of the exporter's page of incidents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A query whose result is kept as a series, named level:metric:operations.

    Attributes:
        record: the series' name; its level is the labels it has.
        expr: PromQL.
        comment: why it is as it is, for who reads the file.
    """

    record: str
    expr: str
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A query whose result, where there is any, is an alert.

    Attributes:
        name: one runbook each, also where several severities share it.
        expr: PromQL.
        severity: critical pages, high tells the operators now, warning is a ticket, info can wait.
        summary: one sentence without templates.
        description: what exactly is wrong; a template.
        dashboard: the uid of the dashboard to look at first.
        wait: seconds that the query has a result before the alert fires.
        keep: seconds that it goes on firing without one.
        labels: further ones.
        incidents: kind of the single incidents that the alert is about; empty where there are none.
        comment: why it is as it is, for who reads the file.
    """

    name: str
    expr: str
    severity: str
    summary: str
    description: str
    dashboard: Dashboard
    wait: float = 0.0
    keep: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict)
    incidents: Incidents = ""
    comment: str = ""

    def annotations(self, links: Links, *, asking: bool = True) -> dict[str, str]:
        """The annotations by name; asking, templates may query where an exporter is."""
        exporter = _EXPORTER if asking else _LOCAL
        return {
            "summary": self.summary,
            "description": self.description,
            "runbook_url": self._runbook(links, exporter),
            **({"incidents_url": self._incidents(exporter)} if self.incidents else {}),
            "dashboard_url": f"{links.dashboard(self.dashboard)}?from=now-6h&to=now{_selected(_VARIABLES, 'var-')}",
            **({"assistant": _ASSISTANT} if WHO in self.description else {}),
        }

    def _runbook(self, links: Links, exporter: str) -> str:
        own = links.runbook_base_url.rstrip("/")
        return f"{own}/{self.name}.md" if own else f"{exporter}/runbooks/{self.name}"

    def _incidents(self, exporter: str) -> str:
        return f"{exporter}/incidents?kind={self.incidents}{_selected(_FILTERS)}"


def _selected(parameters: Mapping[str, str], prefix: str = "") -> str:
    """The part of an address that selects what an alert is about, as far as the alert has labels for it."""
    return "".join(
        f"{{{{ with $labels.{label} }}}}&{prefix}{name}={{{{ . | urlquery }}}}{{{{ end }}}}"
        for name, label in parameters.items()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rules that are evaluated together and in order, so that alerts see what was recorded before them.

    Attributes:
        name: of the group; without ``voice-``, the name of its file.
        comment: what the file is about.
        rules: in order.
    """

    name: str
    comment: str
    rules: tuple[Recording | Alert, ...]

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """The alerts of the group."""
        return tuple(rule for rule in self.rules if isinstance(rule, Alert))
