"""Grounding does not take several times what it should: the benchmark has the figures."""

from __future__ import annotations

import grounding_cases as cases

# Of the budget. The costliest case takes 1.6 times its budget on a machine in a slow hour, and
# over twice with other jobs beside it, CPU time too: they share the caches.
SLACK = 4


def test_grounding_does_not_take_several_times_its_budget() -> None:
    """The best of some frames, by the clock or by CPU time."""
    for row in cases.cost(repeats=16):
        assert min(row['best'], row['best, CPU time']) < SLACK * row['budget'], row
