"""The database: where it runs, what it holds, how it changes."""
