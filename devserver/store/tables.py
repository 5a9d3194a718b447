"""The core tables. `core_migrations` makes them; a test holds the two together."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    func,
    text,
)

metadata = MetaData()


def _moment(name: str) -> Column[object]:
    return Column(
        name, DateTime(timezone=True), nullable=False, server_default=func.current_timestamp()
    )


_NUMBER = BigInteger().with_variant(Integer(), "sqlite")

plugins = Table(
    "plugins",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("version", String(100), nullable=False),
    Column("description", Text),
    Column("is_core", Boolean, nullable=False, server_default=false()),
    Column("status", String(20), nullable=False, server_default=text("'active'")),
    _moment("created_at"),
    _moment("updated_at"),
)
"""Every plugin that was ever seen; `status` is the operator's word, active or inactive."""

plugin_migrations = Table(
    "plugin_migrations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("plugin", String(255), nullable=False),
    Column("migration_id", String(255), nullable=False),
    Column("checksum", String(128), nullable=False),
    _moment("applied_at"),
    UniqueConstraint("plugin", "migration_id"),
)
"""What was applied; `migration_id` is the file's name without `.sql`."""

plugin_objects = Table(
    "plugin_objects",
    metadata,
    Column("id", _NUMBER, primary_key=True),
    Column("plugin", String(255), nullable=False),
    Column("migration_id", String(255), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("name", String(1000), nullable=False),
    UniqueConstraint("plugin", "kind", "name"),
)
"""What a plugin's migrations made, in that order: table, view, index, type, function ..."""

plugin_seeds = Table(
    "plugin_seeds",
    metadata,
    Column("plugin", String(255), primary_key=True),
    _moment("seeded_at"),
)
"""Plugins whose `seed(db)` has been run."""

configuration_overrides = Table(
    "configuration_overrides",
    metadata,
    Column("plugin", String(255), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("value", Text, nullable=False),
    _moment("updated_at"),
)
"""Values that were set at run time, as JSON."""

plugin_data = Table(
    "plugin_data",
    metadata,
    Column("plugin", String(255), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("value", Text, nullable=False),
    _moment("updated_at"),
)
"""What plugins keep with `set_data`, as JSON."""

reload_history = Table(
    "reload_history",
    metadata,
    Column("id", _NUMBER, primary_key=True),
    Column("instance", String(36), nullable=False),
    Column("number", _NUMBER, nullable=False),
    Column("time", Float, nullable=False),
    Column("result", String(20), nullable=False),
    Column("outcome", Text, nullable=False),
    UniqueConstraint("instance", "number"),
    Index("ix_reload_history_number", "number"),
)
"""Every outcome, as the JSON that the API answers; `number` is the id that its instance gave
it, `time` is Unix seconds."""

reload_history_plugins = Table(
    "reload_history_plugins",
    metadata,
    Column(
        "history",
        _NUMBER,
        ForeignKey("reload_history.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("plugin", String(255), primary_key=True),
    Index("ix_reload_history_plugins_plugin", "plugin", "history"),
)
"""Which plugins an outcome is about, normalised."""

source_blobs = Table(
    "source_blobs",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
"""File contents, compressed with zlib, by the SHA-256 of what they are uncompressed."""

source_versions = Table(
    "source_versions",
    metadata,
    Column("plugin", String(255), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("version", String(100), nullable=False),
    Column("single_file", Boolean, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("restores", Integer),
    _moment("created_at"),
)
"""Good versions of a plugin's source, numbered from 1; `restores` is the number of the earlier
one that was put into service again."""

source_files = Table(
    "source_files",
    metadata,
    Column("plugin", String(255), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("path", String(1024), primary_key=True),
    Column("digest", String(64), ForeignKey("source_blobs.digest"), nullable=False),
    Index("ix_source_files_digest", "digest"),
)
"""The files of a version."""

packages = Table(
    "packages",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("version", String(100), primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("content", LargeBinary),
    _moment("installed_at"),
)
"""Installed ZIP packages; `content` is there where instances share the database."""

instances = Table(
    "instances",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("url", String(255), nullable=False),
    Column("started_at", Float, nullable=False),
    Column("lease_until", Float, nullable=False),
    Column("revision", _NUMBER, nullable=False, server_default=text("0")),
    Column("state", Text, nullable=False),
)
"""The running servers; `state` is JSON: `{plugin: {status, generation, version}}`."""

desired_states = Table(
    "desired_states",
    metadata,
    Column("revision", _NUMBER, primary_key=True),
    Column("plugin", String(255), nullable=False),
    Column("action", String(20), nullable=False),
    Column("options", Text, nullable=False),
    Column("policy", String(10), nullable=False),
    Column("stage", String(10), nullable=False),
    Column("canary", String(36), nullable=False),
    Column("tries", Integer, nullable=False, server_default=text("1")),
    Column("instance", String(36), nullable=False),
    _moment("created_at"),
    Index("ix_desired_states_plugin", "plugin", "revision"),
)
"""The group's words in order; the last one of each plugin is the truth. `options` is JSON.

`stage` is `canary` until the instance `canary` has reported, then `everyone` or `halted`; `tries`
are the instances that have been its canary."""

instance_results = Table(
    "instance_results",
    metadata,
    Column("instance", String(36), primary_key=True),
    Column("revision", _NUMBER, primary_key=True),
    Column("result", String(20), nullable=False),
    Column("message", Text, nullable=False),
    _moment("reached_at"),
)
"""What became of a word on an instance: applied, rejected, rolled_back, refused or halted."""
