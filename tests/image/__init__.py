"""Tests of the container image: `make image-test`."""
