"""The parameters of a function, the arguments of a call, and whether these fit those."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The arguments of a call. `open` means that more may come from `*args` or `**kwargs`."""

    positional: int
    keywords: tuple[str, ...]
    open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """The parameters of a function. `defaults` counts those positional ones, from the last,
    that can be left out."""

    positional_only: tuple[str, ...]
    positional: tuple[str, ...]
    defaults: int
    keyword_only: tuple[str, ...]
    keyword_required: tuple[str, ...]
    varargs: bool
    keywords: bool

    def without_first(self) -> Signature:
        """As seen on an instance: without `self`."""
        first_only = self.positional_only[1:] if self.positional_only else ()
        rest = self.positional if self.positional_only else self.positional[1:]
        count = len(first_only) + len(rest)
        return Signature(
            positional_only=first_only,
            positional=rest,
            defaults=min(self.defaults, count),
            keyword_only=self.keyword_only,
            keyword_required=self.keyword_required,
            varargs=self.varargs,
            keywords=self.keywords,
        )

    def problem_with(self, call: Call) -> str | None:
        """Why a call does not fit, or None when it does or that cannot be known."""
        if call.open:
            return None
        names = (*self.positional_only, *self.positional)
        if call.positional > len(names) and not self.varargs:
            return f"takes at most {len(names)} positional arguments, not {call.positional}"
        known = {*self.positional, *self.keyword_only}
        unknown = [k for k in call.keywords if k not in known]
        if unknown and not self.keywords:
            return f"has no parameter {unknown[0]!r}"
        given = {*names[: call.positional], *call.keywords}
        required = (*names[: len(names) - self.defaults], *self.keyword_required)
        missing = [n for n in required if n not in given]
        return f"needs the argument {missing[0]!r}" if missing else None

    def problem_with_count(self, count: int) -> str | None:
        """The same for a call with `count` positional arguments."""
        return self.problem_with(Call(positional=count, keywords=(), open=False))

    @property
    def takes_first(self) -> bool:
        """True when there can be a `self`."""
        return bool(self.positional_only or self.positional or self.varargs)
