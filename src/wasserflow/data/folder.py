"""Where data sets lie on this machine."""

from __future__ import annotations

import os
from pathlib import Path


def data_folder() -> Path:
    """The folder of data sets: that of the environment variable WASSERFLOW_DATA, else `../shared/data`.

    Example:
        >>> from wasserflow.data.folder import data_folder
        >>> data_folder().name
        'data'
    """
    return Path(os.environ.get("WASSERFLOW_DATA", Path("..") / "shared" / "data"))
