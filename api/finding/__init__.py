"""Finding a free bay near a home or an address, by true walking metres."""
