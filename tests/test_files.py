"""A file is written whole or not at all, as private as its user wants it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest
from helpers import environment

from scoreorsong import files
from scoreorsong.files import whole, write_whole

posix = pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@posix
@pytest.mark.parametrize(("umask", "mode"), [("077", 0o600), ("027", 0o640), ("022", 0o644)])
def test_a_new_file_is_as_private_as_the_umask_says(tmp_path, umask, mode):
    """In a process of its own: a umask belongs to a process."""
    code = (
        f"import os; os.umask(0o{umask}); from scoreorsong.files import write_whole; write_whole('x', b'new')"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=60, env=environment())
    assert mode_of(tmp_path / "x") == mode


@posix
@pytest.mark.parametrize("mode", [0o600, 0o666, 0o755])
def test_a_file_that_was_there_keeps_its_permissions_and_they_hold_from_the_start(tmp_path, mode):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    path.chmod(mode)
    with whole(path) as file:
        file.write(b"new")
        assert mode_of(tmp_path / file.name) & ~mode == 0
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert mode_of(path) == mode


def test_nothing_is_written_into_what_lies_in_the_way(tmp_path, monkeypatch):
    """Not even where someone guesses the name of the temporary file."""
    monkeypatch.setattr(files.secrets, "token_hex", lambda _: "0badcafe")
    victim, way = tmp_path / "victim", tmp_path / ".x.0badcafe"
    victim.write_bytes(b"precious")
    way.symlink_to(victim)
    with pytest.raises(FileExistsError):
        write_whole(tmp_path / "x", b"new")
    assert victim.read_bytes() == b"precious"
    assert way.is_symlink()
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_fails_leaves_nothing_but_what_was_there(tmp_path, error):
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def fail():
        with whole(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
    assert path.read_bytes() == b"old"
