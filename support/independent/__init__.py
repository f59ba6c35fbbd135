"""Test suites that others have written, run on the servers of a run.

mcp_client_main      the program that the MCP suite starts as a client: mistral.rs with its server as tools
mcp_suite            the conformance suite of the Model Context Protocol
ollama_suite         Ollama's integration tests
open_responses       the types of Open Responses
open_responses_main  the program that validates documents with these types
pytest_plugin        skips the tests of an SDK that do not apply; loaded by the pytest of that suite
results              what a suite found, by the table of what does not apply
sdk_suite            the tests of a Python SDK
"""
