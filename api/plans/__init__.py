"""Plans: read from files, kept, shown."""
