"""Telling other programs: signed requests to addresses that owners and households registered."""

from api.webhooks.sending import Delivery, send_signed

__all__ = ["Delivery", "send_signed"]
