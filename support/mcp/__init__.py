"""The Model Context Protocol in both directions: agents that ask the target, and tools that the target calls.

What holds is the specification of 2025-11-25: https://modelcontextprotocol.io/specification/2025-11-25
"""
