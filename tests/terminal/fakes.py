"""Small programs for a terminal, written in Python and started with the interpreter of the tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# A chat without a line editor: the echo is the terminal's own.
CHAT = """
import sys
print("Welcome")
while True:
    sys.stdout.write("> ")
    sys.stdout.flush()
    line = sys.stdin.readline().rstrip("\\n")
    if line == "/exit":
        break
    if line == "die":
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
    if line == "forever":
        try:
            while True:
                print("round and round", flush=True)
        except KeyboardInterrupt:
            line = "stopped"
    if line and not line.startswith("/"):
        sys.stdout.write(f"You said {line}.\\n\\nStats:\\nTime to first token: 0.01s\\n"
                         "Prompt: 3 tokens, 1 T/s\\nDecode: 4 tokens, 1 T/s\\n\\n")
"""
# Ends by itself before there is any prompt.
REFUSAL = "import sys; sys.exit('Error: no such model')"
_WAIT = """
print("here", os.getpid(), flush=True)
while True:
    time.sleep(1)
"""
# Never reads, never ends, minds no signal.
DEAF = f"""
import os, signal, time
for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
{_WAIT}
"""
# The same with a child.
STUBBORN = DEAF.replace(_WAIT, f"os.fork(){_WAIT}")
# Writes and never stops.
TALKER = """
while True:
    print("and so on", flush=True)
"""
# Leaves the terminal without echo, the cursor hidden and the text red.
SLOVEN = """
import sys, termios
settings = termios.tcgetattr(0)
settings[3] &= ~(termios.ECHO | termios.ICANON)
termios.tcsetattr(0, termios.TCSANOW, settings)
sys.stdout.write("\\x1b[?25l\\x1b[31mred")
"""
# Says what would steer the tester's terminal.
HOSTILE = "print('before \\x1b[2J\\x1b]0;owned\\x07\\x9b31m after')"
# Ends, but leaves a child that keeps the terminal open.
PARENT = """
import os, time
if os.fork() == 0:
    time.sleep(600)
print("gone", flush=True)
"""


def words(program: str) -> list[str]:
    """The command line that runs it, quickly: no site packages."""
    return [sys.executable, "-S", "-c", program]


def environment(home: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONIOENCODING": "utf-8"}
