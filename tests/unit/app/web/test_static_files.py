"""Files of others are served unchanged, with their licence; nothing of the page is loaded without it."""

from __future__ import annotations

import hashlib
import tomllib
from xml.etree import ElementTree

from app.node.queue.jobs.job_search import Hour
from app.node.settings.configuration import NodeSettings
from app.web.pages.models import card_html
from app.web.pages.settings import in_words, settings_of
from app.web.pictures import bars, curve
from app.web.rendering import HERE, templates

SOURCES = tomllib.loads((HERE / "static" / "SOURCES.toml").read_text(encoding="utf-8"))
OWN = {"SOURCES.toml", "page.css", "page.js", "icon.svg", "viewer.js", "correct.js", "radiograph.js"}


def test_each_file_of_others_has_its_version_licence_and_checksum() -> None:
    for source in SOURCES.values():
        path = HERE / "static" / source["file"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == source["sha256"]
        if path.suffix == ".js":
            assert source["version"] in path.read_text(encoding="utf-8")
        assert f"-{source['version']}.tgz" in source["source"]
        assert (HERE / "static" / source["licence_file"]).read_text(encoding="utf-8").strip()
    named = {each[key] for each in SOURCES.values() for key in ("file", "licence_file")}
    assert {path.name for path in (HERE / "static").iterdir()} == named | OWN


def test_no_template_has_scripts_styles_or_handlers_in_it() -> None:
    names = templates().list_templates()
    assert len(names) > 10
    for name in names:
        text = (HERE / "templates" / name).read_text(encoding="utf-8")
        for forbidden in ("style=", "onclick", "javascript:", "|safe", "| safe", "<style", "hx-on", "js:"):
            assert forbidden not in text, (name, forbidden)


def test_html_in_a_card_is_text_and_its_links_stay_here() -> None:
    card = card_html(
        "# T\n<script>x</script> [a](https://example.org) [b](../fracture/MODEL_CARD.md)\n", "bones"
    )
    assert "<script>" not in card
    assert "example.org" not in card
    assert card.startswith("<h2>T</h2>")
    assert 'href="/models/fracture"' in card
    assert 'src="/models/bones/a.svg"' in card_html("![x](a.svg)", "bones")


def test_every_setting_is_listed_in_words() -> None:
    rows = {each.name: each for each in settings_of(NodeSettings(port=7))}
    assert (rows["port"].value, rows["port"].is_changed) == ("7", True)
    assert (rows["stow"].value, rows["stow"].is_changed) == ("no", False)
    assert set(rows) == set(NodeSettings.model_fields)
    assert [in_words(value) for value in (None, "", (), ("a", "b"), 0)] == [
        "none",
        "none",
        "none",
        "a, b",
        "0",
    ]


def test_bars_stack_to_the_highest_hour_and_a_curve_stays_in_its_picture() -> None:
    found = bars([Hour(0, delivered=3, failed=1), Hour(1), Hour(2, refused=2)])
    assert [(bar.kind, bar.y, bar.height) for bar in found] == [
        ("delivered", 25.0, 75.0),
        ("failed", 0.0, 25.0),
        ("refused", 50.0, 50.0),
    ]
    assert bars([]) == []
    assert curve([0, 5, 10]).points == "0.00,100.00 50.00,50.00 100.00,0.00"
    assert (curve([]).points, curve([0, 0]).highest) == ("", 1)


def test_the_icon_is_valid_xml() -> None:
    assert ElementTree.parse(HERE / "static" / "icon.svg").getroot().tag.endswith("svg")
