"""Fixtures for all tests."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

# How long a case takes depends on what else runs
settings.register_profile("osteon", deadline=None)
settings.load_profile("osteon")


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A command that runs within a test sends its log to that test's stderr, which is closed afterwards."""
    yield
    structlog.reset_defaults()


def pytest_collection_finish() -> None:
    """The garbage collector passes over the modules of all tests, which it would search again and again."""
    gc.freeze()
