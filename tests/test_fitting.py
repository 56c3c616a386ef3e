"""What is learnt from a clip never answers for that clip, and the same takes give the same model."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import TAGS, bare_take, small_model, small_takes, write_corpus
from scipy.special import expit, logit
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.svm import SVC

from scoreorsong import ears, fitting, lessons
from scoreorsong.augmentation import CHECKS, COPIES
from scoreorsong.dataset import KINDS, Example, Voice, read_companions, read_labels
from scoreorsong.decision import SUREST_SHARE, Kernel, Scaler
from scoreorsong.ears import QUESTIONS, Heard, balanced_weights, hear
from scoreorsong.fitting import fit, fit_decision, fit_expert, fit_pupil
from scoreorsong.folds import INNER_FOLDS, Table, fold_of_groups, learnable, without
from scoreorsong.hearing import BACKGROUND, VOICE, Ear, decision_row, input_names, sung_as
from scoreorsong.lessons import make_takes
from scoreorsong.prediction import describe_input
from scoreorsong.takes import speaker_group
from scoreorsong.training import train_on_takes


@pytest.fixture(scope="module")
def takes():
    return small_takes()[0]


@pytest.fixture(scope="module")
def model():
    return small_model()


def bare_ear():
    """An ear for the segments of `bare_take`, which hears the same whatever sounds."""
    kernel = Kernel(np.zeros((1, 20), np.float16), np.ones((1, 3)), np.zeros(3), 0.1)
    return Ear(Scaler(np.zeros(20), np.ones(20)), np.eye(20, dtype=np.float32), kernel, QUESTIONS)


def music_of(takes, shares):
    heard = [Heard(t, share, np.zeros(3), None) for t, share in zip(takes, shares, strict=True)]
    return fitting._music_threshold(heard)


def table_of(takes, folds=None):
    return Table(list(takes), np.arange(len(takes)) % 4 if folds is None else folds)


# ---- folds


@pytest.mark.parametrize("n_folds", [2, 4, 5])
@pytest.mark.parametrize("seed", range(3))
def test_folds_cover_every_group_once(takes, n_folds, seed):
    fold_of = fold_of_groups(takes, n_folds, seed)
    assert set(fold_of) == {group for t in takes for group in t.groups}
    assert set(fold_of.values()) == set(range(min(n_folds, 4)))
    assert fold_of == fold_of_groups(takes, n_folds, seed)


def test_another_seed_gives_other_folds(takes):
    assert len({tuple(sorted(fold_of_groups(takes, 4, seed).items())) for seed in range(4)}) > 1


@pytest.mark.parametrize("seed", range(50))
def test_every_fold_leaves_both_classes_and_all_kinds_of_voices_to_learn_from(seed):
    """Groups of very different sizes and slices, three to five of each class; as many speakers; folds inside folds as training has them."""
    random = np.random.default_rng(seed)
    takes = [
        bare_take(label, f"{label} {group}", part=f"{label}-{random.integers(3)}")
        for label in ("score", "song")
        for group in range(random.integers(3, 6))
        for _ in range(random.integers(1, 5))
    ]
    voices = [
        Voice(Path(f"{kind}-{i}.wav"), kind, str(speaker))
        for kind in KINDS
        for i, speaker in enumerate(random.permutation(100)[: random.integers(3, 6)])
    ]
    takes += [replace(takes[0], example=voice, groups=frozenset({speaker_group(voice)})) for voice in voices]
    taught = {"score", "song", *KINDS}
    outer = fold_of_groups(takes, 5, seed)
    for fold in set(outer.values()):
        kept = without(takes, outer, fold)
        assert met(kept) == taught
        inner = fold_of_groups(kept, INNER_FOLDS, seed)
        for inner_fold in set(inner.values()):
            assert met(without(kept, inner, inner_fold)) == taught


def met(takes):
    """The labels of clips and the kinds of voices among them."""
    return {t.label if isinstance(t.example, Example) else t.slice for t in takes}


def test_slices_are_spread_evenly():
    takes = [
        bare_take(label, f"{part} {i}", part=part)
        for part, label in (("score-core", "score"), ("score-choir", "score"), ("song-vocal", "song"))
        for i in range(10)
    ]
    fold_of = fold_of_groups(takes, 5, 0)
    counts = Counter((t.slice, fold_of[t.group]) for t in takes)
    assert set(counts.values()) == {2}


# ---- what is for checking


def spoilt(take):
    """The take with everything about it turned round, were anyone to learn from it."""
    features = replace(take.features, clip=-take.features.clip, segments=-take.features.segments)
    known = {question: 1 - values for question, values in take.known.items()}
    other = replace(take.example, label={"score": "song", "song": "score"}[take.label])
    return replace(take, example=other, features=features, known=known)


def test_all_may_be_learnt_from_but_what_is_for_checking(takes):
    kept = learnable(takes)
    assert Counter(t.variant in CHECKS for t in takes) == {False: len(kept), True: 16 * len(COPIES)}
    assert [id(t) for t in kept] == [id(t) for t in takes if t.variant not in CHECKS]


@pytest.mark.parametrize("change", ["left out", "spoilt"])
def test_takes_for_checking_teach_nothing(takes, model, tmp_path, change):
    """Neither the ear, the decision, the calibration, the threshold nor the baseline knows of them."""
    others = learnable(takes)
    if change == "spoilt":
        others = [spoilt(t) if t.checking else t for t in takes]
    ids = [m.save(tmp_path / "it.model") for m in (model, fit(others, TAGS)[0])]
    assert ids[0] == ids[1]
    baselines = [fit(these, (), ear=model.ear)[1] for these in (takes, others)]
    np.testing.assert_array_equal(baselines[0].coef_, baselines[1].coef_)


# ---- weights


def test_classes_weigh_the_same_and_big_groups_less():
    takes = [bare_take("score", "many")] * 16 + [bare_take("score", "one")] + [bare_take("song", "other")] * 3
    weights = balanced_weights(takes, np.arange(20) >= 17)
    assert weights[:17].sum() == pytest.approx(weights[17:].sum())
    assert weights.sum() == pytest.approx(len(takes))
    assert weights[:16].sum() / weights[16] == pytest.approx(4)  # the root of 16 clips


def test_a_given_weight_counts():
    takes = [bare_take("score", "a", weight=3.0), bare_take("score", "b"), bare_take("song", "c")]
    weights = balanced_weights(takes, np.array([False, False, True]))
    assert weights[0] == pytest.approx(3 * weights[1])
    assert weights[2] == pytest.approx(weights[0] + weights[1])


# ---- the decision and its calibration


def test_the_decision_tells_its_training_clips_apart(takes, model):
    originals = [t for t in takes if t.variant == "original" and t.label in ("score", "song")]
    rows = [decision_row(t.features, model.ear(t.features.segments), model.ear.heads) for t in originals]
    assert ((model.decision(np.stack(rows)) > 0) == [t.label == "song" for t in originals]).all()


def test_the_decision_follows_the_weights():
    """A clip of weight zero is as good as absent."""
    rows = np.random.default_rng(0).standard_normal((40, 20))
    takes = [bare_take(("score", "song")[i % 2], f"g{i}", weight=float(i < 30)) for i in range(40)]
    turned = [*takes[:30], *(bare_take(("song", "score")[i % 2], f"g{i}", weight=0.0) for i in range(30, 40))]
    one, other = (fit_expert(rows, these) for these in (takes, turned))
    np.testing.assert_allclose(one.coefficients, other.coefficients, atol=1e-3)


def test_an_expert_is_scikit_learns_regression_and_machine():
    """The machine weighs twice, since its margin is about half as steep."""
    random = np.random.default_rng(0)
    rows, asked = random.standard_normal((60, 20)), random.standard_normal((30, 20))
    takes = [bare_take(("score", "song")[i % 3 == 0], f"g{i // 2}") for i in range(60)]
    is_song = np.array([t.label == "song" for t in takes])
    weights = balanced_weights(takes, is_song)
    linear = LogisticRegression(C=fitting.LINEAR_C, max_iter=3000).fit(rows, is_song, weights)
    halves = rows.astype(np.float16).astype(float)
    machine = SVC(C=fitting.KERNEL_C, gamma=1 / 20).fit(halves, is_song, weights)
    expected = (linear.decision_function(asked) + 2 * machine.decision_function(asked)) / 2
    expert = fit_expert(rows, takes)
    np.testing.assert_allclose(replace(expert, forest=None)(asked), expected, atol=1e-9)
    assert expert.kernel.landmarks.dtype == np.float16


def test_an_experts_trees_are_scikit_learns_but_for_their_blur(monkeypatch):
    monkeypatch.setattr("scoreorsong.decision.BLUR", 1e-9)
    monkeypatch.setattr(fitting, "N_TREES", 30)
    random = np.random.default_rng(0)
    rows, asked = (random.standard_normal((n, 20)).astype(np.float32).astype(float) for n in (300, 100))
    labels = np.where(
        rows[:, 0] + rows[:, 1] * rows[:, 2] + 0.5 * random.standard_normal(300) > 0, "song", "score"
    )
    takes = [bare_take(label, f"g{i // 2}") for i, label in enumerate(labels.tolist())]
    weights = balanced_weights(takes, labels == "song")
    theirs = ExtraTreesClassifier(
        30, max_features=fitting.TREE_INPUTS, min_weight_fraction_leaf=fitting.SMALLEST_LEAF, random_state=0
    ).fit(rows, labels == "song", weights)
    bounded = np.clip(theirs.predict_proba(asked)[:, 1], 1 - SUREST_SHARE, SUREST_SHARE)
    expert = fit_expert(rows, takes)
    np.testing.assert_allclose(
        expert.forest(asked), 2 * logit(bounded), atol=0.01
    )  # shares in half precision
    assert np.mean((expert.forest(rows) > 0) == (labels == "song")) > 0.9
    two = replace(expert, forest=None)(asked)
    np.testing.assert_allclose(expert(asked), (two + expert.forest(asked)) / 2, atol=1e-9)


def test_a_tree_does_not_grow_with_the_corpus(monkeypatch):
    monkeypatch.setattr(fitting, "N_TREES", 2)
    random = np.random.default_rng(0)
    rows = random.standard_normal((4000, 20))
    takes = [bare_take(("score", "song")[i % 2], f"g{i}") for i in range(4000)]
    forest = fit_expert(rows, takes).forest
    assert len(forest.skips) < 2 * 2 / fitting.SMALLEST_LEAF


def test_a_pupil_is_scikit_learns_ridge():
    random = np.random.default_rng(0)
    rows, asked, told = random.standard_normal((60, 20)), random.standard_normal((30, 20)), random.random(60)
    takes = [bare_take(("score", "song")[i % 3 == 0], f"g{i // 2}") for i in range(60)]
    weights = balanced_weights(takes, np.array([t.label == "song" for t in takes]))
    ridge = Ridge(fitting.DIALOGUE_ALPHA).fit(rows, told, weights)
    np.testing.assert_allclose(fit_pupil(rows, takes, told)(asked), ridge.predict(asked), atol=1e-12)


@pytest.fixture(autouse=True)
def toys_tell_by_all_inputs(monkeypatch):
    """Rows that are no features, but few numbers, have none of another kind."""
    known = fitting._of_voices
    monkeypatch.setattr(fitting, "_of_voices", lambda n: known(n) if n > 100 else np.ones(n, np.bool_))


def test_who_speaks_is_told_by_voices():
    """Not by how music is built, nor by its timbre; but by what changes behind the words."""
    names = np.array(input_names(small_model().ear.heads))
    flags = fitting._of_voices(len(names))
    families = np.array([describe_input(name)[0] for name in names])
    assert set(families[flags & (names != BACKGROUND)]) == {"vocals", "tags"}
    assert flags[names == BACKGROUND].all()
    assert set(families[~flags]) == {"spectral", "structure"}
    for teller in (small_model().decision.dialogue.gate, small_model().decision.dialogue.hint):
        assert not teller.coefficients[~flags].any()
        assert teller.coefficients[flags].any()


def spoken_takes(n=120, width=20, seed=0):
    """Clips whose second number says whether someone speaks; then the first one lies about the label.

    Every group is a clip of either label, once as it is and once under dialogue; four folds.
    """
    random = np.random.default_rng(seed)
    rows, takes = random.standard_normal((n, width)), []
    for i in range(n):
        is_song, spoken = i % 2, (i // 2) % 2
        rows[i, 0] = 3 * (1 if spoken else 2 * is_song - 1)
        rows[i, 1], rows[i, 2] = 3 * (2 * spoken - 1), 3 * (2 * is_song - 1) * spoken
        take = bare_take(("score", "song")[is_song], f"g{i // 4}{is_song}", vocals=("no", "sung")[is_song])
        takes.append(replace(take, variant="speech 0" if spoken else "original"))
    return rows, table_of(takes, np.arange(n) // 4 % 4)


def loud(table):
    return table.of((fitting.LOUD_DIALOGUE,))


def songs(table):
    return np.array([t.label == "song" for t in table.takes])


def test_under_dialogue_another_expert_decides():
    """In clips that nobody learnt from."""
    decision, logits = fit_decision(*spoken_takes())
    rows, table = spoken_takes(seed=1)
    spoken, is_song = loud(table), songs(table)
    assert logits.shape == (60,)  # of the originals
    share = decision.share(decision.scores(rows))
    assert (share[spoken & ~is_song] > 0.5).mean() > 0.8
    assert (share[~spoken] < 0.5).mean() > 0.9
    assert ((decision(rows) > 0) == is_song).mean() > 0.9
    alone = (replace(decision, dialogue=None)(rows) > 0) == is_song
    assert alone[~spoken].mean() > 0.9
    assert alone[spoken & ~is_song].mean() < 0.5


def test_the_clear_expert_learns_nothing_of_dialogue():
    """All rows under dialogue told otherwise change nothing."""
    rows, table = spoken_takes()
    others = np.where(loud(table)[:, None], -rows, rows)
    one, other = (fitting._fit_clear(these, table) for these in (rows, others))
    asked = np.random.default_rng(1).standard_normal((9, rows.shape[1]))
    np.testing.assert_array_equal(one[0](asked), other[0](asked))


def test_the_expert_for_dialogue_is_taught_what_the_clear_one_says():
    """Of the same clips, as they are; the labels only weigh and calibrate."""
    rows, table = spoken_takes()
    spoken, originals = loud(table), table.of(("original",))
    logits = np.random.default_rng(2).standard_normal(originals.sum())
    said = dict(zip([t.example for t in table.chosen(originals)], expit(logits), strict=True))
    told = np.array([said[t.example] for t in table.takes])
    dialogue = fitting._fit_dialogue(rows, table, logits)
    pupil = fit_pupil(rows[spoken], table.chosen(spoken), told[spoken])
    asked = np.random.default_rng(1).standard_normal((9, rows.shape[1]))
    slope, offset = np.polyfit(pupil(asked), dialogue.expert(asked), 1)
    np.testing.assert_allclose(dialogue.expert(asked), pupil.calibrated(slope, offset)(asked), atol=1e-9)


@pytest.mark.parametrize("songs_in_eight", [2, 6])
def test_under_dialogue_songs_are_as_rare_as_in_films(songs_in_eight):
    """Whatever their share among the clips, where nothing tells of the label."""
    random = np.random.default_rng(0)
    rows = random.standard_normal((320, 10))
    takes = [bare_take(("score", "song")[i % 8 < songs_in_eight], f"g{i % 160}") for i in range(320)]
    takes[160:] = [replace(take, variant="speech 0") for take in takes[160:]]
    table = table_of(takes, np.arange(320) // 8 % 4)
    said = fitting._fit_dialogue(rows, table, np.zeros(160)).expert(random.standard_normal((200, 10)))
    assert np.median(expit(said)) == pytest.approx(fitting.SPOKEN_SONGS, abs=0.05)


def test_the_logits_are_of_inner_folds(monkeypatch):
    """Labels that the rows do not tell of are learnt by heart; asked by others they are near one half."""
    monkeypatch.setattr(fitting, "SPOKEN_SONGS", 0.5)  # as among these clips
    rows = np.random.default_rng(0).standard_normal((160, 60))
    takes = [bare_take(("score", "song")[i % 2], f"g{i % 80}") for i in range(160)]
    takes[80:] = [replace(t, variant=f"speech {i % 3 // 2}") for i, t in enumerate(takes[80:])]
    table = table_of(takes, np.arange(160) // 2 % 4)
    decision, logits = fit_decision(rows, table)
    assert surety(expit(logits)) < 0.15
    fresh = np.random.default_rng(1).standard_normal((200, 60))
    for expert in (decision.clear, decision.dialogue.expert):
        assert surety(expit(expert(fresh))) < 0.15
    by_heart = decision.clear.calibrated(1.0, 0.0)(decision.scores(rows[:80]))
    assert surety(expit(by_heart)) > 0.2


def surety(probabilities):
    """Usual distance from one half."""
    return np.median(np.abs(probabilities - 0.5))


@pytest.mark.parametrize("variants", [("original",), ("speech 0",)])
def test_calibration_is_a_regression_on_what_inner_folds_say(variants, monkeypatch):
    monkeypatch.setattr(fitting, "N_TREES", 10)
    rows, table = spoken_takes(width=40)
    chosen = table.of(variants)

    def learn(some):
        return fit_expert(rows[some], table.chosen(some))

    expert, logits = fitting._fit_calibrated(learn, rows, table, chosen, chosen)
    held_out = np.zeros(len(rows))
    for fold in range(4):
        others = chosen & (table.folds != fold)
        tested = chosen & (table.folds == fold)
        held_out[tested] = learn(others)(rows[tested])
    calibration = LogisticRegression(C=1e6).fit(held_out[chosen, None], songs(table)[chosen])
    assert expert.slope == pytest.approx(calibration.coef_[0, 0])
    assert expert.offset == pytest.approx(calibration.intercept_[0])
    np.testing.assert_allclose(logits, calibration.decision_function(held_out[chosen, None]))


def test_where_all_clips_are_alike_a_song_is_as_likely_as_not():
    rows, table = np.ones((120, 20)), spoken_takes()[1]
    decision, logits = fit_decision(rows, table)
    np.testing.assert_allclose(decision.clear(decision.scores(rows[:1])), 0, atol=1e-6)
    np.testing.assert_allclose(logits, 0, atol=1e-6)


# ---- the gate


def gate_takes(n=400, width=30, seed=0, gap=3.0):
    """Only the first number tells of dialogue, and not surely; labels and folds as in `spoken_takes`."""
    _, table = spoken_takes(n)
    rows = np.random.default_rng(seed).standard_normal((n, width))
    rows[:, 0] += gap * loud(table)
    return rows, table


MISSED = 0.1


def teller(rows, table, *, missed=MISSED):
    return fitting._fit_teller(rows, table, fitting._loud_dialogue(table), missed=missed)


@pytest.mark.parametrize("seed", range(3))
def test_dialogue_is_told_from_clear_music_but_for_a_share(seed):
    told = teller(*gate_takes(seed=seed))
    rows, table = gate_takes(n=4000, seed=100 + seed)
    assert (told(rows[~loud(table)]) > 0).mean() < 0.08
    assert (told(rows[loud(table)]) < 0).mean() == pytest.approx(MISSED, abs=0.06)


def test_how_many_dialogues_are_told_is_asked_of_inner_folds():
    rows, table = gate_takes(n=160, width=60)
    spoken = fitting._loud_dialogue(table)
    known = spoken | ~loud(table)

    def regression(chosen):
        weights = balanced_weights(table.chosen(chosen), spoken[chosen])
        fitted = LogisticRegression(C=fitting.GATE_C, max_iter=3000)
        return fitted.fit(rows[chosen], spoken[chosen], weights)

    held_out = np.full(len(rows), np.nan)
    for fold in range(4):
        tested = spoken & (table.folds == fold)
        held_out[tested] = regression(known & (table.folds != fold)).decision_function(rows[tested])
    by_all = regression(known)
    threshold = np.quantile(held_out[spoken], MISSED)
    fitted = teller(rows, table)
    np.testing.assert_allclose(fitted.coefficients, by_all.coef_[0])
    assert fitted.intercept == pytest.approx(by_all.intercept_[0] - threshold)
    assert threshold < np.quantile(by_all.decision_function(rows[spoken]), MISSED)


def test_the_gate_knows_loud_dialogue_and_the_hint_all_of_it():
    """The gate is steeper, which opens it for no other clip."""
    rows, table = spoken_takes(400)
    softer = loud(table) & (np.arange(400) % 3 == 0)
    takes = [replace(t, variant="speech 2") if s else t for t, s in zip(table.takes, softer, strict=True)]
    table = Table(takes, table.folds)
    dialogue = fitting._fit_dialogue(rows, table, np.zeros(table.of(("original",)).sum()))
    asked = np.random.default_rng(1).standard_normal((9, rows.shape[1]))
    gate = teller(rows, table, missed=fitting.LOUD_MISSED)
    hint = fitting._fit_teller(rows, table, table.of(("speech",)), missed=fitting.UNHINTED)
    np.testing.assert_allclose(dialogue.gate(asked), fitting.GATE_STEEPNESS * gate(asked))
    np.testing.assert_allclose(dialogue.hint(asked), hint(asked))


def test_the_gate_learns_of_loud_dialogue_over_clips_without_voices():
    takes = [
        replace(bare_take("score", f"g{i}", vocals=vocals), variant=variant)
        for i, (vocals, variant) in enumerate(
            (v, w) for v in ("no", "sung", "unknown") for w in ("original", "speech 0", "speech 1", "noise 0")
        )
    ]
    at = np.flatnonzero(fitting._loud_dialogue(table_of(takes)))
    assert [(takes[i].example.vocals, takes[i].variant) for i in at] == [("no", "speech 0")]
    of_others = [t for t in takes if t.example.vocals != "no"]
    at = np.flatnonzero(fitting._loud_dialogue(table_of(of_others)))
    assert [(of_others[i].example.vocals, of_others[i].variant) for i in at] == [
        ("sung", "speech 0"),
        ("unknown", "speech 0"),
    ]


def test_the_gate_of_real_takes_tells_dialogue_from_clear_music(takes, model):
    """Those that it learnt from; of dialogue, over clips that are known to be without voices."""
    shares = {
        variant: np.array(
            [model.judge(t.features).dialogue for t in takes if t.variant == variant and t.label in labels]
        )
        for variant, labels in (
            ("original", ("score", "song")),
            ("varied 0", ("score", "song")),
            ("speech 0", ("score",)),
        )
    }
    assert (shares["speech 0"] > 0.5).mean() > 0.8
    assert (np.concatenate([shares["original"], shares["varied 0"]]) < 0.5).mean() > 0.9


# ---- too little dialogue


def test_without_dialogue_there_is_one_expert():
    rows, table = spoken_takes()
    kept = ~loud(table)
    decision, _ = fit_decision(rows[kept], table_of(table.chosen(kept), table.folds[kept]))
    assert decision.dialogue is None


@pytest.mark.parametrize("lost", ["of songs", "of scores", "but in one fold", "of songs but in one fold"])
def test_where_a_fold_would_leave_no_dialogue_to_learn_from_there_is_one_expert(lost):
    rows, table = spoken_takes()
    without_it = {
        "of songs": songs(table),
        "of scores": ~songs(table),
        "but in one fold": table.folds != 2,
        "of songs but in one fold": songs(table) & (table.folds != 2),
    }[lost]
    kept = ~(loud(table) & without_it)
    decision, logits = fit_decision(rows[kept], table_of(table.chosen(kept), table.folds[kept]))
    assert decision.dialogue is None
    assert np.isfinite(logits).all()


def test_voiceless_clips_all_in_one_fold_do_no_harm():
    """Few corpora say of many clips whether someone sings."""
    rows, table = spoken_takes()
    takes = [
        replace(t, example=replace(t.example, vocals="no" if fold == 2 else "unknown"))
        for t, fold in zip(table.takes, table.folds, strict=True)
    ]
    fit_decision(rows, replace(table, takes=takes))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n_groups", [3, 4])
def test_very_few_speakers_can_be_held_apart(seed, n_groups):
    """Three speakers over three or four clips of each class: some folds have no dialogue left at all."""
    random = np.random.default_rng(seed)
    takes = []
    for label in ("score", "song"):
        for group in range(n_groups):
            clip = bare_take(label, f"{label} {group}", seed=seed, vocals=("no", "sung")[label == "song"])
            takes.append(clip)
            for i in range(2):
                speaker = f"voice: {random.integers(3)}"
                takes.append(replace(clip, variant=f"speech {i}", groups=clip.groups | {speaker}))
    ear = bare_ear()
    fold_of = fold_of_groups(takes, 5, seed) | {f"voice: {i}": i for i in range(3)}
    for fold in set(fold_of.values()):
        model, _ = fit(without(takes, fold_of, fold), (), ear=ear)
        assert 0 <= model.judge(takes[0].features).song_probability <= 1


# ---- the voice's threshold


def unsung(logits, *, label="score", known=0.0, **take):
    """A take with the voice's logits of what sounds of it, of which all is known, or nothing."""
    made = bare_take(label, "g", **take)
    return Heard(replace(made, known={VOICE: np.full(3, known)}), 1.0, np.asarray(logits), None)


def test_the_voice_threshold_leaves_few_false_alarms():
    """Of all half seconds; a long clip has more of them."""
    logits = np.random.default_rng(0).normal(0, 1, 10_000)
    heard = [unsung(part) for part in np.split(logits, [10, 500, 9000])]
    songs = np.array([-1.0, 0.5, 9, 0])
    threshold = fitting._voice_threshold(heard, songs)
    believed = np.concatenate([h.voice + sung_as(song) for h, song in zip(heard, songs, strict=True)])
    assert (believed > threshold).mean() == pytest.approx(fitting.VOICE_FALSE_ALARMS, abs=1e-3)


def test_only_scores_without_voices_set_the_voice_threshold():
    high = np.full(500, 9.0)
    others = [unsung(high, label="song"), unsung(high, known=np.nan), unsung(high, known=1.0)]
    assert fitting._voice_threshold([unsung(np.full(50, 3.0)), *others], np.zeros(4)) == 3
    assert fitting._voice_threshold(others, np.zeros(3)) == 0.0
    assert fitting._voice_threshold([unsung([])], np.zeros(1)) == 0.0  # all silent


def test_the_voice_threshold_is_of_ears_that_never_met_the_clip(takes, model):
    lesson = hear(takes, TAGS)
    songs = iter(fit_decision(lesson.rows, lesson.table)[1])  # of originals
    originals = [(h, next(songs)) for h in lesson.heard if h.row is not None and h.take.variant == "original"]
    voices = [h.voice + sung_as(song) for h, song in originals if h.take.label == "score"]
    assert len(voices) == 8
    share = (np.concatenate(voices) > model.voice_threshold).mean()
    assert share == pytest.approx(fitting.VOICE_FALSE_ALARMS, abs=0.02)


def test_where_nothing_can_be_learnt_nothing_is_claimed():
    """Numbers that have nothing to do with the labels: calibration from inner folds keeps near one half."""
    ear = bare_ear()
    takes = [bare_take(("score", "song")[i % 2], f"g{i}", seed=i) for i in range(120)]
    model, _ = fit(takes, (), ear=ear)
    others = [model.judge(bare_take("song", "x", seed=1000 + i).features).song_probability for i in range(50)]
    assert np.abs(np.array(others) - 0.5).max() < 0.25


def test_calibrated_probabilities_are_frequencies():
    """Logits of a known law, seen at twice their scale and with an offset, come back to the law."""
    random = np.random.default_rng(0)
    true = random.normal(0, 1.5, 20_000)
    is_song = random.random(len(true)) < expit(true)
    calibration = LogisticRegression(C=1e6).fit((2 * true + 1)[:, None], is_song)
    assert calibration.coef_[0, 0] == pytest.approx(0.5, abs=0.03)
    assert calibration.intercept_[0] == pytest.approx(-0.5, abs=0.05)


def test_the_uncertain_band_holds_its_share_about_one_half():
    probabilities = np.random.default_rng(0).uniform(0, 1, 1000)
    low, high = fitting._uncertain_band(probabilities)
    assert low + high == pytest.approx(1)
    assert ((low <= probabilities) & (probabilities <= high)).mean() == pytest.approx(
        fitting.UNSURE_SHARE, abs=0.01
    )


def test_the_music_threshold_keeps_music_and_finds_its_absence():
    music = [bare_take("score", f"m{i}") for i in range(20)]
    empty = [bare_take("no_music", f"n{i}") for i in range(20)]
    assert music_of(music + empty, [0.9] * 20 + [0.22] * 20) == pytest.approx(0.25)
    assert music_of(music + empty, [0.12] * 20 + [0.22] * 20) == pytest.approx(
        0.05
    )  # no threshold tells them apart
    assert music_of(music + empty, [0.04] * 20 + [0.0] * 20) == fitting.THRESHOLDS[0]
    assert music_of(music, [0.9] * 20) == fitting.THRESHOLDS[0]


# ---- all of it


def test_every_take_is_heard_by_the_ear_that_its_group_did_not_teach(takes, monkeypatch):
    fitted, given = ears.fit_ears, []

    def noting(kept, tags, fold_of, random_state):
        given.append((fitted(kept, tags, fold_of, random_state), fold_of))
        return given[-1][0]

    monkeypatch.setattr(ears, "fit_ears", noting)
    lesson = hear(takes, TAGS)
    ((both, fold_of),) = given
    assert replace(lesson.ear, overall=None).ear_id == both.whole.ear_id
    assert [h.take for h in lesson.heard] == learnable(takes)
    decided = [h for h in lesson.heard if h.row is not None]
    assert [h.take for h in decided] == [t for t in learnable(takes) if isinstance(t.example, Example)]
    for h, row in zip(decided, lesson.rows, strict=True):
        ear = both.apart[fold_of[h.take.group]]
        expected = decision_row(h.take.features, ear(h.take.features.segments), ear.heads)
        np.testing.assert_array_equal(h.row, expected)
        np.testing.assert_array_equal(row, expected)


def test_what_is_music_as_a_whole_is_asked_of_those_who_learnt_from_others():
    """Numbers that have nothing to do with music are learnt by heart; asked by others, they tell nothing."""
    takes = [bare_take(("score", "song", "no_music")[i % 3], f"g{i}") for i in range(120)]
    rows = np.random.default_rng(0).standard_normal((120, 200))
    music, folds = np.arange(120) % 3 != 2, np.arange(120) % 4
    ear, logits = ears._with_overall(bare_ear(), rows, Table(takes, folds))
    assert roc_auc_score(music, ear.overall(rows)) == 1
    assert abs(roc_auc_score(music, logits) - 0.5) < 0.15
    rows[:, :9] += 4 * music[:, None]
    ear, logits = ears._with_overall(bare_ear(), rows, Table(takes, folds))
    assert roc_auc_score(music, logits) > 0.9
    fresh = np.random.default_rng(1).standard_normal((50, 200))
    likely = np.where(np.arange(200) < 9, 4.0, 0.0)
    assert (ear.overall(fresh + likely) > 0).mean() > 0.8 > 0.2 > (ear.overall(fresh) > 0).mean()


@pytest.mark.parametrize("without_music", [0, 1])
def test_where_too_little_is_without_music_nothing_is_learnt_of_it(without_music):
    takes = [bare_take("no_music" if i < without_music else "song", f"g{i}") for i in range(8)]
    ear, logits = ears._with_overall(bare_ear(), np.zeros((8, 9)), Table(takes, np.arange(8) % 4))
    assert ear.overall is None
    assert logits.tolist() == [0.0] * 8


def test_the_share_of_music_is_of_the_clip_as_a_whole(takes, monkeypatch):
    """By what others say of that; a ready ear says it itself."""
    monkeypatch.setattr(ears, "_with_overall", lambda ear, rows, table: (ear, np.full(len(rows), 99.0)))
    surer = {h.take.example: h.music for h in hear(takes, TAGS).heard if h.take.variant == "original"}
    monkeypatch.setattr(ears, "_with_overall", lambda ear, rows, table: (ear, np.zeros(len(rows))))
    lesson = hear(takes, TAGS)
    plain = {h.take.example: h.music for h in lesson.heard if h.take.variant == "original"}
    assert all(surer[e] >= plain[e] for e in plain)
    assert sum(surer.values()) > sum(plain.values())
    monkeypatch.setattr(Ear, "music", lambda self, row, length: -99.0)
    ready = hear(takes, TAGS, ear=lesson.ear).heard
    assert sum(h.music for h in ready) < sum(h.music for h in lesson.heard)


def test_two_fits_give_the_same_bytes(takes, model, tmp_path):
    again, _ = fit(takes, TAGS)
    ids = [m.save(tmp_path / f"{i}.model") for i, m in enumerate((model, again))]
    assert (tmp_path / "0.model").read_bytes() == (tmp_path / "1.model").read_bytes()
    assert ids[0] == ids[1]


def test_another_seed_gives_another_model(takes, model, tmp_path):
    other, _ = fit(takes, TAGS, random_state=1)
    assert other.save(tmp_path / "other.model") != model.save(tmp_path / "model.model")


def test_a_ready_ear_is_kept(takes, model):
    own = [t for t in takes if isinstance(t.example, Example)]
    kept, _ = fit(own, (), ear=model.ear)
    assert kept.ear is model.ear
    assert kept.music_threshold == fitting.THRESHOLDS[0]  # nothing without music to learn it from


def test_the_baseline_only_hears_the_voice(takes):
    _, baseline = fit(takes, TAGS)
    assert baseline.n_features_in_ == len(fitting.VOICE_SUMMARY)


def test_the_smallest_corpus_that_is_accepted_can_be_trained_on(tmp_path):
    """Three groups of one clip, three voices of each kind, and one of the clips in a slice of its own."""
    labels = write_corpus(tmp_path, groups=3, clips=1, voices=3)
    labels.write_text(labels.read_text().replace("score-core", "score-choir", 1))
    examples, companions = read_labels(labels), read_companions(labels)
    takes = make_takes(examples, companions)
    model, _ = train_on_takes(takes, companions.tags, seeds=(0,))
    assert model.card["clips_by_slice"] == {"score-choir": 1, "score-core": 2, "song-vocal": 3}
    names = {figure["name"] for figure in model.card["figures"]}
    assert names >= {"accuracy", "no_music recognised", *(f"label unchanged {copy}" for copy in COPIES)}
    assert any(t.checking for t in takes)
    assert model.card["takes"] == len(learnable(takes))
    assert model.card["training_table_sha256"] == lessons.table_hash(learnable(takes))
    model.save(tmp_path / "small.model")
