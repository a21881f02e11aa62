"""Shared helpers of tests: phantoms, synthetic models, servers."""
