"""OpenStreetMap files: streets for people on foot, homes, candidate facilities and what a base map shows."""
