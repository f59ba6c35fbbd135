"""The tokens of a load whose streams have no usage: the same requests once more, without a stream.

Some servers state the tokens of an answer only where it is not streamed. The load has ended then, and the
prompts are those of its salt and seed. Counts are taken of an answer with the same text only.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import replace

from support.http.client import ApiClient, RequestFailed
from support.http.exchange import NotJson
from support.performance.load.program import LoadResult
from support.performance.load.prompts import PATHS, RequestMaker
from support.performance.load.record import RequestRecord

# Of a request: tokens of the prompt and of the answer.
Counts = tuple[int, int]


def with_usage(result: LoadResult) -> LoadResult:
    """The same load with the tokens of its requests, where their streams had none.

    Of single questions to an OpenAI API with a salt. Requests are sent for no longer than one may take: what
    has no count by then stays without.
    """
    plan = result.plan
    lacking = {one.number: one for one in result.records if one.complete and one.prompt_tokens < 0}
    if not lacking or plan.api != "openai" or plan.turns > 1 or plan.salt is None:
        return result
    counts = dict(_counts(result, lacking))
    records = [
        replace(one, prompt_tokens=counts[one.number][0], output_tokens=counts[one.number][1])
        if one.number in counts
        else one
        for one in result.records
    ]
    counted = replace(result, records=records)
    wrong = sum(one.complete and not one.has_requested_length for one in counted.measured)
    return replace(counted, quality=replace(result.quality, wrong_lengths=wrong))


def _counts(result: LoadResult, lacking: dict[int, RequestRecord]) -> Iterator[tuple[int, Counts]]:
    plan, end = result.plan, time.monotonic() + result.plan.timeout
    client = ApiClient(plan.url, api_key=plan.key, timeout=plan.timeout, may_be_silent=True)
    with contextlib.closing(client):
        for number, request in enumerate(itertools.islice(RequestMaker(plan).requests(), max(lacking)), 1):
            if number not in lacking:
                continue
            if time.monotonic() > end:
                return
            body = json.loads(request.data.partition(b"\r\n\r\n")[2])
            del body["stream"], body["stream_options"]
            text = "".join(text for _, _, text in result.events.get(number, ()))
            with contextlib.suppress(RequestFailed, NotJson, KeyError, IndexError, TypeError, ValueError):
                found = client.post(PATHS[plan.api], body).json()
                usage = found["usage"]
                if found["choices"][0]["message"]["content"] == text:
                    yield number, (int(usage["prompt_tokens"]), int(usage["completion_tokens"]))
