"""The way of a change: watcher, queue, plan, transaction, journal."""
