"""Live plugins: discovery, loading, generations, hooks, routes, state."""
