import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from encoders.weights import EncoderError, load_strictly, read_state_dict, seeded, sha256


def test_reads_safetensors_and_torch_files_and_opens_wrappers(tmp_path: Path) -> None:
    state = {"a": torch.arange(3.0)}
    save_file(state, tmp_path / "a.safetensors")
    torch.save({"model_state": state, "epoch": 3}, tmp_path / "b.pyth")
    torch.save(state, tmp_path / "c.pt")
    for name in ("a.safetensors", "b.pyth", "c.pt"):
        assert torch.equal(read_state_dict(tmp_path / name)["a"], state["a"])


class _Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("harm"),))


def test_a_file_cannot_run_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"a": _Harmful()}, "bad.pt")
    Path("worse.pt").write_bytes(pickle.dumps(_Harmful(), protocol=2))
    for name in ("bad.pt", "worse.pt"):
        with pytest.raises(EncoderError, match="not a file of weights"):
            read_state_dict(Path(name))
    assert not Path("harm").exists()


def test_bad_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="no such weights file"):
        read_state_dict(tmp_path / "none.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(b"abc")
    (tmp_path / "empty.pt").write_bytes(b"")
    for name in ("cut.safetensors", "empty.pt"):
        with pytest.raises(EncoderError, match="not a file of weights"):
            read_state_dict(tmp_path / name)
    torch.save({"a": 1}, tmp_path / "numbers.pt")
    with pytest.raises(EncoderError, match="tensors by name"):
        read_state_dict(tmp_path / "numbers.pt")


def test_weights_must_fit_exactly() -> None:
    module = nn.Linear(3, 2)
    good = {"weight": torch.ones(2, 3), "bias": torch.ones(2)}
    load_strictly(module, good, "file")
    assert module.weight.sum() == 6
    for bad, found in (
        ({"weight": good["weight"]}, r"1 tensors missing \['bias'\]"),
        ({**good, "extra": good["bias"]}, r"1 unexpected \['extra'\]"),
        ({**good, "bias": torch.ones(3)}, r"bias is \(3,\), wanted \(2,\)"),
    ):
        with pytest.raises(EncoderError, match=found):
            load_strictly(module, bad, "file")


def test_hash_changes_with_every_tensor_and_name() -> None:
    with seeded():
        first = nn.Linear(3, 2)
    with seeded():
        second = nn.Linear(3, 2)
    assert sha256(first) == sha256(second)
    with torch.no_grad():
        second.bias[0] += 1e-6
    assert sha256(first) != sha256(second)
    assert sha256(nn.Sequential(first)) != sha256(first)
    assert sha256(first) != sha256(first.double())


def test_seeding_keeps_the_callers_random_state() -> None:
    torch.manual_seed(5)
    wanted = torch.rand(2)
    torch.manual_seed(5)
    with seeded():
        torch.rand(7)
    assert torch.equal(torch.rand(2), wanted)
