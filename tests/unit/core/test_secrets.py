"""Texts without the secrets of a configuration."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from devserver.core.manifest import Manifest
from devserver.core.secrets import masked, secret_texts


@pytest.mark.parametrize(
    "secret", ["plain-one", "a\\b'c\"d", "two\nlines", "gänse/fuß", "x\ud800y1"]
)
def test_a_secret_is_masked_however_it_is_written(secret: str) -> None:
    texts = secret_texts({"password": secret}, Manifest())
    for told in (
        secret,
        repr(secret),
        repr({"password": secret}),
        json.dumps({"password": secret}),
        json.dumps(secret, ensure_ascii=False),
        f"https://user:{quote(secret, safe='', errors='replace')}@host/",
    ):
        shown = masked(told, texts)
        assert "***" in shown
        assert not any(part in shown for part in ("plain", "'c", "lines", "fu", "y1"))
