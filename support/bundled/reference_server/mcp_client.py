"""`--mcp-config`: the file that names tool servers, as `mistralrs` 0.9 reads it, handed to the engine."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from support.bundled.reference_server import logs


class ConfigError(Exception):
    """The file cannot be used; the text is the binary's."""


class _ConfigModel(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)


class Http(_ConfigModel):
    type: Literal["Http"]
    url: str
    timeout_secs: int | None = None
    headers: dict[str, str] | None = None

    def native(self, kinds: Any) -> Any:
        return kinds.Http(self.url, self.timeout_secs, self.headers)


class WebSocket(_ConfigModel):
    type: Literal["WebSocket"]
    url: str
    timeout_secs: int | None = None
    headers: dict[str, str] | None = None

    def native(self, kinds: Any) -> Any:
        return kinds.WebSocket(self.url, self.timeout_secs, self.headers)


class Process(_ConfigModel):
    type: Literal["Process"]
    command: str
    args: list[str]
    work_dir: str | None = None
    env: dict[str, str] | None = None

    def native(self, kinds: Any) -> Any:
        return kinds.Process(self.command, self.args, self.work_dir, self.env)


class Server(_ConfigModel):
    id: str = Field(default_factory=lambda: str(uuid.uuid4()))
    name: str = ""
    source: Annotated[Http | WebSocket | Process, Field(discriminator="type")]
    enabled: bool = True
    tool_prefix: str | None = Field(default_factory=lambda: f"mcp_{uuid.uuid4().hex}")
    resources: list[str] | None = None
    bearer_token: str | None = None


class Configuration(_ConfigModel):
    servers: list[Server]
    auto_register_tools: bool
    tool_timeout_secs: int | None = None
    max_concurrent_calls: int | None = None

    def native(self) -> Any:
        """The engine's own object. Imports the engine."""
        import mistralrs

        wheel: Any = mistralrs
        servers = [
            wheel.McpServerConfigPy(
                each.id,
                each.name,
                each.source.native(wheel.McpServerSourcePy),
                each.enabled,
                each.tool_prefix,
                each.resources,
                each.bearer_token,
            )
            for each in self.servers
        ]
        return wheel.McpClientConfigPy(
            servers, self.auto_register_tools, self.tool_timeout_secs, self.max_concurrent_calls
        )


def read_configuration(path: str) -> Configuration:
    """The content of the file. Raises `ConfigError`."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"Failed to read MCP config {path}\n\nCaused by:\n"
            f"    {os.strerror(error.errno or 0)} (os error {error.errno})"
        ) from error
    try:
        configuration = Configuration.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = "".join(f"{part}: " for part in first["loc"][-1:])
        raise ConfigError(
            f"Failed to parse MCP config {path}\n\nCaused by:\n    {where}{first['msg']}"
        ) from error
    logs.log(logs.SERVE, f"Loaded MCP configuration from {path} ({len(configuration.servers)} servers)")
    return configuration
