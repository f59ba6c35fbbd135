"""The Model Context Protocol in both directions: agents that call the server, tools that the server calls.

The specification of 2025-11-25 applies: https://modelcontextprotocol.io/specification/2025-11-25

agent             an agent that uses the official Python client
json_rpc          raw JSON-RPC messages (`messages.toml`) and checks of the replies (`replies.toml`)
scenario          what the MCP steps call
tool_server       the suite's tool servers as a process, and the configuration for the target
tool_server_main  the program of that process
tool_servers      the names of the tool servers
"""
