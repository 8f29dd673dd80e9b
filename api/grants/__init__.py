"""Grants: who may act as planner, for an owner, or for a neighbourhood committee; and the owners themselves."""
