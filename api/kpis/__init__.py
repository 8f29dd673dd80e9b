"""The figures by which planners judge a scheme, counted from what happened."""
