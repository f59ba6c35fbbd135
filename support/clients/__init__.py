"""Third-party clients: SDKs, LangChain, Ollama's command.

anthropic_sdk  Anthropic's Python client
langchain      LangChain's adapters
ollama_cli     Ollama's command
openai_sdk     OpenAI's Python client with chat, completions and the Responses API
scenario       what the steps about third-party clients call
suites         independent test suites in one scenario: a server as each needs it, and what it found
task           a task of a client: what it does and what it has to return
"""
