"""Albums: how alike tracks sound, what a folder is, and the table that says so."""

from __future__ import annotations

import json
import os
from dataclasses import FrozenInstanceError, asdict, replace
from itertools import combinations, product

import numpy as np
import pytest
from helpers import EXAMPLES, score, song, write_wav
from scipy.special import expit, logit

from scoreorsong import Album, BatchError, Failure, Prediction, ResultsError, predict, summarize
from scoreorsong.albums import (
    SONGS_IN_TRAINING,
    albums_of_rows,
    check_target,
    kind_probabilities,
    write_albums,
)
from scoreorsong.audio import RATE_HZ, read_audio
from scoreorsong.batch import scan
from scoreorsong.cohesion import CLIP_VARIANCE, PAIR_VARIANCE, USUAL, cohesion, descriptor_of, percentile
from scoreorsong.features import schema
from scoreorsong.formats import spelt
from scoreorsong.results import ALBUM_COLUMNS, KINDS, read_albums
from scoreorsong.tables import Table, row_of

SCORE, SONG, MIXED = KINDS
FORMATS = (".csv", ".jsonl", ".parquet")
every_format = pytest.mark.parametrize("ending", FORMATS)


def descriptors(n, *, common=0.0, seed=0):
    """Of `n` clips, of whose features the share `common` of the variance is the same in all."""
    random = np.random.default_rng(seed)
    shared = random.standard_normal(len(schema.NAMES))
    own = random.standard_normal((n, len(schema.NAMES)))
    return [descriptor_of(row) for row in np.sqrt(common) * shared + np.sqrt(1 - common) * own]


def prediction(source, *, probability=0.9, descriptor=b"", **changes):
    label = "song" if probability > 0.5 else "score"
    values = {"label": label, "song_probability": probability, "descriptor": descriptor, **changes}
    plain = {"confident": True, "vocal_fraction": 0.5, "music_fraction": 1.0, "duration_s": 30.0}
    return Prediction(source=source, reasons=(), warnings=(), model_id="m1", **{**plain, **values})


# ---- how alike


def test_cohesion_is_the_mean_cosine_of_all_pairs():
    clips = descriptors(7, common=0.3)
    rows = [np.frombuffer(clip, np.int8).astype(float) for clip in clips]
    cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in combinations(rows, 2)]
    assert cohesion(clips) == pytest.approx(np.mean(cosines), abs=1e-9)


def test_large_folders_are_taken_in_pieces():
    clips = descriptors(40, common=0.2)
    assert cohesion(clips * 60) == pytest.approx((cohesion(clips) * 39 * 60 + 59) / (40 * 60 - 1), abs=1e-9)


def test_cohesion_of_known_sets():
    (clip,) = descriptors(1)
    opposite = descriptor_of(-np.frombuffer(clip, np.int8) / 42)
    nothing = descriptor_of(np.zeros(len(schema.NAMES)))
    assert cohesion([clip] * 5) == pytest.approx(1)
    assert cohesion([clip, opposite]) == pytest.approx(-1)
    assert cohesion([clip, nothing]) == pytest.approx(0, abs=1e-6)
    assert all(-1 <= cohesion([one] * n) <= 1 for one in descriptors(20) for n in (2, 3, 7))
    assert cohesion(descriptors(100)) == pytest.approx(0, abs=0.01)
    assert cohesion(descriptors(100, common=0.4)) == pytest.approx(0.4, abs=0.05)


def test_a_descriptor_keeps_the_scores_to_a_fortieth():
    scores = np.linspace(-3, 3, len(schema.NAMES))
    assert np.frombuffer(descriptor_of(scores), np.int8) / 42 == pytest.approx(scores, abs=1 / 80)
    assert set(np.frombuffer(descriptor_of([-9, 9]), np.int8)) == {-127, 127}


@pytest.mark.parametrize("clips", [[], descriptors(1), [b"", b""], [*descriptors(2), b""]])
def test_without_two_comparable_clips_there_is_no_cohesion(clips):
    assert cohesion(clips) is None


def test_the_percentile_rises_and_is_surer_with_more_clips():
    assert percentile(USUAL, 2) == percentile(USUAL, 20) == pytest.approx(50)
    for n in (2, 3, 12, 1000):
        found = [percentile(value, n) for value in (-1, 0, 0.05, USUAL, 0.2, 0.4, 1)]
        assert found == sorted(found)
        assert 0 <= found[0] < 5
        assert 95 < found[-1] <= 100
    assert percentile(0.2, 2) < percentile(0.2, 4) < percentile(0.2, 12)


def test_the_percentile_is_right_where_pairs_vary_as_in_the_corpus():
    """Similarities ``USUAL + a_i + a_j + noise``, a U-statistic of the two variances: uniform percentiles."""
    random, n = np.random.default_rng(0), 6
    of_pairs = np.sqrt(PAIR_VARIANCE - 2 * CLIP_VARIANCE)
    pairs = np.array(list(combinations(range(n), 2)))
    clips = np.sqrt(CLIP_VARIANCE) * random.standard_normal((4000, n))
    alike = (
        USUAL
        + clips[:, pairs].sum(axis=2)
        + of_pairs * random.standard_normal((4000, len(pairs)))
    )  # fmt: skip
    found = np.array([percentile(value, n) for value in alike.mean(axis=1)])
    for limit in (5, 50, 95):
        assert np.mean(found < limit) == pytest.approx(limit / 100, abs=0.02)


def test_a_prediction_carries_how_it_sounds_but_does_not_print_it():
    found = predict(EXAMPLES[0])
    assert len(found.descriptor) == len(schema.NAMES)
    assert found == predict(EXAMPLES[0])
    assert "descriptor" not in found.to_dict()
    assert "descriptor" not in repr(found)


def test_two_halves_of_a_piece_are_more_alike_than_any_two_pieces():
    music = [read_audio(path) for path in EXAMPLES if path.stem != "speech"]
    halves = [
        [predict(part, rate=RATE_HZ).descriptor for part in np.array_split(piece, 2)] for piece in music
    ]
    apart = [cohesion(pair) for one, other in combinations(halves, 2) for pair in product(one, other)]
    assert min(map(cohesion, halves)) > max(apart) + 0.1


# ---- what kind


def kind_of(probabilities, **options):
    by_kind = kind_probabilities(probabilities, **options)
    return max(by_kind, key=by_kind.get)


@pytest.mark.parametrize(
    ("probabilities", "kind"),
    [
        ([0.01] * 10, SCORE),
        ([0.99] * 10, SONG),
        ([0.01] * 5 + [0.99] * 5, MIXED),
        ([0.01] * 9 + [0.99], SCORE),  # one end title is few
        ([0.01] * 8 + [0.99] * 2, SCORE),  # so is a fifth
        ([0.01] * 7 + [0.99] * 3, MIXED),
        ([0.01] + [0.99] * 9, SONG),
        ([0.0, 1.0, 0.0, 1.0], MIXED),
        ([0.2], SCORE),
        ([0.9], SONG),
    ],
)
def test_sure_tracks_tell_the_kind(probabilities, kind):
    assert kind_of(probabilities) == kind


@pytest.mark.parametrize("n", [1, 2, 3, 12, 150])
def test_probabilities_add_up_and_know_no_order(n):
    random = np.random.default_rng(n)
    tracks = random.uniform(size=n)
    by_kind = kind_probabilities(tracks)
    assert list(by_kind) == list(KINDS)
    assert sum(by_kind.values()) == pytest.approx(1)
    assert min(by_kind.values()) >= 0
    assert kind_probabilities(random.permutation(tracks)) == pytest.approx(by_kind)


def test_tracks_that_tell_nothing_leave_the_kinds_equally_likely():
    assert kind_probabilities([SONGS_IN_TRAINING] * 9) == pytest.approx(dict.fromkeys(KINDS, 1 / 3))
    assert kind_probabilities([SONGS_IN_TRAINING]) == pytest.approx({SCORE: 0.5, SONG: 0.5, MIXED: 0})


def test_one_track_is_not_mixed_and_says_what_its_odds_say():
    by_kind = kind_probabilities([0.8])
    assert by_kind[MIXED] == 0
    expected = logit(0.8) - logit(SONGS_IN_TRAINING)
    assert logit(by_kind[SONG]) == pytest.approx(expected)


def test_the_classes_are_treated_alike():
    """Evidence turned round turns the kinds round."""
    evidence = np.random.default_rng(0).normal(size=11)
    there, back = (kind_probabilities(expit(sign * evidence + logit(SONGS_IN_TRAINING))) for sign in (1, -1))
    assert [there[SCORE], there[SONG], there[MIXED]] == pytest.approx([back[SONG], back[SCORE], back[MIXED]])


def test_more_tracks_tell_more_but_less_than_if_they_were_independent():
    sure = [kind_probabilities([0.15] * n)[SCORE] for n in (5, 10, 50, 500)]
    assert sure == sorted(sure)
    for n in (5, 50):
        by_dependence = [kind_probabilities([0.15] * n, dependence=d)[SCORE] for d in (0, 0.1, 0.5, 1)]
        assert by_dependence == sorted(by_dependence, reverse=True)
    wholly = [kind_probabilities([0.15] * n, dependence=1)[SCORE] for n in (10, 100)]
    assert wholly[0] == pytest.approx(wholly[1], abs=0.02)


def test_extremes_stay_finite_and_large_folders_are_quick():
    for tracks in ([0.0] * 3, [1.0] * 3, [0.0, 1.0] * 50_000):
        assert sum(kind_probabilities(tracks).values()) == pytest.approx(1)
    assert kind_probabilities([0.0, 1.0] * 50_000)[MIXED] > 0.99


def test_a_probability_comes_true_as_often_as_it_says():
    """Albums drawn from the model of the formula, with independent tracks that are hard to tell."""
    random, n, told = np.random.default_rng(0), 8, []
    for truth in random.integers(3, size=3000):
        low, high = ((0, 1), (7, 8), (2, 6))[truth]
        is_song = random.uniform(size=n) < random.integers(low, high + 1) / n
        heard = random.normal(np.where(is_song, 0.75, -0.75))
        tracks = expit(1.5 * heard + logit(SONGS_IN_TRAINING))
        by_kind = kind_probabilities(tracks, dependence=0)
        kind = max(by_kind, key=by_kind.get)
        told.append((by_kind[kind], kind == KINDS[truth]))
    sure, right = np.array(told).T
    for low in (0.4, 0.6, 0.8):
        within = (sure >= low) & (sure < low + 0.2)
        assert within.sum() > 200
        assert right[within].mean() == pytest.approx(sure[within].mean(), abs=0.05)


# ---- folders


def library():
    """Three folders and a file without one, out of order."""
    alike, unlike = descriptors(4, common=0.6), descriptors(3, seed=1)
    return [
        prediction("z/2.wav", probability=0.97, descriptor=unlike[0]),
        prediction("a/1.wav", probability=0.03, descriptor=alike[0]),
        Failure("a/broken.wav", "the file is empty"),
        prediction("z/1.wav", probability=0.98, descriptor=unlike[1]),
        prediction("a/2.wav", probability=0.02, descriptor=alike[1]),
        prediction("a/talk.wav", probability=0.4, label="no_music", descriptor=unlike[2]),
        prediction("a/b/only talk.wav", label="no_music"),
        prediction("a/3.wav", probability=0.55, descriptor=alike[2]),
        prediction("a/4.wav", probability=0.04, descriptor=alike[3]),
        prediction("alone.wav", probability=0.1),
    ]


def test_folders_are_told_apart():
    top, a, only_talk, z = summarize(library())
    assert [album.folder for album in (top, a, only_talk, z)] == ["", "a", "a/b", "z"]
    assert (a.kind, a.tracks, a.score_share, a.song_share) == (SCORE, 4, 0.75, 0.25)
    assert (a.no_music, a.failed) == (1, 1)
    assert (z.kind, z.tracks, z.song_share, z.failed) == (SONG, 2, 1, 0)
    assert a.cohesion == pytest.approx(0.6, abs=0.1)
    assert a.cohesion_percentile > 99
    assert abs(z.cohesion) < 0.2
    assert (top.kind, top.tracks, top.cohesion, top.cohesion_percentile) == (SCORE, 1, None, None)


def test_a_folder_without_music_is_no_album_but_a_row():
    (album,) = summarize([prediction("a/1.wav", label="no_music"), Failure("a/2.wav", "empty")])
    empty = dict.fromkeys(ALBUM_COLUMNS)
    assert asdict(album) == {**empty, "folder": "a", "tracks": 0, "no_music": 1, "failed": 1}


def test_summarize_takes_any_iterable_and_gives_frozen_albums():
    assert summarize([]) == []
    albums = summarize(iter(library()))
    assert albums == summarize(reversed(library()))
    assert all(type(album) is Album for album in albums)
    with pytest.raises(FrozenInstanceError):
        albums[0].kind = MIXED


@every_format
def test_from_a_table_they_are_the_same(tmp_path, ending):
    table = Table(tmp_path / f"out{ending}")
    for result in library():
        table.append(row_of(result, "m1"), (1, 2), getattr(result, "descriptor", b""))
    table.finish()
    assert albums_of_rows(table.rows(), table.descriptors()) == summarize(library())
    table.close()


# ---- the albums table

ODD_FOLDERS = (
    "",
    "a, b",
    'quote"',
    "new\nline",
    "=1+1",
    "+cmd|' /C calc'!A0",
    "@sum",
    "<b>",
    "日本",
    "no text \udcff",
)


@every_format
def test_what_is_written_is_read(tmp_path, ending):
    (album,) = [album for album in summarize(library()) if album.folder == "a"]
    albums = [replace(album, folder=folder) for folder in ODD_FOLDERS] + summarize(library())
    path = tmp_path / f"albums{ending}"
    write_albums(path, albums)
    wanted = [replace(a, folder=spelt(a.folder)) for a in albums] if ending == ".parquet" else albums
    assert read_albums(path) == wanted
    assert os.listdir(tmp_path) == [path.name]


def test_the_columns_are_as_documented(tmp_path):
    write_albums(tmp_path / "albums.csv", [])
    assert (tmp_path / "albums.csv").read_text() == (
        "folder,kind,probability,tracks,score_share,song_share,no_music,failed,cohesion,cohesion_percentile\n"
    )


def test_parquet_has_numbers_as_numbers(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    write_albums(tmp_path / "albums.parquet", summarize(library()))
    types = {field.name: str(field.type) for field in parquet.read_schema(tmp_path / "albums.parquet")}
    assert (types["folder"], types["tracks"], types["cohesion"]) == ("string", "int64", "double")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("kind", "ballad", "kind is 'ballad', expected one of score album"),
        ("kind", None, "kind is empty"),
        ("probability", 1.5, "expected a number from 0 to 1"),
        ("tracks", None, "tracks is None, expected a whole number"),
        ("tracks", 1.5, "tracks is 1.5, expected a whole number"),
        ("cohesion", -1.5, "expected a number from -1 to 1"),
        ("cohesion_percentile", 101, "expected a number from 0 to 100"),
        ("folder", 7, "folder is 7, expected text"),
    ],
)
def test_a_wrong_cell_is_told_with_its_place(tmp_path, column, value, message):
    path = tmp_path / "albums.jsonl"
    write_albums(path, summarize(library()))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[1][column] = value
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(ResultsError, match=f"line 2: .*{message}"):
        read_albums(path)


def test_what_is_no_albums_table_is_told(tmp_path):
    write_albums(tmp_path / "albums.csv", summarize(library()))
    torn = tmp_path / "torn.csv"
    torn.write_bytes((tmp_path / "albums.csv").read_bytes()[:-30])
    with pytest.raises(ResultsError, match="line 5: breaks off"):
        read_albums(torn)
    Table(tmp_path / "results.csv").close()
    with pytest.raises(ResultsError, match="not an albums table as scan writes it: lacks the columns folder"):
        read_albums(tmp_path / "results.csv")
    with pytest.raises(ResultsError, match="expected an albums table whose name ends in"):
        read_albums(tmp_path / "albums.txt")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("albums.txt", None, r"'\.txt'; expected \.csv, \.jsonl, \.parquet"),
        ("none/albums.csv", None, "cannot be written"),
        ("folder.csv", None, "is no file"),
        ("out.csv", None, "is where the results are kept"),
        ("mine.csv", b"name,size\nfirst,2\n", "mine.csv: not an albums table.*or overwrite it with --no-resume"),
        ("mine.parquet", b"PAR1", "mine.parquet: is damaged"),
        ("empty.jsonl", b"Dear reader", "empty.jsonl, line 1"),
    ],
)  # fmt: skip
def test_a_target_that_will_not_do_is_refused_before_anything_is_touched(tmp_path, name, content, message):
    write_wav(tmp_path / "library" / "a.wav", song(0, 1.0))
    (tmp_path / "folder.csv").mkdir()
    if content:
        (tmp_path / name).write_bytes(content)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(BatchError, match=message):
        scan(tmp_path / "library", tmp_path / "out.csv", albums=tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == before
    if content:
        assert (tmp_path / name).read_bytes() == content
        check_target(tmp_path / name, tmp_path / "out.csv", resume=False)


def test_the_rows_of_a_parquet_table_are_not_written_over(tmp_path):
    with pytest.raises(BatchError, match="is where the results are kept"):
        check_target(tmp_path / "out.parquet.jsonl", tmp_path / "out.parquet")


def test_a_link_to_an_albums_table_stays_a_link(tmp_path):
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    write_albums(tmp_path / "link.csv", summarize(library()))
    assert (tmp_path / "link.csv").is_symlink()
    assert read_albums(tmp_path / "real.csv") == summarize(library())


def test_a_table_of_a_scan_in_python_says_what_summarize_says(tmp_path):
    for i, make in enumerate((song, score, song)):
        write_wav(tmp_path / "library" / f"{i % 2}" / f"{i}.wav", make(i, 2.0))
    scan(tmp_path / "library", tmp_path / "out.jsonl", albums=tmp_path / "albums.csv")
    files = sorted((tmp_path / "library").rglob("*.wav"))
    assert read_albums(tmp_path / "albums.csv") == summarize(map(predict, map(str, files)))
