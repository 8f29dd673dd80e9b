"""The waitlist: who follows when a bay comes free, in the order of tier, rounds waited and draw."""
