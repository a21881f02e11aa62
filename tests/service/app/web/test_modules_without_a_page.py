"""A node without a page loads nothing of it."""

from __future__ import annotations

import subprocess
import sys

from app.settings import ROOT


def test_a_node_without_a_page_loads_nothing_of_it() -> None:
    script = (
        "import sys, app.cli.node.commands, app.node.service.supervisor;"
        "print([name for name in sys.modules if name.partition('.')[0] in ('argon2', 'markdown_it')"
        " or name.startswith('app.web')])"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "[]"
