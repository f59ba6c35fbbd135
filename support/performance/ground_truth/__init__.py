"""A server that states when it sent each token: what a load generator measures is compared with that.

agreement  how far the times of a load differ from those of the server
server     builds and starts `synthetic_server.c`; the schedule of its answers
"""
