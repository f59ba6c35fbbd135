"""Many concurrent users, and whether the server is busy.

scenario     concurrent users in one scenario
concurrency  users that ask at the same moment, and whether each gets the own answer
overload     more users than a server takes
activity     whether a server is generating, by its metrics or its CPU time
"""
