"""The networks: one paper, one file."""

from srlib.models.srcnn import SRCNN

__all__ = ["SRCNN"]
