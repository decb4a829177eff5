"""Image super-resolution, complete and exact: resampling, metrics, data, networks, training, evaluation."""

__version__ = "0.1.0"
