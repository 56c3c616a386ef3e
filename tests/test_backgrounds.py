"""What is background only, and what is a cue."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import RATE_HZ, harmonics, noise, score, small_model, speech

from scoreorsong.backgrounds import AROUND_POINTS, BLOCK_POINTS, LEAST_AROUND, backgrounds
from scoreorsong.evidence import OTHER_PIECE, SUREST, Evidence, without_backgrounds
from scoreorsong.features import SEGMENT_FRAMES, SEGMENT_S
from scoreorsong.hearing import SPEECH
from scoreorsong.listening import Heard
from scoreorsong.spectra import HOP, analyze
from scoreorsong.spool import Spool


def found(samples, run, *, without=(0, 0), spoken=()):
    """Which points of a run are background only, where there is no music within `without` and someone speaks within `spoken`."""
    with Spool([analyze([samples.astype(np.float32)])]) as spool:
        points = -(-spool.n_frames // SEGMENT_FRAMES)
        nothing, words = np.zeros(points, bool), np.full(points, -3.0)
        nothing[slice(*without)] = True
        for part in spoken:
            words[slice(*part)] = 3.0
        return sorted({int(p) for part in backgrounds(slice(*run), nothing, words, spool) for p in part})


def seconds(points):
    """Of sound in so many points."""
    return points * SEGMENT_FRAMES * HOP / RATE_HZ


def uneven(samples):
    """Louder and softer by 4 dB within a second: not steady, but the same throughout."""
    time_s = np.arange(len(samples)) / RATE_HZ
    return samples * 10 ** (4 * np.sin(2 * np.pi * time_s) / 20)


def hum(points):
    return noise(1, seconds(points)) + 0.1 * harmonics(110, seconds(points))


def test_in_a_hum_nothing_changes():
    assert found(hum(60), (0, 60)) == list(range(60))


def test_a_hum_is_found_in_the_midst_of_a_run():
    samples = np.concatenate(
        [score(51, seconds(BLOCK_POINTS)), hum(2 * BLOCK_POINTS), score(52, seconds(BLOCK_POINTS))]
    )
    assert found(samples, (0, 4 * BLOCK_POINTS)) == list(range(BLOCK_POINTS, 3 * BLOCK_POINTS))


@pytest.mark.parametrize("seed", range(51, 57))
def test_a_pad_that_swells_and_falls_is_a_cue(seed):
    assert found(score(seed, seconds(40)), (0, 40)) == []


def test_so_is_one_that_swells_over_a_steady_hiss():
    """It changes in a few bands only."""
    assert found(score(53, seconds(40)) + 0.01 * noise(1, seconds(40)), (0, 40)) == []


N = LEAST_AROUND
TALK = {"without": (0, N), "spoken": [(0, N - 20)]}


def test_what_sounds_as_the_talk_around_it_is_background():
    assert found(uneven(hum(N + 40)), (N, N + 40), **TALK) == list(range(N, N + 40))
    assert found(uneven(hum(N + 40)), (N, N + 40)) == []


def test_a_cue_begins_and_ends():
    room = uneven(0.1 * hum(N + 40))
    room[round(seconds(N) * RATE_HZ) :] += score(51, seconds(40))
    assert found(room, (N, N + 40), **TALK) == []


def test_words_over_the_background_change_nothing():
    room, spoken = uneven(0.1 * hum(N + 40)), [(0, N - 20), (N, N + 25)]
    for first, end in spoken:
        words = speech(3, seconds(end - first))
        start = round(seconds(first) * RATE_HZ)
        room[start : start + len(words)] += words
    assert found(room, (N, N + 40), without=(0, N), spoken=spoken) == list(range(N, N + 40))


def test_where_nobody_speaks_the_surroundings_may_be_music_too():
    assert found(uneven(hum(N + 40)), (N, N + 40), without=(0, N), spoken=[(0, N // 2)]) == []


def test_too_little_or_too_far_away_to_compare_with():
    room, far = uneven(hum(N + 40)), uneven(hum(AROUND_POINTS + N + 40))
    assert found(room, (N, N + 40), without=(1, N), spoken=[(0, N)]) == []
    assert found(room, (N, N + 40), without=(0, N), spoken=[(0, N)]) == list(range(N, N + 40))
    assert found(far, (AROUND_POINTS + N, AROUND_POINTS + N + 40), **TALK) == []


def test_what_was_found_is_compared_with():
    """First what is steady, then what sounds like it; what is a cue stays as it was."""
    steady, end = 3 * BLOCK_POINTS, 3 * BLOCK_POINTS + 60
    samples = np.concatenate([hum(steady), uneven(hum(20)), 2 * score(51, seconds(40))])
    model, zeros = small_model(), np.zeros(end)
    heads = np.zeros((end, len(model.ear.heads)), np.float32)
    heads[:, model.ear.heads.index(SPEECH)] = np.where(np.arange(end) < steady, 3.0, -3.0)
    heard = Heard(heads, np.ones(end), zeros, np.zeros(22), np.zeros(22), end * SEGMENT_S)
    alike, clear = np.full(end, OTHER_PIECE), np.ones(end)
    before = Evidence(np.full(end, SUREST), zeros, zeros > 0, zeros.copy(), alike, clear)
    before.change[steady + 20] = 1.0
    with Spool([analyze([samples.astype(np.float32)])]) as spool:
        after = without_backgrounds(before, heard, spool, model)
    assert before.cues() == [slice(0, steady + 20), slice(steady + 20, end)]
    assert after.cues() == [slice(steady + 20, end)]
    np.testing.assert_array_equal(after.music[steady + 20 :], SUREST)
