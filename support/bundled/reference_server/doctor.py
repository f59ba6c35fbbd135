"""`mistralrs-reference doctor`: a short diagnosis in the form of `mistralrs doctor` 0.9."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version

import psutil

from support.bundled.reference_server.json_fields import JsonObject


def diagnose() -> JsonObject:
    """`{"system", "checks": [{"name", "status": ok|warn|error, "message"}]}`; sizes in bytes."""
    memory = psutil.virtual_memory()
    engine = version("mistralrs")
    system = {
        "os": platform.system(),
        "kernel": platform.release(),
        "cpu": {"brand": platform.machine(), "logical_cores": psutil.cpu_count() or 1},
        "memory": {"total_bytes": memory.total, "available_bytes": memory.available},
        "build": {"version": engine},
    }
    check = {
        "name": "engine",
        "status": "ok",
        "message": f"the Python package mistralrs {engine} is installed",
    }
    return {"system": system, "checks": [check]}


def render(report: JsonObject, *, as_json: bool) -> str:
    """The report as JSON, or as text."""
    if as_json:
        return json.dumps(report, indent=2)
    system, (check,) = report["system"], report["checks"]
    cpu, memory = system["cpu"], system["memory"]
    return f"""Environment Diagnosis
[INFO] OS: {system["os"]} ({system["kernel"]})
[INFO] CPU: {cpu["brand"]} ({cpu["logical_cores"]} threads)
[INFO] RAM: {memory["total_bytes"] / 2**30:.1f} GiB, {memory["available_bytes"] / 2**30:.1f} GiB free

System Checks
[PASS] {check["message"]}

Summary
No problem found."""
