"""The command line of a plugin's command, made of what the server says that it takes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import click

from devserver.cli.commands import Command
from devserver.cli.text import clean, one_line

if TYPE_CHECKING:
    _Type = click.ParamType[Any]
    _OneText = click.Choice[str]
else:  # take no type arguments before click 8.2
    _Type = click.ParamType
    _OneText = click.Choice

_TYPES: Mapping[str, _Type] = {
    "integer": click.INT,
    "number": click.FLOAT,
    "boolean": click.BOOL,
    "text": click.STRING,
}

_NUMBER = re.compile(r"-\.?[0-9]")
_WORDS = "words of the line"
"""The name of what is given without one; no parameter can be called so."""


class _Json(_Type):
    """JSON; what is none is taken as text where `strict` is false."""

    name = "json"

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return json.loads(value)
        except ValueError:
            if self._strict:
                self.fail(f"{value!r} is no JSON", param, ctx)
            return value


class _Choice(_OneText):
    """One of some plain values, as it is written; gives the value itself."""

    def __init__(self, choices: Sequence[Any]) -> None:
        self._values = {str(choice): choice for choice in choices}
        super().__init__(list(self._values))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return self._values[super().convert(value, param, ctx)]


class CommandLine:
    """`description` is `{name, help, parameters}` of GET /api/plugins/NAME/commands.

    Every parameter can be given as `--name VALUE` and as `name=VALUE`; those that are positional
    in the signature also in its order.
    """

    def __init__(self, plugin: str, description: Mapping[str, Any]) -> None:
        self._plugin = plugin
        self._description = description
        self._parameters: list[Mapping[str, Any]] = list(description["parameters"])
        self._by_name = {p["name"]: p for p in self._parameters}
        self._is_open = any(p["kind"] == "more" for p in self._parameters)

    def read(self, words: Sequence[str], parent: click.Context) -> dict[str, Any]:
        """The arguments by name, as JSON.

        Raises click.UsageError for what does not fit, click.exceptions.Exit after `--help`.
        """
        command = self._command()
        named, rest = self._split(words)
        with command.make_context(self._description["name"], named, parent=parent) as ctx:
            given = {
                name: list(value) if isinstance(value, tuple) else value
                for name, value in ctx.params.items()
                if ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
            }
            positional = list(given.pop(_WORDS, ()))
            _refuse_unknown(positional, ctx)
            self._place(positional + rest, given, ctx)
            missing = [
                p["name"] for p in self._parameters if p["required"] and p["name"] not in given
            ]
            if missing:
                names = ", ".join(map(_shown, missing))
                raise click.UsageError(f"missing: {names}", ctx)
            return given

    def _command(self) -> click.Command:
        options: list[click.Parameter] = [
            _option(p) for p in self._parameters if p["kind"] in ("positional", "keyword")
        ]
        arguments = click.Argument([_WORDS], nargs=-1, metavar=self._usage() or None)
        command = Command(
            self._description["name"],
            params=[arguments, *options],
            help=_paragraphs(self._description["help"]),
            context_settings={
                "help_option_names": ["-h", "--help"],
                "ignore_unknown_options": True,  # numbers below zero are words like others
            },
            no_args_is_help=False,
        )
        if self._is_open:
            command.epilog = "Takes any further NAME=VALUE."
        taken = {name for option in options for name in option.opts}
        command.params = [
            p for p in command.params if p in (arguments, *options) or not taken & set(p.opts)
        ]
        return command

    def _usage(self) -> str:
        words = []
        for parameter in self._parameters:
            if parameter["kind"] not in ("positional", "rest"):
                continue
            word = _shown(parameter["name"])
            many = "..." if parameter["multiple"] else ""
            words.append(f"{word}{many}" if parameter["required"] else f"[{word}]{many}")
        return " ".join(words)

    def _split(self, words: Sequence[str]) -> tuple[list[str], list[str]]:
        """`name=VALUE` written as an option, and what comes behind `--`."""
        words = list(words)
        end = words.index("--") if "--" in words else len(words)
        return [self._as_option(word) for word in words[:end]], words[end + 1 :]

    def _as_option(self, word: str) -> str:
        name, equals, value = word.partition("=")
        known = self._by_name.get(name.replace("-", "_"))
        if not equals or known is None or known["kind"] not in ("positional", "keyword"):
            return word
        if known["type"] == "boolean" and not known["multiple"]:
            yes = click.BOOL.convert(value, None, None)
            return f"--{_dashed(name)}" if yes else f"--no-{_dashed(name)}"
        return f"--{_dashed(name)}={value}"

    def _place(self, words: Sequence[str], given: dict[str, Any], ctx: click.Context) -> None:
        """Puts words without a name where they belong."""
        left = list(words)
        if self._is_open:
            left = [word for word in left if not self._take_further(word, given)]
        for parameter in self._parameters:
            name, kind = parameter["name"], parameter["kind"]
            if not left or kind not in ("positional", "rest") or name in given:
                continue
            if parameter["multiple"]:
                given[name] = [_convert(parameter, word, ctx) for word in left]
                left = []
            else:
                given[name] = _convert(parameter, left.pop(0), ctx)
        if left:
            shown = " ".join(map(one_line, left))
            raise click.UsageError(f"unexpected: {shown}", ctx)

    def _take_further(self, word: str, given: dict[str, Any]) -> bool:
        name, equals, value = word.partition("=")
        if not equals or not name.isidentifier():
            return False
        given[name] = _Json(strict=False).convert(value, None, None)
        return True


def _refuse_unknown(words: Sequence[str], ctx: click.Context) -> None:
    """Raises click.NoSuchOption for what looks like an option and is none, nor a number."""
    for word in words:
        name = word.partition("=")[0]
        if name.startswith("-") and name != "-" and not _NUMBER.match(word):
            known = [text for option in ctx.command.params for text in option.opts]
            near = get_close_matches(name, known)
            raise click.NoSuchOption(name, possibilities=near, ctx=ctx)


def _option(parameter: Mapping[str, Any]) -> click.Option:
    dashed = _dashed(parameter["name"])
    help_text = _help(parameter)
    if parameter["type"] == "boolean" and not parameter["multiple"]:
        return click.Option([parameter["name"], f"--{dashed}/--no-{dashed}"], help=help_text)
    return click.Option(
        [parameter["name"], f"--{dashed}"],
        type=_type(parameter),
        multiple=parameter["multiple"],
        metavar=None if parameter["choices"] else _type(parameter).name.upper(),
        help=help_text,
    )


def _help(parameter: Mapping[str, Any]) -> str:
    parts = [clean(parameter["help"])] if parameter["help"] else []
    if parameter["required"]:
        parts.append("[required]")
    elif parameter["default"] not in (None, "", [], {}):
        default = parameter["default"]
        told = default if isinstance(default, str) else json.dumps(default, ensure_ascii=False)
        parts.append(f"[default: {one_line(told)}]")
    if parameter["multiple"]:
        parts.append("Give it several times for several.")
    return "  ".join(parts)


def _type(parameter: Mapping[str, Any]) -> _Type:
    if parameter["choices"]:
        return _Choice(parameter["choices"])
    return _TYPES.get(parameter["type"]) or _Json(strict=parameter["type"] == "json")


def _convert(parameter: Mapping[str, Any], word: str, ctx: click.Context) -> Any:
    try:
        return _type(parameter).convert(word, None, ctx)
    except click.BadParameter as error:
        raise click.UsageError(f"{_shown(parameter['name'])}: {error.message}", ctx) from None


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _shown(name: str) -> str:
    return _dashed(name).upper()


def _paragraphs(text: str) -> str:
    """A docstring as it was written: click would join its lines."""
    return "\n\n".join(f"\b\n{clean(part)}" for part in text.split("\n\n")) if text else ""
