"""A season lived through on a database of its own: everybody acts through the service, and the clock runs ahead."""
