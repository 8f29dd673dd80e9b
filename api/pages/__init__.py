"""What people see: one page a neighbourhood, with a map, a list and the numbers."""
