"""Configuration overrides and data of plugins."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

from devserver.store.database import Database
from devserver.store.upgrade import upgrade
from devserver.store.values import Values, data_in, overrides_in


@pytest.fixture(params=[overrides_in, data_in], ids=["overrides", "data"])
def values(database: Database, request: pytest.FixtureRequest) -> Iterator[Values]:
    upgrade(database)
    make: Callable[[Database], Values] = request.param
    return make(database)


def test_values_are_kept_replaced_and_taken_out(values: Values) -> None:
    values.put("a", {"x": "1", "y": "[2]"})
    values.put("b", {"x": "3"})
    values.put("a", {"x": "4", "y": None, "z": None})
    assert values.all("a") == {"x": "4"}
    assert values.find("a", "x") == "4"
    assert values.find("a", "y") is None
    assert values.find("b", "x") == "3"
    assert values.all("c") == {}


def test_all_or_nothing(values: Values, database: Database) -> None:
    values.put("a", {"x": "1"})
    with pytest.raises(DBAPIError), database.write() as connection:  # noqa: PT012 - two steps
        values.put_with(connection, "a", {"x": "2", "y": "2"})
        connection.exec_driver_sql("SELECT * FROM nothing_there")
    assert values.all("a") == {"x": "1"}


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ),
        max_size=5,
    )
)
def test_any_json_under_any_key(values: Values, given_values: dict[str, object]) -> None:
    texts = {key: json.dumps(value) for key, value in given_values.items()}
    values.put("any", {**dict.fromkeys(values.all("any")), **texts})
    assert values.all("any") == texts


@pytest.mark.parametrize("key", ["k" * 256, "a\0b", "a\ud800"])
def test_a_key_that_cannot_be_kept_is_refused_and_nothing_else_changes(
    values: Values, key: str
) -> None:
    with pytest.raises(ValueError, match="at most 255 characters"):
        values.put("a", {"x": "1", key: "2"})
    assert values.all("a") == {}
