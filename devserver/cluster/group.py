"""One instance as a member of its group: everything put together."""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Mapping
from typing import Any

from devserver.cluster.agent import Agent
from devserver.cluster.contact import Contact
from devserver.cluster.convergence import Convergence, Report
from devserver.cluster.deeds import Deeds
from devserver.cluster.heart import BEAT, Heart
from devserver.cluster.membership import LEASE, Identity, Member, Membership, State
from devserver.cluster.packages import Installer, forget_package, keep_package
from devserver.cluster.pulse import Pulse
from devserver.cluster.rollout import Rollout
from devserver.cluster.words import Action, Policy, Words
from devserver.core.errors import DevServerError
from devserver.reload.control import Control
from devserver.store.database import Database

TIMEOUT = 300.0
"""Seconds that a word is waited for, unless said otherwise."""


class Group:
    """Instances that share `database`, which is PostgreSQL. Making it does nothing; calls may
    come from any thread and raise DatabaseUnavailable. `lease` are the seconds that an instance
    counts as live after it was heard of, `beat` those between two renewals."""

    def __init__(
        self,
        *,
        database: Database,
        control: Control,
        installer: Installer | None = None,
        lease: float = LEASE,
        beat: float = BEAT,
    ) -> None:
        self.id = str(uuid.uuid4())
        self._lease = lease
        self._beat = beat
        self._database = database
        self._control = control
        self._words = Words(database)
        self._pulse = Pulse()
        self._stopping = threading.Event()
        self._deeds = Deeds(control=control, database=database, installer=installer)
        self._convergence = Convergence(
            database=database, pulse=self._pulse, is_stopping=self._stopping.is_set
        )
        self._membership: Membership | None = None
        self._agent: Agent | None = None
        self._heart: Heart | None = None

    def start(self, url: str) -> None:
        """Joins the group in the background. `url` is where this instance answers."""
        identity = Identity(
            id=self.id,
            host=socket.gethostname(),
            pid=os.getpid(),
            url=url,
            started_at=self._control.started_at,
        )
        self._membership = Membership(self._database, identity, lease=self._lease)
        self._agent = Agent(
            database=self._database,
            membership=self._membership,
            words=self._words,
            rollout=Rollout(self._database, self.id),
            deeds=self._deeds,
            pulse=self._pulse,
            contact=Contact(self._tell),
            state=self._state,
        )
        self._heart = Heart(
            membership=self._membership, agent=self._agent, state=self._state, beat=self._beat
        )
        self._agent.start()
        self._heart.start()

    def stop(self, timeout: float = 1.0) -> None:
        """Leaves the group, in about `timeout` seconds."""
        self._stopping.set()
        self._pulse.beat()
        if self._agent is not None and self._heart is not None:
            self._agent.stop(timeout / 2)
            self._heart.stop(timeout / 2)

    def ask(
        self,
        plugin: str,
        action: str,
        *,
        policy: str = Policy.HALT,
        options: Mapping[str, Any] | None = None,
        timeout: float = TIMEOUT,
    ) -> dict[str, Any]:
        """Says a word to all instances and waits until every live one has done with it, at
        most `timeout` seconds: `Report.to_json()`. This instance tries it first."""
        return self._ask(plugin, action, policy, options or {}, timeout).to_json()

    def tell_configured(self, plugin: str) -> None:
        """What this instance has set for a plugin is there for all: they take it, each whatever
        becomes of it elsewhere. Nobody waits for that."""
        self._words.say(
            plugin, Action.CONFIGURE, instance=self.id, policy=Policy.CONTINUE, options=None
        )

    def _ask(
        self, plugin: str, action: str, policy: str, options: Mapping[str, Any], timeout: float
    ) -> Report:
        revision = self._words.say(
            plugin, Action(action), instance=self.id, policy=Policy(policy), options=options
        )
        return self._convergence.wait(revision, timeout)

    def install(
        self,
        name: str,
        version: str,
        content: bytes,
        *,
        policy: str = Policy.HALT,
        allowed: Mapping[str, bool] | None = None,
        timeout: float = TIMEOUT,
    ) -> dict[str, Any]:
        """Has all instances install a ZIP package, which travels through the database; `allowed`
        are `force` and `install_requirements`. Raises PackageDamaged when that version was
        installed with other content."""
        allowed = allowed or {}
        force = allowed.get("force", False)
        kept = keep_package(self._database, name, version, content, force=force)
        options = {"version": version, "sha256": kept.sha256, **allowed}
        report = self._ask(name, Action.INSTALL, policy, options, timeout)
        if kept.is_new and report.settled and not report.converged:
            forget_package(self._database, name, version, kept.sha256)
        return report.to_json()

    def look(self, revision: int) -> dict[str, Any]:
        """How far a word has come: `Report.to_json()`."""
        return self._convergence.look(revision).to_json()

    def shown(self) -> dict[str, Any]:
        """`{shared, self, revision, instances: [{id, host, pid, url, live, is_self, started_at,
        lease, revision, plugins: {name: {status, generation, version}}}]}`; `lease` is what is
        left of it in seconds."""
        if self._membership is None:
            raise DevServerError("this instance has not been started")
        return {
            "shared": True,
            "self": self.id,
            "revision": self._words.highest(),
            "instances": [self._row(member) for member in self._membership.members()],
        }

    def _row(self, member: Member) -> dict[str, Any]:
        who = member.identity
        is_self = who.id == self.id
        return {
            "id": who.id,
            "host": who.host,
            "pid": who.pid,
            "url": who.url,
            "live": member.is_live,
            "is_self": is_self,
            "started_at": who.started_at,
            "lease": round(member.lease, 1),
            "revision": member.revision,
            "plugins": self._state() if is_self else member.state,
        }

    def _state(self) -> State:
        records = sorted(self._control.registry.view.plugins.values(), key=lambda r: r.name)
        return {
            record.name: {
                "status": str(record.status),
                "generation": 0 if record.generation is None else record.generation.number,
                "version": record.version,
            }
            for record in records
        }

    def _tell(self, level: str, message: str, hint: str | None) -> None:
        self._control.journal.tell("notice", level=level, message=message, hint=hint, plugin=None)
