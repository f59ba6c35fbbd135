"""Concurrent users, overload, whether a server is busy, and loads with exact times.

activity      whether a server is working: from its metrics or its CPU time
concurrency   concurrent users with different questions, also more than the server has slots
ground_truth  a server that states when it sent each token
load          a load of streamed chat requests, with the time of each token
percentiles   percentiles with confidence bounds, and the verdict of a limit
ratio         the ratio of two targets, paired by rounds
scenario      what the steps about concurrent users call
steady_state  trend and step of a series of measurements
"""
