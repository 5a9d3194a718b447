"""A package of several files: a model, a service for other plugins, state, a permission.

Add a user, then change models.py (say, how `address` looks) and save: the user is still there
and is an instance of the new class, and `orders` and `mailer`, which depend on it, came along.
"""

from typing import Any

from flask import abort

from devserver.sdk import BasePlugin, Permission, Router, requires_permission

from .directory import Directory
from .models import NewUser, User


class Users(BasePlugin):
    name = "users"
    version = "1.2.0"
    description = "A directory of users that other plugins ask"

    def __init__(self) -> None:
        super().__init__()
        self.directory = Directory()  # state: users that were added live through reloads

    async def initialize(self) -> None:
        # Kept state is back by now, so what is offered here is the directory that stays.
        if not self.directory:
            self._add(NewUser(name=await self.get_config("first_user")))
        self.register_service("users.directory", self.directory)

    def register_permissions(self) -> list[Permission]:
        return [Permission(key="users.manage", description="Add and remove users")]

    def register_routes(self, app: Any, router: Router) -> None:
        @router.get("/")
        def everybody() -> list[User]:
            """All users."""
            return list(self.directory)

        @router.get("/<name>")
        def one(name: str) -> User:
            """One user, or 404."""
            return self.directory.find(name) or abort(404, f"there is no user {name!r}")

        @router.post("/")
        @requires_permission("users.manage")
        def add(user: NewUser) -> tuple[User, int]:
            """Adds a user."""
            try:
                return self._add(user), 201
            except ValueError as error:
                abort(409, str(error))

        @router.delete("/<name>")
        @requires_permission("users.manage")
        def remove(name: str) -> User:
            """Removes a user."""
            return self.directory.remove(name) or abort(404, f"there is no user {name!r}")

    def _add(self, user: NewUser) -> User:
        email = user.email or f"{user.name.lower()}@{self.config['domain']}"
        return self.directory.add(User(user.name, email))
