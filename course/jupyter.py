"""A Jupyter server started in the course's folder opens at the first lesson; anywhere else nothing changes.

Enabled by `jupyter_server.json`, which an installation puts into its own environment (never into a user's home).
"""

from pathlib import Path
from typing import Any

from course.manifest import lessons


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "course.jupyter"}]


def _load_jupyter_server_extension(server: Any) -> None:
    first = f"notebooks/{lessons()[0].notebook}"
    if server.default_url == "/lab" and (Path(server.root_dir) / first).is_file():
        server.default_url = server.web_app.settings["default_url"] = f"{server.base_url}lab/tree/{first}"
