from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from optimization import files
from optimization.__main__ import main
from shared.errors import ConfigError
from tests.conftest import REPO, unmeasured

# As a full disk does, the system refuses a file beyond this size.
SMALL_DISK = (
    "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)); "
    "from optimization.__main__ import main; sys.exit(main(sys.argv[1:]))"
)


def test_a_disk_that_is_full_is_one_clear_line_and_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "slim.onnx"
    words = [sys.executable, "-c", SMALL_DISK, "simplify", "--output", str(out)]
    done = subprocess.run(words, cwd=REPO, env=unmeasured(), capture_output=True, text=True, timeout=100)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith(f"error: {out}: cannot be written")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_without_force(
    tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "there"
    for words in (
        ["simplify", "--model", str(tiny), "--output", str(out)],
        ["fp16", "--model", str(tiny), "--output", str(out)],
        ["quantize", "--model", str(tiny), "--output", str(out)],
        ["inspect", "--model", str(tiny), "--json", str(out)],
        ["benchmark", str(tiny), "--json", str(out)],
        ["compare", str(tiny), str(tiny), "--json", str(out)],
    ):
        out.write_text("mine")
        assert main(words) == 2, words
        assert f"{out}: exists already; add --force" in capsys.readouterr().err
        assert out.read_text() == "mine"
    assert main(["inspect", "--model", str(tiny), "--json", str(out), "--force"]) == 0
    assert out.read_text().startswith("{")


@pytest.mark.parametrize("command", ["simplify", "inspect", "fp16", "quantize"])
@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "none.onnx"), (b"no model", "is not a valid ONNX model")],
    ids=["missing", "other"],
)
def test_a_wrong_file_is_one_clear_line(
    command: str,
    content: bytes | None,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "none.onnx"
    if content is not None:
        path.write_bytes(content)
    assert main([command, "--model", str(path)]) == 1
    error = capsys.readouterr().err.strip()
    assert says in error
    assert len(error.splitlines()) == 1


def test_an_operator_nobody_knows_is_named(
    tmp_path: Path, tiny: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import onnx

    model = onnx.load(str(tiny))
    model.graph.node[1].op_type, model.graph.node[1].domain = "Frobnicate", "made.up"
    model.opset_import.append(onnx.helper.make_opsetid("made.up", 1))
    path = tmp_path / "odd.onnx"
    onnx.save(model, str(path))
    for command in ("simplify", "fp16", "quantize"):
        words = ["--model", str(path), "--images", str(images), "--output", str(tmp_path / "out.onnx")]
        assert main([command, *words]) == 1
        assert "Frobnicate" in capsys.readouterr().err
        assert not (tmp_path / "out.onnx").exists()


def test_a_file_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be made"):
        files.claim(tmp_path / "file" / "below.json", force=False)
    with pytest.raises(ConfigError, match="is a folder"):
        files.claim(tmp_path, force=True)
