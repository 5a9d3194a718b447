"""Plugins and code as documents for authors print them, with their import lines changed."""

from __future__ import annotations

from pathlib import Path

SAMPLES = Path(__file__).parents[2] / "fixtures" / "samples"
