"""How many bays an owner can share: from records of entries and exits, at a chosen confidence, tested on the past."""
