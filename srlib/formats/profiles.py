"""ICC colour profiles inside picture files: to sRGB, or kept to be embedded again."""

import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np


def kept(profile: bytes | None, mode: str) -> bytes | None:
    """A profile that can stand in a file of that mode again; None: there is none, or it must be applied or left."""
    if not profile or mode not in ("L", "RGB"):
        return None
    from PIL import ImageCms

    try:
        space = ImageCms.ImageCmsProfile(BytesIO(profile)).profile.xcolor_space.strip()
    except (OSError, ValueError, ImageCms.PyCMSError):
        return None  # `to_srgb` tells why
    return profile if space == {"L": "GRAY", "RGB": "RGB"}[mode] else None


def warn_unapplied(profile: bytes | None, channels: int, path: Path) -> None:
    """Says so where 16 bits keep a profile from being applied."""
    if to_srgb(profile, "L" if channels <= 2 else "RGB", path) is not None:
        fact = f"{path}: its colour profile is not applied, since the file has 16 bits"
        warnings.warn(f"{fact}; convert it to sRGB in an editor", stacklevel=3)


def to_srgb(profile: bytes | None, mode: str, path: Path) -> Any:
    """The PIL transform from an embedded profile to sRGB; None if there is nothing to change."""
    if not profile:
        return None
    from PIL import Image, ImageCms

    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if mode == "L" and source.profile.xcolor_space.strip() == "RGB":
            mode = "RGB"
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
        if mode == "L":
            flags |= ImageCms.Flags.NOOPTIMIZE  # whose coarse grid is up to 10 levels wrong in dark grey
        transform = ImageCms.ImageCmsTransform(source, srgb, mode, "RGB", intent, flags=flags)
    except (OSError, ValueError, ImageCms.PyCMSError) as error:
        warnings.warn(f"{path}: its colour profile is unusable ({error}); taken as sRGB", stacklevel=2)
        return None
    if mode == "CMYK":
        return transform
    steps = np.arange(0, 256, 15, dtype=np.uint8)  # a profile that moves none of these colours is sRGB itself
    cube = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(-1, len(steps), 3)
    probe = Image.fromarray(cube if mode == "RGB" else cube[..., 0])
    moved = np.asarray(transform.apply(probe)).astype(int) - np.asarray(probe.convert("RGB"))
    return transform if abs(moved).max() > 1 else None
