"""What is done without anybody waiting for it: holds that end, the horizon that moves, reminders, runs, imports."""
