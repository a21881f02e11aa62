"""A shortage of memory, threads, processes or files is retried, however a library reports it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from operators.errors import ModelError, UnreadableError, shortage

# Each comes upon its limit in a process of its own, whose answer is the code, or the error that has none.
PROGRAM = """
import os, resource, sys
from operators.errors import shortage

def memory(more):
    now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + more, resource.RLIM_INFINITY))

try:
    {code}
    print("there was enough")
except Exception as error:
    found = shortage(error)
    print(found.code if found else repr(error), flush=True)
    os._exit(0)
"""
NETWORK = """
    import numpy as np, openvino as ov, openvino.opset13 as op
    taken = op.parameter([1, 1, 128, 128, 128], ov.Type.f32)
    weights = op.constant(np.ones((64, 1, 3, 3, 3), np.float32))
    ones = [1, 1, 1]
    model = ov.Model([op.relu(op.convolution(taken, weights, ones, ones, ones, ones))], [taken])
    core = ov.Core()
"""
CASES = {
    "numpy": "import numpy; memory(1 << 20); numpy.zeros(1 << 28)",
    "torch": "import torch; memory(64 << 20); torch.zeros(1 << 30)",
    "ITK": "import SimpleITK as s; memory(64 << 20); s.Image([1024, 1024, 1024], s.sitkFloat32)",
    "loading a plug-in of OpenVINO": f"{NETWORK}\n    memory(5 << 20); core.compile_model(model, 'CPU')",
    "compiling": f"{NETWORK}\n    memory(120 << 20); core.compile_model(model, 'CPU')",
    "a network": f"{NETWORK}\n    compiled = core.compile_model(model, 'CPU'); memory(100 << 20)\n"
    "    compiled.create_infer_request().infer({0: np.ones((1, 1, 128, 128, 128), np.float32)})",
    "importing numpy": "memory(8 << 20); import numpy",
    "importing torch": "memory(300 << 20); import torch",
    "a library": "import ctypes; memory(1 << 20); ctypes.CDLL('libcrypto.so.3')",
    "a thread": "import threading; memory(1 << 20); threading.Thread(target=print).start()",
    "mmap": "import mmap; memory(1 << 20); mmap.mmap(-1, 1 << 28)",
    "inflating": "import zlib; memory(1 << 18); zlib.decompress(zlib.compress(bytes(1 << 26)))",
    "SQLite": "import sqlite3; c = sqlite3.connect(':memory:'); memory(1 << 18)\n"
    "    c.execute(\"select length(zeroblob(500000000) || 'x')\").fetchall()",
}
FILES = {
    "opening": "resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8)); [open('/dev/null') for _ in range(9)]",
    "importing": "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3)); import numpy",
    "connecting": "import socket; resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3)); socket.socket()",
}


def answer(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(code=code)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout.strip() or done.stderr


@pytest.mark.parametrize("case", CASES)
def test_too_little_memory_is_known_by_what_the_library_says(case: str) -> None:
    assert answer(CASES[case]) == "out_of_memory"


@pytest.mark.parametrize("case", FILES)
def test_too_many_files_are_known(case: str) -> None:
    assert answer(FILES[case]) == "out_of_files"


def test_too_many_processes_are_known() -> None:
    code = "import subprocess; resource.setrlimit(resource.RLIMIT_NPROC, (1, 1)); os.setuid(65534)\n"
    assert answer(f"{code}    subprocess.Popen(['/bin/true'])") == "out_of_memory"


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE])
def test_a_shortage_is_found_behind_another_error(number: int) -> None:
    for error in (
        UnreadableError("expected a readable file, got one that cannot be opened"),
        ModelError("no weights"),
    ):
        error.__cause__ = OSError(number, os.strerror(number))
        assert shortage(error)


@pytest.mark.parametrize(
    "error",
    [
        RecursionError("maximum recursion depth exceeded"), RuntimeError("a stream is damaged"),
        OSError(errno.ENOSPC, "No space left on device"), ImportError("No module named 'x'"),
        ValueError("std::bad_alloc"), NotImplementedError("cannot allocate"),
        FileNotFoundError(errno.ENOENT, "Too many open files"),
    ],
)  # fmt: skip
def test_other_errors_are_none(error: Exception) -> None:
    assert shortage(error) is None
