"""Figures are what one reckons by hand, and their intervals know that clips of a group are not independent."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import sklearn.metrics
from helpers import TAGS, bare_take, small_takes
from scipy.special import expit
from scipy.special import logit as logit_of

from scoreorsong import figures as room
from scoreorsong import metrics, verdicts
from scoreorsong.augmentation import COPIES
from scoreorsong.figures import absent, figures, worst
from scoreorsong.fitting import fit
from scoreorsong.folds import fold_of_groups
from scoreorsong.hearing import MUSIC, VOICE, voice_in
from scoreorsong.verdicts import Verdict, cross_validate


def verdict(
    truth, probability, group, *, voice_only=0.0, label=None, confident=True, logits=None, sung=None, **take
):
    """What a model says of a clip of which only the labels matter."""
    said = label or ("song" if probability > 0.5 else "score")
    fractions = {MUSIC: 1.0, VOICE: 0.5}
    return Verdict(
        bare_take(truth, group, **take),
        float(logit_of(probability)),
        voice_only,
        fractions,
        said,
        confident,
        np.zeros(16) if logits is None else logits,
        np.zeros(16, bool) if sung is None else sung,
    )


def heard(truth, group, known, said, *, silent="", logits=(), **take):
    """Of every segment what is true and what is said: 0, 1, or ? where nobody knows; one letter each.

    To fill the clip there follow segments of which nothing is known, all called sung.
    """
    values = {"0": 0.0, "1": 1.0, "?": np.nan}
    return verdict(
        truth,
        0.5,
        group,
        voice=np.array([values[k] for k in known.ljust(16, "?")]),
        sung=np.array([s == "1" for s in said.ljust(16, "1")]),
        silent=np.array([s == "1" for s in silent.ljust(16, "0")]),
        logits=np.array([*logits, *[9.0] * (16 - len(logits))]),
        **take,
    )


def run_of(probabilities, **options):
    """One clip per group, with these probabilities by class."""
    return [
        verdict(truth, p, f"{truth} {i}", **options)
        for truth, ps in probabilities.items()
        for i, p in enumerate(ps)
    ]


def named(runs, **options):
    return {figure.name: figure for figure in figures(runs, **{"resamples": 100, **options})}


EVERYTHING = "everything people made"


# ---- values one can reckon by hand


@pytest.mark.parametrize(
    ("scores", "songs", "auc", "accuracy"),
    [
        ([0.1, 0.2, 0.3, 0.4], [0.6, 0.7, 0.8, 0.9], 1.0, 1.0),
        ([0.6, 0.7, 0.8, 0.9], [0.1, 0.2, 0.3, 0.4], 0.0, 0.0),
        ([0.3, 0.7, 0.3, 0.7], [0.3, 0.7, 0.3, 0.7], 0.5, 0.5),
        ([0.1, 0.2, 0.3, 0.8], [0.7, 0.9, 0.9, 0.4], 14 / 16, 6 / 8),
    ],
)
def test_known_answers(scores, songs, auc, accuracy):
    got = named([run_of({"score": scores, "song": songs})])
    assert got[f"{EVERYTHING}, ROC-AUC"].value == pytest.approx(auc)
    assert got[f"{EVERYTHING}, balanced accuracy"].value == pytest.approx(accuracy)
    assert got["accuracy"].value == pytest.approx(accuracy)


def test_balanced_accuracy_does_not_care_how_many_there_are():
    got = named([run_of({"score": [0.1] * 9 + [0.9], "song": [0.9, 0.1]})])
    assert got[f"{EVERYTHING}, balanced accuracy"].value == pytest.approx((0.9 + 0.5) / 2)
    assert got["accuracy"].value == pytest.approx(10 / 12)
    assert got["score called right"].value == pytest.approx(0.9)
    assert got["song called right"].value == pytest.approx(0.5)


def test_songs_may_be_called_from_another_probability_on():
    got = named([run_of({"score": [0.1, 0.3, 0.45, 0.7], "song": [0.25, 0.4, 0.7, 0.9]})])
    asked = {
        (label, least): got[f"{label}s called songs, if from {least} on"].value
        for label in ("song", "score")
        for least in ("0.2", "0.35", "0.5", "0.65", "0.8")
    }
    assert asked == {
        ("song", "0.2"): 1.0, ("song", "0.35"): 0.75, ("song", "0.5"): 0.5, ("song", "0.65"): 0.5, ("song", "0.8"): 0.25,
        ("score", "0.2"): 0.75, ("score", "0.35"): 0.5, ("score", "0.5"): 0.25, ("score", "0.65"): 0.25, ("score", "0.8"): 0.0,
    }  # fmt: skip


def test_what_is_called_no_music_is_called_no_song_from_whatever_on():
    run = [*run_of({"song": [0.9, 0.9]}), *run_of({"score": [0.9]}, label="no_music")]
    run.append(verdict("song", 0.9, "silent", label="no_music"))
    got = named([run])
    assert got["songs called songs, if from 0.2 on"].value == pytest.approx(2 / 3)
    assert got["scores called songs, if from 0.2 on"].value == 0.0


def test_the_baseline_is_measured_beside():
    run = [verdict("song", 0.9, f"a{i}", voice_only=-1.0) for i in range(5)]
    run += [verdict("score", 0.1, f"b{i}", voice_only=(1.0 if i else -2.0)) for i in range(5)]
    got = named([run])
    assert got["accuracy"].baseline == pytest.approx(0.1)
    assert got[f"{EVERYTHING}, ROC-AUC"].baseline == pytest.approx(0.2)
    assert got["expected calibration error"].baseline is None


@pytest.mark.parametrize(("n_songs", "error"), [(8, 0.0), (5, 0.3), (10, 0.2), (0, 0.8)])
def test_calibration_error_is_the_gap_of_probability_and_frequency(n_songs, error):
    """Ten clips of which the model says 0.8."""
    run = [verdict("song" if i < n_songs else "score", 0.8, f"g{i}") for i in range(10)]
    table = metrics.table_of(run)
    got = metrics.calibration_error(table, np.ones(10))
    assert got == pytest.approx(error, abs=1e-9)


def test_calibration_error_is_over_bins():
    """Gaps of either sign in different bins add up; within a bin they cancel."""
    run = [verdict("song", 0.15, "a"), verdict("score", 0.85, "b")]
    assert metrics.calibration_error(metrics.table_of(run), np.ones(2)) == pytest.approx(0.85)
    run = [verdict("song", 0.55, "a"), verdict("score", 0.55, "b")]
    assert metrics.calibration_error(metrics.table_of(run), np.ones(2)) == pytest.approx(0.05)
    run = [verdict("song", 1 - 1e-16, "a"), verdict("score", 1e-16, "b")]
    assert metrics.calibration_error(metrics.table_of(run), np.ones(2)) == pytest.approx(0, abs=1e-9)


def test_a_value_is_the_mean_over_the_seeds():
    good, bad = (
        run_of({"score": [0.1] * 4, "song": [0.9] * 4}),
        run_of({"score": [0.9] * 4, "song": [0.1] * 4}),
    )
    assert named([good, bad, bad, bad])["accuracy"].value == pytest.approx(0.25)


def test_confidence():
    run = [verdict("song", 0.9, f"a{i}", confident=i < 3) for i in range(4)]
    run += [verdict("score", 0.9 if i else 0.1, f"b{i}", confident=not i) for i in range(4)]
    got = named([run])
    assert got["share of confident calls"].value == pytest.approx(0.5)
    assert got["accuracy where confident"].value == pytest.approx(1.0)
    assert got["accuracy where confident"].clips == 4
    assert got["accuracy"].value == pytest.approx(5 / 8)


def test_the_surest_are_those_whose_logits_are_farthest_from_0():
    """Ten clips, of which the two least sure are wrong, in whatever order they stand."""
    run = [
        verdict(*(("score", 1 - p) if i % 2 else ("song", p)), f"g{i}", confident=i < 5)
        for i, p in enumerate([0.99, 0.98, 0.97, 0.45, 0.95, 0.94, 0.93, 0.92, 0.91, 0.4])
    ]
    got = named([run])
    assert got["accuracy"].value == pytest.approx(0.8)
    assert got["accuracy on the surest 80 %"].value == pytest.approx(1.0)
    assert got["accuracy on the surest 80 %"].clips == 8
    assert got["accuracy where confident"].value == pytest.approx(0.8)
    turned = [replace(v, logit=-v.logit) for v in run]
    assert named([turned])["accuracy on the surest 80 %"].value == 0.0


def test_neither_songs_by_models_nor_variants_are_among_the_surest():
    run = run_of({"score": [0.4] * 5, "song": [0.6] * 5})
    run += run_of({"song": [0.01] * 20}, part="song-vocal-ai")
    run += run_of({"score": [0.99] * 5}, variant="varied 0")
    figure = named([run])["accuracy on the surest 80 %"]
    assert (figure.value, figure.clips) == (1.0, 8)


def test_precision_and_f1_are_those_of_scikit_learn():
    """Ties among them, and music that is called no_music, which is neither found nor a false alarm."""
    random = np.random.default_rng(0)
    truths, p = random.choice(["score", "song"], 60, p=[0.7, 0.3]), random.integers(1, 20, 60) / 20
    run = [
        verdict(t, q, f"g{i}", label="no_music" if i < 5 else None)
        for i, (t, q) in enumerate(zip(truths, p, strict=True))
    ]
    got, said = named([run], resamples=5), np.where(p > 0.5, "song", "score")
    said[:5] = "no_music"
    assert got[f"{EVERYTHING}, ROC-AUC"].value == pytest.approx(
        sklearn.metrics.roc_auc_score(truths == "song", p)
    )
    for label, sign in (("song", 1), ("score", -1)):
        precision = sklearn.metrics.average_precision_score(truths == label, sign * p)
        assert got[f"{label}s, average precision"].value == pytest.approx(precision)
        f1 = sklearn.metrics.f1_score(truths == label, said == label)
        assert got[f"{label}s, F1"].value == pytest.approx(f1)
    assert got["mean F1 of songs and scores"].value == pytest.approx(
        (got["songs, F1"].value + got["scores, F1"].value) / 2
    )


def test_weights_of_the_area_are_repeated_rows():
    truth, logit = np.array(["song", "score", "song", "score"]), np.array([1.0, 0.5, 0.5, -1.0])
    weights = np.array([1.0, 2.0, 3.0, 0.0])
    repeated = np.repeat(np.arange(4), weights.astype(int))
    one = metrics.auc({"truth": truth, "logit": logit}, weights)
    other = metrics.auc({"truth": truth[repeated], "logit": logit[repeated]}, np.ones(6))
    assert one == pytest.approx(other) == pytest.approx((2 + 3) / 8)


@pytest.mark.parametrize(
    ("metric", "peer", "label"),
    [
        (metrics.auc, sklearn.metrics.roc_auc_score, "song"),
        (metrics.average_precision("song"), sklearn.metrics.average_precision_score, "song"),
        (metrics.average_precision("score"), sklearn.metrics.average_precision_score, "score"),
    ],
)
def test_weighted_areas_are_those_of_scikit_learn_and_of_repeated_rows(metric, peer, label):
    """Ties among them, and rows without weight, the highest and the lowest too."""
    random = np.random.default_rng(1)
    truth, logit = random.choice(["score", "song"], 50), random.integers(-5, 6, 50) / 2
    weights = random.integers(0, 3, 50) * (np.abs(logit) < 2)
    table, sign = {"truth": truth, "logit": logit}, 1 if label == "song" else -1
    got = metric(table, weights.astype(float))
    assert got == pytest.approx(peer(truth == label, sign * logit, sample_weight=weights))
    repeated = np.repeat(np.arange(50), weights)
    assert got == pytest.approx(metric({k: v[repeated] for k, v in table.items()}, np.ones(weights.sum())))


def test_who_always_names_the_commoner_label_is_beside():
    """Three of four clips are scores: its accuracy is their share, its precision the prior, its area one half."""
    got = named([run_of({"score": [0.1] * 6, "song": [0.9] * 2})])
    majority = {name: figure.majority for name, figure in got.items()}
    assert majority["accuracy"] == 0.75
    assert majority[f"{EVERYTHING}, ROC-AUC"] == majority[f"{EVERYTHING}, balanced accuracy"] == 0.5
    assert (majority["scores, average precision"], majority["songs, average precision"]) == (0.75, 0.25)
    assert (majority["score called right"], majority["song called right"]) == (1.0, 0.0)
    assert majority["share of confident calls"] is None


def test_the_shipped_model_is_beside_with_its_own_labels():
    """It ranks all rightly, calls two of the eight no_music, and one wrong."""
    run = run_of({"score": [0.1] * 4, "song": [0.9] * 4})
    said = run_of({"score": [0.1] * 4, "song": [0.6, 0.7, 0.8, 0.4]})
    for i in (0, 4):
        said[i] = replace(said[i], label="no_music")
    got = named([[replace(one, shipped=other) for one, other in zip(run, said, strict=True)]])
    assert got["accuracy"].value == 1.0
    assert got["accuracy"].shipped == pytest.approx(5 / 8)
    assert got[f"{EVERYTHING}, ROC-AUC"].shipped == 1.0
    assert got["songs, F1"].shipped == pytest.approx(2 * 2 / (2 * 2 + 2))


def test_who_was_not_asked_about_every_clip_has_no_figure():
    run = run_of({"score": [0.1] * 4, "song": [0.9] * 4})
    figure = named([[replace(v, voice_only=None if i else 0.0) for i, v in enumerate(run)]])["accuracy"]
    assert figure.baseline is figure.shipped is None
    assert "vocals only" not in str(figure)


def test_what_the_clips_cannot_answer_is_told():
    runs = [run_of({"song": [0.9] * 4})]
    got = figures(runs, resamples=20)
    missing = absent(runs, got)
    assert missing["everything people made, ROC-AUC"] == "the clips at hand lack a class for it"
    assert missing["no_music recognised"] == "no such clips"
    assert not set(missing) & {figure.name for figure in got}
    assert "accuracy" in {figure.name for figure in got}


# ---- labels that should stay


def checked(copy, labels, *, then=None):
    """By clip, the label of the original and that of the copy."""
    return [
        verdict("song", 0.9, f"g{i}", label=label, variant=variant)
        for i, pair in enumerate(labels)
        for variant, label in zip((then or "original", copy), pair, strict=True)
    ]


@pytest.mark.parametrize("copy", COPIES)
def test_a_label_is_unchanged_where_the_original_has_it_too(copy):
    """Right or wrong: of four clips the first two keep their labels."""
    pairs = [("song", "song"), ("score", "score"), ("song", "score"), ("song", "no_music")]
    got = named([checked(copy, pairs)])
    figure = got.pop(f"label unchanged {copy}")
    assert (figure.value, figure.clips, figure.groups) == (0.5, 4, 4)
    assert figure.baseline is None
    assert figure.low < 0.5 < figure.high
    assert not any(name.startswith("label unchanged") for name in got)


def test_the_last_20_s_are_compared_with_the_first_not_with_the_clip():
    pairs = [("song", "song"), ("song", "song"), ("score", "score"), ("song", "score")]
    run = checked("last 20 s", pairs, then="first 20 s")
    run += [verdict("song", 0.9, f"g{i}", label="score") for i in range(4)]
    got = named([run])
    assert got["label unchanged, first against last 20 s"].value == 0.75
    assert got["label unchanged, first against last 20 s"].clips == 4


def test_labels_are_compared_within_a_run():
    """All called song at one seed, and all score at the other: nothing changed in either."""
    runs = [checked("in stereo", [(label, label)] * 4) for label in ("song", "score")]
    assert named(runs)["label unchanged in stereo"].value == 1.0


def test_copies_count_nowhere_else():
    run = run_of({"score": [0.1] * 4, "song": [0.9] * 4})
    for copy in COPIES:
        run += run_of({"score": [0.9] * 4, "song": [0.1] * 4}, variant=copy, confident=False)
    got = named([run])
    assert [got.pop(f"label unchanged {copy}").value for copy in COPIES] == [0.0] * len(COPIES)
    assert {got[name].value for name in got if "accuracy" in name or "called right" in name} == {1.0}
    assert all(figure.clips <= 8 for figure in got.values())


# ---- where someone sings


F1, VOICE_AUC = "voice frames, F1", "voice frames, ROC-AUC"
FALSE_ALARMS = "voice frames, false alarms on score-core"


@pytest.mark.parametrize(
    ("known", "said", "f1"),
    [
        ("11110000", "11110000", 1.0),
        ("11110000", "00001111", 0.0),
        ("11110000", "11111111", 2 * 4 / (2 * 4 + 4)),
        ("11110000", "10000000", 2 * 1 / (2 * 1 + 3)),
        ("11110000", "11001000", 2 * 2 / (2 * 2 + 1 + 2)),
        ("11??0000", "10110100", 2 * 1 / (2 * 1 + 1 + 1)),
    ],
)
def test_f1_of_one_song(known, said, f1):
    figure = named([[heard("song", "a", known, said, annotated=True)]])[F1]
    assert figure.value == pytest.approx(f1)
    assert (figure.baseline, figure.clips, figure.groups) == (None, 1, 1)


def test_silence_is_not_asked_about():
    run = [heard("song", "a", "11110000", "11000011", silent="00110011", annotated=True)]
    assert named([run])[F1].value == 1.0


def test_f1_is_over_all_segments_of_all_songs():
    """Three right, one missed, two false alarms; the mean of the songs' own would be another."""
    run = [
        heard("song", "a", "1110", "1110", annotated=True),
        heard("song", "b", "100", "011", annotated=True),
    ]
    assert named([run])[F1].value == pytest.approx(6 / (6 + 2 + 1))


def test_only_annotated_originals_of_songs_are_asked():
    run = [heard("song", "a", "1100", "1100", logits=(1, 1, -1, -1), annotated=True)]
    run += [heard("song", "b", "1100", "0011"), heard("score", "c", "1100", "0011", annotated=True)]
    run += [heard("song", "a", "1100", "0011", variant="speech 0")]
    got = named([run])
    assert got[F1].value == got[VOICE_AUC].value == 1.0
    assert got[F1].clips == got[VOICE_AUC].clips == 1


@pytest.mark.parametrize(
    ("logits", "auc"),
    [((2.0, 1.0, -1.0, -2.0), 1.0), ((-2.0, -1.0, 1.0, 2.0), 0.0), ((2.0, -1.0, 1.0, -2.0), 0.75)],
)
def test_the_voices_auc_is_of_its_logits_over_segments(logits, auc):
    """Whatever is called sung."""
    between = np.column_stack([logits, (9, -9, 9, -9)]).ravel()
    run = [heard("song", g, "1?1?0?0?", "00000000", logits=between, annotated=True) for g in "ab"]
    got = named([run])
    assert got[VOICE_AUC].value == pytest.approx(auc)
    assert got[F1].value == 0.0


def test_false_alarms_are_those_where_nobody_sings():
    core = {"part": "score-core", "vocals": "no"}
    run = [heard("score", "a", "0" * 16, "1000" * 4, **core)]
    run += [heard("score", "b", "0" * 16, "1100" * 4, silent="1110" * 4, **core)]
    run += [heard("score", "c", "0" * 16, "1" * 16, part="score-core", vocals="unknown")]
    run += [heard("score", "d", "0" * 16, "1" * 16, part="score-choir", vocals="no")]
    run += [heard("score", "a", "0" * 16, "1" * 16, variant="varied 0", **core)]
    figure = named([run])[FALSE_ALARMS]
    assert figure.value == pytest.approx(4 / 20)  # 4 of 16, and none of the 4 of b that sound
    assert (figure.baseline, figure.clips) == (None, 2)


def test_the_interval_of_voice_frames_is_over_groups():
    """A song that is heard and one that is not: a draw has the one, the other or both."""
    run = [
        heard("song", "a", "1100", "1100", logits=(1, 1, -1, -1), annotated=True),
        heard("song", "b", "1100", "0011", logits=(-1, -1, 1, 1), annotated=True),
    ]
    together = [replace(v, take=replace(v.take, example=run[0].take.example)) for v in run]
    for name in (F1, VOICE_AUC):
        apart, one = named([run])[name], named([together])[name]
        assert (apart.low, apart.value, apart.high) == (0.0, 0.5, 1.0)
        assert (one.low, one.value, one.high) == (0.5, 0.5, 0.5)


def test_where_no_voice_is_known_there_is_no_figure_of_it():
    got = named([[*run_of({"score": [0.1] * 4, "song": [0.9] * 4}, part="score-core", vocals="no")]])
    assert not any(name.startswith("voice frames") for name in got)
    got = named([[heard("song", "a", "0000", "0000", annotated=True)]])
    assert not any(name.startswith("voice frames") for name in got)


# ---- which clips a figure is about


def test_slices_are_compared_with_their_own():
    run = run_of({"score": [0.9] * 4}, part="score-choir") + run_of({"score": [0.1] * 4}, part="score-core")
    run += run_of({"song": [0.8] * 4}, part="song-vocal") + run_of(
        {"song": [0.2] * 4}, part="song-instrumental"
    )
    got = named([run])
    assert got["song-vocal against score-core, ROC-AUC"].value == 1.0
    assert got["song-vocal against score-core and score-choir, ROC-AUC"].value == 0.5
    assert got["song-instrumental against score-core, ROC-AUC"].value == 1.0
    assert not any("grey" in name for name in got)
    assert got["score-choir called right"].value == 0.0
    assert got["score-core called right"].clips == 4


def test_songs_by_models_are_never_among_the_peoples():
    run = run_of({"score": [0.1] * 4, "song": [0.9] * 4}) + run_of({"song": [0.1] * 50}, part="song-vocal-ai")
    got = named([run])
    assert got["accuracy"].value == 1.0
    assert got[f"{EVERYTHING}, ROC-AUC"].clips == 8
    assert got["song-vocal-ai called right"].value == 0.0


def test_variants_count_only_where_named():
    run = run_of({"score": [0.1] * 4}, part="score-core") + run_of({"song": [0.9] * 4}, part="song-vocal")
    run += run_of({"score": [0.9] * 4}, part="score-core", variant="speech 0")
    run += run_of({"song": [0.1] * 4}, part="song-vocal", variant="varied 0")
    got = named([run])
    assert got["accuracy"].value == 1.0
    assert got["score-core under dialogue 0 to 10 dB louder, called score"].value == 0.0
    assert not any(name.startswith("song-vocal under dialogue") for name in got)


@pytest.mark.parametrize("part", ["score-core", "song-vocal", "song-instrumental"])
def test_dialogue_is_asked_of_every_slice_that_has_it(part):
    truth = part.partition("-")[0]
    run = run_of({truth: [0.9] * 3 + [0.1]}, part=part, variant="speech 0")
    figure = named([run])[f"{part} under dialogue 0 to 10 dB louder, called {truth}"]
    assert figure.value == pytest.approx(0.75 if truth == "song" else 0.25)


@pytest.mark.parametrize("part", ["score-core", "song-vocal", "song-instrumental"])
def test_softer_and_broken_dialogue_is_asked_of_apart(part):
    """All of it together; beside what is called right, what is called wrong and surely so."""
    truth = part.partition("-")[0]
    right, wrong = (0.9, 0.1) if truth == "song" else (0.1, 0.9)
    run = run_of({truth: [right] * 9}, part=part, variant="speech 0")
    run += run_of({truth: [right, wrong]}, part=part, variant="speech 1", confident=True)
    run += run_of({truth: [wrong]}, part=part, variant="speech 2", confident=False)
    run += run_of({truth: [wrong]}, part=part, variant="speech 3", confident=True)
    got = named([run])
    assert got[f"{part} under softer or broken dialogue, called {truth}"].value == pytest.approx(1 / 4)
    assert got[f"{part} under softer or broken dialogue, surely wrong"].value == pytest.approx(1 / 2)
    assert got[f"{part} under dialogue 0 to 10 dB louder, called {truth}"].value == 1.0


def test_what_is_no_music():
    run = [*run_of({"score": [0.1] * 4, "song": [0.9] * 3}), verdict("song", 0.9, "lost", label="no_music")]
    run += [verdict("no_music", 0.9, f"n{i}", label="no_music" if i else "song") for i in range(5)]
    got = named([run])
    assert got["music called no_music"].value == pytest.approx(1 / 8)
    assert got["no_music recognised"].value == pytest.approx(0.8)
    assert got["accuracy"].clips == 8
    assert not any(name.startswith("no_music called") for name in got)


def test_music_that_is_called_no_music_is_not_called_right():
    """Whatever its song probability says; for the baseline, too, since it has no ear for music of its own."""
    for truth, probability, voice_only in (("song", 0.9, 1.0), ("score", 0.1, -1.0)):
        other = {"song": "score", "score": "song"}[truth]
        run = [
            verdict(truth, probability, f"a{i}", voice_only=voice_only, label="no_music" if i < 3 else None)
            for i in range(4)
        ]
        run += [verdict(other, 1 - probability, f"b{i}", voice_only=-voice_only) for i in range(4)]
        got = named([run])
        assert got["accuracy"].value == got["accuracy"].baseline == pytest.approx(5 / 8)
        assert got["accuracy where confident"].value == pytest.approx(5 / 8)
        assert got[f"{truth} called right"].value == pytest.approx(1 / 4)
        assert got[f"{other} called right"].value == 1.0
        assert got[f"{EVERYTHING}, ROC-AUC"].value == 1.0  # ranks the probabilities, whatever is called
        assert got["music called no_music"].value == pytest.approx(3 / 8)


def test_dialogue_that_is_called_no_music_is_called_neither():
    run = run_of({"score": [0.1] * 4}, part="score-core", variant="speech 0", label="no_music")
    assert named([run])["score-core under dialogue 0 to 10 dB louder, called score"].value == 0.0


# ---- intervals


def random_run(n_groups, clips_each, seed=0):
    """Clips of a group are alike: right or wrong together in four of five cases."""
    random = np.random.default_rng(seed)
    run = []
    for group in range(n_groups):
        truth = ("score", "song")[group % 2]
        right = random.random() < 0.8
        run += [verdict(truth, 0.7 if right == (truth == "song") else 0.3, f"g{group}")] * clips_each
    return run


def test_an_interval_holds_its_value():
    for figure in figures([random_run(40, 3)], resamples=200):
        assert figure.low <= figure.value <= figure.high
        of_one_class = figure.name.startswith(
            ("score called", "song called", "scores called", "songs called")
        )
        surest = figure.name == "accuracy on the surest 80 %"
        assert figure.groups == (20 if of_one_class else 32 if surest else 40)


def test_clips_of_a_group_do_not_make_the_interval_narrower():
    few, many = (named([random_run(40, n)], resamples=400)["accuracy"] for n in (1, 25))
    assert few.value == many.value
    assert (many.high - many.low) == pytest.approx(few.high - few.low, abs=0.03)
    alone = [
        verdict(v.take.label, 0.7 if v.logit > 0 else 0.3, f"own {i}")
        for i, v in enumerate(random_run(40, 25))
    ]
    independent = named([alone], resamples=400)["accuracy"]
    assert independent.value == many.value
    assert many.high - many.low > 3 * (independent.high - independent.low)


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    accuracy, covered = room.Measure("accuracy", metrics.rows(), metrics.accuracy), 0
    for seed in range(60):
        table = metrics.table_of(random_run(40, 2, seed))
        figure = room.figure_of(accuracy, [table], 100, 0)
        covered += figure.low <= 0.8 <= figure.high
    assert 50 <= covered < 60


def test_figures_are_the_same_again_and_in_any_order():
    run = random_run(20, 2)
    shuffled = [run[i] for i in np.random.default_rng(3).permutation(len(run))]
    assert figures([run], resamples=50) == figures([run], resamples=50) == figures([shuffled], resamples=50)
    assert figures([run], resamples=50) != figures([run], resamples=50, random_state=1)


def test_very_few_groups_give_numbers_all_the_same():
    """Many draws lack a class then; they are left out of the interval."""
    got = figures([run_of({"score": [0.1, 0.6], "song": [0.9, 0.7]})], resamples=100)
    for figure in got:
        assert all(math.isfinite(v) for v in (figure.value, figure.low, figure.high))
        json.dumps(figure.to_dict(), allow_nan=False)


def test_where_nothing_is_confident_there_is_no_figure_of_it():
    got = named([run_of({"score": [0.4] * 3, "song": [0.6] * 3}, confident=False)])
    assert got["share of confident calls"].value == 0.0
    assert "accuracy where confident" not in got


def test_a_seed_without_a_confident_call_does_no_harm():
    runs = [
        run_of({"score": [0.4] * 3, "song": [0.6] * 3}, confident=confident) for confident in (True, False)
    ]
    assert named(runs)["share of confident calls"].value == 0.5


def test_a_figure_reads_well():
    figure = named([run_of({"score": [0.1] * 4, "song": [0.9] * 4})])["accuracy"]
    assert str(figure) == (
        "accuracy: 1.000 [1.000, 1.000], vocals only 0.500, majority 0.500 (8 clips, 8 groups)"
    )
    assert figure.to_dict() == {
        "name": "accuracy", "value": 1.0, "low": 1.0, "high": 1.0, "baseline": 0.5, "clips": 8, "groups": 8,
        "majority": 0.5, "shipped": None,
    }  # fmt: skip


# ---- the clips most surely wrong


def test_the_worst_come_first_and_have_their_mean():
    one = [
        verdict("song", 0.1, "a"),
        verdict("song", 0.9, "b"),
        verdict("score", 0.7, "c"),
        verdict("no_music", 0.9, "d"),
    ]
    two = [
        verdict("song", 0.3, "a"),
        verdict("song", 0.9, "b"),
        verdict("score", 0.7, "c"),
        verdict("no_music", 0.9, "d"),
    ]
    two.append(verdict("song", 0.01, "b", variant="varied 0"))
    got = worst([one, two])
    assert [(name, part) for name, part, _ in got] == [("a", "song"), ("c", "score"), ("b", "song")]
    assert [p for *_, p in got] == pytest.approx([0.2, 0.7, 0.9])
    assert len(worst([one, two], 1)) == 1


# ---- cross-validation


THREEFOLD = verdicts.Plan(3)


@pytest.fixture(scope="module")
def watched():
    """A cross-validation of two seeds, and by model the groups that it met and those that it judged."""
    met, judged, fit, judge = [], [], verdicts.fit, verdicts.judge

    def noting(kept, *args, **options):
        met.append({group for t in kept for group in t.groups})
        return fit(kept, *args, **options)

    def watching(model, takes, baseline):
        judged.append({group for t in takes for group in t.groups})
        return judge(model, takes, baseline)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verdicts, "fit", noting)
        patch.setattr(verdicts, "judge", watching)
        runs = cross_validate(*small_takes(), seeds=(0, 1), plan=THREEFOLD)
    return runs, met, judged


@pytest.fixture
def runs(watched):
    return watched[0]


@pytest.fixture(scope="module")
def takes_and_model():
    """Some takes of every variant, a model that met them, and its baseline."""
    takes, tags = small_takes()
    some = {(t.variant, t.label): t for t in takes}
    return (list(some.values()), *fit(takes, tags))


def test_every_clip_is_judged_once_per_seed(runs):
    own = {id(t) for t in small_takes()[0] if t.variant == "original" or t.checking}
    for run in runs:
        judged = [id(v.take) for v in run]
        assert len(judged) == len(set(judged))
        assert own <= set(judged)


def test_what_is_sung_is_what_the_fractions_count(runs):
    for verdict in runs[0]:
        assert verdict.sung.dtype == bool
        assert not verdict.sung[verdict.take.features.silent].any()
        shares = verdict.fractions[VOICE] * verdict.fractions[MUSIC]
        assert verdict.sung.mean() == pytest.approx(shares)
    assert any(v.sung.any() for v in runs[0])


def test_a_verdict_is_the_models_judgement(takes_and_model):
    takes, model, baseline = takes_and_model
    for verdict in verdicts.judge(model, takes, baseline):
        features = verdict.take.features
        judgement, (heard, row) = model.judge(features), model.ear.hear(features)
        assert expit(verdict.logit) == pytest.approx(judgement.song_probability)
        assert verdict.fractions == judgement.fractions
        called = model.call(judgement.song_probability, judgement.fractions[MUSIC], judgement.in_doubt)
        assert (verdict.label, verdict.confident) == called
        np.testing.assert_array_equal(verdict.voice, voice_in(heard, model.ear.heads, verdict.logit))
        sung = model.sung_segments(
            heard, features.silent, verdict.logit, model.ear.music(row, len(features.silent))
        )
        np.testing.assert_array_equal(verdict.sung, sung)


def test_no_model_judges_groups_that_it_met(watched):
    _, met, judged = watched
    folds = [fold_of_groups(small_takes()[0], THREEFOLD.n_folds, seed) for seed in (0, 1)]
    assert len(met) == len(judged) == sum(len(set(fold_of.values())) for fold_of in folds)
    for trained, tested in zip(met, judged, strict=True):
        assert tested
        assert not trained & tested


def test_cross_validation_is_the_same_again_and_in_threads(runs):
    again = cross_validate(*small_takes(), seeds=(0, 1), plan=THREEFOLD, n_jobs=2)
    assert [[(id(v.take), v.logit) for v in run] for run in again] == [
        [(id(v.take), v.logit) for v in run] for run in runs
    ]
    assert figures(again, resamples=20) == figures(runs, resamples=20)


def test_what_is_easy_is_told_apart(runs):
    got = named(runs)
    assert got[f"{EVERYTHING}, ROC-AUC"].value > 0.9
    assert got["no_music recognised"].value > 0.5
    assert min(got[f"label unchanged {copy}"].value for copy in COPIES) > 0.5
    assert got["label unchanged in stereo"].clips == 16
    assert got[F1].clips == got[VOICE_AUC].clips == 1
    assert got[FALSE_ALARMS].value < 0.5
    assert len(TAGS) == 50
