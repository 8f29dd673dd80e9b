"""From a neighbourhood to a plan: compile, allocate, explain, write, and check from scratch."""
