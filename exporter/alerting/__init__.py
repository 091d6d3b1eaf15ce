"""Alerts of single calls: each hang and critical error, pushed to Alertmanager with its call id.

Rules over metrics can't name a call and see nothing while Prometheus is away; they stay the net under this.
"""

from exporter.alerting.alerting import Alerting

__all__ = ["Alerting"]
