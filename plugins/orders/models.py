"""An order, and the JSON that one is placed with."""

from dataclasses import dataclass

from pydantic import BaseModel, Field

from plugins.users.models import User


@dataclass
class Order:
    """Something that a user ordered. `total` is in cents."""

    number: int
    customer: User
    item: str
    total: int


class NewOrder(BaseModel):
    """The JSON body of `POST /orders/`; what does not fit is answered with 422."""

    customer: str
    item: str = Field(min_length=1, max_length=80)
    total: int = Field(gt=0, description="in cents")
