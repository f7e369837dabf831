"""Run a command as a named stage: never silent for long, and without a flood of progress bars.

    python say.py STAGE COMMAND ...

What the command prints passes through. Of progress bars one line in ten seconds is shown. After twenty seconds of
silence a line says how long the stage has been running; the last line says how long it took. Needs any Python 3.
"""

import codecs
import os
import re
import select
import subprocess
import sys
import time

SILENCE, BARS = 20, 10  # seconds: until a sign of life; between lines of a progress bar
BAR = re.compile(r"\d%\|")
FRAME = re.compile(r"(Executing|Ending) Cell \d+-+\s*$")  # what papermill puts around the output of a cell


def clock(seconds):
    """Minutes and seconds, as in 2:05."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Stage:
    """What a stage has shown so far."""

    def __init__(self, name, write):
        self.name, self.write, self.start = name, write, time.monotonic()
        self.shown, self.rest, self.bar, self.open, self.after_bar = self.start, "", "", False, False

    def show(self, text):
        """Writes `text`, and remembers whether its last line is still open."""
        if text:
            self.write(text)
            self.shown, self.open = time.monotonic(), not text.endswith("\n")

    def line(self, text):
        """Writes `text` as a line of its own."""
        self.show("\n" * self.open + text + "\n")

    def take(self, text):
        """Passes on what the command printed, apart from most of its progress bars."""
        *whole, self.rest = re.split(r"(?<=[\r\n])", (self.rest + text).replace("\r\n", "\n"))
        for part in whole:
            self.part(part)
        if not BAR.search(self.rest) and not self.after_bar:  # dots without an end of line
            self.show(self.rest)
            self.rest = ""

    def part(self, part):
        """Passes on one line, or holds it back."""
        if BAR.search(part):
            self.bar, self.after_bar = part.strip(), True
            if time.monotonic() - self.shown >= BARS:
                self.flush()
        elif FRAME.match(part):
            pass
        elif part.strip() or not self.after_bar:  # the empty lines between bars are dropped
            self.flush()
            self.after_bar = False
            self.show(part.replace("\r", "\n"))

    def flush(self):
        """Shows the bar that was held back last."""
        if self.bar:
            self.line(self.bar)
            self.bar = ""

    def passed(self):
        """How long the stage has been running."""
        return clock(time.monotonic() - self.start)

    def alive(self):
        """A sign of life where nothing was shown for long."""
        if time.monotonic() - self.shown >= SILENCE:
            self.flush() if self.bar else self.line(f"   {self.name}: {self.passed()} ...")

    def end(self, code):
        """Shows what is left and how long it took."""
        if self.rest:
            self.part(self.rest)
        self.flush()
        self.line(f"== {self.name}: {'failed' if code else 'done'} after {self.passed()}")


def run(name, command, write):
    """Runs `command` as the stage `name`; its exit status."""
    stage = Stage(name, write)
    stage.line(f"== {name}")
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             env=dict(os.environ, PYTHONUNBUFFERED="1"))
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    try:
        while True:
            if select.select([child.stdout], [], [], 1)[0]:
                chunk = os.read(child.stdout.fileno(), 65536)
                if not chunk:
                    break
                stage.take(decoder.decode(chunk))
            stage.alive()
        code = child.wait()
    except KeyboardInterrupt:  # the command was interrupted, too
        code = child.wait() or 130
    stage.end(code)
    return code


def write(text):
    """To standard output at once, whatever its encoding."""
    sys.stdout.buffer.write(text.encode("utf-8"))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2:], write))
