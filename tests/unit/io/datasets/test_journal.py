import json

import pytest

from perception.io.datasets.journal import Journal, json_list


def test_records_come_back_sorted_by_name_and_once(tmp_path):
    journal = Journal(tmp_path / "a.json")
    for name, value in (("b", 1), ("a", 2), ("b", 3)):
        journal.add(name, {"value": value})
    assert list(journal.records()) == [("a", {"value": 2}), ("b", {"value": 1})]
    assert len(journal) == 2


@pytest.mark.parametrize(
    "tail", [b"", b"[", b'["c",{"value":', b'["c",{}]', b"\x00\x00\n", b"7\n", b'["c"]\n["d",{}]\n']
)
def test_a_damaged_end_is_dropped_and_written_over(tmp_path, tail):
    first = Journal(tmp_path / "a.json")
    first.add("a", {"value": 1})
    first.close()
    part = tmp_path / "a.json.part"
    part.write_bytes(part.read_bytes() + tail)
    second = Journal(tmp_path / "a.json")
    assert "a" in second
    second.add("b", {"value": 2})
    assert list(second.records()) == [("a", {"value": 1}), ("b", {"value": 2})]
    second.close()
    assert [json.loads(line)[0] for line in part.read_text().splitlines()] == ["a", "b"]


def test_a_failed_end_keeps_what_was_added(tmp_path):
    journal = Journal(tmp_path / "a.json")
    journal.add("a", {"value": 1})

    def broken():
        yield "["
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        journal.finish(broken())
    journal.close()
    assert not (tmp_path / "a.json").exists()
    assert list(Journal(tmp_path / "a.json").records()) == [("a", {"value": 1})]


def test_the_end_removes_the_journal_and_replaces_an_old_file(tmp_path):
    (tmp_path / "a.json").write_text("old")
    journal = Journal(tmp_path / "a.json")
    journal.add("a", {"value": 1})
    journal.finish(json_list(record for _, record in journal.records()))
    assert json.loads((tmp_path / "a.json").read_text()) == [{"value": 1}]
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_number_that_json_does_not_have_is_refused(tmp_path):
    journal = Journal(tmp_path / "a.json")
    with pytest.raises(ValueError, match="JSON"):
        journal.add("a", {"value": float("nan")})
    assert "a" not in journal


def test_an_empty_list_is_a_list():
    assert "".join(json_list([])) == "[]"
    assert json.loads("".join(json_list([1, {"a": 2}]))) == [1, {"a": 2}]
