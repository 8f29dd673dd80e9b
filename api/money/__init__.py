"""Fees, deposits and refunds: a ledger of two sides, and the ways money comes in and goes out."""
