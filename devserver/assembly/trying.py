"""How a host reads what is on disk, checks it, and tries it out."""

from __future__ import annotations

from collections.abc import Callable

from devserver.core.settings import Settings
from devserver.reload.attempt import Attempts
from devserver.reload.catalog import Catalog
from devserver.reload.journal import Journal
from devserver.reload.offers import Offers
from devserver.reload.overtaking import Overtaking
from devserver.reload.queue import ReloadQueue
from devserver.reload.trial_forkserver import ForkServerTrial
from devserver.runtime.hooks import HookRunner
from devserver.runtime.project import Project
from devserver.runtime.system import PluginSystem
from devserver.validation.analyser import Analyser
from devserver.validation.checks import built_in_validators, project_validators
from devserver.validation.pipeline import Pipeline


class Trying:
    """What there is on disk is in `catalog`, `attempts` are made at it, and make way for what
    waits as `overtaking` has it. `settings()` gives those in force."""

    def __init__(
        self,
        project: Project,
        *,
        system: PluginSystem,
        queue: ReloadQueue,
        journal: Journal,
        settings: Callable[[], Settings],
    ) -> None:
        self._project = project
        self._journal = journal
        self._settings = settings
        self.overtaking = Overtaking(queue)
        self._hooks = HookRunner(system.loop, gives_up=self.overtaking.ends_hook)
        self._trial = ForkServerTrial(
            cache=project.cache,
            code=system.code,
            memory_mb=lambda: settings().safety.trial_memory_mb,
        )
        analyser = Analyser(project.cache, deferred=True, keep_code=system.code.put)
        self.catalog = Catalog(project, analyser)
        system.services.could_provide = Offers(system.registry, self.catalog).of_service
        self._caches = (analyser, system.code)
        self.attempts = Attempts(
            system=system,
            catalog=self.catalog,
            pipeline=self._pipeline(),
            hooks=self._hooks,
            trial=self._trial,
            overtaking=self.overtaking,
        )

    def warm(self) -> None:
        """Prepares trial processes, where the settings want them."""
        if self._settings().safety.trial_process:
            self._trial.warm()

    def give_up(self) -> None:
        """Ends the trial that runs, and with it the reload that waits for it."""
        self._trial.close()

    def close(self) -> None:
        """Lets the thread of the hooks end."""
        self._hooks.close()

    def flush(self) -> None:
        """Writes what the caches have learnt; no save waits for it."""
        for cache in self._caches:
            cache.flush()

    def validators_changed(self) -> None:
        """From the next attempt on the project's own validators are what is on disk."""
        self.attempts.pipeline = self._pipeline()

    def _pipeline(self) -> Pipeline:
        own, problems = project_validators(self._project.validators)
        for problem in problems:
            place = f"{problem.location}: " if problem.location else ""
            self._journal.tell(
                "notice",
                level="error",
                message=f"{place}{problem.message}",
                hint=problem.hint,
                plugin=None,
            )
        return Pipeline([*built_in_validators(), *own])
