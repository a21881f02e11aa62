"""Without a driver of a GPU, torch is not asked for one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from operators.networks import gpu


def test_a_library_is_found_or_not() -> None:
    assert gpu.has_library("libc.so.6")
    assert not gpu.has_library("libnowhere.so.1")


def test_without_a_driver_torch_is_not_imported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gpu, "CUDA_DRIVER", "libnowhere.so.1")
    monkeypatch.setattr(gpu, "AMD_DRIVER", tmp_path / "kfd")
    monkeypatch.delitem(sys.modules, "torch")
    assert not gpu.has_gpu()
    assert "torch" not in sys.modules


@pytest.mark.parametrize("there", [True, False])
def test_with_a_driver_torch_says_whether_it_can_use_it(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    monkeypatch.setattr(gpu, "CUDA_DRIVER", "libc.so.6")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert gpu.has_gpu() is there
