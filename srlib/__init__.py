"""Image super-resolution, complete and exact: resampling, metrics, data, networks, training, evaluation."""

from importlib.metadata import version

__version__ = version("srlib")
