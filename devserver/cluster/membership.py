"""Who belongs to the group: instances with leases."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert

from devserver.cluster.clock import now
from devserver.cluster.words import wake_group
from devserver.store.database import Database
from devserver.store.tables import instance_results, instances

LEASE = 10.0
"""Seconds that an instance counts as live after it was heard of."""
FORGOTTEN = 3600.0
"""Seconds after which an instance that has gone is not shown any more."""
_RESULTS_KEPT = "7 days"

State = Mapping[str, Mapping[str, Any]]
"""`{plugin: {status, generation, version}}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One running server. `id` is new with each start, `started_at` in Unix seconds."""

    id: str
    host: str
    pid: int
    url: str
    started_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An instance as the database knows it. `lease` is what is left of it in seconds, below
    zero when it has run out; `lease_until` in Unix seconds of the database."""

    identity: Identity
    lease: float
    lease_until: float
    revision: int
    state: State

    @property
    def is_live(self) -> bool:
        return self.lease > 0

    @property
    def label(self) -> str:
        """How messages name it."""
        return f"{self.identity.host}:{self.identity.pid} ({self.identity.url})"


class Membership:
    """One instance's place in the group. Everything raises DatabaseUnavailable."""

    def __init__(self, database: Database, identity: Identity, *, lease: float = LEASE) -> None:
        self._database = database
        self._lease = lease
        self.identity = identity

    def renew(self, revision: int, state: State) -> None:
        """Takes the lease anew; joins where the instance is not known (any more), in place of one
        that has gone and answered at the same address."""
        me = self.identity
        row = insert(instances).values(
            id=me.id,
            host=me.host[:255],
            pid=me.pid,
            url=me.url[:255],
            started_at=me.started_at,
            lease_until=now() + self._lease,
            revision=revision,
            state=json.dumps(state),
        )
        fresh = row.excluded
        kept = row.on_conflict_do_update(
            index_elements=["id"],
            set_={
                "lease_until": fresh.lease_until,
                "state": fresh.state,
                "revision": func.greatest(instances.c.revision, fresh.revision),
            },
        )
        columns = instances.c
        predecessor = (columns.host == me.host[:255], columns.url == me.url[:255])
        gone = (columns.id != me.id, columns.lease_until < now())
        with self._database.write() as connection:
            connection.execute(kept)
            connection.execute(delete(instances).where(*predecessor, *gone))

    def leave(self) -> None:
        """Gives the lease back at a clean stop; whoever waits for this instance goes on."""
        with self._database.write() as connection:
            connection.execute(delete(instances).where(instances.c.id == self.identity.id))
            wake_group(connection, "left")

    def clean(self) -> None:
        """Forgets instances that have gone long ago, and results that nobody asks for."""
        long_ago = func.clock_timestamp() - text(f"interval '{_RESULTS_KEPT}'")
        with self._database.write() as connection:
            connection.execute(delete(instances).where(instances.c.lease_until < now() - FORGOTTEN))
            connection.execute(
                delete(instance_results).where(instance_results.c.reached_at < long_ago)
            )

    def members(self) -> list[Member]:
        """Every instance that is known, those that have gone included, by age."""
        with self._database.read() as connection:
            return members(connection)


def members(connection: Connection) -> list[Member]:
    """Every instance that is known, by age."""
    lease = (instances.c.lease_until - now()).label("lease")
    query = select(instances, lease).order_by(instances.c.started_at, instances.c.id)
    return [
        Member(
            identity=Identity(
                id=row.id, host=row.host, pid=row.pid, url=row.url, started_at=row.started_at
            ),
            lease=row.lease,
            lease_until=row.lease_until,
            revision=row.revision,
            state=json.loads(row.state),
        )
        for row in connection.execute(query)
    ]


def live_ids(connection: Connection) -> list[str]:
    """The instances whose leases hold, the lowest id first."""
    query = select(instances.c.id).where(instances.c.lease_until > now())
    return list(connection.scalars(query.order_by(instances.c.id)))
