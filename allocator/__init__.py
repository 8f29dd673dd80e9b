"""The solver: integers and arrays in, a plan with its certificate out. It knows no database, web or map."""
