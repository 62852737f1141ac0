"""Enrichment: what can be told offline about a person from the profile that the person gave."""
