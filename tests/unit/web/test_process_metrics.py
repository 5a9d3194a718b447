"""Figures of the process."""

from __future__ import annotations

from pathlib import Path

import pytest

from devserver.web import process_metrics
from devserver.web.process_metrics import process, resident_bytes


def test_memory_and_processor_time_have_the_names_that_all_programs_use() -> None:
    found = {family.name: family.samples[0].value for family in process()}
    assert found["process_resident_memory_bytes"] > 1_000_000
    assert found["process_cpu_seconds"] > 0


def test_memory_is_left_out_where_the_system_does_not_tell(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for content in (None, "", "one two three"):
        place = tmp_path / "statm"
        if content is not None:
            place.write_text(content)
        monkeypatch.setattr(process_metrics, "_STATM", place)
        assert resident_bytes() is None
    assert [family.name for family in process()] == ["process_cpu_seconds"]
