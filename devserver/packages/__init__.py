"""Packages: plugins that come as ZIP archives, judged, staged and switched between versions."""
