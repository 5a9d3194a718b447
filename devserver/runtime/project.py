"""A project on disk: where everything is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from devserver.core.errors import ProjectNotFound


@dataclass(frozen=True, slots=True)
class Project:
    """The folders of a project; `root` is absolute, as spelt by the user."""

    root: Path

    @property
    def name(self) -> str:
        return self.root.name

    @property
    def plugins(self) -> Path:
        return self.root / "plugins"

    @property
    def validators(self) -> Path:
        return self.root / "validators"

    @property
    def config_file(self) -> Path:
        return self.root / "config" / "hot-loading.yaml"

    @property
    def cache(self) -> Path:
        return self.root / ".plugin_cache"

    @property
    def instance(self) -> Path:
        return self.root / "instance"

    @property
    def server_file(self) -> Path:
        return self.instance / "server.json"

    def relative(self, path: Path) -> str:
        """`path` as messages name it: relative to the root where it is below it."""
        try:
            return path.relative_to(self.root).as_posix()
        except ValueError:
            return path.as_posix()


def find_project(start: Path | None = None, *, explicit: Path | None = None) -> Project:
    """The project `explicit`, else the nearest folder from `start` upwards that has
    config/hot-loading.yaml or plugins/.

    Raises ProjectNotFound.
    """
    if explicit is not None:
        root = explicit.expanduser().absolute()
        if not root.is_dir():
            raise ProjectNotFound(
                f"the project folder {explicit} does not exist",
                hint="create it, or give another one with --project",
            )
        return Project(root)
    here = (start or Path.cwd()).absolute()
    for folder in (here, *here.parents):
        if (folder / "config" / "hot-loading.yaml").is_file() or (folder / "plugins").is_dir():
            return Project(folder)
    raise ProjectNotFound(
        f"no project in {here} or above: neither config/hot-loading.yaml nor plugins/ is there",
        hint="go to your project, name it with --project DIR, or `mkdir plugins` to begin one here",
    )
