"""Cohortium: the same analysis at several teams, on data that never leave them."""
