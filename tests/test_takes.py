"""Takes know what is true about every half second, and whom they were made from."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from helpers import TAGS, bare_take, score, singing, small_takes, speech, write_corpus, write_csv, write_wav

from scoreorsong import takes as takes_module
from scoreorsong.augmentation import CHECKS, COPIES, ENDS
from scoreorsong.dataset import Voice, read_companions, read_labels
from scoreorsong.errors import AudioError
from scoreorsong.features import SEGMENT_S
from scoreorsong.folds import fold_of_groups, without
from scoreorsong.lessons import make_takes
from scoreorsong.takes import N_VARIED, SINGING_MIXES, TEACHER_VOICE

CLIPS, SPEECHES, SINGERS, NOISES = 16, 4, 3, 4
SCENES = ("speech 2", "speech 3")
SPOKEN_ROOMS = ("room 0", "room 1")
ROOMS = ("quiet room", *SPOKEN_ROOMS)


@pytest.fixture(scope="module")
def takes():
    return small_takes()[0]


@pytest.fixture
def corpus(tmp_path):
    labels = write_corpus(tmp_path, groups=3, clips=1)
    return read_labels(labels), read_companions(labels)


def of(takes, variant, start=""):
    return [t for t in takes if t.variant == variant and t.features.source.startswith(start)]


def assert_alike(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert (a.example, a.variant, a.groups) == (b.example, b.variant, b.groups)
        np.testing.assert_array_equal(a.features.clip, b.features.clip)
        np.testing.assert_array_equal(a.features.segments, b.features.segments)
        assert a.known.keys() == b.known.keys()
        for question in a.known:
            np.testing.assert_array_equal(a.known[question], b.known[question])


# ---- which there are


def test_every_clip_and_voice_has_its_variants(takes):
    counts = Counter(t.variant for t in takes)
    assert counts == {
        "original": CLIPS + SPEECHES + SINGERS + NOISES,
        "varied 0": CLIPS + SPEECHES + SINGERS + NOISES,
        "varied 1": CLIPS + SPEECHES + SINGERS + NOISES,
        **{f"varied {i}": CLIPS for i in range(2, N_VARIED)},
        **{f"speech {i}": CLIPS for i in range(4)},
        "noise 0": CLIPS,
        **dict.fromkeys(("noise", *ROOMS), SPEECHES),
        "over music": SINGERS * SINGING_MIXES,
        **dict.fromkeys(COPIES, CLIPS),
    }


def test_without_companions_there_are_clips_and_their_variants(corpus):
    takes = make_takes(corpus[0], None)
    assert Counter(t.variant for t in takes) == dict.fromkeys(
        ["original", *(f"varied {i}" for i in range(N_VARIED)), *COPIES], 6
    )
    assert all(t.groups == {t.group} for t in takes)


def test_labels_slices_and_groups_are_the_clips(takes):
    assert Counter(t.label for t in takes if t.variant == "original") == {
        "score": 8, "song": 8, "singing": SINGERS, "no_music": SPEECHES + NOISES,
    }  # fmt: skip
    assert {t.slice for t in takes} == {"score-core", "song-vocal", "speech", "singing", "noise"}
    assert all(t.group in t.groups for t in takes)
    assert all(t.weight == 1.0 for t in takes)


# ---- which are for checking


def checked(examples):
    return sorted(takes_module._checked(examples))


def test_takes_for_checking_are_the_copies_of_clips(takes):
    for take in takes:
        assert take.checking == (take.variant in CHECKS)
    copies = [t for t in takes if t.checking]
    assert {t.label for t in copies} == {"score", "song"}
    for take in copies:
        assert take.groups == {take.group}
        (original,) = of(takes, "original", take.features.source)
        assert take.example == original.example
        assert take.features.duration_s == pytest.approx(original.features.duration_s, abs=0.01)
        assert take.features.clip.tobytes() != original.features.clip.tobytes()


@pytest.mark.parametrize(("seconds", "ends"), [(39.9, []), (40.0, list(ENDS))])
def test_only_a_clip_of_40_s_has_two_ends_to_compare(corpus, tmp_path, seconds, ends):
    path = write_wav(tmp_path / "long.wav", score(0, seconds))
    made = [t for t in make_takes([replace(corpus[0][0], path=path)], None) if t.variant in ENDS]
    assert [t.variant for t in made] == ends
    for take in made:
        assert take.features.duration_s == pytest.approx(20.0, abs=0.05)


@pytest.mark.parametrize("n", [0, 1, 150, 200])
def test_few_clips_are_all_checked(n):
    assert checked([bare_take("score", str(i)).example for i in range(n)]) == list(range(n))


@pytest.mark.parametrize("n", [201, 399, 565, 1000])
def test_of_many_clips_200_are_checked_evenly_spaced(n):
    positions = checked([bare_take("song", str(i)).example for i in range(n)])
    assert len(positions) == 200
    assert positions[0] == 0
    steps = set(np.diff([*positions, n]))
    assert steps <= {n // 200, n // 200 + 1}


def test_neither_what_is_no_music_nor_what_models_made_is_checked(corpus):
    parts = [("no_music", ""), ("song", "song-vocal-ai"), ("song", "song-vocal"), ("score", "score-core")] * 3
    examples = [bare_take(label, str(i), part=part).example for i, (label, part) in enumerate(parts)]
    assert checked(examples) == [2, 3, 6, 7, 10, 11]
    real = [replace(corpus[0][0], label="no_music"), replace(corpus[0][-1], slice="song-vocal-ai")]
    assert not any(t.checking for t in make_takes(real, None))


# ---- whom they were made from


def test_mixes_name_the_groups_of_both(takes):
    for take in takes:
        mixed = take.variant.startswith(("speech", "noise", "over music"))
        assert len(take.groups) == (3 if take.variant in SCENES else 2 if mixed else 1)
    assert {g for t in of(takes, "speech 0") for g in t.groups if g.startswith("voice: ")} <= {
        f"voice: speech {i}" for i in range(SPEECHES)
    }
    assert {t.group for t in of(takes, "over music")} == {f"voice: singing {i}" for i in range(SINGERS)}


def test_all_dialogue_is_acted_but_the_first(corpus, monkeypatch):
    """By the first, people who read out as they are, dialogue is asked about; the others teach only what a film sounds like."""
    examples, companions = corpus

    def speaking() -> dict[str, np.ndarray]:
        return {t.variant: t.features.segments for t in make_takes(examples[:1], companions)}

    acting = speaking()
    monkeypatch.setattr(takes_module.augmentation, "acted", lambda samples, _: samples)
    reading = speaking()
    moved = {name for name in acting if not np.array_equal(acting[name], reading[name])}
    assert moved == {"speech 1", *SCENES, *SPOKEN_ROOMS}


def test_one_alone_makes_no_scene(corpus):
    examples, companions = corpus
    alone = [v for v in companions.voices if v.kind != "speech" or v.speaker == "speech 0"]
    variants = {t.variant for t in make_takes(examples[:1], replace(companions, voices=alone))}
    assert "speech 0" in variants
    assert not variants & set(SCENES)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_folds", [2, 4, 5])
def test_no_fold_ever_meets_its_own_groups(takes, n_folds, seed):
    fold_of = fold_of_groups(takes, n_folds, seed)
    for fold in set(fold_of.values()):
        tested = {group for group, own in fold_of.items() if own == fold}
        kept = without(takes, fold_of, fold)
        assert kept
        assert not any(t.groups & tested for t in kept)
        lost = [t for t in takes if all(t is not k for k in kept)]
        assert all(t.groups & tested for t in lost)


def test_voices_go_over_music_without_voice_only(takes):
    backings = {g for t in of(takes, "over music") for g in t.groups if not g.startswith("voice: ")}
    assert backings
    assert all(group.startswith("score") for group in backings)


def test_what_is_no_music_backs_no_singer(corpus):
    examples, companions = corpus
    quiet = [replace(e, label="no_music") if e.label == "score" else e for e in examples]
    assert not of(make_takes(quiet[:1], companions), "over music")


# ---- what is known


def test_what_is_known_has_a_value_per_segment(takes):
    for take in takes:
        n = len(take.features.segments)
        assert take.known.keys() == {"voice", "music", "speech"}
        for values in take.known.values():
            assert values.shape == (n,)
            assert set(np.unique(values[np.isfinite(values)])) <= {0.0, 1.0}
        assert take.tags is None or take.tags.shape == (n, len(TAGS))


def test_clips_are_music_where_they_sound(takes):
    for take in (t for t in takes if t.label in ("score", "song")):
        np.testing.assert_array_equal(np.isnan(take.known["music"]), take.features.silent)
        assert np.nanmin(take.known["music"]) == 1


def test_speech_and_noise_are_no_music(takes):
    for take in takes:
        if take.slice in ("speech", "noise") and not take.room:
            sounding = ~take.features.silent
            assert sounding.any()
            assert not take.known["music"][sounding].any()
            assert not take.known["voice"][sounding].any()


def test_of_what_is_silent_in_a_voice_nobody_knows(takes):
    """The silence at its ends is heard as what lies beside it."""
    voices = [t for t in takes if isinstance(t.example, Voice) and t.variant != "over music" and not t.room]
    assert any(t.features.silent.any() for t in voices)
    for take in voices:
        for known in take.known.values():
            np.testing.assert_array_equal(np.isnan(known), take.features.silent)


def test_a_room_is_told_as_a_whole_only(takes):
    rooms = [t for t in takes if t.room]
    assert {t.variant for t in rooms} == set(ROOMS)
    for take in rooms:
        assert take.label == "no_music"
        assert take.groups == {take.group}
        assert take.known.keys() == {"voice", "music", "speech"}
        assert all(np.isnan(known).all() and len(known) for known in take.known.values())


def test_who_speaks_in_a_room_stands_over_it(corpus, monkeypatch):
    monkeypatch.setattr(takes_module.augmentation, "vary", lambda samples, _: samples)
    rooms = [t for t in make_takes([], corpus[1]) if t.room]
    quiet, loud, silent = ([t.features["level_range"] for t in rooms if t.variant == v] for v in ROOMS)
    assert max(quiet) < 8 < min(loud)
    assert np.mean(loud) + 5 < np.mean(silent)


def test_solo_singing_is_known_as_such(takes):
    for take in of(takes, "original", "singing"):
        assert np.nanmin(take.known["voice"]) == 1


def test_scores_without_voice_are_known_to_be_so(takes):
    for take in (t for t in takes if t.label == "score"):
        assert not take.known["voice"].any()


def test_the_annotation_says_where_a_song_is_sung(takes):
    """song-0-0 is annotated as sung for its first three seconds."""
    for variant in ("original", "speech 0"):
        (take,) = of(takes, variant, "song/g0/song-0-0")
        middles = (np.arange(len(take.features.segments)) + 0.5) * SEGMENT_S
        np.testing.assert_array_equal(take.known["voice"][middles < 2.5], 1)
        np.testing.assert_array_equal(take.known["voice"][middles > 3.5], 0)


def test_annotated_are_only_originals_that_an_annotation_speaks_of(takes):
    assert [(t.variant, t.example.path.stem) for t in takes if t.annotated] == [("original", "song-0-0")]


@pytest.mark.parametrize("vocals", ["no", "unknown"])
def test_an_annotation_that_nobody_reads_does_not_count(corpus, vocals):
    examples, companions = corpus
    (sung,) = [e for e in examples if e.path.stem in companions.activity]
    for example, annotated in ((sung, True), (replace(sung, vocals=vocals), False)):
        takes = make_takes([example], replace(companions, voices=()))
        assert [t.variant for t in takes if t.annotated] == ["original"] * annotated


def test_else_the_teacher_says_it_where_it_is_sure(takes):
    for take in of(takes, "original", "song/g1"):
        assert (take.known["voice"] == 1).mean() > 0.5


def test_an_unsure_teacher_is_not_believed(corpus):
    examples, companions = corpus
    unsure = {name: np.full_like(p, 0.4) for name, p in companions.teacher.items()}
    take = make_takes(examples[-1:], replace(companions, teacher=unsure, voices=()))[0]
    assert np.isnan(take.known["voice"]).all()
    assert np.isfinite(take.tags).all()


def test_a_song_that_nobody_asked_about_is_unknown(corpus):
    examples, companions = corpus
    for example, beside in ((replace(examples[-1], vocals="unknown"), companions), (examples[-1], None)):
        take = make_takes([example], beside and replace(beside, voices=()))[0]
        assert np.isnan(take.known["voice"]).all()
        assert (take.tags is None) == (beside is None)


def test_tags_are_of_music_that_nothing_is_mixed_into(takes):
    for take in takes:
        clear = take.variant == "original" or take.variant.startswith("varied")
        assert (take.tags is not None) == (clear and take.label in ("score", "song"))


def test_what_is_known_of_a_clip_moves_with_its_excerpt(corpus):
    """A variant that begins later has the tags and the voice of there."""
    examples, companions = corpus
    (sung,) = [e for e in examples if e.path.stem in companions.activity]
    rising = np.linspace(0.1, 0.9, 40)[:, None] * np.ones(len(TAGS))
    companions = replace(companions, teacher={sung.path.stem: rising})
    original = make_takes([sung], companions)[0]
    made = takes_module.Rendering("varied 0", np.zeros(0, np.float32), start_s=2 * SEGMENT_S)
    later = takes_module._clip_take(sung, made, original.features, companions)
    np.testing.assert_allclose(later.tags[:-2], original.tags[2:])
    np.testing.assert_array_equal(later.known["voice"][:-2], original.known["voice"][2:])


def test_speech_is_known_where_someone_speaks_over_a_clip(takes):
    for take in takes:
        spoken = take.known["speech"]
        if take.variant in SCENES:  # in one of which rests may leave no half second to words alone
            assert not (spoken == 0).all()
        elif take.variant.startswith("speech") or (take.slice == "speech" and not take.room):
            assert (spoken == 1).any()
        elif take.label in ("score", "song", "singing"):
            assert not spoken.any()
    scenes = [(take.known["speech"] == 1).any() for take in takes if take.variant in SCENES]
    assert np.mean(scenes) > 0.95


def test_of_a_clip_labelled_no_music_nobody_knows_whether_it_is_speech(corpus):
    examples, companions = corpus
    take = make_takes([replace(examples[0], label="no_music")], replace(companions, voices=()))[0]
    assert np.isnan(take.known["speech"]).all()


def test_tags_are_the_teachers_logits(corpus):
    examples, companions = corpus
    name = examples[0].path.stem
    probabilities = np.tile(np.linspace(0, 1, len(TAGS)), (2, 1))
    companions = replace(companions, voices=(), teacher={name: probabilities})
    tags = make_takes(examples[:1], companions)[0].tags
    bounded = np.clip(probabilities[0], 0.003, 0.997)
    np.testing.assert_allclose(tags, np.tile(np.log(bounded / (1 - bounded)), (len(tags), 1)))


def test_the_voice_tags_are_the_teachers():
    assert set(TEACHER_VOICE[True]) | set(TEACHER_VOICE[False]) <= set(TAGS)


def test_a_singer_over_music_is_known_by_phrases(takes):
    for take in of(takes, "over music"):
        assert (take.known["voice"] == 0).any()
        assert (take.known["music"] == 1).all()
    assert any((t.known["voice"] == 1).any() for t in of(takes, "over music"))


def test_every_mix_of_a_singer_is_another(takes):
    mixes = [t for t in of(takes, "over music") if t.group == "voice: singing 0"]
    assert len({t.features.clip.tobytes() for t in mixes}) == len(mixes) == SINGING_MIXES


def test_a_singer_is_equalised_and_in_a_room_by_chance():
    voice = singing(0, 3.0).astype(np.float32)
    treated = [takes_module._treated(voice, np.random.default_rng(seed)) for seed in range(80)]
    assert {(t.shape, t.dtype) for t in treated} == {(voice.shape, voice.dtype)}
    assert all(np.isfinite(t).all() for t in treated)
    plain = [np.array_equal(t, voice) for t in treated]
    assert np.mean(plain) == pytest.approx(1 / 4, abs=0.15)
    assert len({t.tobytes() for t in treated}) == len(treated) - sum(plain) + 1


@pytest.mark.parametrize("step", ["equalise", "reverberate"])
def test_either_treatment_is_a_toss_of_a_coin(monkeypatch, step):
    calls = []
    for name in ("equalise", "reverberate"):
        monkeypatch.setattr(takes_module.augmentation, name, lambda x, _, name=name: calls.append(name) or x)
    for seed in range(200):
        takes_module._treated(np.zeros(10, np.float32), np.random.default_rng(seed))
    assert calls.count(step) == pytest.approx(100, abs=30)


def test_only_the_singer_is_treated_not_the_music(corpus, monkeypatch):
    """And where the voice is known to be is asked of the treated one."""
    examples, companions = corpus
    singer = next(v for v in companions.voices if v.kind == "singing")
    lengths, laid = [], []
    presence = takes_module._presence
    monkeypatch.setattr(takes_module, "_treated", lambda x, _: lengths.append(len(x)) or 0 * x)
    monkeypatch.setattr(takes_module, "_presence", lambda x, n: laid.append(x) or presence(x, n))
    takes_module._singing_takes(singer, examples[:1], 0, 0)
    assert lengths == [4 * 22050]
    assert not laid[0].any()


# ---- the same again


def test_takes_follow_from_the_seed_not_from_the_order_of_work(corpus):
    examples, companions = corpus
    few = replace(companions, voices=companions.voices[-1:])
    forward, again = (make_takes(examples[2:4], few) for _ in range(2))
    backward = make_takes(examples[2:4][::-1], few)
    assert_alike(forward, again)
    clips = [t for t in forward if t.slice != "noise"]
    size = len(clips) // 2
    assert_alike(clips, [t for t in backward if t.slice != "noise"][size:] + backward[:size])


def test_another_seed_gives_other_variants_of_the_same_originals(corpus):
    examples = corpus[0][-1:]
    one, other = (make_takes(examples, None, random_state=seed) for seed in (0, 1))
    np.testing.assert_array_equal(one[0].features.clip, other[0].features.clip)
    assert any(
        a.features.clip.tobytes() != b.features.clip.tobytes()
        for a, b in zip(one[1:], other[1:], strict=True)
    )


def test_progress_wraps_the_work_and_changes_nothing(corpus):
    seen = []

    def progress(work, total):
        for piece in work:
            seen.append(total)
            yield piece

    assert_alike(make_takes(corpus[0][:2], None, progress=progress), make_takes(corpus[0][:2], None))
    assert seen == [2, 2]


def test_a_part_of_a_file_is_only_that_part(corpus):
    part = replace(corpus[0][0], start_s=2.0, duration_s=3.0)
    for take in make_takes([part], None):
        assert take.features.duration_s == pytest.approx(3.0, abs=0.1)


def test_a_clip_that_cannot_be_read_is_named(corpus, tmp_path):
    (tmp_path / "letter.wav").write_text("Dear reader")
    with pytest.raises(AudioError, match=r"letter\.wav"):
        make_takes([replace(corpus[0][0], path=tmp_path / "letter.wav")], None)


def test_silent_clips_and_voices_do_no_harm(tmp_path, corpus):
    path = write_wav(tmp_path / "silence.wav", np.zeros(3 * 22050))
    write_csv(
        tmp_path / "voices.csv",
        [
            {"path": "silence.wav", "kind": k, "speaker": i}
            for k in ("speech", "singing", "noise")
            for i in range(3)
        ],
    )
    companions = read_companions(tmp_path / "corpus.csv")
    for take in make_takes([replace(corpus[0][0], path=path)], companions):
        assert np.isfinite(take.features.clip).all()
        assert np.isfinite(take.features.segments).all()


def test_presence_is_where_the_voice_is():
    laid = np.concatenate([np.zeros(44100), speech(0, 4.0), np.zeros(44100)]).astype(np.float32)
    n = round(len(laid) / 22050 / SEGMENT_S)
    presence = takes_module._presence(laid, n)
    assert presence.shape == (n,)
    assert not presence[:3].any()
    assert not presence[-3:].any()
    assert presence[5:10].mean() > 0.4
