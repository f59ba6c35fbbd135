"""Secrets in every spelling; what is no secret stays."""

from __future__ import annotations

import base64
import io
import json
import re
import time
from typing import TextIO, cast
from urllib.parse import quote, quote_plus

import pytest

from support.results.redaction import REDACTED, RedactedStream, Redactor, redactor_for, set_redactor

KEY = "k3y with/special+chars&\"more'ö"
PASSWORD = "p4ss:wort%"
URL = f"https://operator:{quote(PASSWORD, safe='')}@example.org/v1?token=query-secret&n=1"
REDACTOR = redactor_for(KEY, [URL], {"CI_TOKEN": "variable-secret", "HOME": "home-is-no-secret"})


@pytest.mark.parametrize(
    "written",
    [
        KEY,
        quote(KEY, safe=""),
        quote_plus(KEY),
        json.dumps(KEY),
        json.dumps(KEY, ensure_ascii=False),
        base64.b64encode(KEY.encode()).decode(),
        base64.urlsafe_b64encode(KEY.encode()).decode(),
        PASSWORD,
        quote(PASSWORD, safe=""),
        base64.b64encode(f"operator:{PASSWORD}".encode()).decode(),
        re.sub("%..", lambda match: match[0].lower(), quote(KEY, safe="")),
        "query-secret",
        "variable-secret",
    ],
)
def test_known_secret_goes_in_every_spelling(written: str) -> None:
    text = REDACTOR.text(f"before {written} after")
    assert text.startswith("before ") and text.endswith(" after") and REDACTED in text
    assert written.strip("\"'=")[:-2] not in text
    assert REDACTOR.data(b"\xff" + written.encode() + b"\xfe").startswith(b"\xff")
    assert written.encode() not in REDACTOR.data(b"\xff" + written.encode() + b"\xfe")


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ("Authorization: Bearer abc", f"Authorization: Bearer {REDACTED}"),
        ("authorization: Basic b3BlcmF0b3I6cA==", f"authorization: Basic {REDACTED}"),
        ('{"Authorization": "Bearer abc", "n": 1}', f'{{"Authorization": "Bearer {REDACTED}", "n": 1}}'),
        ("X-Api-Key: abc", f"X-Api-Key: {REDACTED}"),
        ("Set-Cookie: id=a3; Path=/", f"Set-Cookie: {REDACTED}"),
        ('{"cookie": "id=a3; x=1"}', f'{{"cookie": "{REDACTED}"}}'),
        ('{"api_key": "abc", "n": 1}', f'{{"api_key": "{REDACTED}", "n": 1}}'),
        ("GET http://me:pw@host:1/v1", f"GET http://{REDACTED}@host:1/v1"),
    ],
)
def test_what_looks_like_a_secret_goes(written: str, left: str) -> None:
    assert Redactor().text(written) == left
    assert Redactor().text(left) == left


@pytest.mark.parametrize(
    "text",
    [
        'curl -H "Authorization: $TOKEN" http://127.0.0.1:1/v1/models',
        '{"name": "authorization", "value": "__ALLURE_REDACTED__"}',
        "a bearer token is missing; ask sk-learn, or hf_hub; mail me@example.org",
        "http://127.0.0.1:1/v1?n=1&max_tokens=5",
        'curl -H "X-Api-Key: $TOKEN" -H "Cookie: $TOKEN"',
        "eos_token=</s> TOKEN=$TOKEN",
        "operators cooperate",
        '{"api_key": null}',
        "home-is-no-secret",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert REDACTOR.text(text) == text


def test_short_values_are_left_alone() -> None:
    assert redactor_for("1", ["http://me:pw@host/?n=1"], {}).text("1 me pw") == "1 me pw"


def test_every_address_has_its_secrets() -> None:
    addresses = [None, "http://us:first-secret@host", "gateway", None, "http://me:other-one@x"]
    redactor = redactor_for(None, addresses, {})
    assert redactor.text("first-secret of the gateway, other-one") == f"{REDACTED} of the gateway, {REDACTED}"


def test_stream_lets_no_secret_through() -> None:
    set_redactor(REDACTOR)
    try:
        inner = io.StringIO()
        stream = RedactedStream(inner)
        print("the key is", KEY, file=stream)
        stream.writelines([KEY, "\n"])
        assert inner.getvalue() == f"the key is {REDACTED}\n{REDACTED}\n"
        assert not cast(TextIO, stream).isatty()
    finally:
        set_redactor(Redactor())


@pytest.mark.parametrize(
    ("key", "written", "left"),
    [
        ("sk-live-0f9a8b7c6d", "key sk-live-0f9...", f"key {REDACTED}..."),
        ("sk-live-0f9a8b7c6d", "sk-live-0f9a\r\n8b7c6d.", f"{REDACTED}."),
        ("sk-live-0f9a8b7c6d", "sk-l\nive-0f9a8b7c6d", REDACTED),
        ("sk-live-0f9a8b7c6d", "sk-live-mode", "sk-live-mode"),
        ("abcdefghijklmnopqrst", "abcdefghijkl", REDACTED),
        ("acceptance-key", "acceptance", "acceptance"),
        ("MDRHCtdUMRDTcTd6XnHM", "MDRHCtdU****", f"{REDACTED}****"),
        ("MDRHCtdUMRDTcTd6XnHM", "MDRHCtdUM</b><b>RDTcTd6XnHM", f"{REDACTED}</b><b>RDTcTd6XnHM"),
        ("MDRHCtdUMRDTcTd6XnHM", "MDRHCtd</b><b>UMRDTcTd6XnHM", f"MDRHCtd</b><b>{REDACTED}"),
        ("MDRHCtdUMRDTcTd6XnHM", "xHCtdUMRDTcTd6XnxHM", f"x{REDACTED}xHM"),
        ("MDRHCtdUMRDTcTd6XnHM", "MDRHCtdUMRD\n    TcTd6XnHM\n", f"{REDACTED}\n"),
        (
            "acceptance-key-of-the-server-1",
            "the acceptance-key-of-the-server",
            "the acceptance-key-of-the-server",
        ),
    ],
)
def test_of_the_key_pieces_and_broken_lines_go(key: str, written: str, left: str) -> None:
    assert redactor_for(key, [], {}).text(written) == left


def test_a_long_key_costs_little() -> None:
    key = "".join(f"{number:x}Z" for number in range(500))
    redactor = redactor_for(key, [], {})
    started = time.process_time()
    assert redactor.text("a line of a log\n" * 100_000 + key[500:600]).endswith(f"log\n{REDACTED}")
    assert time.process_time() - started < 5
