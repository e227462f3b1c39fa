"""Prints deploy/observability/alerts.yml as a PrometheusRule, for `kubectl apply -f -`; the README has the command.

Kustomize can put files into ConfigMaps only, and a copy would drift. The standard library cannot read YAML: the text is
inserted as it is, indented.
"""

import sys
import textwrap
from pathlib import Path

ALERTS = Path(__file__).resolve().parents[1] / "observability" / "alerts.yml"
HEAD = """\
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: offline-token-vault
  namespace: offline-token-vault
  labels: {app.kubernetes.io/part-of: offline-token-vault}
spec:
"""


def rule(alerts: str) -> str:
    """The PrometheusRule. alerts: a rule file of Prometheus."""
    return HEAD + textwrap.indent(alerts, "  ")


if __name__ == "__main__":
    sys.stdout.write(rule(ALERTS.read_text(encoding="utf-8")))
