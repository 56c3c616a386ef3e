"""Sound files → damaged ones → findings: whatever reads a file must survive it.

    nice python benchmarks/fuzz.py --files 20000
    python benchmarks/fuzz.py --only mp3 --seed 4711 --files 1      # one finding again

Every file is made from its reader's name and a seed, and read in a worker process that may
take `LIMIT_BYTES` of memory and `LIMIT_S`. A finding is a dead or hanging worker, an exception
other than those of the library, a warning, a traceback, or a number out of its range; its file
and its story are written to ``--findings``, named by reader and seed. Add a row to `READERS`
for whatever else reads files.
"""

from __future__ import annotations

import argparse
import os

# Arrow's own allocator reserves more address space than the limit allows.
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", ARROW_DEFAULT_MEMORY_POOL="system")

import contextlib
import io
import json
import multiprocessing
import resource
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import soundfile

from scoreorsong import cli, extract, load_model, pages
from scoreorsong.albums import write_albums
from scoreorsong.batch import FEATURES
from scoreorsong.cuesheet import read_usage_map
from scoreorsong.dataset import read_companions, read_labels
from scoreorsong.errors import ScoreOrSongError
from scoreorsong.feature_table import attempt_to_measure, read_table
from scoreorsong.feature_table import row_of as row_of_features
from scoreorsong.formats import write_table
from scoreorsong.prediction import Failure, default_model_path
from scoreorsong.results import COLUMNS, KINDS, Album
from scoreorsong.tables import Table, row_of

LIMIT_BYTES, LIMIT_S = 2**30, 30.0
RATE_HZ = 22050
MODEL_ID = "0123456789ab"

Random = np.random.Generator
Seeds = Callable[[], list[bytes]]


@dataclass(frozen=True)
class Reader:
    """What reads a kind of file, files of it that are sound, and how they are damaged."""

    ending: str
    seeds: Seeds
    read: Callable[[Path], None]
    damage: Callable[[bytes, Random], bytes]


# ---- sound files


def _samples(seconds: float = 1.1) -> np.ndarray:
    """A gliding tone with a pulse of noise, on two channels."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    tone = np.sin(2 * np.pi * (220 + 40 * np.sin(2 * np.pi * 5 * time_s)) * time_s)
    pulse = np.random.default_rng(0).standard_normal(len(time_s)) * np.exp(-9 * (time_s % 0.4))
    return np.stack([0.2 * tone + 0.1 * pulse, 0.2 * tone - 0.05 * pulse], axis=1)


def _audio(form: str, *kinds: tuple[str, int, int]) -> list[bytes]:
    """One clip per kind of samples, rate and number of channels."""
    clips = []
    for subtype, rate_hz, channels in kinds:
        buffer = io.BytesIO()
        soundfile.write(buffer, _samples()[:, :channels], rate_hz, subtype=subtype, format=form)
        clips.append(buffer.getvalue())
    return clips


@cache
def _wav() -> list[bytes]:
    kinds = ("PCM_16", "PCM_U8", "PCM_24", "FLOAT", "DOUBLE", "ULAW", "IMA_ADPCM", "MS_ADPCM", "GSM610")
    plain = _audio("WAV", *((kind, RATE_HZ, 1) for kind in kinds), ("PCM_16", 44100, 2))
    return plain + _audio("RF64", ("PCM_16", RATE_HZ, 2)) + _audio("WAVEX", ("FLOAT", 48000, 2))


@cache
def _flac() -> list[bytes]:
    return _audio("FLAC", ("PCM_16", RATE_HZ, 2), ("PCM_24", 48000, 1), ("PCM_S8", 8000, 1))


@cache
def _ogg() -> list[bytes]:
    return _audio("OGG", ("VORBIS", RATE_HZ, 2), ("VORBIS", 44100, 1), ("OPUS", 48000, 2))


@cache
def _mp3() -> list[bytes]:
    return _audio("MP3", ("MPEG_LAYER_III", 44100, 2), ("MPEG_LAYER_III", RATE_HZ, 1))


@cache
def _aiff() -> list[bytes]:
    return _audio(
        "AIFF", ("PCM_16", RATE_HZ, 2), ("FLOAT", RATE_HZ, 1), ("IMA_ADPCM", RATE_HZ, 1), ("ULAW", 8000, 1)
    )


@cache
def _m4a() -> list[bytes]:
    """AAC in MP4 and Opus in Matroska, where PyAV is here to read them."""
    try:
        import av
    except ImportError:
        return []
    clips = []
    for form, codec in (("mp4", "aac"), ("matroska", "libopus")):
        buffer = io.BytesIO()
        with av.open(buffer, "w", format=form) as media:
            stream = media.add_stream(codec, rate=48000, layout="stereo")
            samples = np.ascontiguousarray(_samples().T, np.float32)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
            frame.sample_rate = 48000
            for part in (frame, None):
                media.mux(stream.encode(part))
        clips.append(buffer.getvalue())
    return clips


@cache
def _labels() -> list[bytes]:
    head = "path,label,group,slice,vocals,weight,start_s,duration_s,source_path,licence\n"
    rows = [
        f"{label}{i}.wav,{label},{label} {i},{label}-core,no,{1 + i / 2},{i},2.5,,CC0-1.0\n"
        for label in ("score", "song")
        for i in range(4)
    ]
    quoted = head + "".join(row.replace("CC0", '"CC, ""0""').replace("-1.0\n", '-1.0"\r\n') for row in rows)
    return [(head + "".join(rows)).encode(), b"\xef\xbb\xbf" + quoted.encode()]


@cache
def _table(ending: str) -> list[bytes]:
    """What a scan leaves, as the sound seed of that kind of table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"results{ending}"
        table = Table(path)
        for i, row in enumerate(_rows()):
            table.append(row, (i, i))
        table.finish()
        table.close()
        return [path.read_bytes()]


def _rows() -> Iterator[dict[str, object]]:
    for i in range(6):
        yield dict(
            zip(
                COLUMNS,
                (f"a/b{i}.wav", "ok", "song", i / 6, i % 2 > 0, 0.25, 1.0, 30.5, "short", None, MODEL_ID),
                strict=True,
            )
        )
    yield row_of(Failure("a/none.wav", "a/none.wav: no such file"), MODEL_ID)


@cache
def _albums(ending: str) -> list[bytes]:
    """An albums table, one row of which is of a folder without music."""
    albums = [Album(f"a/{i}", kind, 0.9, 8, 0.75, 0.25, 1, 0, -0.1, 12.5) for i, kind in enumerate(KINDS)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"albums{ending}"
        write_albums(path, [*albums, Album("b", None, None, 0, None, None, 3, 1, None, None)])
        return [path.read_bytes()]


@cache
def _features() -> list[bytes]:
    """What `score-or-song features` leaves of a clip that is there and of one that is not."""
    with tempfile.TemporaryDirectory() as folder:
        clip, table = Path(folder) / "a.wav", Path(folder) / "features.parquet"
        clip.write_bytes(_wav()[0])
        measured = map(attempt_to_measure, (str(clip), "none.wav"))
        write_table(table, FEATURES, map(row_of_features, measured))
        return [table.read_bytes()]


@cache
def _usage_map() -> list[bytes]:
    return [pages.part("usage.toml").encode()]


@cache
def _state() -> list[bytes]:
    return [b"".join(json.dumps([f"a/b{i}.wav", i, i, "AQID"]).encode() + b"\n" for i in range(6))]


@cache
def _model() -> list[bytes]:
    return [default_model_path().read_bytes()]


@cache
def _teacher() -> list[bytes]:
    arrays = {"ids": np.array(["a", "b"]), "tags": np.array(["voice", "piano"])}
    files = []
    for save in (np.savez, np.savez_compressed):
        buffer = io.BytesIO()
        save(buffer, probabilities=np.full((2, 3, 2), 0.5, np.float32), **arrays)
        files.append(buffer.getvalue())
    return files


# ---- what reads them


def _command(*arguments: object) -> list[str]:
    """Run the command line here; its lines. Nothing but an exit code may come of it."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main([*map(str, arguments)])
    told = out.getvalue() + err.getvalue()
    assert code in (0, 1, 2), code
    assert "Traceback" not in told, told
    return out.getvalue().splitlines()


def _read_audio(path: Path) -> None:
    _check_predictions(_command("predict", "--json", path))
    with contextlib.suppress(ScoreOrSongError):
        features = extract(path)
        assert np.isfinite(features.clip).all()
        assert np.isfinite(features.windows).all()
        assert np.isfinite(features.segments).all()
        assert features.duration_s > 0


def _check_predictions(lines: Iterable[str]) -> None:
    for line in lines:
        found = json.loads(line, parse_constant=_refuse)
        if found["status"] == "ok":
            shares = [found[f"{name}"] for name in ("song_probability", "vocal_fraction", "music_fraction")]
            assert all(0 <= share <= 1 for share in shares), found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} in the JSON")


def _read_labels(path: Path) -> None:
    for i, name in enumerate(f"{label}{i}.wav" for label in ("score", "song") for i in range(4)):
        clip = path.with_name(name)
        if not clip.exists():
            soundfile.write(clip, _samples(0.2) * (1 - i / 10), RATE_HZ)
    with contextlib.suppress(ScoreOrSongError):
        for example in read_labels(path):
            assert 0 <= example.weight < np.inf
            assert 0 <= example.start_s < np.inf


def _read_companions(path: Path, name: str) -> None:
    """A file in its place beside labels, where everything else is sound."""
    folder = path.parent / "corpus"
    for part in ("teacher", "vocal_activity"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    kinds = "".join(f"v.wav,{kind},{kind} {i}\n" for kind in ("speech", "singing", "noise") for i in range(3))
    (folder / "v.wav").touch()
    (folder / "voices.csv").write_text("path,kind,speaker\n" + kinds)
    (folder / "vocal_activity" / "a.csv").write_text("start_s,end_s\n0,1\n")
    (folder / "teacher" / "t.npz").write_bytes(_teacher()[0])
    (folder / name).write_bytes(path.read_bytes())
    with contextlib.suppress(ScoreOrSongError):
        found = read_companions(folder / "labels.csv")
        assert found is None or all(np.isfinite(rows).all() for rows in found.activity.values())


def _read_table(path: Path) -> None:
    """As a report, and to go on with."""
    _command("report", path, "-o", path.with_suffix(".html"))
    _resume(path if path.suffix != ".parquet" else path.with_name(path.name + ".jsonl"), _state()[0])


def _read_albums(path: Path) -> None:
    """As a report shows it beside sound results."""
    results = path.with_name("results.csv")
    results.write_bytes(_table(".csv")[0])
    _command("report", results, "--albums", path, "-o", path.with_suffix(".html"))


def _read_features(path: Path) -> None:
    with contextlib.suppress(ScoreOrSongError):
        table = read_table(path)
        for name in ("a.wav", "none.wav"):
            found = table.find(path.with_name(name), name)
            if not isinstance(found, str):
                assert np.isfinite(found.features.clip).all()
                assert np.isfinite(found.features.segments).all()


def _read_usage_map(path: Path) -> None:
    with contextlib.suppress(ScoreOrSongError):
        codes = read_usage_map(path).codes
        assert all(0 <= confidence <= 1 for _, confidence in codes.values())


def _read_state(path: Path) -> None:
    table = path.with_name("results.csv")
    table.write_bytes(_table(".csv")[0])
    _resume(table, path.read_bytes())


def _resume(table: Path, state: bytes) -> None:
    table.with_name(table.name + ".state").write_bytes(state)
    with contextlib.suppress(ScoreOrSongError), contextlib.closing(Table(table)) as going_on:
        files = {f"a/b{i}.wav": (i, i) for i in range(1, 7)}
        done = going_on.take_up(files, MODEL_ID)
        going_on.descriptors()
        for row in _rows():
            if row["path"] in files and row["path"] not in done:
                going_on.append(row, files[row["path"]])
        going_on.finish()


def _read_model(path: Path) -> None:
    _command("info", path)
    _command("info", "--json", path)
    with contextlib.suppress(ScoreOrSongError):
        load_model(path)
        clip = path.with_name("clip.wav")
        clip.write_bytes(_wav()[0])
        _check_predictions(_command("predict", "--json", "--model", path, clip))


# ---- damage

HEADER_BYTES = 120
TOKENS = (
    b"", b"\0", b"\n", b"\r", b'"', b'""', b",", b"nan", b"inf", b"-1", b"1e999", b"NaN", b"-Infinity", b"null", b"true",
    b"9" * 400, b"\xff\xfe", b"\xed\xa0\x80", b"\xe2\x80\xae", b"=cmd|' /C calc'!A0", b"../../x", b"{}", b"[", b"[" * 5000,
    b'{"a":' * 3000, b"\\ud800", b"\x1b[2J", b"x" * 140_000, b"0x10", b"1_0", b"\xd9\xa3",
)  # fmt: skip
EDGES = (
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    0xFFFFFFFE,
    1 << 40,
)


def _flip(data: bytearray, at: int, random: Random) -> None:
    data[at] ^= 1 << int(random.integers(8))


def _overwrite(data: bytearray, at: int, random: Random) -> None:
    data[at : at + int(random.integers(1, 9))] = random.bytes(int(random.integers(1, 9)))


def _edge(data: bytearray, at: int, random: Random) -> None:
    width, order = int(random.choice([1, 2, 4, 8])), str(random.choice(["big", "little"]))
    value = EDGES[random.integers(len(EDGES))] % (1 << 8 * width)
    data[at : at + width] = value.to_bytes(width, order)


def _cut(data: bytearray, at: int, random: Random) -> None:
    del data[
        at : at
        + int(random.integers(1, len(data) - at + 1) if random.random() < 0.2 else random.integers(1, 65))
    ]


def _repeat(data: bytearray, at: int, random: Random) -> None:
    data[at:at] = data[at : at + int(random.integers(1, 300))] * int(random.integers(1, 20))


def _blank(data: bytearray, at: int, random: Random) -> None:
    length = int(random.integers(1, 2000))
    data[at : at + length] = bytes(len(data[at : at + length]))


def _move(data: bytearray, at: int, random: Random) -> None:
    start = int(random.integers(len(data)))
    data[at:at] = data[start : start + int(random.integers(1, 500))]


def _token(data: bytearray, at: int, random: Random) -> None:
    data[at : at + int(random.integers(0, 6))] = TOKENS[random.integers(len(TOKENS))]


BYTES = (_flip, _overwrite, _edge, _cut, _repeat, _blank, _move)
TEXT = (_flip, _cut, _repeat, _move, _token, _token, _token)


def damaged(data: bytes, random: Random, *, ways: tuple[Callable[..., None], ...] = BYTES) -> bytes:
    """One to a dozen hurts, every other of them in the header."""
    hurt = bytearray(data)
    for _ in range(int(min(random.geometric(0.35), 12))):
        if not hurt:
            break
        end = min(HEADER_BYTES, len(hurt)) if random.random() < 0.5 else len(hurt)
        ways[random.integers(len(ways))](hurt, int(random.integers(end)), random)
    return bytes(hurt)


def _damaged_ogg(data: bytes, random: Random) -> bytes:
    """Every other time with the checksums set right, so that the decoder gets to see the damage."""
    hurt = damaged(data, random)
    return _with_page_sums(hurt) if random.random() < 0.5 else hurt


def _with_page_sums(data: bytes) -> bytes:
    whole, at = bytearray(data), data.find(b"OggS")
    while at >= 0 and at + 27 <= len(whole):
        segments = whole[at + 26]
        end = at + 27 + segments + sum(whole[at + 27 : at + 27 + segments])
        whole[at + 22 : at + 26] = bytes(4)
        whole[at + 22 : at + 26] = _ogg_sum(bytes(whole[at:end])).to_bytes(4, "little")
        at = whole.find(b"OggS", at + 27)
    return bytes(whole)


@cache
def _ogg_sums() -> tuple[int, ...]:
    sums = []
    for value in range(256):
        register = value << 24
        for _ in range(8):
            register = (register << 1) ^ (0x04C11DB7 if register & 0x80000000 else 0)
        sums.append(register & 0xFFFFFFFF)
    return tuple(sums)


def _ogg_sum(page: bytes) -> int:
    register, sums = 0, _ogg_sums()
    for byte in page:
        register = ((register << 8) & 0xFFFFFFFF) ^ sums[(register >> 24) ^ byte]
    return register


def _damaged_zip(data: bytes, random: Random) -> bytes:
    """Damage within a member more often than around it, where a checksum would tell at once."""
    if random.random() < 0.2:
        return damaged(data, random)
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        members = {name: old.read(name) for name in old.namelist()}
        compression = old.infolist()[0].compress_type
    texts = [name for name in members if name.endswith(".json")]
    name = str(random.choice(texts if texts and random.random() < 0.6 else list(members)))
    members[name] = _damaged_json(members[name], random) if name in texts else damaged(members[name], random)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as new:
        for name, content in members.items():
            new.writestr(zipfile.ZipInfo(name), content, compression)
    return buffer.getvalue()


def _damaged_json(data: bytes, random: Random) -> bytes:
    """Text damaged anywhere, or one to three of its values replaced by others."""
    if random.random() < 0.3:
        return damaged(data, random, ways=TEXT)
    document = json.loads(data)
    for _ in range(int(random.integers(1, 4))):
        _replace_a_value(document, random)
    return json.dumps(document).encode()


VALUES = (
    None, True, 0, -1, 1, 2**31, 2**63, 10**30, 10**400, 0.5, -1e300, 1e300, 1e-320, "", "x", "\x1b[2J\n\u202e", "array-000", [], {},
    [0], [[]], [1e300, 1], {"array": "array-000", "dtype": "float64", "shape": [0]}, {"array": "array-001", "dtype": "int64", "shape": [10**9, 0]},
)  # fmt: skip


def _replace_a_value(document: object, random: Random) -> None:
    """Walk down at random and put something else there."""
    while True:
        keys = list(document) if isinstance(document, dict) else range(len(document))  # type: ignore[arg-type]
        if not keys:
            return
        key = keys[random.integers(len(keys))]
        below = document[key]  # type: ignore[index]
        if not (isinstance(below, (dict, list)) and below) or random.random() < 0.1:
            document[key] = deepcopy(VALUES[random.integers(len(VALUES))])  # type: ignore[index]
            return
        document = below


text = partial(damaged, ways=TEXT)
TABLES = (".csv", ".jsonl", ".parquet")

READERS: dict[str, Reader] = {
    "wav": Reader(".wav", _wav, _read_audio, damaged),
    "flac": Reader(".flac", _flac, _read_audio, damaged),
    "ogg": Reader(".ogg", _ogg, _read_audio, _damaged_ogg),
    "mp3": Reader(".mp3", _mp3, _read_audio, damaged),
    "aiff": Reader(".aiff", _aiff, _read_audio, damaged),
    "m4a": Reader(".m4a", _m4a, _read_audio, damaged),
    "labels": Reader(".csv", _labels, _read_labels, text),
    "voices": Reader(".csv", lambda: [b"path,kind,speaker\nv.wav,speech,a\n"], partial(_read_companions, name="voices.csv"), text),
    "activity": Reader(".csv", lambda: [b"start_s,end_s\n0.5,2\n3,4\n"], partial(_read_companions, name="vocal_activity/a.csv"), text),
    "teacher": Reader(".npz", _teacher, partial(_read_companions, name="teacher/t.npz"), _damaged_zip),
    **{f"table {ending}": Reader(ending, partial(_table, ending), _read_table, damaged if ending == ".parquet" else text) for ending in TABLES},
    **{f"albums {ending}": Reader(ending, partial(_albums, ending), _read_albums, damaged if ending == ".parquet" else text) for ending in TABLES},
    "features": Reader(".parquet", _features, _read_features, damaged),
    "usage map": Reader(".toml", _usage_map, _read_usage_map, text),
    "state": Reader(".state", _state, _read_state, text),
    "model": Reader(".model", _model, _read_model, _damaged_zip),
}  # fmt: skip


def damaged_file(name: str, seed: int) -> bytes:
    """The file of a reader and a seed: always the same."""
    random = np.random.default_rng([zlib.crc32(name.encode()), seed])
    seeds = READERS[name].seeds()
    return READERS[name].damage(seeds[random.integers(len(seeds))], random)


# ---- workers


def attempt(reader: Reader, data: bytes, folder: Path) -> str:
    """Read a file here; returns what is to be said against it."""
    path = folder / f"damaged{reader.ending}"
    path.write_bytes(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            reader.read(path)
    except BaseException:
        return traceback.format_exc()
    return ""


def _work(pipe: Connection) -> None:
    """In a worker: read what the parent names, within the limits, and answer."""
    _silence_decoders()
    with tempfile.TemporaryDirectory() as folder:
        sound = (
            attempt(reader, data, Path(folder)) for reader in READERS.values() for data in reader.seeds()
        )
        pipe.send("\n".join(filter(None, sound)))
        _limit_memory()  # only now that all that is heavy has been loaded
        while True:
            name, seed = pipe.recv()
            pipe.send(attempt(READERS[name], damaged_file(name, seed), Path(folder)))


def _silence_decoders() -> None:
    """What C libraries write on the terminal is no finding."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _limit_memory() -> None:
    """Allow the address space to grow until the process could hold `LIMIT_BYTES`."""
    pages = [int(field) * resource.getpagesize() for field in Path("/proc/self/statm").read_text().split()]
    limit = pages[0] + LIMIT_BYTES - pages[1]
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


class Worker:
    """A process that reads damaged files, and is started anew after one that kills it."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, far = context.Pipe()
        self._process = context.Process(target=_work, args=(far,), daemon=True)
        self._process.start()
        far.close()
        if story := self._pipe.recv():
            raise RuntimeError(f"sound files are not read:\n{story}")

    def attempt(self, name: str, seed: int) -> str:
        """What is to be said against a file, in a word or a traceback; nothing, if all is well."""
        self._pipe.send((name, seed))
        try:
            if self._pipe.poll(LIMIT_S):
                return str(self._pipe.recv())
            story = f"hangs: not done after {LIMIT_S:g} s"
        except (EOFError, ConnectionError):
            self._process.join(10)
            story = f"dies: exit code {self._process.exitcode}"
        self.close()
        self._start()
        return story

    def close(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()


# ---- all of it


def tasks(names: Iterable[str], first: int, files: int) -> Iterator[tuple[str, int]]:
    """Readers in turn, each with its next seed."""
    names = [name for name in names if READERS[name].seeds()]  # some need an extra
    for i in range(files if names else 0):
        yield names[i % len(names)], first + i // len(names)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=20_000, help="damaged files to read (default: 20000)")
    parser.add_argument("--seed", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--only", choices=READERS, action="append", metavar="READER", help=", ".join(READERS))
    parser.add_argument("--findings", type=Path, default=Path("findings"), help="folder for what is found")
    options = parser.parse_args()
    found, began, worker = Counter[str](), time.monotonic(), Worker()
    for done, (name, seed) in enumerate(tasks(options.only or READERS, options.seed, options.files), 1):
        story = worker.attempt(name, seed)
        if story:
            found[name] += 1
            _keep(options.findings, name, seed, story)
        if done % 1000 == 0:
            print(
                f"{done} files, {sum(found.values())} findings, {time.monotonic() - began:.0f} s",
                file=sys.stderr,
                flush=True,
            )
    worker.close()
    print(f"{options.files} files in {time.monotonic() - began:.0f} s; findings: {dict(found) or 'none'}")
    return int(bool(found))


def _keep(folder: Path, name: str, seed: int, story: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{name.replace(' .', '-')}-{seed}"
    (folder / f"{stem}{READERS[name].ending}").write_bytes(damaged_file(name, seed))
    (folder / f"{stem}.txt").write_text(story)
    print(f"{name} {seed}: {story.strip().splitlines()[-1][:200]}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
