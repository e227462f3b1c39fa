"""The alerts in a cluster are those that Prometheus reads elsewhere, to the letter."""

import subprocess
import sys
from pathlib import Path

import yaml
from kubernetes_manifests import FOLDER, of_kind, with_metrics
from prometheus_rule import rule

ALERTS = FOLDER.parent / "observability" / "alerts.yml"


def _printed() -> dict[str, object]:
    command = [sys.executable, str(FOLDER / "prometheus_rule.py")]
    return dict(yaml.safe_load(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


def test_the_rule_holds_the_groups_of_the_file_of_alerts() -> None:
    alerts = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))
    assert alerts["groups"][0]["rules"]
    assert _printed()["spec"] == {"groups": alerts["groups"]}


def test_it_is_called_as_the_monitor_is(tmp_path: Path) -> None:
    (monitor,) = of_kind(with_metrics(tmp_path), "ServiceMonitor")
    printed = _printed()
    assert (printed["apiVersion"], printed["kind"]) == (monitor["apiVersion"], "PrometheusRule")
    assert printed["metadata"] == monitor["metadata"] | {"namespace": "offline-token-vault"}


def test_texts_of_several_lines_and_comments_stay_what_they_are() -> None:
    text = "# why\ngroups:\n- name: x\n  rules:\n  - expr: |-\n      a\n        > 0\n\n    annotations: {a: '#'}\n"
    assert yaml.safe_load(rule(text))["spec"] == yaml.safe_load(text)
