"""A server that states when it sent each token: what a load generator measures is compared with that.

server  builds and starts `synthetic_server.c`; the schedule of its answers
"""
