"""Gates: the devices at a facility's barrier, each with a key of its own."""
