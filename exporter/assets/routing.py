"""The example for Alertmanager: who is told of which alert, in which words, and what silences what."""

from importlib.resources import files
from typing import Final

from exporter.assets.promql import Labels, indent

_TEMPLATE: Final = files("exporter.assets") / "templates" / "alertmanager.yml"

_ESCAPED: Final = '. | reReplaceAll "&" "&amp;" | reReplaceAll "<" "&lt;" | reReplaceAll ">" "&gt;"'
"""A text as Slack takes it literally."""
_TEAM_ROUTE: Final = """
# A team of its own gets its pages and messages itself; its tickets go where all go. Copy it for each team.
- matchers: [team = "example"]
  receiver: example-operators
  routes:
    - matchers: [severity = "critical"]
      receiver: example-page
      group_by: [alertname, job, platform, assistant_id, provider<<kept>>]
      group_wait: 5s
      repeat_interval: 1h
    - matchers: [severity =~ "warning|info"]
      receiver: tickets
      group_wait: 1m
      group_interval: 15m
      repeat_interval: 1d
"""
_TEAM_RECEIVERS: Final = """
# As the receivers above, but for what is the team's.
- name: example-page
  pagerduty_configs:
    - <<: *pagerduty
      routing_key_file: /etc/alertmanager/pagerduty-routing-key-example

- name: example-operators
  slack_configs:
    - <<: *slack
      channel: "#example-operators"
"""


def routing(keep: Labels) -> str:
    """Routes, inhibitions and receivers.

    Args:
        keep: labels of the scrape that the rules keep: alerts that differ in them share no message and silence nothing
            of each other. With ``team`` among them, the example shows a team's own route.
    """
    team = "team" in keep
    text = _TEMPLATE.read_text("utf-8")
    text = text.replace("<<team_route>>\n", f"{indent(_TEAM_ROUTE, 4)}\n\n" if team else "\n")
    text = text.replace("<<team_receivers>>\n", f"{indent(_TEAM_RECEIVERS)}\n" if team else "")
    kept = "".join(f"{{{{- with .CommonLabels.{label} }}}}, {{{{ . }}}}{{{{ end }}}}" for label in keep)
    text = text.replace("<<kept_alone>>", ", ".join(keep))
    text = text.replace("<<kept>>", "".join(f", {label}" for label in keep))
    return text.replace("<<kept_text>>", kept).replace("<<escaped>>", _ESCAPED)
