"""Edits, breakages, renames and switches in any order: the last good generation answers."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.guarantees.machine import EditMachine


def _run(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        EditMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            # Shrinking would run it hundreds of times, with hangs that take real seconds.
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
            database=None,
        ),
    )


def test_the_last_good_generation_answers_whatever_is_edited() -> None:
    _run(examples=6, steps=12)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_the_last_good_generation_answers_over_long_histories() -> None:
    _run(examples=60, steps=60)
