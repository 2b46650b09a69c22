import io
import os
import pickle
import zipfile

import pytest
import torch

from posebench.pose.errors import InputError
from posebench.pose.models.weights_file import read_weights
from posebench.pose.training import checkpoint
from posebench.pose.training.checkpoint import read_checkpoint, save_checkpoint, save_tensors

CONTENTS = {
    "model": {"weight": torch.arange(6.0).view(2, 3)},
    "config": {"name": "tiny", "input_size": (32, 24)},
    "epoch": 3,
    "recipe": {"epochs": 4, "milestones": [2]},
}


class Mine:
    """Code that a pickle would run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_a_checkpoint_comes_back_as_it_was_saved(tmp_path):
    save_checkpoint(tmp_path / "new" / "a.pt", CONTENTS)
    back = read_checkpoint(tmp_path / "new" / "a.pt")
    assert torch.equal(back.pop("model")["weight"], CONTENTS["model"]["weight"])
    assert back == {"format": "posebench", "version": 1, **{k: v for k, v in CONTENTS.items() if k != "model"}}
    assert os.listdir(tmp_path / "new") == ["a.pt"]


@pytest.mark.parametrize("kept", [0, 0.01, 0.3, 0.9, 0.999])
def test_a_file_cut_short_is_one_clear_line(tmp_path, kept):
    path = tmp_path / "a.pt"
    save_checkpoint(path, CONTENTS)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(InputError) as error:
        read_checkpoint(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content",
    [
        b"some text", pickle.dumps({"a": 1}, 2), {"weight": torch.zeros(1)}, [1, 2], {"format": "posebench"},
        {"format": "posebench", "version": 2, **CONTENTS}, {"format": "posebench", "version": 1, "model": {}},
    ],
    ids=["text", "pickle", "state dict", "list", "no version", "newer version", "incomplete"],
)  # fmt: skip
def test_a_file_of_another_kind_is_refused_by_name(tmp_path, content):
    path = tmp_path / "a.pt"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(InputError, match=str(path)):
        read_checkpoint(path)


def test_reading_runs_no_code_that_a_file_holds(tmp_path):
    torch.save(
        {"format": "posebench", "version": 1, **CONTENTS, "history": Mine(str(tmp_path / "ran"))}, tmp_path / "a"
    )
    with pytest.raises(InputError):
        read_checkpoint(tmp_path / "a")
    assert not (tmp_path / "ran").exists()


def test_a_sound_file_that_memory_is_too_short_for_is_not_called_damaged(tmp_path, monkeypatch):
    save_checkpoint(tmp_path / "a.pt", CONTENTS)

    def short(*args, **options):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")

    monkeypatch.setattr(torch, "load", short)
    for read in (read_checkpoint, read_weights):
        with pytest.raises(InputError, match=r"a\.pt: not enough memory to read it$"):
            read(tmp_path / "a.pt")


def test_a_compressed_file_which_may_stand_for_any_size_is_not_read(tmp_path):
    save_checkpoint(tmp_path / "stored.pt", CONTENTS)
    packed = zipfile.ZipFile(tmp_path / "a.pt", "w", zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(tmp_path / "stored.pt") as stored, packed:
        for entry in stored.infolist():
            packed.writestr(entry.filename, stored.read(entry))
    for read in (read_checkpoint, read_weights):
        with pytest.raises(InputError, match=r"a\.pt: is compressed, which torch\.save never does"):
            read(tmp_path / "a.pt")


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(InputError, match="no such checkpoint"):
        read_checkpoint(tmp_path / "a.pt")


def test_a_failed_save_leaves_the_older_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "a.pt"
    save_checkpoint(path, CONTENTS)
    before = path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        save_checkpoint(path, {**CONTENTS, "epoch": 4})
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.pt"]


def test_ctrl_c_while_a_checkpoint_is_written_is_ctrl_c_and_leaves_the_older_one(tmp_path, monkeypatch):
    path = tmp_path / "last.pt"
    save_tensors(path, {"a": torch.zeros(4)})
    before = path.read_bytes()

    class Interrupted(io.FileIO):
        """As a signal does in the middle of a system call."""

        def write(self, content):
            if self.tell() > 1000:
                raise KeyboardInterrupt
            return super().write(content)

    monkeypatch.setattr(checkpoint, "open", Interrupted, raising=False)
    with pytest.raises(KeyboardInterrupt):
        save_tensors(path, {str(n): torch.zeros(1000) for n in range(9)})
    assert path.read_bytes() == before and [file.name for file in tmp_path.iterdir()] == ["last.pt"]
