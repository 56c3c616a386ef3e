"""A model applies what scikit-learn learnt, explains itself, and is read only if it is whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers import small_model, small_takes
from scipy.special import expit

from scoreorsong import load_model, storage
from scoreorsong.decision import Linear
from scoreorsong.errors import ModelError
from scoreorsong.features import schema
from scoreorsong.hearing import (
    BACKGROUND,
    MUSIC,
    NONE,
    VOICE,
    context,
    decision_row,
    input_names,
    voice_in,
)
from scoreorsong.model import MOST, Model

WIDTH = 12


def rows_like(n=60, width=WIDTH, seed=0):
    """Random rows that single precision holds without loss, as segments are."""
    return np.random.default_rng(seed).standard_normal((n, width)).astype(np.float32).astype(np.float64)


@pytest.fixture(scope="module")
def model():
    return small_model()


@pytest.fixture(scope="module")
def clips():
    """Features of the original clips."""
    return [t.features for t in small_takes()[0] if t.variant == "original" and t.label in ("score", "song")]


@pytest.fixture
def saved(model, tmp_path):
    model.save(tmp_path / "small.model")
    return tmp_path / "small.model"


# ---- what it hears and says


def test_names_are_unique_and_describe_the_row(model, clips):
    names = input_names(model.ear.heads)
    assert len(set(names)) == len(names)
    row = decision_row(clips[0], model.ear(clips[0].segments), model.ear.heads)
    assert row.shape == (len(names),)
    np.testing.assert_array_equal(row[: len(schema.NAMES)], clips[0].clip)
    assert names[-1] == "voice_changes"


def test_context_has_each_segment_and_its_surroundings():
    segments = rows_like(20, 8).astype(np.float32)
    rows = context(segments)
    assert rows.shape == (20, 20)
    np.testing.assert_array_equal(rows[:, :8], segments)
    np.testing.assert_allclose(rows[10, 8:16], segments[7:14].mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(rows[10, 16:], segments[7:14, :4].std(axis=0), atol=1e-5)
    np.testing.assert_allclose(
        rows[0, 8:16], np.pad(segments, ((3, 0), (0, 0)), "edge")[:7].mean(axis=0), atol=1e-5
    )


@pytest.mark.parametrize("length", [1, 2, 6])
def test_context_of_very_few_segments(length):
    rows = context(rows_like(length, 8).astype(np.float32))
    assert rows.shape == (length, 20)
    assert np.isfinite(rows).all()


def test_shares_are_of_the_clip_and_of_the_music(model):
    ear = replace(model.ear, heads=(VOICE, MUSIC))
    model = replace(model, ear=ear, voice_threshold=-1.0)  # half of the surest 2 is taken off
    heard = np.array([[2.0, 1]] * 4 + [[-2.0, 1]] * 4 + [[2.0, -1]] * 4 + [[2.0, 1]] * 4)
    silent = np.arange(16) >= 12
    assert model.listen(heard, silent) == {MUSIC: 0.5, VOICE: 0.5}
    assert model.listen(heard, np.ones(16, bool)) == {MUSIC: 0, VOICE: 0}
    stricter = replace(model, voice_threshold=1.1)
    assert stricter.listen(heard, silent)[VOICE] == 0


def test_sung_is_music_whose_voice_is_over_the_threshold(model):
    """On an average over neighbours, half of the surest 3 taken off; silence and what is no music are never sung."""
    two = replace(model, ear=replace(model.ear, heads=(VOICE, MUSIC)))
    voice = np.array([0.0, 0, 0, 3, 3, 3, 3, 3, 3, 0, 0, 0])
    heard = np.column_stack([voice, np.ones(12)])
    heard[5, 1] = -1
    silent = np.arange(12) == 6
    for threshold, sung in ((1.49, {4, 7}), (0.0, {3, 4, 7, 8}), (-1.5, {2, 3, 4, 7, 8, 9})):
        got = replace(two, voice_threshold=threshold).sung_segments(heard, silent)
        assert got.dtype == bool
        assert set(np.flatnonzero(got)) == sung
    assert set(np.flatnonzero(replace(two, voice_threshold=-1.6).sung_segments(heard, silent))) == (
        set(range(12)) - {5, 6}
    )
    assert not replace(two, voice_threshold=1.5).sung_segments(heard, silent).any()


def test_a_song_is_likelier_sung(model):
    two = replace(model, ear=replace(model.ear, heads=(VOICE, MUSIC)), voice_threshold=0.0)
    heard, silent = np.tile([[-0.5, 1.0]], (6, 1)), np.zeros(6, bool)
    for song, share in ((-9.0, 0.0), (0.0, 0.0), (0.31, 0.0), (0.32, 1.0), (9.0, 1.0)):
        assert two.listen(heard, silent, song) == {MUSIC: 1.0, VOICE: share}
    by_segment = two.sung_segments(heard, silent, np.array([-9.0, 0, 0.31, 0.32, 2, 9]))
    assert by_segment.tolist() == [False, False, False, True, True, True]
    assert not two.sung_segments(heard - [2.71, 0], silent, 99.0).any()  # no certainty outweighs the ear


def test_a_clip_that_is_music_as_a_whole_is_music_in_more_places(model):
    """So much of the clip's logit is added to that of every half second; silence stays none."""
    two = replace(model, ear=replace(model.ear, heads=(VOICE, MUSIC)), voice_threshold=0.0)
    heard = np.array([[9.0, music] for music in (-3.1, -2.9, -0.1, 0.1, 2.9, 3.1, 3.1)])
    silent = np.arange(7) == 6
    for music, there in ((-99, 0), (-3, 1), (-1, 2), (0, 3), (1, 4), (3, 5), (99, 6)):
        assert two.listen(heard, silent, music=music) == {MUSIC: there / 7, VOICE: float(there > 0)}
        assert two.sung_segments(heard, silent, music=music).sum() == there


def test_an_ear_that_met_nothing_without_music_adds_nothing(model, clips):
    row = model.ear.hear(clips[0])[1]
    assert model.ear.music(row, 20) == model.ear.overall(row[None])[0] != 0
    assert replace(model.ear, overall=None).music(row, 20) == 0


@pytest.mark.parametrize(("change_db", "music"), [(0.0, False), (1.49, False), (1.51, True), (9.0, True)])
def test_where_nothing_changes_nobody_plays(model, clips, change_db, music):
    """Whatever else is heard, and whether or not more was learnt of it; but in 5 s at least."""
    row = model.ear.hear(clips[0])[1]
    row[input_names(model.ear.heads).index(BACKGROUND)] = np.log1p(change_db)
    for ear in (model.ear, replace(model.ear, overall=None)):
        assert (ear.music(row, 10) > NONE / 2) == music
        assert ear.music(row, 9) > NONE / 2


def test_a_call_in_doubt_is_never_sure(model):
    model = replace(model, music_threshold=0.2, band=(0.4, 0.6))
    for probability, label in ((0.01, "score"), (0.5, "score"), (0.99, "song")):
        assert model.call(probability, 1.0, True) == (label, False)
    assert model.call(0.99, 0.0, True) == ("no_music", True)  # of that there is no doubt


def test_one_half_second_alone_is_not_sung():
    heard = np.array([[-1.0], [-1.0], [1.5], [-1.0], [-1.0]])
    assert (voice_in(heard, (VOICE,)) < 0).all()


def test_a_voice_is_judged_beside_the_minute_around():
    """One that is heard less surely throughout loses only half of that; what is farther away tells nothing."""
    logits = np.random.default_rng(0).normal(0, 2, (400, 1))
    plain = voice_in(logits, (VOICE,))
    np.testing.assert_allclose(voice_in(logits - 3, (VOICE,)), plain - 1.5)
    elsewhere = logits.copy()
    elsewhere[:100] += 9
    changed = np.flatnonzero(np.abs(voice_in(elsewhere, (VOICE,)) - plain) > 1e-9)
    assert 100 + 40 < changed.max() < 100 + 60
    surer = voice_in(np.vstack([np.full((60, 1), -4.0), np.full((60, 1), -1.0)]), (VOICE,))
    np.testing.assert_allclose(surer[[30, 90]], [-3.5, -0.5])


def test_calls(model):
    model = replace(model, music_threshold=0.2, band=(0.4, 0.6))
    cases = {
        (0.9, 1.0): ("song", True), (0.1, 1.0): ("score", True), (0.55, 1.0): ("song", False),
        (0.45, 1.0): ("score", False), (0.9, 0.15): ("no_music", False), (0.9, 0.05): ("no_music", True),
        (0.9, 0.0): ("no_music", True), (0.9, 0.2): ("song", True),
    }  # fmt: skip
    for (probability, music), expected in cases.items():
        assert model.call(probability, music) == expected


def test_a_judgement_is_whole(model, clips):
    judgement = model.judge(clips[0])
    assert 0 <= judgement.song_probability <= 1
    assert set(judgement.fractions) == {VOICE, MUSIC}
    assert 0 <= judgement.dialogue <= 1
    assert list(judgement.contributions) == list(judgement.deviations) == list(input_names(model.ear.heads))
    assert np.isfinite([*judgement.contributions.values(), *judgement.deviations.values()]).all()


def test_a_judgement_is_of_what_the_ear_heard(model, clips):
    for features in clips[::4]:
        heard = model.ear(features.segments)
        row = decision_row(features, heard, model.ear.heads)[None]
        scores, judgement = model.decision.scores(row), model.judge(features)
        assert judgement.song_probability == pytest.approx(expit(model.decision(row)[0]))
        assert judgement.dialogue == model.decision.share(scores)[0]
        song, music = model.decision(row)[0], model.ear.music(row[0], len(features.silent))
        assert judgement.fractions == model.listen(heard, features.silent, song, music)
        assert judgement.in_doubt == model.decision.in_doubt(scores, model.decision(row))[0]
        assert list(judgement.deviations.values()) == scores[0].tolist()
        contributions = model.decision.contributions(scores[0]).tolist()
        assert list(judgement.contributions.values()) == contributions


def gated(model, intercept):
    """The model with a gate that is open or shut for all clips; without one where None."""
    dialogue = model.decision.dialogue
    held = Linear(np.zeros_like(dialogue.gate.coefficients), intercept or 0.0)
    changed = replace(dialogue, gate=held) if intercept else None
    return replace(model, decision=replace(model.decision, dialogue=changed))


def test_a_judgement_tells_who_decided(model, clips):
    row = decision_row(clips[0], model.ear(clips[0].segments), model.ear.heads)[None]
    scores = model.decision.scores(row)
    clear, spoken = model.decision.clear, model.decision.dialogue.expert
    for intercept, dialogue, expert in ((99.0, 1, spoken), (-99.0, 0, clear), (None, 0, clear)):
        judgement = gated(model, intercept).judge(clips[0])
        assert judgement.dialogue == pytest.approx(dialogue)
        assert judgement.song_probability == pytest.approx(expit(expert(scores)[0]))


# ---- one file


def test_a_saved_model_says_the_same(model, clips, saved):
    read = load_model(saved)
    for features in clips:
        before, after = model.judge(features), read.judge(features)
        assert after.song_probability == pytest.approx(before.song_probability, abs=1e-9)
        assert (after.fractions, after.dialogue) == (before.fractions, pytest.approx(before.dialogue))
        np.testing.assert_allclose(
            list(after.contributions.values()), list(before.contributions.values()), atol=1e-9
        )
    for name in ("voice_threshold", "music_threshold", "band", "card"):
        assert getattr(read, name) == getattr(model, name)


def test_a_model_without_an_expert_for_dialogue_can_be_saved(model, clips, tmp_path):
    alone = gated(model, None)
    alone.save(tmp_path / "alone.model")
    read = load_model(tmp_path / "alone.model")
    assert read.decision.dialogue is None
    assert read.judge(clips[0]).song_probability == pytest.approx(alone.judge(clips[0]).song_probability)


def test_an_ear_without_a_word_on_the_whole_can_be_saved(model, clips, tmp_path):
    deaf = replace(model, ear=replace(model.ear, overall=None))
    deaf.save(tmp_path / "deaf.model")
    read = load_model(tmp_path / "deaf.model")
    assert read.ear.overall is None
    assert read.judge(clips[0]).fractions == deaf.judge(clips[0]).fractions


@pytest.mark.parametrize(
    "place",
    [
        ("ear", "overall", "weights", "intercept"),
        ("ear", "kernel", "gamma"),
        ("decision", "clear", "slope"),
        ("decision", "dialogue", "gate", "intercept"),
        ("decision", "dialogue", "expert", "intercept"),
    ],
)
def test_no_array_stands_for_a_number(saved, place):
    """Its first number would count, and the others would be lost."""
    content = storage.load(saved)[0]
    storage.save(saved, changed(content, place, np.zeros(2)))
    with pytest.raises(ModelError, match="is damaged"):
        load_model(saved)


def test_landmarks_are_stored_in_half_precision(saved):
    read = load_model(saved)
    kernels = (read.ear.kernel, read.decision.clear.kernel)
    assert {kernel.landmarks.dtype.name for kernel in kernels} == {"float16"}
    assert read.decision.scores.quantiles.dtype == np.float32


def test_saving_again_gives_the_same_file(model, saved, tmp_path):
    read = load_model(saved)
    assert read.save(tmp_path / "again.model") == read.model_id == storage.content_id(saved.read_bytes())
    assert (tmp_path / "again.model").read_bytes() == saved.read_bytes()
    assert model.model_id == "unsaved"


@pytest.mark.parametrize(
    ("key", "value"),
    [("schema_version", 0), ("features", "3:abc"), ("hop", 256), ("rate_hz", None), ("inputs", "abc")],
)
def test_a_model_for_other_features_is_refused(saved, key, value):
    content = storage.load(saved)[0]
    content["settings"][key] = value
    storage.save(saved, content)
    with pytest.raises(ModelError, match=r"small\.model: was made for other features .*train it again"):
        load_model(saved)


def places(content, path=()):
    """Every place in a nested table."""
    for key, value in content.items():
        yield (*path, key)
        if isinstance(value, dict) and key not in ("card", "settings"):
            yield from places(value, (*path, key))


def changed(content, path, value):
    """A copy with another value at a place; without it where the value is ... ."""
    key, *rest = path
    copy = dict(content)
    if rest:
        copy[key] = changed(content[key], rest, value)
    elif value is ...:
        del copy[key]
    else:
        copy[key] = value
    return copy


JUNK = (
    ...,
    None,
    "x",
    -1,
    2.5,
    [],
    {},
    [1.0, 2.0],
    ["a", "b"],
    10**400,
    np.zeros(0),
    np.zeros((2, 3)),
    np.zeros((1, 1, 1)),
)


def test_whatever_is_wrong_inside_is_a_model_error_or_sound(model, clips, saved):
    """Every part in turn is left out or replaced by junk."""
    content, refused, tried = storage.load(saved)[0], 0, 0
    for path in list(places(content)):
        for junk in JUNK:
            tried += 1
            storage.save(saved, changed(content, path, junk))
            try:
                judgement = load_model(saved).judge(clips[0])
            except ModelError:
                refused += 1
            else:
                assert 0 <= judgement.song_probability <= 1, (path, junk)
    assert refused > 0.9 * tried


def test_what_would_grow_when_reckoned_with_is_refused(saved):
    """A column in place of a number, against a row: both fit into the file, their product into no memory."""
    content = storage.load(saved)[0]
    for hostile in (np.zeros((4000, 1)), [[0.0]] * 4000, np.zeros((1, 4000))):
        for part in ("intercept", "slope", "offset"):
            storage.save(saved, changed(content, ("decision", "clear", part), hostile))
            with pytest.raises(ModelError, match=rf"small\.model: is damaged .*{part}"):
                load_model(saved)


@pytest.mark.parametrize("part", ["heads", "landmarks"])
def test_an_ear_beyond_reason_is_refused(saved, part):
    """A few MB of it would take gigabytes with every minute of sound."""
    content = storage.load(saved)[0]
    ear = content["ear"]
    n, (_, width) = MOST[part] + 1, ear["kernel"]["landmarks"].shape
    if part == "heads":
        ear["heads"] += [""] * (n - len(ear["heads"]))
    n_landmarks = n if part == "landmarks" else 1
    ear["kernel"] |= {
        "landmarks": np.zeros((n_landmarks, width), np.float16),
        "weights": np.zeros((n_landmarks, len(ear["heads"])), np.float16),
        "bias": np.zeros(len(ear["heads"]), np.float16),
    }
    storage.save(saved, content)
    with pytest.raises(ModelError, match=rf"small\.model: is damaged .*{part}"):
        load_model(saved)


@pytest.mark.parametrize(
    ("part", "hostile"),
    [
        ("roots", np.zeros(MOST["roots"] + 1, np.int64)),
        ("skips", np.array([-1], np.int16)),
        ("inputs", np.array([30_000], np.int16)),
    ],
)
def test_a_forest_in_which_one_gets_lost_is_refused(saved, part, hostile):
    leaf = {"roots": np.zeros(1, np.int64), "inputs": np.zeros(1, np.int16), "skips": np.zeros(1, np.int16)}
    leaf |= {"thresholds": np.zeros(1, np.float32), "shares": np.full(1, 0.5, np.float16)}
    content, place = storage.load(saved)[0], ("decision", "clear", "forest")
    storage.save(saved, changed(content, place, leaf))
    load_model(saved)
    storage.save(saved, changed(content, place, leaf | {part: hostile}))
    with pytest.raises(ModelError, match=r"small\.model: is damaged .*(roots|forest)"):
        load_model(saved)


def test_numbers_that_no_training_gives_are_told_without_a_warning_of_numpys(model, clips, saved):
    zero = replace(model.ear.scaler, scale=model.ear.scaler.scale * 0)
    replace(model, ear=replace(model.ear, scaler=zero)).save(saved)
    assert 0 <= load_model(saved).judge(clips[0]).song_probability <= 1
    clear = model.decision.clear
    huge = replace(clear, coefficients=np.full_like(clear.coefficients, 1e308), slope=1e308)
    with pytest.raises(
        ModelError, match=r"model unsaved: gives no number for .*; get or train the model again"
    ):
        replace(model, decision=replace(model.decision, clear=huge)).judge(clips[0])


def test_nothing_is_missing_from_the_refusal(tmp_path):
    storage.save(tmp_path / "empty.model", {})
    with pytest.raises(ModelError, match=r"empty\.model: was made for other features"):
        Model.load(tmp_path / "empty.model")


def test_an_ear_for_other_segments_is_refused(model, tmp_path):
    narrow = slice(0, len(model.ear.scaler.mean) - 5)
    ear = replace(
        model.ear,
        scaler=replace(
            model.ear.scaler, mean=model.ear.scaler.mean[narrow], scale=model.ear.scaler.scale[narrow]
        ),
        kernel=replace(model.ear.kernel, landmarks=model.ear.kernel.landmarks[:, narrow]),
    )
    path = tmp_path / "narrow.model"
    replace(model, ear=ear).save(path)
    with pytest.raises(ModelError, match=r"narrow\.model: is damaged"):
        load_model(path)
