"""Other places for permits, bookings and nights that lose theirs when capacity is taken back."""
