"""Cells tagged `gpu` are skipped where there is no CUDA device."""

from typing import Any

import pytest


def pytest_collection_modifyitems(items: list[Any]) -> None:
    tagged = [item for item in items if "gpu" in getattr(getattr(item, "cell", None), "metadata", {}).get("tags", ())]
    if not tagged:
        return
    import torch

    if not torch.cuda.is_available():
        for item in tagged:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
