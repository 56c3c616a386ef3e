"""A model file holds plain values and numbers, and whatever else it may be, it only ever gives a ModelError."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile

import numpy as np
import pytest

from scoreorsong import storage
from scoreorsong.errors import ModelError, ScoreOrSongError

RANDOM = np.random.default_rng(7)
CONTENT = {
    "text": "Käse – 音",
    "numbers": [1, -2, 0.1, 1e-300, 2**60],
    "nothing": None,
    "flags": {"yes": True, "no": False},
    "deep": {"list": [{"rows": RANDOM.standard_normal((3, 4))}, {"rows": np.arange(5)}]},
    "small": RANDOM.standard_normal((7, 2)).astype(np.float32),
    "half": RANDOM.standard_normal((5, 3)).astype(np.float16),
    "empty": np.zeros((0, 3)),
    "point": np.array(2.5),
}


def archive(members, *, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return buffer.getvalue()


def document(content, **header):
    return json.dumps(
        {"format": storage.FORMAT, "format_version": storage.FORMAT_VERSION, "content": content, **header}
    )


def with_array(data=b"\0" * 16, **described):
    """A file with one array of two zeros, told of as `described` says."""
    entry = {"array": "a", "dtype": "float64", "shape": [2], **described}
    return archive({"model.json": document({"x": entry}), "a": data})


def assert_same(got, expected):
    assert type(got) is type(expected)
    if isinstance(expected, dict):
        assert got.keys() == expected.keys()
        for key, value in expected.items():
            assert_same(got[key], value)
    elif isinstance(expected, list):
        assert len(got) == len(expected)
        for pair in zip(got, expected, strict=True):
            assert_same(*pair)
    elif isinstance(expected, np.ndarray):
        assert (got.dtype, got.shape, got.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())
    else:
        assert got == expected


# ---- what is written is what is read


def test_round_trip_is_bit_for_bit(tmp_path):
    model_id = storage.save(tmp_path / "x.model", CONTENT)
    content, read_id = storage.load(tmp_path / "x.model")
    assert_same(content, CONTENT)
    assert read_id == model_id == storage.content_id((tmp_path / "x.model").read_bytes())


def test_the_same_content_gives_the_same_bytes():
    assert storage.to_bytes(CONTENT) == storage.to_bytes(dict(CONTENT))
    assert storage.to_bytes(storage.from_bytes(storage.to_bytes(CONTENT))) == storage.to_bytes(CONTENT)


def test_what_is_equal_but_not_alike_is_written_alike():
    """Big-endian, transposed and scalar numbers are the numbers that they are; a tuple comes back as a list."""
    rows = np.arange(6.0).reshape(2, 3)
    halves = rows.astype(np.float16)
    content = {
        "a": rows.astype(">f8"),
        "b": rows.T,
        "c": np.float64(0.5),
        "d": (1, 2),
        "e": halves.astype(">f2"),
    }
    expected = {"a": rows, "b": np.ascontiguousarray(rows.T), "c": 0.5, "d": [1, 2], "e": halves}
    assert_same(storage.from_bytes(storage.to_bytes(content)), expected)


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16, np.int64, np.int16])
def test_a_number_takes_as_many_bytes_as_its_kind_has(kind):
    rows = np.ones(1000, kind)
    assert len(storage.to_bytes({"a": rows})) - len(storage.to_bytes({"a": rows[:500]})) == pytest.approx(
        500 * rows.itemsize, abs=8
    )


def test_read_arrays_are_ones_own():
    got = storage.from_bytes(storage.to_bytes(CONTENT))["small"]
    got += 1
    assert got.flags.owndata


def test_the_file_is_an_uncompressed_zip_with_a_readable_table():
    with zipfile.ZipFile(io.BytesIO(storage.to_bytes(CONTENT))) as file:
        assert {info.compress_type for info in file.infolist()} == {zipfile.ZIP_STORED}
        assert json.loads(file.read("model.json"))["format"] == storage.FORMAT


# ---- writing


@pytest.mark.parametrize(
    ("value", "match"),
    [
        (object(), "cannot store object"),
        ({1, 2}, "cannot store set"),
        (b"bytes", "cannot store bytes"),
        (1 + 2j, "cannot store complex"),
        (np.zeros(2, complex), "cannot store an array of complex128; the format holds float64"),
        (np.array(["a"]), "cannot store an array of"),
        (np.array([None]), "cannot store an array of object"),
        ({"array": 1}, "the key 'array'"),
        (float("nan"), "cannot store"),
        ([1.0, float("inf")], "cannot store"),
        (np.array([1.0, np.nan]), "cannot store"),
        (np.array([1.0, np.inf], np.float16), "cannot store an array with NaN or infinity"),
    ],
)
def test_what_the_format_cannot_hold_is_refused_and_leaves_nothing(tmp_path, value, match):
    with pytest.raises(ModelError, match=match):
        storage.save(tmp_path / "x.model", {"nested": [value]})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["none/x.model", "nul\0.model", "long" * 200])
def test_a_place_that_cannot_be_is_refused(tmp_path, name):
    with pytest.raises(ModelError, match=r"cannot be written \(.+\); choose a folder that exists"):
        storage.save(tmp_path / name, CONTENT)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_its_place_is_left_alone(tmp_path):
    (tmp_path / "x.model").mkdir()
    with pytest.raises(ModelError, match=r"x\.model: cannot be written"):
        storage.save(tmp_path / "x.model", CONTENT)
    assert [path.name for path in tmp_path.iterdir()] == ["x.model"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_save_that_fails_keeps_the_old_file_and_leaves_no_other(tmp_path, monkeypatch, error):
    (tmp_path / "x.model").write_text("old")

    def fail(*_):
        raise error

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises((ModelError, KeyboardInterrupt)):
        storage.save(tmp_path / "x.model", CONTENT)
    assert [path.name for path in tmp_path.iterdir()] == ["x.model"]
    assert (tmp_path / "x.model").read_text() == "old"


def test_saving_replaces_an_old_file(tmp_path):
    (tmp_path / "x.model").write_text("old")
    storage.save(tmp_path / "x.model", {"a": 1})
    assert storage.load(tmp_path / "x.model")[0] == {"a": 1}


# ---- reading what someone else made


@pytest.mark.parametrize("name", ["none.model", "folder", "nul\0.model", "long" * 2000])
def test_what_cannot_be_opened_is_refused(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(ModelError, match=r"cannot be read \(.+\); expected a model file"):
        storage.load(tmp_path / name)


HOSTILE = {
    "empty": (b"", "is not a model file or is damaged"),
    "text": (b"Dear reader, this is no model. " * 50, "is not a model file or is damaged"),
    "no model.json": (archive({"other.json": "{}"}), "its model.json cannot be read"),
    "no JSON": (archive({"model.json": "{"}), "its model.json cannot be read"),
    "no UTF-8": (archive({"model.json": b"\xff\xfe\xfa"}), "its model.json cannot be read"),
    "a list": (archive({"model.json": "[]"}), "its model.json cannot be read"),
    "deep lists": (archive({"model.json": "[" * 100_000}), "its model.json cannot be read"),
    "deep tables": (
        archive({"model.json": '{"format": "x", "format_version": 2, "content": ' + '{"a":' * 990 + "1" + "}" * 991}),
        "model.json cannot be read|has format 'x'|is damaged",
    ),
    "no content": (archive({"model.json": f'{{"format": "score-or-song model", "format_version": {storage.FORMAT_VERSION}}}'}), "is damaged"),
    "content a list": (archive({"model.json": document([1])}), "its content is not a table"),
    "another format": (archive({"model.json": document({}, format="x")}), "has format 'x'.*update"),
    "a newer version": (archive({"model.json": document({}, format_version=storage.FORMAT_VERSION + 1)}), f"version {storage.FORMAT_VERSION + 1}; this release reads.*update"),
    "an older version": (archive({"model.json": document({}, format_version=storage.FORMAT_VERSION - 1)}), f"version {storage.FORMAT_VERSION - 1}; this release reads.*train the model again"),
    "compressed": (
        archive({"model.json": document({"a": "b" * 999})}, compression=zipfile.ZIP_DEFLATED), "compressed members"
    ),
    "a bomb": (
        archive({"model.json": document({}), "a": b"\0" * 10**7}, compression=zipfile.ZIP_DEFLATED), "compressed members"
    ),
    "size not of the shape": (with_array(shape=[3]), "has 16 bytes, not the size of shape"),
    "shape below 0": (with_array(shape=[-1, -2]), "a shape that no model has"),
    "shape that is no whole number": (with_array(shape=[2.0]), "a shape that no model has"),
    "shape whose product takes for ever": (with_array(shape=[10**4000] * 900), "a shape that no model has"),
    "the same bytes twice": (
        archive({"model.json": document([{"array": "a", "dtype": "float64", "shape": [2]}] * 2), "a": b"\0" * 16}), "is damaged"
    ),
    "more JSON than any model has": (archive({"model.json": "[" + "[]," * 2_000_000 + "[]]"}), "model.json of more than 4 MB"),
    "tables too deep": (archive({"model.json": document(json.loads('{"a":' * 40 + "1" + "}" * 40))}), "deep in one another"),
    "lists too deep": (archive({"model.json": document({"x": json.loads("[" * 300 + "]" * 300)})}), "deep in one another"),
    "shape of another kind": (with_array(shape=None), "is damaged"),
    "endless shape": (with_array().replace(b"[2]", b"1e9"), "is not a model file or is damaged|is damaged"),
    "infinite shape": (archive({"model.json": document({"x": {"array": "a", "dtype": "float64", "shape": [1e400]}}), "a": b""}), "is damaged"),
    "a vast empty shape": (with_array(b"", shape=[0, 10**30]), "is damaged"),
    "too many dimensions": (with_array(shape=[2] + [1] * 100), "is damaged"),
    "unknown type": (with_array(dtype="object"), "is damaged"),
    "type of another kind": (with_array(dtype=["float64"]), "is damaged"),
    "no such array": (with_array(array="b"), "is damaged"),
    "array of another kind": (with_array(array={}), "is damaged"),
    "NaN": (with_array(np.array([0, np.nan]).tobytes()), "a holds NaN or infinity"),
    "NaN in half precision": (with_array(np.array([0, np.nan], "<f2").tobytes(), dtype="float16"), "a holds NaN or infinity"),
    "half the bytes": (with_array(b"\0" * 16, dtype="float16"), "has 16 bytes, not the size of shape"),
    "infinity": (with_array(np.array([0, np.inf]).tobytes()), "a holds NaN or infinity"),
    "NaN in the table": (archive({"model.json": document({"x": [float("nan")]})}), "NaN"),
    "infinity in the table": (archive({"model.json": document({"x": 1}).replace('"x": 1', '"x": 1e999')}), "NaN or inf"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_refused_with_its_name(tmp_path, kind):
    data, match = HOSTILE[kind]
    (tmp_path / "bad.model").write_bytes(data)
    with pytest.raises(ModelError, match=rf"bad\.model: .*({match})"):
        storage.load(tmp_path / "bad.model")


@pytest.mark.parametrize("claimed", [10**6, 2**31, 2**32 - 2])
def test_a_claim_of_more_than_there_is_is_refused(claimed):
    """Sizes in both headers say more than the file holds; nothing of that size is ever made."""
    data = archive({"model.json": document({})})
    size = len(document({})).to_bytes(4, "little")
    with pytest.raises(ModelError, match=r"holds compressed members|claims more content|damaged"):
        storage.from_bytes(data.replace(size, claimed.to_bytes(4, "little")))


def test_members_that_share_their_bytes_are_refused():
    """Many names for the same bytes: each fits into the file, all of them do not."""
    data = archive({"model.json": document({}), "array-000": b"\0" * 4000})
    at = data.index(b"PK\x01\x02")
    second = data.index(b"PK\x01\x02", at + 1)
    entry, end = data[second : data.index(b"PK\x05\x06")], data[data.index(b"PK\x05\x06") :]
    directory = data[at:second] + entry * 200
    end = end[:8] + (201).to_bytes(2, "little") * 2 + len(directory).to_bytes(4, "little") + end[16:]
    with pytest.raises(ModelError, match=r"claims more content than it holds|damaged"):
        storage.from_bytes(data[:at] + directory + end)


def test_a_huge_file_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "huge.model").open("wb") as file:
        file.truncate(10 * storage.MAX_FILE_BYTES)
    with pytest.raises(ModelError, match=r"huge\.model: is larger than 64 MB"):
        storage.load(tmp_path / "huge.model")


def test_a_model_cut_anywhere_is_refused():
    data = storage.to_bytes(CONTENT)
    for length in range(0, len(data), 13):
        with pytest.raises(ModelError, match=r"is not a model file or is damaged|claims more"):
            storage.from_bytes(data[:length])


def test_flipped_bytes_give_a_model_error_or_a_model():
    data, refused = storage.to_bytes(CONTENT), 0
    random = np.random.default_rng(0)
    for _ in range(3000):
        damaged = bytearray(data)
        for at in random.integers(len(data), size=random.integers(1, 5)):
            damaged[at] ^= int(random.integers(1, 256))
        try:
            assert isinstance(storage.from_bytes(bytes(damaged)), dict)
        except ModelError:
            refused += 1
    assert refused > 2000


def test_no_reading_costs_more_memory_than_the_file():
    import tracemalloc

    for kind in (
        "a bomb",
        "a vast empty shape",
        "shape whose product takes for ever",
        "the same bytes twice",
    ):
        data, match = HOSTILE[kind]
        tracemalloc.start()
        with pytest.raises(ModelError, match=match):
            storage.from_bytes(data)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 10**7


# ---- what would act if it were believed


class Bomb:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("wrap", ["bare", "in the zip", "as the array"])
def test_a_pickle_never_runs(tmp_path, wrap):
    bomb = pickle.dumps(Bomb(tmp_path / "marker"))
    data = {
        "bare": bomb,
        "in the zip": archive({"model.json": bomb, "data.pkl": bomb}),
        "as the array": with_array(bomb, dtype="object"),
    }[wrap]
    (tmp_path / "bomb.model").write_bytes(data)
    with pytest.raises(ScoreOrSongError, match=r"bomb\.model: is (not a model file or is )?damaged"):
        storage.load(tmp_path / "bomb.model")
    assert not (tmp_path / "marker").exists()
    pickle.loads(bomb).close()  # and it would have run
    assert (tmp_path / "marker").exists()


@pytest.mark.parametrize("name", ["../outside", "ABSOLUTE/outside", "folder/inside"])
def test_members_are_never_written_to_disk(tmp_path, monkeypatch, name):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    path = tmp_path / "x.model"
    member = name.replace("ABSOLUTE", str(tmp_path))
    path.write_bytes(archive({"model.json": document({"a": 1}), member: b"harm"}))
    assert storage.load(path)[0] == {"a": 1}
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["here", "x.model"]
