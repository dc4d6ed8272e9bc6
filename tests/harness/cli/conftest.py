"""What the tests of all commands share: a way to call them, and a run with its submission."""

import pytest
from click.testing import CliRunner

from harness.cli import main


@pytest.fixture
def run():
    """A function that calls a command and asserts its status. A fault leaves a message, no traceback."""

    def call(*words, status=0):
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert result.exit_code == status, result.output
        assert isinstance(result.exception, SystemExit | None)
        if status:
            assert result.stderr.strip()
            assert "Traceback" not in result.output
        return result

    return call


@pytest.fixture(scope="session")
def zeros(tmp_path_factory, maps):
    """A run of the baseline zeros and its submission."""
    folder = tmp_path_factory.mktemp("zeros")
    call = CliRunner().invoke
    data = ["--data", str(maps), "--out", str(folder / "run"), "--preset", "smoke"]
    assert call(main, ["train", "zeros", *data]).exit_code == 0
    inputs = ["--inputs", str(maps / "test-inputs.h5"), "--team", "Ñandú & co"]
    assert call(main, ["submit", str(folder / "run"), *inputs, str(folder / "zeros.zip")]).exit_code == 0
    return folder
