"""The same thing asked over several routes: mistral.rs' own API, a gateway's, a real Ollama's.

routes     one way to have a conversation, and what came back, in words that do not depend on the form
asking     a conversation over every route of a run, whole and as a stream; what has to agree
stacks     servers with gateways before them, apart from those of the whole run
room       what a scenario has at hand; desk: what its steps ask for
faults     the same mistake sent to servers of one API, and the form of their refusals
crowd      many users at once, each with a mark of their own
leaving    users who leave half-way, who read slowly, who come to a full server
names      what the lists of models say, and what unloading does to them
fuzz       requests made up from the target's own description of its API
command    Ollama's own command, used as users use it
adapters   what programs built on LangChain see
"""
