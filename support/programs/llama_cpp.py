"""llama-cpp-python with its server, in a Python environment of its own (https://pypi.org/project/llama-cpp-python/).

The package has sources only: llama.cpp is compiled for this machine.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from support.errors import ProgramUnavailable
from support.programs.install import (
    EXECUTABLE_SUFFIX,
    SCRIPTS_FOLDER,
    ExternalProgram,
    InstalledProgram,
    ReportProgress,
    build,
    install,
    printed_version,
    require_uv,
)

PACKAGE, VERSION = "llama-cpp-python[server]", "0.3.36"
# Without the library for images and sounds, which is a third of the files.
CMAKE_OPTIONS = "-DLLAVA_BUILD=OFF"
# 15 minutes of CPU time.
MINUTES = 8
ENVIRONMENT_SECONDS = 120.0
# Of the installed package: to import it takes seconds.
_PRINT_VERSION = "import importlib.metadata as m; print(m.version('llama-cpp-python'))"


class LlamaCppPython(ExternalProgram):
    """The path is that of the Python which has it: `python -m llama_cpp.server`."""

    name = "llama-cpp-python"
    purpose = "the server of llama-cpp-python, for comparison"
    install_hint = "acceptance get llama-cpp-python"
    unusable = "llama-cpp-python: uv reported success, but there is no package in {folder}"

    def find(self, cache: Path) -> InstalledProgram | None:
        """The one in the cache."""
        python = self.folder(cache) / SCRIPTS_FOLDER / f"python{EXECUTABLE_SUFFIX}"
        if not python.is_file():
            return None
        version = printed_version(r"^(\d\S*)$", python, "-I", "-c", _PRINT_VERSION)
        return InstalledProgram(self.name, python, version, "cache") if version else None

    def install(self, folder: Path, report_progress: ReportProgress) -> None:
        """With uv and a C++ compiler."""
        uv = require_uv(self.name)
        if shutil.which("c++") is None:
            raise ProgramUnavailable(f"{self.name}: c++ not found; install a C++ compiler")
        made = [uv, "venv", "--quiet", "--allow-existing", str(folder)]
        install(f"{self.name}: no environment", made, timeout=ENVIRONMENT_SECONDS)
        command = [uv, "pip", "install", "--python", str(folder), f"{PACKAGE}=={VERSION}"]
        env = os.environ | {"CMAKE_ARGS": CMAKE_OPTIONS}
        build(self.name, command, folder, report_progress, minutes=MINUTES, env=env)


LLAMA_CPP_PYTHON = LlamaCppPython()
