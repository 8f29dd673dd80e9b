"""What households are told: stays that were taken from them, and when it is time to leave."""
