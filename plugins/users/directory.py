"""The users that there are; offered to other plugins as the service `users.directory`."""

from collections.abc import Iterator

from .models import User


class Directory:
    """Users by name, in the order in which they came."""

    def __init__(self) -> None:
        self._users: dict[str, User] = {}

    def add(self, user: User) -> User:
        """Raises ValueError when there is one of that name."""
        if user.name in self._users:
            raise ValueError(f"there is a user {user.name!r} already")
        self._users[user.name] = user
        return user

    def find(self, name: str) -> User | None:
        """The user of that name, or None."""
        return self._users.get(name)

    def remove(self, name: str) -> User | None:
        """The user that was removed, or None when there was none."""
        return self._users.pop(name, None)

    def __iter__(self) -> Iterator[User]:
        return iter(list(self._users.values()))

    def __len__(self) -> int:
        return len(self._users)
