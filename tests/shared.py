"""The one way tests reach the recordings and reference outputs that live beside the project."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "shared"


def shared(name: str) -> Path:
    """The file or folder `name` of the shared material; skips the test with a reason where it is absent."""
    path = ROOT / name
    if not path.exists():
        pytest.skip(f"shared/{name} is not beside this checkout")
    return path
