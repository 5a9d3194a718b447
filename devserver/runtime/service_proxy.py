"""What a consumer has of a service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from packaging.specifiers import SpecifierSet

from devserver.runtime.kinds import is_a
from devserver.runtime.services import ANY, ServiceDirectory


class ServiceProxy:
    """Stands for a service; every use reaches the provider's live generation.

    Attributes that are callable come as proxies too, so a method kept by a consumer follows a
    reload as well; but for exception classes, which `except` takes as they are. Two proxies of one
    thing are equal.
    """

    __slots__ = ("__weakref__", "_directory", "_name", "_path", "_wanted")

    def __init__(
        self,
        directory: ServiceDirectory,
        name: str,
        path: tuple[str, ...] = (),
        *,
        wanted: SpecifierSet = ANY,
    ) -> None:
        object.__setattr__(self, "_wanted", wanted)
        object.__setattr__(self, "_directory", directory)
        object.__setattr__(self, "_name", name)
        object.__setattr__(self, "_path", path)

    def _use(self, use: Callable[[Any], Any]) -> Any:
        def on_target(provided: Any) -> Any:
            for attribute in self._path:
                provided = getattr(provided, attribute)
            return use(provided)

        return self._directory.call(self._name, on_target, self._wanted)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._use(lambda target: target(*args, **kwargs))

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__") and attribute.endswith("__"):
            raise AttributeError(f"{self!r} does not pass on {attribute}")
        value = self._use(lambda target: getattr(target, attribute))
        if callable(value) and not _is_exception(value):
            path = (*self._path, attribute)
            return ServiceProxy(self._directory, self._name, path, wanted=self._wanted)
        return value

    def __setattr__(self, attribute: str, value: Any) -> None:
        self._use(lambda target: setattr(target, attribute, value))

    def __delattr__(self, attribute: str) -> None:
        self._use(lambda target: delattr(target, attribute))

    def __dir__(self) -> Iterable[str]:
        return list(self._use(dir))

    def __getitem__(self, key: Any) -> Any:
        return self._use(lambda target: target[key])

    def __setitem__(self, key: Any, value: Any) -> None:
        self._use(lambda target: target.__setitem__(key, value))

    def __delitem__(self, key: Any) -> None:
        self._use(lambda target: target.__delitem__(key))

    def __contains__(self, item: Any) -> bool:
        return bool(self._use(lambda target: item in target))

    def __iter__(self) -> Iterator[Any]:
        return iter(self._use(list))

    def __len__(self) -> int:
        return int(self._use(len))

    def __bool__(self) -> bool:
        return True

    def __instancecheck__(self, value: Any) -> bool:
        return bool(self._use(lambda target: isinstance(value, target)))

    def __subclasscheck__(self, kind: type) -> bool:
        return bool(self._use(lambda target: issubclass(kind, target)))

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        raise TypeError(
            f"a class cannot derive from {self!r}, which is another one after a reload: import "
            "the class from the plugin that has it; what depends on it is reloaded with it"
        )

    def __eq__(self, other: object) -> bool:
        return type(other) is ServiceProxy and self._key() == other._key()

    def __hash__(self) -> int:
        return hash((self._name, self._path))

    def _key(self) -> tuple[Any, ...]:
        return id(self._directory), self._name, self._path, self._wanted

    def __copy__(self) -> ServiceProxy:
        return self

    def __deepcopy__(self, _: Any) -> ServiceProxy:
        return self

    def __reduce__(self) -> Any:
        raise TypeError("a service proxy belongs to its host and passes by reference")

    def __repr__(self) -> str:
        return f"<service {'.'.join((self._name, *self._path))}>"


def _is_exception(value: Any) -> bool:
    return is_a(value, type) and issubclass(value, BaseException)
