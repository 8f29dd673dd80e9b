"""Offers: a permit that waits for its household's word, for 72 hours with at least one working day in them."""
