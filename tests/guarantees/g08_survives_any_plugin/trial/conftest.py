"""The two ways to run a trial."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from devserver.reload import trial_forkserver
from devserver.reload.trial_forkserver import ForkServerTrial
from tests.guarantees.g08_survives_any_plugin.trial.lab import (
    new_trial,
)


@pytest.fixture(scope="module")
def warm_trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServerTrial]:
    trial = new_trial(tmp_path_factory.mktemp("warm"))
    trial.warm()
    yield trial
    trial.close()


@pytest.fixture(params=["fork server", "spawned worker"])
def trial(
    request: pytest.FixtureRequest, warm_trial: ForkServerTrial, monkeypatch: pytest.MonkeyPatch
) -> ForkServerTrial:
    """Each of the two ways to run a trial."""
    if request.param == "spawned worker":
        monkeypatch.setattr(trial_forkserver, "CAN_FORK", False)
    return warm_trial


@pytest.fixture
def own_trial(tmp_path: Path) -> Iterator[ForkServerTrial]:
    """A trial that the test may do anything to."""
    trial = new_trial(tmp_path)
    yield trial
    trial.close()
