"""Metrics start at 0, under their public names."""

from prometheus_client import REGISTRY

from vault_service.adapters.metrics.telemetry import PrometheusTelemetry
from vault_service.application import refresh  # noqa: F401 - all errors that callers may meet are known


def test_every_outcome_begins_at_zero_by_a_public_name() -> None:
    """Prometheus sees no increase in a counter that first appears as 1."""
    PrometheusTelemetry(["fresh"])
    for outcome in ("ok", "uncertain", "not_sent", "late", "client_refused", "grant_refused"):
        labels = {"provider": "fresh", "outcome": outcome}
        assert REGISTRY.get_sample_value("vault_refresh_seconds_count", labels) == 0
    for outcome in ("accepted", "refused"):
        assert REGISTRY.get_sample_value("vault_replays_total", {"provider": "fresh", "outcome": outcome}) == 0
    issued = {
        sample.labels["outcome"]
        for metric in REGISTRY.collect()
        if metric.name == "vault_access_tokens"
        for sample in metric.samples
    }
    assert {"memory", "obtained", "ProviderUnavailableError"} <= issued
    assert not any(outcome.startswith("_") for outcome in issued)
