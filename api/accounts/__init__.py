"""Accounts: who somebody is, what they may do, and the household they belong to."""
