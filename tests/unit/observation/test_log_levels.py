"""What lines say of their own gravity."""

from __future__ import annotations

import pytest

from cove.model.logs import LEVELS
from cove.observation.logs.levels import detect


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ('{"level":"info","msg":"x"}', "info"),
        ('{"time":"t","severity":"WARNING"}', "warn"),
        ('{"lvl":"dbug"}', "debug"),
        ('{"level":50,"msg":"pino"}', "error"),
        ('{"level":10}', "trace"),
        ('{"log.level":"Error"}', "error"),
        ('{"@l":"Fatal"}', "fatal"),
        ('{"level":3}', "error"),
        ('{"msg":"an error"}', ""),
        ('{"level":{"deep":1}}', ""),
        ("{not json} [error]", "error"),
        ("time=2030 level=warn msg=x", "warn"),
        ('ts=1 lvl="eror" x=1', "error"),
        ("2030/01/31 12:00:00 [error] 12#0: *1 open() failed", "error"),
        ("2030-01-31 12:00:00,123 ERROR shop.cart: bad", "error"),
        ("ERROR:root:boom", "error"),
        ("WARNING: this is odd", "warn"),
        ("E0131 12:00:00.123456 1 x.go:12] klog", "error"),
        ("I0131 12:00:00.123456 1 x.go:12] klog", "info"),
        ("<3>kernel", "error"),
        ("<190>local7 info", "info"),
        ("2030-01-31 12:00:00 UTC [12] FATAL:  role", "fatal"),
        ("2030-01-31 12:00:00 UTC [12] LOG:  ready", "info"),
        ("info: Microsoft.Hosting.Lifetime[0]", "info"),
        ("Error: cannot find module 'x'", "error"),
        ("\x1b[32mINFO\x1b[0m ready", "info"),
        ("[WARN ] x", "warn"),
        ("npm ERR! x", "error"),
        ("panic: runtime error", "fatal"),
        ("Traceback (most recent call last):", "error"),
        ('10.0.0.1 - - [31/Jan/2030:12:00:00 +0000] "GET /ERROR HTTP/1.1" 200 1', ""),
        ("worker: job 12 done", ""),
        ("an ERROR-free line", ""),
        ("INFORMATION desk", ""),
        ("", ""),
        ("x" * 500 + " ERROR", ""),
    ],
)
def test_a_line_says_its_level(text: str, level: str) -> None:
    """As the usual formats write it; where none is written there is none."""
    assert LEVELS[detect(text)] == level
