"""The networks: one paper, one file."""

from srlib.models.a2n import A2N
from srlib.models.srcnn import SRCNN
from srlib.models.srresnet import SRResNet

__all__ = ["A2N", "SRCNN", "SRResNet"]
