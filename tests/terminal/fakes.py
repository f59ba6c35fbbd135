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
# An engine that crashes while the chat starts: 0.8.1 with a GGML model, when the chat notices it late.
CRASHED_BEFORE = """
import sys
print("thread '<unnamed>' panicked at add_request.rs:482:22:\\nit must have a model metadata")
print("Welcome\\n" * 40)
while True:
    sys.stdout.write("> ")
    sys.stdout.flush()
    if not sys.stdin.readline():
        break
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
# A chat with a line editor of its own. Its arguments: the answer to the line WANTED, and what Backspace does
# with a character of several bytes: `good`, `byte` (deletes one byte of it), `hidden` (the screen shows
# nothing of that), `panic` (the program ends, as a real version did).
EDITOR = """
import os, sys, tty
answer, fault = sys.argv[1:]
WANTED = b"Tell me about the violin"
tty.setraw(0)

def write(data):
    os.write(1, data)

def draw(line, cursor):
    write(b"\\r> " + line + b"\\x1b[K\\r> " + line[:cursor])

def start_of_character(line, cursor):
    cursor -= 1
    while cursor > 0 and line[cursor] & 0xC0 == 0x80:
        cursor -= 1
    return cursor

def backspace(line, cursor):
    start = start_of_character(line, cursor)
    whole = line[:start] + line[cursor:]
    if cursor - start == 1 or fault == "good":
        return whole, whole, start
    if fault == "panic":
        write(b"thread 'main' panicked at byte index is not a char boundary\\r\\n")
        sys.exit(101)
    return line[: cursor - 1] + line[cursor:], whole if fault == "hidden" else None, start

def read_line():
    line, shown, cursor = b"", None, 0
    write(b"> ")
    while True:
        data = os.read(0, 4)
        while data[-1] >= 0x80 and len(data.decode(errors="ignore").encode()) < len(data):
            data += os.read(0, 1)
        for key in data.replace(b"\\x1b[D", b"\\x02").decode():
            if key == "\\r":
                write(b"\\r\\n")
                return line
            if key == "\\x02":
                cursor = start_of_character(line, cursor)
            elif key == "\\x7f":
                line, shown, cursor = backspace(line, cursor)
            else:
                line = line[:cursor] + key.encode() + line[cursor:]
                shown = shown and shown[:cursor] + key.encode() + shown[cursor:]
                cursor += len(key.encode())
            draw(shown or line, cursor)

while True:
    said = answer if read_line() == WANTED else "Something else."
    write(f"{said}\\n\\nStats:\\nTime to first token: 0.01s\\n\\n".replace("\\n", "\\r\\n").encode())
"""


def words(program: str, *arguments: str) -> list[str]:
    """The command line that runs it, quickly: no site packages."""
    return [sys.executable, "-S", "-c", program, *arguments]


def environment(home: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONIOENCODING": "utf-8"}
