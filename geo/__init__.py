"""The map: OpenStreetMap in, walking distances, kerb bays and base maps out."""
