"""A hot-reload dev server for plugins."""

__version__ = "0.1.0"
