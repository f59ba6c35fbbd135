"""Whether a server speaks as the suite's standard script says."""

from __future__ import annotations

from support.servers.discovery import CommandTarget
from support.suite import RunContext


def serves_scripted_model(suite: RunContext) -> bool:
    """Whether exact answers may be expected: of a program always (it gets our model), else one is tried."""
    if isinstance(suite.target, CommandTarget):
        return True
    # Not at the top: OpenAI's package comes with it.
    from support.chat.client import OpenAiApi

    row = suite.script.rows[0]
    client, _ = suite.api_client()
    try:
        answer = OpenAiApi(client).chat([{"role": "user", "content": row.keyword}], max_tokens=64)
    except AssertionError:
        return False
    finally:
        client.close()
    return answer.text == row.answer
