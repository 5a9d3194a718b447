"""Static validation: finds what would break, without executing any plugin code."""
