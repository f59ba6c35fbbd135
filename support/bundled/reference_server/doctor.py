"""`mistralrs-reference doctor`: the sections and the JSON of `mistralrs doctor` 0.9 (mistralrs.md 4)."""

from __future__ import annotations

import json
import os
import platform
import socket
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

_HUB = "huggingface.co"
_HUB_SECONDS = 3.0
_MIN_FREE_BYTES = 10 * 2**30
_MARKS = {"ok": "[PASS] ✅", "warn": "[WARN] ⚠️", "error": "[ERROR] ❌"}
_FLAGS = ("avx", "avx2", "avx512", "fma")


def diagnose() -> dict[str, Any]:
    """`{"system", "checks": [{"name", "status": ok|warn|error, "message", "suggestion"?}]}`; bytes."""
    system = _system()
    return {"system": system, "checks": [*_checks(system)]}


def render(report: dict[str, Any], *, as_json: bool) -> str:
    """The report as JSON, or as the text for people."""
    if as_json:
        return json.dumps(report, indent=2)
    system = report["system"]
    cpu, memory, build = system["cpu"], system["memory"], system["build"]
    lines = [
        "Environment Diagnosis",
        f"[INFO] OS: {system['os']} ({system['kernel']})",
        f"[INFO] CPU: {cpu['brand']} ({cpu['physical_cores']} cores, {cpu['logical_cores']} threads)",
        f"[INFO] RAM: {_gib(memory['total_bytes'])}, {_gib(memory['available_bytes'])} free",
        "",
        "Mistral.rs Installation",
        f"[INFO] Version: {build['version']}",
        f"[INFO] Git revision: {build['git_revision']}",
        "[INFO] Build features: none",
        "",
        "System Checks",
    ]
    for check in report["checks"]:
        lines.append(f"{_MARKS[check['status']]} {check['message']}")
        if "suggestion" in check:
            lines.append(f"       hint: {check['suggestion']}")
    return "\n".join([*lines, "", "Summary", _summary(report["checks"])])


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"


def _summary(checks: list[dict[str, str]]) -> str:
    states = [check["status"] for check in checks]
    if "error" in states:
        return f"❌ {states.count('error')} error(s) found. Fix them before inference."
    if "warn" in states:
        return f"⚠️ {states.count('warn')} warning(s) found."
    return "✅ Your system is healthy. Ready to infer! 🚀"


def _system() -> dict[str, Any]:
    memory = psutil.virtual_memory()
    brand, flags = _cpu()
    off = ("cuda", "metal", "cudnn", "flash_attn", "flash_attn_v3", "cutile", "accelerate", "mkl")
    return {
        "os": platform.system(),
        "kernel": platform.release(),
        "cpu": {
            "brand": brand,
            "logical_cores": psutil.cpu_count() or 0,
            "physical_cores": psutil.cpu_count(logical=False) or psutil.cpu_count() or 0,
            **{name: any(flag.startswith(name) for flag in flags) for name in ("avx512",)},
            **{name: name in flags for name in _FLAGS if name != "avx512"},
        },
        "memory": {"total_bytes": memory.total, "available_bytes": memory.available},
        "devices": [],
        "build": {"version": version("mistralrs"), **dict.fromkeys(off, False), "git_revision": "unknown"},
        "hf_cache_path": str(_cache()),
    }


def _cpu() -> tuple[str, frozenset[str]]:
    """The processor's name and its features; only Linux tells the features without a helper."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or platform.machine(), frozenset()
    facts = dict(part for line in text.splitlines() if len(part := line.split(":", 1)) == 2)
    facts = {name.strip(): value.strip() for name, value in facts.items()}
    return facts.get("model name", platform.machine()), frozenset(facts.get("flags", "").split())


def _cache() -> Path:
    home = os.environ.get("HF_HOME")
    default = Path(home) if home else Path.home() / ".cache" / "huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or default / "hub")


def _checks(system: dict[str, Any]) -> list[dict[str, str]]:
    return [_extensions(system["cpu"]), _writable(_cache()), _hub(), _disk(_cache())]


def _check(name: str, status: str, message: str, suggestion: str | None = None) -> dict[str, str]:
    check = {"name": name, "status": status, "message": message}
    return {**check, "suggestion": suggestion} if suggestion else check


def _extensions(cpu: dict[str, Any]) -> dict[str, str]:
    found = [name.upper() for name in _FLAGS if cpu[name]]
    if found or platform.machine().lower() not in ("x86_64", "amd64"):
        return _check("cpu_extensions", "ok", f"CPU extensions: {', '.join(found) or 'not listed here'}")
    return _check("cpu_extensions", "warn", "No AVX found", "Expect slow inference on this processor.")


def _writable(cache: Path) -> dict[str, str]:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache):
            pass
    except OSError as error:
        message = f"Hugging Face cache is not writable: {cache} ({error.strerror})"
        return _check("hf_cache_writable", "error", message, "Set HF_HOME to a folder that you may write.")
    return _check("hf_cache_writable", "ok", f"Hugging Face cache is writable: {cache}")


def _hub() -> dict[str, str]:
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        why = "Skipped: HF_HUB_OFFLINE is set"
    else:
        try:
            with socket.create_connection((_HUB, 443), timeout=_HUB_SECONDS):
                return _check("hf_connectivity", "ok", f"{_HUB} is reachable")
        except OSError as error:
            why = str(error)
    return _check(
        "hf_connectivity", "error", f"{_HUB} is unreachable - {why}", "Only local models can be loaded."
    )


def _disk(cache: Path) -> dict[str, str]:
    there = next(folder for folder in (cache, *cache.parents) if folder.exists())
    free = psutil.disk_usage(str(there)).free
    message = f"Disk space: {_gib(free)} free for models"
    if free < _MIN_FREE_BYTES:
        return _check("disk_space", "warn", message, "Large models need more than 10 GiB.")
    return _check("disk_space", "ok", message)
