"""Households: where somebody lives, who acts for them, and what was done in their name."""
