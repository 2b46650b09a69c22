"""A process that loads images and is killed is one line, wherever the main process happens to be by then."""

import pytest

MASK = """
import time
import psutil
from posebench.pose.reductions.tokens import highest, keep


def killing(tokens, context, left):
    for child in psutil.Process().children():
        child.kill()
        time.sleep(1)
    return keep(tokens, highest(tokens.detach().square().sum(dim=2), left))
"""
MODEL = "--model tmpose_tiny --mask killing_mask:killing --ratio 0.5 --workers 1 --threads 1 --quiet".split()


@pytest.mark.parametrize("command", ["eval", "train --train-split val --evaluate-every 0 --out run"])
def test_a_killed_loader_process_is_one_line(command, coco, posebench, tmp_path, monkeypatch):
    (tmp_path / "killing_mask.py").write_text(MASK)
    monkeypatch.syspath_prepend(".")
    code, _, said = posebench(*command.split(), "--data", coco, *MODEL)
    line = said.splitlines()[-1]
    assert code == 1 and "Traceback" not in said, said
    assert line.startswith("posebench: error: DataLoader worker (pid") and "fewer --workers" in line
