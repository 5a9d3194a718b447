"""`sysctl plugins debug`: what a plugin is, on disk and running, and what stands in its way."""
