"""What a generation did to the interpreter without the SDK, one class per shape of deed.

A trace knows how it is undone; `board` tells it of the traces of all other generations, because
what somebody else has put on top, or relies on too, has to stay.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

_T = TypeVar("_T")
MISSING: Any = object()
"""What a slot shows that is empty."""


class Board(Protocol):
    """What a trace may ask of the others that are not undone yet, in the order of the deeds."""

    def traces(self) -> Iterable[Trace]: ...


class Trace(Protocol):
    """One deed."""

    def undo(self, board: Board) -> object:
        """Takes it back. May run plugin code, and raise what that raises."""
        ...

    @property
    def is_there(self) -> bool:
        """False when it has been taken back already, by the plugin itself for one."""
        ...

    def __str__(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of the interpreter. With `veiled` a candidate does not see what its predecessor put
    there, so that `if entry not in the_list` gives what it gives in a fresh process."""

    name: str
    get: Callable[[], list[Any]]
    veiled: bool = False


@dataclass(eq=False, slots=True)
class Inserted:
    """`item` was put into a list. Identity is what counts: an equal entry of a successor is not
    this one."""

    listing: Listing
    item: Any
    veiled_at: int | None = None

    def undo(self, board: Board) -> None:
        if not any(t.item is self.item for t in others(self, board)):
            self._take_out()

    def claim(self) -> None:
        """Equal strings may be one object, which says nothing of who put it there: the entry
        becomes an object of its own."""
        entries = self.listing.get()
        at = position(tuple(entries), self.item)
        if isinstance(self.item, str) and at is not None:
            self.item = entries[at] = (self.item + " ")[:-1]

    def veil(self) -> None:
        self.veiled_at = self._take_out()

    def unveil(self) -> None:
        if self.veiled_at is not None:
            self.listing.get().insert(self.veiled_at, self.item)
            self.veiled_at = None

    @property
    def is_there(self) -> bool:
        return position(self.listing.get(), self.item) is not None

    def _take_out(self) -> int | None:
        entries = self.listing.get()
        while (at := position(tuple(entries), self.item)) is not None:
            taken = entries.pop(at)
            if taken is self.item:
                return at
            entries.insert(at, taken)  # another thread has changed the list in between
        return None

    def __str__(self) -> str:
        return f"{self.listing.name} entry {self.item!r}"


@dataclass(eq=False, slots=True)
class Removed:
    """`item` was taken out of a list at `index`."""

    listing: Listing
    item: Any
    index: int

    def undo(self, board: Board) -> None:  # noqa: ARG002 - the protocol
        entries = self.listing.get()
        if position(entries, self.item) is None:
            entries.insert(self.index, self.item)

    @property
    def is_there(self) -> bool:
        return position(self.listing.get(), self.item) is None

    def __str__(self) -> str:
        return f"removal of {self.item!r} from {self.listing.name}"


@dataclass(frozen=True, slots=True)
class Slot:
    """A place that holds one value. `inherited`: it passes on to the successor, who may rely on
    it (`os.environ.setdefault`)."""

    name: str
    get: Callable[[], Any]
    set: Callable[[Any], object]
    veiled: bool = False
    inherited: bool = False


@dataclass(eq=False, slots=True)
class Replaced:
    """A slot got a value; `previous` is what is below it, `shown` what the slot shows while this
    is veiled."""

    slot: Slot
    value: Any
    previous: Any
    shown: Any = MISSING

    def undo(self, board: Board) -> None:
        above = self._above(board)
        if above is not None:
            above.previous = self.previous
            if above.shown is not MISSING and self._is_on_top():
                above.shown = self.previous
                self.slot.set(self.previous)
        elif self._is_on_top():
            self.slot.set(self.previous)

    def veil(self, below: Any) -> None:
        if self._is_on_top():
            self.shown = below
            self.slot.set(below)

    def unveil(self, board: Board) -> None:
        shown, self.shown = self.shown, MISSING
        if shown is MISSING:
            return
        above = self._above(board)
        if above is not None:
            above.previous = self.value
        elif same(self.slot.get(), shown):
            self.slot.set(self.value)

    @property
    def is_there(self) -> bool:
        return True  # what is below another's is not to be seen

    def _is_on_top(self) -> bool:
        return same(self.slot.get(), self.value)

    def _above(self, board: Board) -> Replaced | None:
        later = False
        for trace in board.traces():
            if trace is self:
                later = True
            elif later and isinstance(trace, Replaced) and trace.slot.name == self.slot.name:
                return trace
        return None

    def __str__(self) -> str:
        return self.slot.name


@dataclass(eq=False, slots=True)
class WarningsFilter:
    """An entry of `warnings.filters`; it took the place of an equal one when `displaced` is
    `(index, that entry)`."""

    item: tuple[Any, ...]
    displaced: tuple[int, tuple[Any, ...]] | None

    def undo(self, board: Board) -> None:
        rest = others(self, board)
        if any(t.item is self.item for t in rest):
            return
        filters: list[Any] = warnings.filters  # type: ignore[assignment]
        at = position(filters, self.item)
        if at is None:
            for other in rest:
                if other.displaced is not None and other.displaced[1] is self.item:
                    other.displaced = self.displaced
            return
        del filters[at]
        if self.displaced is not None:
            filters.insert(*self.displaced)
        with warnings.catch_warnings():
            """The interpreter forgets which warnings it has decided about."""

    @property
    def is_there(self) -> bool:
        return position(warnings.filters, self.item) is not None

    def __str__(self) -> str:
        return f"warnings filter {self.item[0]!r} for {self.item[2].__name__}"


@dataclass(eq=False, slots=True)
class Registered:
    """A function in a registry that can be asked to forget it. `last_call` makes undoing it run
    the function, as the registry itself would have done in the end."""

    name: str
    function: Callable[..., Any]
    entry: Callable[..., Any]
    forget: Callable[[Any], object]
    last_call: bool = False
    gone: bool = field(default=False)

    def undo(self, board: Board) -> object:
        if self.gone:
            return None
        self.gone = True
        if not any(t.entry is self.entry for t in others(self, board)):
            self.forget(self.entry)
        return self.entry() if self.last_call else None

    @property
    def is_there(self) -> bool:
        return not self.gone

    def __str__(self) -> str:
        return f"{self.name} {getattr(self.function, '__qualname__', repr(self.function))}"


def of_slot(slot: Slot, traces: Iterable[Trace]) -> list[Replaced]:
    """The traces of one slot."""
    return [t for t in traces if isinstance(t, Replaced) and t.slot.name == slot.name]


def position(entries: Iterable[object], item: object) -> int | None:
    """Where the very object is, None when it is not there."""
    return next((i for i, entry in enumerate(entries) if entry is item), None)


def others(trace: _T, board: Board) -> list[_T]:
    """The traces of the same class."""
    return [t for t in board.traces() if t is not trace and isinstance(t, type(trace))]


def same(one: object, other: object) -> bool:
    """Strings and numbers have no identity of their own."""
    return one is other or (
        isinstance(one, (str, int)) and type(one) is type(other) and one == other
    )
