import pytest

from perception.core.errors import InvalidInput
from perception.core.files import inside, write_atomic


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "link/x"])
def test_a_path_that_leaves_its_folder_is_refused(tmp_path, name):
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    with pytest.raises(InvalidInput, match="leaves"):
        inside(root, name)


def test_a_path_inside_is_returned_whole(tmp_path):
    assert inside(tmp_path, "a/b.txt") == tmp_path.resolve() / "a" / "b.txt"


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    file = tmp_path / "sub" / "a.txt"
    write_atomic(file, "old")

    def full(_handle):
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_atomic(file, b"new")
    assert file.read_text() == "old"
    assert [path.name for path in file.parent.iterdir()] == ["a.txt"]
