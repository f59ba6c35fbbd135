"""Concurrent users, overload, and whether a server is busy.

activity     whether a server is working: from its metrics or its CPU time
concurrency  concurrent users with different questions
overload     more users than the server has slots: each gets the right answer or a busy error
scenario     what the steps about concurrent users call
"""
