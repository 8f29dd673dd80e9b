"""The description of the interface (OpenAPI), as a stranger reads it."""
