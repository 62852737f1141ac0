"""The profile of each account."""
