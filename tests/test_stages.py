"""What `make` shows of its stages: signs of life, few lines of progress, and the command's own exit status."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BAR = "\rtraining:  {0:2d}%|###   | {0}/100 [00:01<00:02]"


@pytest.fixture
def say(monkeypatch):
    """The module, with a clock that `now` sets."""
    spec = importlib.util.spec_from_file_location("say", ROOT / ".ci" / "say.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.now = 0
    monkeypatch.setattr(module.time, "monotonic", lambda: module.now)
    return module


@pytest.fixture
def stage(say):
    """A stage and the pieces of text that it wrote."""
    written = []
    return say.Stage("stage", written.append), written


def test_lines_and_unfinished_lines_pass_at_once(stage):
    stage, written = stage
    for text in ("one\n", "..", ".", "\n", "two\n"):
        stage.take(text)
    assert "".join(written) == "one\n...\ntwo\n"


@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_a_bar_shows_one_line_in_ten_seconds_and_its_last(say, stage, end):
    stage, written = stage
    for say.now in range(100):
        stage.take(BAR.format(say.now) + end)
        stage.alive()
    stage.take("\nnext\n")
    lines = "".join(written).split("\n")
    assert len(lines) <= 14 and "99%" in lines[-3] and lines[-2:] == ["next", ""]


def test_papermill_frames_of_cells_are_left_out(stage):
    stage, written = stage
    stage.take("Executing Cell 9---------\n42\nEnding Cell 9------------\nExecuting Cell A\n")
    assert "".join(written) == "42\nExecuting Cell A\n"


def test_silence_is_broken_every_twenty_seconds(say, stage):
    stage, written = stage
    stage.take("..")
    for say.now in range(100):
        stage.alive()
    lines = "".join(written).splitlines()
    assert lines[0] == ".." and lines[1:] == [f"   stage: {when} ..." for when in ("0:20", "0:40", "1:00", "1:20")]


def test_a_command_keeps_its_exit_status_and_both_streams(say):
    written = []
    code = "import sys; print('Ω out'); print('err', file=sys.stderr); sys.exit(3)"
    assert say.run("stage", [sys.executable, "-X", "utf8", "-c", code], written.append) == 3
    assert "".join(written).splitlines() == ["== stage", "Ω out", "err", "== stage: failed after 0:00"]
