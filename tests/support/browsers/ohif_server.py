"""Serves the published build of OHIF, with Orthanc's DICOMweb at the same address."""

from __future__ import annotations

import base64
import hashlib
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

ROOT = Path(__file__).resolve().parents[3]
VERSION = "3.13.2"
ADDRESS = f"https://registry.npmjs.org/@ohif/app/-/app-{VERSION}.tgz"
# Integrity from the registry (npm view @ohif/app dist.integrity)
SHA512 = "WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA=="
# 150 of 204 MB, which are not tested: networks for prompts, and a microscopy viewer
UNUSED = ("package/dist/ort/", "package/dist/dicom-microscopy-viewer/")
CONFIGURATION: dict[str, Any] = {
    "routerBasename": "/",
    "extensions": [],
    "modes": [],
    "customizationService": [{"ohif.tours": {"$set": []}}],
    "showStudyList": True,
    "maxNumberOfWebWorkers": 2,
    "showLoadingIndicator": True,
    "showCPUFallbackMessage": False,
    "showWarningMessageForCrossOrigin": False,
    "strictZSpacingForVolumeViewport": True,
    "defaultDataSourceName": "orthanc",
    "investigationalUseDialog": {"option": "never"},
    "dataSources": [
        {
            "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
            "sourceName": "orthanc",
            "configuration": {
                "friendlyName": "Orthanc",
                "name": "orthanc",
                "wadoUriRoot": "/wado",
                "qidoRoot": "/dicom-web",
                "wadoRoot": "/dicom-web",
                "qidoSupportsIncludeField": False,
                "imageRendering": "wadors",
                "thumbnailRendering": "wadors",
                "enableStudyLazyLoad": True,
                "supportsFuzzyMatching": False,
                "supportsWildcard": True,
                "dicomUploadEnabled": True,
                "singlepart": "",
                "bulkDataURI": {"enabled": True},
                "omitQuotationForMultipartRequest": True,
            },
        }
    ],
}


def viewer() -> Path:
    """Returns the folder of the built viewer, downloaded on first use."""
    folder = ROOT / "build" / "ohif" / VERSION
    if not folder.exists():
        archive = folder.with_suffix(".tgz")
        archive.parent.mkdir(parents=True, exist_ok=True)
        with urlopen(ADDRESS, timeout=300) as answer:
            archive.write_bytes(answer.read())
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        assert digest == SHA512, f"expected {ADDRESS} as it was published, got {digest}"
        _unpack(archive, folder)
        archive.unlink()
    return folder / "package" / "dist"


def _unpack(archive: Path, folder: Path) -> None:
    part = folder.with_suffix(".part")
    with tarfile.open(archive) as tar:
        tar.extractall(part, [each for each in tar if not each.name.startswith(UNUSED)], filter="data")
    part.rename(folder)


class Handler(SimpleHTTPRequestHandler):
    """Serves the viewer's files, its settings, and the PACS."""

    protocol_version = "HTTP/1.1"

    def __init__(self, pacs: str, *arguments: Any, **given: Any) -> None:
        self.pacs = pacs
        super().__init__(*arguments, **given)

    def end_headers(self) -> None:
        """Adds cross-origin isolation, which cornerstone's shared memory needs."""
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def do_GET(self) -> None:
        """Answers with the PACS, the settings, a file, or for any other path the viewer."""
        if self.path.startswith(("/dicom-web", "/wado")):
            self._pass_on(None)
        elif self.path == "/app-config.js":
            self._send(200, "text/javascript", f"window.config = {json.dumps(CONFIGURATION)};".encode())
        else:
            if not Path(self.translate_path(self.path)).is_file():
                self.path = "/index.html"
            super().do_GET()

    def do_POST(self) -> None:
        """Forwards to the PACS."""
        self._pass_on(self.rfile.read(int(self.headers["Content-Length"])))

    def log_message(self, *arguments: object) -> None:
        """Logs nothing."""

    def _pass_on(self, content: bytes | None) -> None:
        words = [word for word in ("Accept", "Content-Type", "Host") if word in self.headers]
        kept = {word: self.headers[word] for word in words}
        try:
            with urlopen(Request(self.pacs + self.path, data=content, headers=kept), timeout=60) as answer:
                self._send(answer.status, answer.headers["Content-Type"], answer.read())
        except HTTPError as error:
            self._send(error.code, "text/plain", error.read())

    def _send(self, status: int, kind: str | None, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind or "application/octet-stream")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def served(pacs: str) -> Iterator[str]:
    """Serves the viewer in front of the PACS at `pacs`; yields its address."""
    handler = partial(Handler, pacs, directory=str(viewer()))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
