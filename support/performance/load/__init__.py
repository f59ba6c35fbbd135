"""A load of streamed chat requests, in a process of its own, with the time of each token.

Two ideas make it exact. The kernel stamps what arrives (SO_TIMESTAMPNS), so that a time does not depend on
when this process had the CPU. And nothing is parsed while a response arrives: bytes are kept with their
stamps, and what they mean is found out after the load.

plan        what is to be sent: target, requests, closed or open loop, how many
prompts     requests as bytes: prompts that no cache can know, conversations
trace       recorded requests: their times and lengths
arrivals    phases of a load (warm-up, measured, cool-down), and the times of an open loop
coordination  how the process begins and ends it, alone or together with others
clock       stamps of the kernel on the monotonic clock; a timer that is not late
connection  one connection: sends a request and keeps what arrives
tcp         segments of a connection, which show what a server has sent together
tls         a connection behind TLS
response    what arrived, as an HTTP response: status, body, and when which byte of it was there
record      one request as measured, and its latencies by definition; CSV
analysis    the bytes of an exchange and their stamps as a record
quality     how well a run was measured: stamps, lag, coalesced reads, CPU, lateness, achieved load
generator   sends the load
files       what that process leaves in its folder
program     starts the generator as a process, and reads what it has measured
summary     the figures of a load, as lines for a terminal
__main__    that process
"""
