"""The simulation of docs/scaling.md."""

import json
import random

import simulation

HOURS = 2 * 3600.0


def test_the_vault_s_rule_spreads_what_began_together() -> None:
    """Without a jitter the refreshes of all grants stay in one minute; with the rule the peaks come down."""
    peaks = {
        name: simulation.peaks(simulation.refreshes(jitter, 60, HOURS, random.Random(1)), HOURS, 1.0)
        for name, jitter in simulation.RULES.items()
    }
    none, _, rule = peaks.values()
    assert max(rule[-2:]) < 0.75 * max(none[-2:])


def test_peaks_are_the_fullest_bin_of_each_period() -> None:
    """As refreshes a second, for all grants."""
    times = [0.0, 1.0, 2.0, 15.0, simulation.PERIOD + 1]
    assert simulation.peaks(times, 2 * simulation.PERIOD, 10.0) == [3.0, 1.0]


def test_the_kept_figures_are_of_this_simulation() -> None:
    """The file was written with the settings that the code has now."""
    kept = json.loads(simulation.FILE.read_text(encoding="utf-8"))
    assert kept["rules"].keys() == simulation.RULES.keys()
    settings = {"grants": simulation.GRANTS, "simulated": simulation.SIMULATED, "used_every": simulation.USED_EVERY}
    assert {name: kept[name] for name in settings} == settings
    assert all(len(rule["peaks"]) == simulation.DAY / simulation.PERIOD for rule in kept["rules"].values())
