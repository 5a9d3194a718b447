"""Tests of plugins against a real host that runs within the test.

`class TestMine(PluginTestCase)` runs under unittest too, the fixture `plugin_host` under pytest;
tests may be coroutines. The fixture is there wherever the product is installed; in a checkout that
is not, `pytest_plugins = ["devserver.sdk.testing"]` in conftest.py brings it.
"""

from devserver.sdk.testing.case import PluginTestCase
from devserver.sdk.testing.client import Answer, PluginTestClient
from devserver.sdk.testing.coroutines import (
    pytest_pyfunc_call,
    pytest_runtest_protocol,
    pytest_runtest_setup,
)
from devserver.sdk.testing.fixture import PluginTestHost, plugin_host, pytest_configure

__all__ = [
    "Answer",
    "PluginTestCase",
    "PluginTestClient",
    "PluginTestHost",
    "plugin_host",
    "pytest_configure",
    "pytest_pyfunc_call",
    "pytest_runtest_protocol",
    "pytest_runtest_setup",
]
