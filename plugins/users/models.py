"""What a user is. The plugin `orders` imports this module, so a save here reloads it too."""

from dataclasses import dataclass


@dataclass
class User:
    """Somebody who may order."""

    name: str
    email: str

    @property
    def address(self) -> str:
        """The address as a letter shows it: `Ada <ada@example.org>`."""
        return f"{self.name} <{self.email}>"


@dataclass
class NewUser:
    """The JSON body of `POST /users/`; what does not fit is answered with 422."""

    name: str
    email: str | None = None
