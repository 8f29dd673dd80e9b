"""Fees, deposits and refunds, in a ledger of two sides."""

from __future__ import annotations
