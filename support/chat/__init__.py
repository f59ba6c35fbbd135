"""Talking with the server as its users do, over the OpenAI API.

client  the requests, and one view of each answer; what an answer has to keep is told in `support.conformance`
scene   what was said in a scenario
checks  what is expected of the answers
"""
