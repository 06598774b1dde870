"""The npm packages of the JavaScript client and of AsyncAPI: installed once, beside the client."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

JS_FOLDER = Path(__file__).parents[1] / "e2e" / "js"
INSTALL_LIMIT = 300.0  # seconds


def js_modules() -> Path:
    """Folder of the JavaScript client, its packages installed."""
    if _installed() != _wanted():
        command = [program("npm"), "install", "--no-package-lock", "--no-audit", "--no-fund"]
        try:
            subprocess.run(
                command,
                cwd=JS_FOLDER,
                env=environment(),
                check=True,
                timeout=INSTALL_LIMIT,
                capture_output=True,
                text=True,
            )
        except subprocess.CalledProcessError as error:
            pytest.fail(f"{' '.join(command)} failed in {JS_FOLDER}:\n{error.stderr}", pytrace=False)
    return JS_FOLDER


def program(name: str) -> str:
    """The path of `node` or `npm`: those of the virtual environment before those of the machine."""
    found = shutil.which(name, path=environment()["PATH"])
    assert found is not None, f"{name} is missing: `make test` installs it with the other packages"
    return found


def environment() -> dict[str, str]:
    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def _wanted() -> dict[str, str]:
    manifest = json.loads((JS_FOLDER / "package.json").read_text(encoding="utf-8"))
    wanted: dict[str, str] = manifest["dependencies"]
    return wanted


def _installed() -> dict[str, str]:
    """Of those that are wanted: which version."""
    folder = JS_FOLDER / "node_modules"
    manifests = {name: folder / name / "package.json" for name in _wanted()}
    return {
        name: str(json.loads(manifest.read_text(encoding="utf-8"))["version"])
        for name, manifest in manifests.items()
        if manifest.exists()
    }
