"""The load of each worker: shares of the users or of the rate, which together are the whole load.

A closed loop has its users spread evenly. Of an open loop each worker has the same part of the rate: at a
constant rate and on a ramp each sends every n-th request of the schedule, and Poisson's arrivals of several
workers with seeds of their own are Poisson's again, also when the workers do not begin at the very same
moment. Of a trace each worker has every n-th request. A prefix of the prompts is the same for all of them.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import pairwise

from support.errors import SettingsError
from support.performance.load.plan import LoadPlan
from support.performance.load.prompts import Prompts


def shares(plan: LoadPlan, workers: int) -> list[LoadPlan]:
    """For the first workers; a closed loop of fewer users than workers has no load for the others.

    Raises `SettingsError` for a load that cannot be divided.
    """
    active = min(workers, plan.users or workers)
    if active > len(plan.trace) > 0:
        raise SettingsError(f"a trace of {len(plan.trace)} requests is too short for {active} workers")
    users = _even(plan.users, active)
    # In proportion to the users: then all workers need the same time for them.
    requests = _in_proportion(plan.requests, users) if plan.users else _even(plan.requests, active)
    if plan.requests and 0 in requests:
        raise SettingsError(
            f"{plan.requests} requests are too few for {active} workers: each has to measure at least one"
        )
    prefix = Prompts(plan.seed, plan.salt, plan.prefix_words, plan.prefix).prefix
    return [
        replace(
            plan,
            users=users[index],
            rate=plan.rate / active,
            requests=requests[index],
            trace=plan.trace[index::active],
            first_request=plan.first_request / active + (index / active if plan.rate else 0.0),
            # Of the whole load: what a cache may know is the same for all of them.
            prefix=prefix,
            seed=_own_seed(plan.seed, index),
            salt=f"{plan.salt} of worker {index + 1}" if plan.salt else plan.salt,
        )
        for index in range(active)
    ]


def _even(whole: int, parts: int) -> list[int]:
    each, rest = divmod(whole, parts)
    return [each + (index < rest) for index in range(parts)]


def _in_proportion(whole: int, weights: list[int]) -> list[int]:
    """The sums of the first ones are as near to their proportion as whole numbers can be."""
    bounds = [whole * sum(weights[:count]) // sum(weights) for count in range(len(weights) + 1)]
    return [after - before for before, after in pairwise(bounds)]


def _own_seed(seed: int | None, index: int) -> int | None:
    """None stays None: each worker takes a seed of its own from its system then."""
    if seed is None:
        return None
    return int.from_bytes(hashlib.sha256(f"{seed} of worker {index + 1}".encode()).digest()[:8])
