"""Conversations over one or several endpoints, and whether their answers agree.

checks            checks of answers: text, finish reason, token counts, chunks
client            the chat client: a protocol object for each route, endpoints, answers
comparability     which servers of a run can be compared with each other
conversation      the conversation of a scenario: messages, answers
model_lists       model lists of several servers; effects of unloading
scenario          one chat over several endpoints, and model lists: what the parity steps call
scenario_servers  the servers of a scenario: those of the run, and dedicated ones
"""
