"""A load from several machines: a master and its workers, with Locust between them.

Locust (https://locust.io) registers the workers, watches them by heartbeats, starts their users and carries
the messages. It measures nothing: the user that it starts on each worker is the load generator of this suite
as a process, and the master computes all figures from the records of the workers. Locust's own statistics
have times of two digits.

shares      the load of each worker
messages    what master and workers send to each other
generator   the process of a load that begins, and ends, when it is told to
locust_library  Locust itself: whether it is there, without its changes of the standard library
master      waits for workers, has them send loads, and takes their records
worker      sends loads for a master
merging     the records and the quality of all workers as one load
arrivals    whether the requests of all workers together arrive as those of one open loop
"""
