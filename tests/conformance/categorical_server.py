"""A right server of the dice, in memory, and the ways in which it can be wrong about the drawing of words."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from support.http.exchange import Exchange
from support.models.categorical import WORDS, logits
from support.models.vocabulary import BASE_SIZE
from tests.conformance.samples import NOW, chat, chunk, exchange, reply, stream

NAMES = {"repeat_penalty": "repetition_penalty", "num_predict": "max_tokens"}
RANGES = {"top_p": (0, 1), "presence_penalty": (-2, 2), "frequency_penalty": (-2, 2)}
MOST_BIAS = 100
METRICS = {
    "done_reason": "length",
    "total_duration": 9_000_000,
    "prompt_eval_count": 6,
    "prompt_eval_duration": 2_000_000,
    "eval_duration": 5_000_000,
}


@dataclass
class Draw:
    """How the words of one answer are drawn: the options of both APIs, under OpenAI's names."""

    max_tokens: int = 10
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    repetition_penalty: float = 1.0
    repeat_last_n: int = 64
    logit_bias: Mapping[str, float] = field(default_factory=dict)
    seed: int | None = None
    flat: bool = False

    def odds(self, said: Sequence[int]) -> list[float]:
        """The probability of each word after those that were said."""
        counts = Counter(said)
        recent = set(said[-self.repeat_last_n :]) if self.repeat_last_n else set()
        values = logits()
        for word, logit in enumerate(values):
            logit += self.logit_bias.get(str(BASE_SIZE + word), 0)
            logit -= counts[word] * self.frequency_penalty + (counts[word] > 0) * self.presence_penalty
            if word in recent:
                logit *= 1 / self.repetition_penalty if logit > 0 else self.repetition_penalty
            values[word] = logit
        best = max(values)
        if self.flat:
            return [1.0] * len(values)
        if self.temperature < 1e-6:
            return [float(value == best) for value in values]
        weights = [math.exp((value - best) / self.temperature) for value in values]
        return self._kept([weight / sum(weights) for weight in weights])

    def _kept(self, odds: list[float]) -> list[float]:
        order = sorted(range(len(odds)), key=lambda word: -odds[word])
        kept = order[: self.top_k] if self.top_k > 0 else order
        if 0 < self.top_p < 1:
            before = [sum(odds[word] for word in order[:number]) for number in range(len(order))]
            kept = [word for word in kept if before[order.index(word)] < self.top_p]
        kept = [word for word in kept if odds[word] >= min(self.min_p, 1) * odds[order[0]]]
        return [value if word in kept else 0.0 for word, value in enumerate(odds)]

    def answer(self, dice: random.Random) -> str:
        """The text."""
        said: list[int] = []
        odds = self.odds(said)
        punishes = self.frequency_penalty or self.presence_penalty or self.repetition_penalty != 1
        for _ in range(self.max_tokens):
            odds = self.odds(said) if punishes else odds
            said += dice.choices(range(len(WORDS)), odds)
        return "".join(WORDS[word] for word in said)


class DiceServer:
    """A client of itself (`support.http.client.ApiClient` as far as cases need it).

    `wrong`: options that it does not know, or one of the faults below.
    """

    FAULTS = (
        "all words are equally likely",
        "one seed for all",
        "no seed zero",
        "a seed makes all choices equal",
        "one draw for all choices",
        "temperature zero when left out",
        "a stream without penalties",
        "a stream without a seed",
        "penalties of greedy answers only",
        "presence counted each time",
        "frequency counted once",
        "penalties as rewards",
        "temperature turned round",
        "common logarithms",
        "logarithms of greedy tokens are zero",
        "any value is taken",
        "zero divides",
        "breaks off what repeats itself",
        "fails at next to nothing",
        "no more choices than one",
        "fails at more candidates than words",
        "minus one is a seed",
        "fails at a bad value",
    )

    def __init__(self, wrong: str = "", seed: int = 1) -> None:
        self.wrong = wrong
        self.exchanges: list[Exchange] = []
        self._dice = random.Random(seed)

    def reconnect(self) -> None:
        pass

    def send(
        self, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Exchange:
        document = json.loads(body)
        answer = self._failure(path, document) or self._answer(path, document)
        self.exchanges.append(answer)
        return answer

    def _failure(self, path: str, document: Mapping[str, Any]) -> Exchange | None:
        options = self._options(path, document)
        beyond = [name for name, (least, most) in RANGES.items() if not least <= options.get(name, 0) <= most]
        beyond += [name for name, bias in options.get("logit_bias", {}).items() if abs(bias) > MOST_BIAS]
        beyond += [name for name in ("min_p",) if options.get(name, 0) > 1]
        beyond += [name for name in ("temperature",) if options.get(name, 0) < 0]
        if options.get("repetition_penalty") == 0:
            return reply({"error": "no"}, 500 if self.wrong == "zero divides" else 400)
        if self.wrong == "fails at next to nothing" and 0 < options.get("temperature", 1) < 1e-9:
            return reply({"error": "not a number"}, 500)
        if self.wrong == "fails at more candidates than words" and options.get("top_k", 0) > 1000:
            return reply({"error": "no such candidate"}, 500)
        if self.wrong == "fails at a bad value" and (beyond or options.get("top_k", 0) < 0):
            return reply({"error": "failed"}, 500)
        if beyond and not path.startswith("/api/") and self.wrong != "any value is taken":
            return reply({"error": f"out of range: {beyond}"}, 400)
        if options.get("n", 1) > 1 and self.wrong == "no more choices than one":
            return reply({"error": "one choice"}, 500)
        return None

    def _options(self, path: str, document: Mapping[str, Any]) -> dict[str, Any]:
        given = document.get("options", {}) if path.startswith("/api/") else document
        return {
            NAMES.get(name, name): value
            for name, value in given.items()
            if NAMES.get(name, name) != self.wrong
        }

    def _draw(self, path: str, document: Mapping[str, Any]) -> Draw:
        options = self._options(path, document)
        draw = Draw(**{name: options[name] for name in Draw.__annotations__ if name in options})
        if draw.seed == -1 and self.wrong != "minus one is a seed":
            draw.seed = None
        streamed = bool(document.get("stream"))
        draw.flat = self.wrong == "all words are equally likely"
        if self.wrong == "one seed for all":
            draw.seed = 5
        if self.wrong == "no seed zero" and draw.seed == 0:
            draw.seed = None
        if self.wrong == "a stream without a seed" and streamed:
            draw.seed = None
        if self.wrong == "temperature zero when left out" and "temperature" not in options:
            draw.temperature = 0
        if self.wrong == "temperature turned round" and draw.temperature:
            draw.temperature = 1 / draw.temperature
        without = self.wrong == "a stream without penalties" and streamed
        if without or (self.wrong == "penalties of greedy answers only" and draw.temperature):
            draw.frequency_penalty = draw.presence_penalty = 0
            draw.repetition_penalty = 1
        if self.wrong == "presence counted each time":
            draw.frequency_penalty += draw.presence_penalty
            draw.presence_penalty = 0
        if self.wrong == "frequency counted once":
            draw.presence_penalty += draw.frequency_penalty
            draw.frequency_penalty = 0
        if self.wrong == "penalties as rewards":
            draw.frequency_penalty, draw.presence_penalty = -draw.frequency_penalty, -draw.presence_penalty
            draw.repetition_penalty = 1 / draw.repetition_penalty
        return draw

    def _texts(self, draw: Draw, choices: int) -> list[str]:
        dice = self._dice if draw.seed is None else random.Random(draw.seed)
        equal = self.wrong == "one draw for all choices" or (
            draw.seed is not None and self.wrong == "a seed makes all choices equal"
        )
        if equal:
            return [draw.answer(dice)] * choices
        return [draw.answer(dice) for _ in range(choices)]

    def _logprobs(self, draw: Draw) -> tuple[list[float], float]:
        """Of the likeliest words; of the one that is said first."""
        log = math.log10 if self.wrong == "common logarithms" else math.log
        greedy = draw.temperature == 0 and self.wrong == "logarithms of greedy tokens are zero"
        best = [log(value) for value in sorted(Draw().odds([]), reverse=True)[:2]]
        return best, 0.0 if greedy else best[0]

    def _answer(self, path: str, document: Mapping[str, Any]) -> Exchange:
        draw = self._draw(path, document)
        texts = self._texts(draw, document.get("n", 1))
        broken = self.wrong == "breaks off what repeats itself" and any(
            word * 32 in texts[0] for word in WORDS
        )
        alternatives, first = self._logprobs(draw)
        if path.startswith("/api/"):
            head = {"model": "tiny", "created_at": datetime.fromtimestamp(NOW, UTC).isoformat()}
            named: dict[str, Any] = {"response": texts[0]}
            if path == "/api/chat":
                named = {"message": {"role": "assistant", "content": texts[0]}}
            end = {"done": False} if broken else {"done": True, **METRICS, "eval_count": draw.max_tokens}
            if document.get("stream"):
                lines = [{**head, **named, "done": False}, {**head, "response": "", **end}]
                body = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
                return exchange(body, content_type="application/x-ndjson")
            told = {"logprobs": _entries(texts[0], first, alternatives)} if "logprobs" in document else {}
            return reply({**head, **named, **end, **told})
        if document.get("stream"):
            return stream(chunk(texts[0]), chunk(reason="length"))
        if path == "/v1/completions":
            choice = {"index": 0, "text": texts[0], "finish_reason": "length"}
            return reply(chat() | {"object": "text_completion", "choices": [choice]})
        return reply(
            chat(
                choices=[
                    {
                        "index": number,
                        "message": {"role": "assistant", "content": text[: len(text) // (1 + broken)]},
                        "finish_reason": "stop" if broken else "length",
                        "logprobs": {"content": _entries(text, first, alternatives)}
                        if "logprobs" in document
                        else None,
                    }
                    for number, text in enumerate(texts)
                ]
            )
        )


def _entries(text: str, logprob: float, alternatives: Sequence[float]) -> list[dict[str, Any]]:
    top = [_token(WORDS[number], value) for number, value in enumerate(alternatives)]
    return [{**_token(f"{name}.", logprob), "top_logprobs": top} for name in text.split(".") if name]


def _token(text: str, logprob: float) -> dict[str, Any]:
    return {"token": text, "bytes": list(text.encode()), "logprob": logprob}
