"""Live map layers as vector tiles, made by the database."""
