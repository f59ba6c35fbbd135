"""The definition of a correct response, per API.

openai      contracts of the OpenAI API
ollama      contracts of the Ollama API
responses   contracts of the Responses API
anthropic   contracts of Anthropic's Messages API
metrics     the page of metrics, which has no contract
monitoring  a monitored server, which has none either
exporter    a server that is monitored from outside
prometheus  a Prometheus of the user, which is only read
"""
