"""What the topic of an event may be, and what may be subscribed to."""

from __future__ import annotations


def check_topic(topic: object) -> None:
    """Raises TypeError, which says what to do, when `topic` is no text or empty."""
    if not isinstance(topic, str) or not topic:
        given = "an empty one" if isinstance(topic, str) else type(topic).__name__
        raise TypeError(
            f"the topic of an event is a text such as 'order.placed', not {given}: "
            "give the topic first, what belongs to it behind it"
        )


def check_subscription(topic: object, listener: object) -> None:
    """Raises TypeError as `check_topic` does, and for a listener that cannot be called;
    ValueError for a wildcard that stands where none can."""
    check_topic(topic)
    if not callable(listener):
        raise TypeError(
            f"the listener to {topic!r} is a function that takes the event, "
            f"not {type(listener).__name__}"
        )
    before = str(topic).removesuffix("*")
    if "*" in before or (before != topic and before and not before.endswith(".")):
        raise ValueError(
            f"{topic!r} would never match: a wildcard stands at the end, behind a dot, "
            "as in 'order.*', or alone"
        )
