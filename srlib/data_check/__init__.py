"""Is a folder of pictures, or of LR and HR pairs, safe to train on? One look at every file, one table."""

from srlib.data_check.folder import check
from srlib.data_check.report import Report, Row

__all__ = ["Report", "Row", "check"]
