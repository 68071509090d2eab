"""Where the daemon's binary is."""

import os
import shutil
from importlib import metadata

NAME = "shardwise"


class BinaryNotFound(Exception):
    """No binary of the daemon where one may be."""


def find_binary():
    """The path of the binary: what SHARDWISE_BIN names, what this package installed, or PATH's."""
    named = os.environ.get("SHARDWISE_BIN")
    if named:
        if _is_executable(named):
            return os.path.abspath(named)
        # Going on to another binary than the one asked for would hide the mistake.
        raise BinaryNotFound(f"SHARDWISE_BIN is {named}: not an executable file")
    found = _installed() or shutil.which(NAME)
    if not found:
        raise BinaryNotFound(
            f"no {NAME} binary found. Searched: 1. the environment variable (SHARDWISE_BIN is not "
            f"set); 2. the files of the Python package {NAME}; 3. PATH. Install the package's "
            "wheel again, or set SHARDWISE_BIN."
        )
    return found


def _installed():
    # pip has written down where it put each file, whatever scheme it was told to install by.
    try:
        files = metadata.files(NAME) or []
    except metadata.PackageNotFoundError:
        return None
    paths = (os.path.abspath(file.locate()) for file in files if file.name == NAME)
    return next(filter(_is_executable, paths), None)


def _is_executable(path):
    return os.path.isfile(path) and os.access(path, os.X_OK)
