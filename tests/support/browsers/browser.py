"""Debian's headless Chromium, driven over a pipe by its DevTools protocol, without driver or port.

The protocol is documented at https://chromedevtools.github.io/devtools-protocol/.
"""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from select import select
from time import monotonic
from typing import Any

import numpy as np
from PIL import Image

from tests.support.node.node_cases import system_tool

# SwiftShader draws WebGL without a graphics card
FLAGS = (
    "--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-dev-shm-usage", "--hide-scrollbars", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)  # fmt: skip
LIMIT_S = 60.0


class Page:
    """One tab; `requests` are the URLs it requested, `errors` the errors of its console."""

    def __init__(self, reading: int, writing: int) -> None:
        self.reading, self.writing, self.unread, self.number = reading, writing, b"", 0
        self.session: str | None = None
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.loaded = False
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def open(self, url: str) -> None:
        """Opens a URL and waits until it has loaded."""
        self.loaded = False
        self.ask("Page.navigate", url=url)
        end = monotonic() + LIMIT_S
        while not self.loaded:
            self.take(end)

    def run(self, script: str) -> Any:
        """Returns the value of a JavaScript expression, awaiting promises. Raises RuntimeError."""
        said = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in said:
            raise RuntimeError(json.dumps(said["exceptionDetails"]))
        return said["result"].get("value")

    def wait_for(self, script: str) -> None:
        """Waits until the expression is true, evaluated before each new frame."""
        self.run(
            f"new Promise(done => {{ const look = () => ({script}) ? done() : "
            "requestAnimationFrame(look); look(); })"
        )

    def press(self, key: str, code: int = 0, text: str = "") -> None:
        """Presses a key by its KeyboardEvent.key; Tab and Space also need their Windows key code."""
        named: dict[str, Any] = {"key": key, "windowsVirtualKeyCode": code, "text": text}
        for kind in ("keyDown" if text else "rawKeyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, **named)

    def resize(self, width: int, height: int) -> None:
        """Sets the size of the viewport in pixels."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def picture(self, path: Path | None = None) -> np.ndarray:
        """Returns a screenshot, RGB (H, W, 3); also saves it as PNG if a path is given."""
        content = base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"])
        if path is not None:
            path.write_bytes(content)
        return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Sends a command and returns its answer. Raises RuntimeError, or TimeoutError without an answer."""
        self.number += 1
        command = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            command["sessionId"] = self.session
        os.write(self.writing, json.dumps(command).encode() + b"\0")
        end = monotonic() + LIMIT_S
        while True:
            answer = self.take(end)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def take(self, end: float) -> dict[str, Any]:
        """Returns the next message and records the page's events."""
        while b"\0" not in self.unread:
            ready, _, _ = select([self.reading], [], [], max(end - monotonic(), 0))
            if not ready:
                raise TimeoutError("expected a message from Chromium, got none")
            more = os.read(self.reading, 1 << 20)
            if not more:
                raise RuntimeError("Chromium has ended")
            self.unread += more
        first, self.unread = self.unread.split(b"\0", 1)
        message: dict[str, Any] = json.loads(first)
        self.note(message.get("method", ""), message.get("params", {}))
        return message

    def note(self, event: str, values: dict[str, Any]) -> None:
        """Records requests and errors."""
        if event == "Network.requestWillBeSent":
            self.requests.append(values["request"]["url"])
        elif event == "Page.loadEventFired":
            self.loaded = True
        elif event == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(values["exceptionDetails"]))
        elif event == "Log.entryAdded" and values["entry"]["level"] == "error":
            self.errors.append(values["entry"]["text"])


@contextmanager
def chromium(profile: Path) -> Iterator[Page]:
    """Runs a browser with its profile in a folder, and yields one tab."""
    to_read, to_write = os.pipe(), os.pipe()
    flags = [*FLAGS, f"--user-data-dir={profile}", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    # Chromium reads from 3 and writes to 4
    moved = f'exec "$@" 3<&{to_read[0]} 4>&{to_write[1]}'
    process = subprocess.Popen(
        ["bash", "-c", moved, "bash", system_tool("chromium"), *flags],
        pass_fds=(to_read[0], to_write[1]),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=(profile.parent / f"{profile.name}.log").open("wb"),
    )
    os.close(to_read[0])
    os.close(to_write[1])
    try:
        yield Page(to_write[0], to_read[1])
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(to_write[0])
        os.close(to_read[1])
