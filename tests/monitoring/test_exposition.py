"""Pages of metrics: what is read from them, and what is wrong with them."""

from __future__ import annotations

import pytest

from support.monitoring.exposition import MalformedPage, changes, read_page, require_none

GOOD = """# HELP http_requests_total answered
# TYPE http_requests_total counter
http_requests_total{path="/a b",status="200"} 3
http_requests_total{path="/\\"x\\"",status="404"} 1 1700000000000
# TYPE open gauge
open -1
# TYPE seconds histogram
seconds_bucket{le="0.1"} 1
seconds_bucket{le="1"} 2
seconds_bucket{le="+Inf"} 2
seconds_sum 0.4
seconds_count 2
# TYPE blocks_total gauge
blocks_total 7
"""


def page(text: str = GOOD, **replaced: str) -> list[str]:
    return read_page(text.replace(replaced["old"], replaced["new"]) if replaced else text).findings()


def test_a_correct_page_has_no_findings() -> None:
    found = read_page(GOOD)
    assert found.findings() == []
    assert found.total("http_requests_total") == 4
    assert found.total("http_requests_total", status="404") == 1
    assert found.total("nobody") == 0
    assert found.samples[1].labels == (("path", '/"x"'), ("status", "404"))
    assert found.metric_of("seconds_bucket") == "seconds"
    # The parser alone would make it another name.
    assert found.type_of("blocks_total") == "gauge"
    assert [found.is_counter(name) for name in ("http_requests_total", "seconds_sum", "open")] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("# TYPE open gauge\n", "", "open has no TYPE line"),
        ("open gauge", "open meter", "open has the unknown type 'meter'"),
        ("open gauge\n", "open gauge\n# TYPE open counter\n", "open has 2 TYPE lines: gauge, counter"),
        ("# TYPE open gauge\nopen -1\n", "open -1\n# TYPE open gauge\n", "TYPE line of open is below"),
        ("open -1\n", "open -1\nopen -1\n", "open is there twice: lines 6 and 7"),
        ("blocks_total 7\n", "blocks_total 7\nopen{a=\"b\"} 1\n", "open goes on in line 15"),
        ("open -1", "open NaN", "open is nan"),
        ("seconds_sum 0.4", "seconds_sum +Inf", "seconds_sum is inf"),
        ('"200"} 3', '"200"} -3', 'is a counter and has the value -3'),
        ('seconds_bucket{le="+Inf"} 2\n', "", 'seconds has no bucket le="+Inf"'),
        ("seconds_count 2", "seconds_count 3", 'seconds: its bucket le="+Inf" has 2, its count is 3'),
        ("seconds_count 2\n", "", "seconds has no _count"),
        ("seconds_sum 0.4\n", "", "seconds has no _sum"),
        ('le="0.1"} 1', 'le="0.1"} 5', "its buckets le=0.1 and le=1 have 5 and 2"),
        ('le="0.1"', 'le="low"', "seconds: le='low' is no bound"),
        ('le="0.1"', 'le="NaN"', "seconds: le='NaN' is no bound"),
        ('{le="0.1"}', "", "seconds: a bucket has no label le"),
        ('le="0.1"', 'le="1.0"', "seconds: the bucket le=1 is there twice"),
        ("seconds_count 2\n", "seconds_count 2\nseconds 2\n", "seconds in line 13 is no part of a histogram"),
        ("seconds_count 2\n", "seconds 2\n", "seconds has no _count"),
        (
            "# TYPE http",
            "# HELP http_requests_total b\n# TYPE http",
            "total has 2 HELP lines: 'answered', 'b'",
        ),
        ("open -1\n", "open -1\n# HELP open a\n", "the HELP line of open is below its first sample"),
        ("open -1\n", 'open{a=""} -1\nopen -1\n', "open is there twice: lines 6 and 7"),
        ("open -1\n", 'open{__a="b"} -1\n', 'open{__a="b"} has the label __a, which is reserved'),
        ('le="0.1"} 1', 'le="0.1"} 1.5', "seconds: its bucket le=0.1 has 1.5, which is no number of values"),
        ("seconds_count 2", "seconds_count 2.5", "seconds: its count is 2.5, which is no number of values"),
        (
            '"0.1"} 1\nseconds_bucket{le="1"} 2',
            '"1"} 2\nseconds_bucket{le="0.1"} 1',
            "the bucket le=0.1 stands behind a higher one",
        ),
        ("seconds_sum 0.4", "seconds_sum -0.4", "seconds_sum is a counter and has the value -0.4"),
        (
            "seconds_sum 0.4",
            "seconds_sum 400",
            "seconds: its sum is 400; values in its buckets have one from 0.1 to 1.1",
        ),
        (
            "seconds_sum 0.4",
            "seconds_sum 0.05",
            "seconds: its sum is 0.05; values in its buckets have one from 0.1 to 1.1",
        ),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_found(old: str, new: str, finding: str) -> None:
    assert old in GOOD
    found = page(old=old, new=new)
    assert finding in "\n".join(found)


def test_the_page_of_a_server_that_has_counted_nothing_is_valid() -> None:
    assert not read_page("").samples
    assert read_page("# TYPE a counter\n").type_of("a") == "counter"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<html><body>Not found</body></html>\n", "HTML or XML, not the text format"),
        (GOOD[:-8], "cut off: its last line has no line feed: 'blocks_'"),
        ("a 1\nb\n", "line 2 is no sample: 'b'"),
        ("a one\n", "line 1 is no sample"),
        (f"a {'9' * 400}\n", "line 1 is no sample"),
        ('a{b="c" 1\n', "line 1 is no sample"),
        ('{"error": "not found"}\n', "line 1 is no sample"),
        ("a 1\ng 1 2 3\n", "line 2 has '3' behind its timestamp: 'g 1 2 3'"),
        ("a 1 soon\n", "line 1 has the timestamp 'soon', which is no integer of milliseconds"),
        ("a 1 1.5\n", "line 1 has the timestamp '1.5'"),
        (f"a 1 {2**63}\n", "line 1 has the timestamp"),
        (f"a 1 {'9' * 5000}\n", "line 1 has the timestamp"),
        ("a 1_000\n", "line 1 is no sample: '1_000' is no number"),
        ("a 0x10\n", "line 1 is no sample: '0x10' is no number"),
        ("a \u0661\n", "line 1 is no sample"),
        ("a 1e999\n", "line 1 is no sample: its value is beyond every number"),
        ("a 1\r\n", "line 1 is no sample: '1.r' is no number"),
        ("a\n", "line 1 is no sample"),
        ("a-1\n", "line 1 is no sample"),
        ("1a 1\n", "line 1 is no sample"),
        ("a.b 1\n", "line 1 is no sample"),
        ('{"a.b"} 1\n', "line 1 is no sample"),
        ('a{b="1",b="2"} 1\n', "line 1 has the label b twice"),
        ('a{b="1" c="2"} 1\n', "line 1 is no sample: its labels are not NAME=.VALUE. from 'b=.1. c=.2.' on"),
        ("a{b='1'} 1\n", "line 1 is no sample: its labels"),
        ("a{b=1} 1\n", "line 1 is no sample: its labels"),
        ('a{1b="1"} 1\n', "line 1 is no sample: its labels"),
        ('a{b:c="1"} 1\n', "line 1 is no sample: its labels"),
        ("a{,} 1\n", "line 1 is no sample: its labels"),
        ('a{__name__="b"} 1\n', "line 1 has the label __name__"),
        (r'a{b="\t"} 1' + "\n", r"line 1 has the escape \\t, which the format does not have"),
        ("# HELP a \\x\n", r"line 1 has the escape \\x"),
        ('# HELP a \\"b\\"\n', "line 1 has the escape ..,"),
        ("# TYPE a\n", "line 1 states no type"),
        ("# TYPE a counter gauge\n", "line 1 states more than a type"),
        ("# TYPE\n", "line 1 has no name of a metric behind TYPE"),
        ("# HELP 1a b\n", "line 1 has no name of a metric behind HELP"),
        ('a{b="\ufffd"} 1\n', "line 1 is not UTF-8"),
    ],
)
def test_what_prometheus_cannot_read_is_rejected(text: str, message: str) -> None:
    with pytest.raises(MalformedPage, match=message):
        read_page(text)


@pytest.mark.parametrize(
    "text",
    [
        "# a comment\n#HELP a\n#\n# TYPES a b c\n\n",
        "  a   1\t1700000000000  \n",
        "a -1.5e-3 -1\na_b:c +Inf\nd NaN\ne .5\nf 5.\n",
        'a { b = "1" , c="{},\\\\" , } 1\na{}2\n',
        r'a{b="\n\\\""} 1' + "\n",
        '# HELP a one \\n two \\\\ "three"\n# HELP b\n',
    ],
)
def test_what_the_format_allows_is_read(text: str) -> None:
    assert len(read_page(text).samples) == sum(
        line.strip()[:1] not in ("", "#") for line in text.splitlines()
    )


def test_values_of_labels_are_those_before_they_were_escaped() -> None:
    found = read_page(r'a{z="\n\\\"",empty="",b="}"} 1' + "\n").samples[0]
    assert found.labels == (("b", "}"), ("z", '\n\\"'))


SUMMARY = """# TYPE wait summary
wait{quantile="0.5"} 1
wait{quantile="0.9"} 2
wait_sum 4
wait_count 3
"""


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("", "", ""),
        ('"0.9"', '"90"', "wait: quantile=90 is not from 0 to 1"),
        ('"0.9"', '"high"', "wait: quantile='high' is no bound"),
        ('"0.9"', '"0.50"', "wait: the quantile quantile=0.5 is there twice"),
        ('"0.5"', '"0.95"', "wait: the quantile quantile=0.9 stands behind a higher one"),
        ('{quantile="0.5"}', "", "wait: a quantile has no label quantile"),
        ("wait_sum 4\n", "", "wait has no _sum"),
        ("wait_count 3", "wait_count 0", "wait: its sum is 4 and its count is 0"),
        ("wait_count 3", "wait_count 0.5", "wait: its count is 0.5, which is no number of values"),
    ],
)
def test_summaries_are_checked_too(old: str, new: str, finding: str) -> None:
    assert page(SUMMARY, old=old, new=new) == ([finding] if finding else [])


def test_a_histogram_of_values_below_zero_may_have_any_sum() -> None:
    text = "# TYPE t histogram\n" + "".join(f't_bucket{{le="{b}"}} {n}\n' for b, n in (("0", 1), ("+Inf", 2)))
    assert page(f"{text}t_sum 100\nt_count 2\n") == []


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ('"200"} 3', '"200"} 2', 'http_requests_total{path="/a b",status="200"} fell from 3 to 2'),
        ('"0.1"} 1', '"0.1"} 0', 'seconds_bucket{le="0.1"} fell from 1 to 0'),
        ("open gauge", "open counter", "open was a gauge and is a counter"),
        ("seconds_count 2\n", "", "seconds_count is gone; it was 2"),
    ],
)
def test_what_may_not_change_is_found(old: str, new: str, finding: str) -> None:
    assert [*changes(read_page(GOOD), read_page(GOOD.replace(old, new)))] == [finding]


def test_what_may_change_is_left() -> None:
    after = GOOD.replace("open -1", "open 5").replace('"200"} 3', '"200"} 4').replace("blocks_total 7\n", "")
    assert [*changes(read_page(GOOD), read_page(after))] == []


def test_of_many_findings_the_first_are_shown() -> None:
    require_none([])
    with pytest.raises(MalformedPage, match=r"^0\n1\n2\n3\n4\n\.\.\. and 2 more$"):
        require_none([str(number) for number in range(7)])
