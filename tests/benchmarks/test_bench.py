"""The benchmarks as tests: `pytest -m benchmark tests/benchmarks`."""

from __future__ import annotations

import bench_large_state
import bench_many_plugins
import bench_requests
import bench_save_to_live
import bench_trial
import bench_validation
import pytest

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]


def test_a_save_is_live_near_the_floor_and_no_request_fails() -> None:
    assert bench_save_to_live.main([]) == 0


def test_a_save_among_a_thousand_plugins_is_live_as_soon_as_alone() -> None:
    assert bench_many_plugins.main([]) == 0


def test_a_trial_costs_single_milliseconds() -> None:
    assert bench_trial.main([]) == 0


def test_requests_take_hardly_longer_during_reloads_and_none_fails() -> None:
    assert bench_requests.main([]) == 0


def test_large_state_goes_through_a_reload_faster_than_through_deepcopy() -> None:
    assert bench_large_state.main([]) == 0


def test_validating_a_save_among_a_thousand_plugins_takes_as_long_as_among_few() -> None:
    assert bench_validation.main([]) == 0
