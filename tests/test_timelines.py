"""A made-up programme with known truth; invariants of every timeline; evidence and its limits."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from itertools import pairwise, repeat

import numpy as np
import pytest
from helpers import RATE_HZ, harmonics, noise, score, small_model, song, speech, write_wav

from scoreorsong import timeline
from scoreorsong.errors import AudioError
from scoreorsong.evidence import (
    GLIMPSE_WEIGHT,
    OTHER_PIECE,
    SAME_PIECE_COST,
    SHORTEST_S,
    STATES,
    SUREST,
    Evidence,
    _unlike,
    heard_again,
    weigh,
)
from scoreorsong.features import SEGMENT_FRAMES, SEGMENT_S, measure
from scoreorsong.hearing import (
    LEAST_GLIMPSED,
    MOST_GLIMPSED,
    MUSIC,
    SPEECH,
    STANDALONE,
    VOICE,
    decision_row,
    least_hidden,
)
from scoreorsong.listening import (
    GATE_OPENING,
    STRIDE_POINTS,
    TALK_POINTS,
    WINDOW_POINTS,
    _Meter,
    _openings,
    _windows,
    glimpses,
    listen,
)
from scoreorsong.spectra import HOP, analyze, joined
from scoreorsong.spool import Spool

# What is heard, and for how many seconds.
PARTS = (("no_music", 8), ("score", 20), ("no_music", 8), ("song", 25), ("no_music", 6), ("score", 15))
BOUNDARIES_S = np.cumsum([seconds for _, seconds in PARTS])[:-1]


def blocks(samples, size):
    return (samples[i : i + size].astype(np.float32) for i in range(0, len(samples), size))


@pytest.fixture(scope="module")
def programme():
    silence = np.zeros(6 * RATE_HZ)
    parts = (0.01 * noise(1, 8), score(51, 20), speech(60, 8), song(52, 25), silence, score(53, 15))
    return np.concatenate(parts).astype(np.float32)


@pytest.fixture(scope="module")
def spool():
    """The spectra of the programme, once it is heard."""
    with Spool() as spool:
        yield spool


@pytest.fixture(scope="module")
def heard(programme, spool):
    return listen(blocks(programme, RATE_HZ), small_model(), spool)


@pytest.fixture(scope="module")
def found(programme):
    return timeline(programme, rate=RATE_HZ, model=small_model())


def test_the_segments_are_those_of_the_programme(found):
    assert [segment.label for segment in found.segments] == [label for label, _ in PARTS]


def test_boundaries_lie_where_the_sound_changes(found):
    starts = np.array([segment.start_s for segment in found.segments[1:]])
    off_s = np.abs(starts - BOUNDARIES_S)
    assert np.median(off_s) < 0.5
    assert off_s.max() < 1.5


def test_song_probability_and_voice_tell_the_songs(found):
    cues = [segment for segment in found.segments if segment.has_music]
    assert all((cue.song_probability > 0.5) == (cue.label == "song") for cue in cues)
    assert max(cues, key=lambda cue: cue.vocal_fraction).label == "song"


def assert_whole(found):
    """From 0 to the end, without gap or overlap, every number in its range."""
    assert found.segments[0].start_s == 0
    assert found.segments[-1].end_s == found.duration_s
    for before, after in pairwise(found.segments):
        assert before.end_s == after.start_s
        assert (before.label, after.label) != ("no_music", "no_music")
    for segment in found.segments:
        assert segment.start_s < segment.end_s
        assert segment.label in STATES
        assert 0 <= segment.song_probability <= 1
        assert 0 <= segment.vocal_fraction <= 1
    for shares in (found.curve.song_probability, found.curve.music, found.curve.voice):
        assert shares.dtype == np.float32
        assert shares.min() >= 0
        assert shares.max() <= 1
    points = len(found.curve.music)
    assert {len(row) for row in (found.curve.song_probability, found.curve.voice)} == {points}
    assert abs(points * found.curve.hop_s - found.duration_s) <= found.curve.hop_s


def test_a_timeline_is_whole(found, programme):
    assert_whole(found)
    assert found.duration_s == len(programme) / RATE_HZ


@pytest.mark.parametrize("seconds", [0.06, 0.4, 1.0, 5.4, 10.3, 20.5])
def test_so_is_that_of_a_short_source(seconds):
    samples = song(3, 25.0)[: round(seconds * RATE_HZ)]
    found = timeline(samples, rate=RATE_HZ, model=small_model())
    assert_whole(found)
    assert any("unsure" in warning for warning in found.warnings) == (seconds < 5)


def test_too_short_a_source_is_refused():
    with pytest.raises(AudioError, match="at least"):
        timeline(np.zeros(500), rate=RATE_HZ, model=small_model())


@pytest.mark.parametrize("samples", [np.zeros(30 * RATE_HZ), np.zeros(RATE_HZ)], ids=["30 s", "1 s"])
def test_silence_is_one_segment_without_music(samples):
    found = timeline(samples, rate=RATE_HZ, model=small_model())
    assert [segment.label for segment in found.segments] == ["no_music"]
    assert found.warnings == ("nothing but silence",)
    assert (found.curve.level_db == -120).all()
    assert_whole(found)


@pytest.mark.parametrize(("under_db", "label"), [(15, "score"), (50, "no_music")])
def test_what_is_all_but_silent_beside_the_minutes_around_is_no_music(under_db, label):
    loud, quiet = song(52, 25), score(53, 20)
    quiet *= 10 ** (-under_db / 20) * loud.std() / quiet.std()
    samples = np.concatenate([loud, quiet, np.zeros(RATE_HZ)]).astype(np.float32)
    segments = timeline(samples, model=small_model(), rate=RATE_HZ).segments
    assert next(s.label for s in segments if s.end_s > 35) == label
    alone = timeline(quiet.astype(np.float32), model=small_model(), rate=RATE_HZ).segments
    assert [s.label for s in alone] == ["score"]


def test_no_segment_is_shorter_than_the_shortest(found):
    shortest = dict(zip(STATES, SHORTEST_S, strict=True))
    for segment in found.segments:
        assert segment.duration_s > shortest[segment.label] - SEGMENT_S


@pytest.mark.parametrize("size", [997, 300_000])
def test_the_blocks_change_nothing(programme, heard, size):
    with Spool() as spool:
        other = listen(blocks(programme, size), small_model(), spool)
    for name in ("heads", "sounding", "song", "dialogue", "level_db"):
        np.testing.assert_array_equal(getattr(other, name), getattr(heard, name), err_msg=name)
    assert other.duration_s == heard.duration_s


def test_a_file_an_open_file_and_an_array_are_the_same(found, programme, tmp_path):
    path = write_wav(tmp_path / "film.wav", programme, subtype="FLOAT")
    for source in (path, io.BytesIO(path.read_bytes())):
        assert timeline(source, model=small_model()).segments == found.segments


def test_a_cue_under_speech_stays_one_cue():
    samples = score(51, 40.0)
    samples[15 * RATE_HZ : 25 * RATE_HZ] += 0.5 * speech(61, 10.0)
    found = timeline(samples, rate=RATE_HZ, model=small_model())
    assert [segment.label for segment in found.segments] == ["score"]


def test_in_a_room_that_hums_nobody_plays():
    hum = 0.05 * harmonics(110, 60.0) + noise(1, 60.0)
    found = timeline(hum, rate=RATE_HZ, model=small_model())
    assert [segment.label for segment in found.segments] == ["no_music"]


def test_what_comes_much_later_changes_nothing(programme, heard):
    with Spool() as spool:
        longer = listen(blocks(np.concatenate([programme, song(9, 20.0)]), RATE_HZ), small_model(), spool)
    clear = len(heard.heads) - 2 * WINDOW_POINTS
    np.testing.assert_allclose(longer.heads[:clear], heard.heads[:clear], atol=1e-4)


def openings(music, speech):
    """Of the gate, where these logits are heard at every point."""
    heads = np.zeros((len(music), len(small_model().ear.heads)), np.float32)
    for head, logits in ((MUSIC, music), (SPEECH, speech)):
        heads[:, small_model().ear.heads.index(head)] = logits
    return _openings(heads, small_model())


def test_the_gate_opens_by_how_much_of_the_music_is_spoken_over():
    music, half = np.ones(400), np.where(np.arange(400) % 2, 1.0, -1.0)
    np.testing.assert_allclose(openings(music, half), GATE_OPENING, atol=1e-9)
    always, never = openings(music, music), openings(music, -music)
    assert always.min() > GATE_OPENING + 5
    np.testing.assert_allclose(always - GATE_OPENING, GATE_OPENING - never, atol=1e-9)


def test_speech_without_music_says_nothing_about_the_gate():
    silent, talk = -np.ones(400), np.ones(400)
    np.testing.assert_allclose(openings(silent, talk), GATE_OPENING, atol=1e-9)
    unspoken = np.concatenate([-talk, talk])
    music = -unspoken
    np.testing.assert_allclose(
        openings(music, unspoken)[0], openings(music[:400], unspoken[:400])[0], atol=1e-9
    )


def test_only_the_minutes_around_open_the_gate():
    """A song an hour before a film begins is told from it."""
    points = 3 * TALK_POINTS
    speech = np.where(np.arange(points) < points - TALK_POINTS, -1.0, 1.0)
    found = openings(np.ones(points), speech)
    assert found[: TALK_POINTS + TALK_POINTS // 3].max() < GATE_OPENING - 5
    assert found[-TALK_POINTS // 3 :].min() > GATE_OPENING + 5


ALIKE, RISING, AWAY = np.full(300, -1.0), 1.0 + np.arange(100), np.full(30, np.inf)


@pytest.mark.parametrize(
    ("hidden", "points"),
    [
        (np.where(np.arange(100) % 4, 1.0, -1.0), range(0, 100, 4)),
        (RISING, range(15)),
        (RISING[::-1], range(85, 100)),
        (RISING[:40], range(LEAST_GLIMPSED)),
        (RISING[:7], range(7)),
        (ALIKE, range(MOST_GLIMPSED)),
        (np.concatenate([AWAY, RISING[:12]]), range(30, 40)),
    ],
    ids=[
        "wherever nobody speaks",
        "least",
        "in order",
        "no fewer",
        "all there are",
        "no more",
        "only at music",
    ],
)
def test_glimpses_are_taken_where_least_is_spoken(hidden, points):
    assert least_hidden(hidden).tolist() == list(points)


def test_a_glimpse_is_the_call_on_what_is_left_between_the_words(programme, heard, spool):
    """The stretches without speech as one clip, whatever is said beside them."""
    model, heads = small_model(), heard.heads.copy()
    part, spoken = slice(100, 140), heads[:, model.ear.heads.index(SPEECH)]
    spoken[:] = 3.0
    spoken[103:112] = spoken[120:131] = -3.0
    # Beside the first and the last of each someone speaks.
    whole = analyze([programme])
    clear = joined([whole[SEGMENT_FRAMES * a : SEGMENT_FRAMES * b] for a, b in ((104, 111), (121, 130))])
    features = measure(clear, source="", windows=False)
    row = decision_row(features, model.ear(features.segments), model.ear.heads)
    music = np.ones(len(heads))
    (logit,) = glimpses(replace(heard, heads=heads), music, [part], spool, model)
    assert logit == pytest.approx(float(model.decision(row[None])[0]), abs=1e-6)


def test_what_all_but_falls_silent_is_neither_music_nor_sung(heard):
    sung = weigh(heard, small_model()).sung
    faint = weigh(replace(heard, level_db=np.where(sung, -60.0, -20.0)), small_model())
    assert sung.any()
    assert not faint.sung[sung].any()
    assert (faint.music[sung] == -SUREST).all()


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_glimpses_count_as_much_as_is_spoken(heard, spool, share):
    model, talk = small_model(), replace(heard, dialogue=np.full(len(heard.dialogue), share))
    before = weigh(talk, model)
    asked, weight = list[slice](), share * GLIMPSE_WEIGHT
    after = heard_again(before, talk, spool, model, lambda cues: asked.extend(cues) or asked)
    parts = [slice(first, end) for first, end, state in before.runs() if STATES[state] != "no_music"]
    expected = before.song.copy()
    for part, glimpse in zip(parts, glimpses(talk, before.music, parts, spool, model), strict=True):
        expected[part] = (before.song[part] + weight * glimpse) / (1 + weight)
    assert len(parts) >= 3
    assert asked == (parts if share else [])
    np.testing.assert_allclose(after.song, expected)
    np.testing.assert_array_equal(after.music, before.music)


def test_where_nobody_speaks_nothing_is_heard_again(heard):
    quiet, model = replace(heard, dialogue=np.zeros(len(heard.dialogue))), small_model()
    before = weigh(quiet, model)
    with Spool() as empty:  # nothing could be heard of it
        np.testing.assert_array_equal(heard_again(before, quiet, empty, model).song, before.song)


def test_no_more_is_held_however_long_the_source():
    """Two hours of the same part: the stretch that windows are cut from does not grow, and none is missing."""
    part = analyze([song(4, 12.0).astype(np.float32)])[:512]
    frames, size, stride = 600 * 512, WINDOW_POINTS * SEGMENT_FRAMES, STRIDE_POINTS * SEGMENT_FRAMES
    held, lengths = [], []
    for window in _windows(repeat(part, 600)):
        held.append(window.mel_power.base.shape[1])
        lengths.append(window.n_frames)
    assert max(held) < 2000
    assert set(lengths[:-1]) == {size}
    assert len(lengths) == -(-(frames - size) // stride) + 1
    assert (len(lengths) - 1) * stride + lengths[-1] == frames


def test_the_meter_reads_rms_levels():
    meter, point = _Meter(), SEGMENT_FRAMES * HOP
    tone = np.sin(2 * np.pi * 441 * np.arange(4 * point) / RATE_HZ).astype(np.float32)
    tone[point : 2 * point] *= 0.1
    tone[2 * point :] = 0
    assert sum(len(block) for block in meter.read(blocks(tone, 1000))) == len(tone)
    assert meter.level_db(4) == pytest.approx([-3.01, -23.01, -120, -120], abs=0.05)
    assert meter.duration_s == len(tone) / RATE_HZ


def test_str_and_dict_are_for_people_and_for_json(found):
    assert len(str(found).splitlines()) == len(found.segments) + len(found.warnings)
    plain = json.loads(json.dumps(found.to_dict()))
    assert [s["label"] for s in plain["segments"]] == [s.label for s in found.segments]
    assert plain["model_id"] == small_model().model_id


def evidence(points=80, *, music=4.0, song=-2.0, change=0.0, unlike=OTHER_PIECE, clear=1.0):
    """The same throughout."""
    full = [np.full(points, value) for value in (music, song, change, unlike, clear)]
    return Evidence(full[0], full[1], np.zeros(points, bool), *full[2:])


def test_where_the_music_changes_a_new_cue_of_the_same_label_begins():
    heard = evidence()
    heard.change[40] = 0.5
    assert np.flatnonzero(heard.new_cues()).tolist() == [40]


def test_a_change_that_speech_explains_is_no_new_cue():
    heard = evidence(clear=0.2)
    heard.change[40] = 0.5
    assert not heard.new_cues().any()


def test_a_slow_change_is_no_new_cue():
    assert not evidence(change=0.05).new_cues().any()


def test_a_change_costs_less_where_the_sound_changes():
    heard = evidence()
    heard.change[40] = 0.3
    costs = heard.costs()[:, 0, 1]
    assert costs.argmin() == 40
    assert (costs > 0).all()


def test_where_the_same_plays_on_a_change_must_pay_for_more():
    """Where the singing sets in, that is; into and out of no music it costs as much as ever."""
    other, same = (evidence(change=0.4, unlike=unlike).costs()[40] for unlike in (OTHER_PIECE, 0.2))
    assert same[0, 1] - other[0, 1] == pytest.approx(SAME_PIECE_COST * (OTHER_PIECE - 0.2))
    assert same[1, 0] - other[1, 0] == pytest.approx(SAME_PIECE_COST * (OTHER_PIECE - 0.2))
    np.testing.assert_array_equal(same[2], other[2])
    np.testing.assert_array_equal(same[:, 2], other[:, 2])


def test_a_song_begins_with_what_plays_before_it_is_sung():
    sung = evidence(160, song=-1.0)
    sung.change[60] = 0.4
    sung.song[60:] = 3.0
    for unlike, labels in ((0.2, [1]), (OTHER_PIECE, [0, 1])):
        sung.unlike[:] = unlike
        assert [state for *_, state in sung.runs()] == labels


def test_voices_do_not_make_what_plays_unlike():
    heads = small_model().ear.heads
    logits = np.zeros((200, len(heads)), np.float32)
    logits[100:, [heads.index(head) for head in (VOICE, "tag_female voice", "tag_no vocals", STANDALONE)]] = 5
    assert not _unlike(logits, heads).any()
    logits[100:, heads.index("tag_guitar")] = 5
    assert _unlike(logits, heads).argmax() == 100
    assert (_unlike(logits[:, :2], (VOICE, STANDALONE)) > OTHER_PIECE).all()


def test_gains_prefer_what_the_logits_say():
    for logits, state in (((3.0, -2.0), "score"), ((3.0, 2.0), "song"), ((-3.0, 2.0), "no_music")):
        gains = evidence(1, music=logits[0], song=logits[1]).gains()[0]
        assert STATES[int(gains.argmax())] == state
