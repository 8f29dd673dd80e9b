"""One-off bookings of bays: held, confirmed, cancelled, and never sold twice."""
