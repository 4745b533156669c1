"""The cost of grounding per frame, generously: the benchmark has the figures."""

from __future__ import annotations

import grounding_cases as cases


def test_grounding_keeps_its_budget_at_its_best() -> None:
    """Best of some frames, twice the budget: other jobs share the machine that runs the tests."""
    for row in cases.cost(repeats=16):
        assert row['best'] < 2 * row['budget'], row
