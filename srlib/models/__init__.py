"""The networks: one paper, one file."""

from srlib.models.a2n import A2N
from srlib.models.compact import SRVGGNetCompact
from srlib.models.discriminators import ESRGANDiscriminator, SRGANDiscriminator
from srlib.models.rrdbnet import RRDBNet
from srlib.models.srcnn import SRCNN
from srlib.models.srresnet import SRResNet
from srlib.models.unet import UNetDiscriminator

__all__ = [
    "A2N",
    "SRCNN",
    "ESRGANDiscriminator",
    "RRDBNet",
    "SRGANDiscriminator",
    "SRResNet",
    "SRVGGNetCompact",
    "UNetDiscriminator",
]
