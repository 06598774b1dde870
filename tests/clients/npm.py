"""The npm packages of the JavaScript client: installed once, beside it."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

JS_FOLDER = Path(__file__).parents[1] / "e2e" / "js"
INSTALL_LIMIT = 300.0  # seconds


def js_modules() -> Path:
    """Folder of the JavaScript client, its packages installed. Skips only where there is no Node at all."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(
                f"2026-11-21: no {program} here; it runs matrix-js-sdk, the SDK of Element (needs Node 20)"
            )
    if _installed() != _wanted():
        command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund"]
        try:
            subprocess.run(
                command, cwd=JS_FOLDER, check=True, timeout=INSTALL_LIMIT, capture_output=True, text=True
            )
        except subprocess.CalledProcessError as error:
            pytest.fail(f"{' '.join(command)} failed in {JS_FOLDER}:\n{error.stderr}", pytrace=False)
    return JS_FOLDER


def _wanted() -> str:
    manifest = json.loads((JS_FOLDER / "package.json").read_text(encoding="utf-8"))
    return str(manifest["dependencies"]["matrix-js-sdk"])


def _installed() -> str | None:
    manifest = JS_FOLDER / "node_modules" / "matrix-js-sdk" / "package.json"
    return str(json.loads(manifest.read_text(encoding="utf-8"))["version"]) if manifest.exists() else None
