"""Adds the base image's own packages, Debian's, and its Python to a CycloneDX list: `debian.py LIST`."""

from __future__ import annotations

import json
import platform
import sys
from email.parser import HeaderParser
from pathlib import Path
from urllib.parse import quote

# deb-control(5), dpkg(1); a base image without dpkg has no such file, and its packages are not listed
STATUS = Path("/var/lib/dpkg/status")


def packages(status: str, vendor: str) -> list[dict[str, str]]:
    """Returns a component for each installed package; purl-spec, type deb."""
    paragraphs = [HeaderParser().parsestr(text) for text in status.strip().split("\n\n")]
    return [
        component(entry["Package"], entry["Version"], f"deb/{vendor}", f"?arch={entry['Architecture']}")
        for entry in paragraphs
        if (entry["Status"] or "").endswith(" installed")
    ]


def component(name: str, version: str, kind: str, qualifiers: str = "") -> dict[str, str]:
    """Returns a component in CycloneDX 1.6."""
    url = f"pkg:{kind}/{quote(name, safe='')}@{quote(version, safe='.-_~')}{qualifiers}"
    return {"bom-ref": url, "type": "library", "name": name, "version": version, "purl": url}


def main() -> None:
    """Adds the components to the list, in place."""
    file = Path(sys.argv[1])
    told = json.loads(file.read_text(encoding="utf-8"))
    found = [component("python", platform.python_version(), "generic")]
    if STATUS.is_file():
        found += packages(STATUS.read_text(encoding="utf-8"), platform.freedesktop_os_release()["ID"])
    told["components"] += found
    file.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
