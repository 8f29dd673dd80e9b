"""Cars that leave late: reminders, strikes and appeals, and the bays kept back because of them."""
