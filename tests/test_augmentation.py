"""Variants are the same for a seed, sound for any clip, and mixed as loud as was asked for."""

from __future__ import annotations

import numpy as np
import pytest

from scoreorsong import augmentation
from scoreorsong.audio import RATE_HZ

KEEPING = ("equalise", "limit_band", "reverberate", "saturate", "code_mp3")
ALL = (*KEEPING, "excerpt", "vary")


def seeded(seed=0):
    return np.random.default_rng(seed)


def level_db(samples):
    return 20 * np.log10(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def change_db(samples, step, **options):
    """Gain of a step at 15 Hz, 1 kHz and 10.5 kHz for the samples' noise."""
    before, after = (np.abs(np.fft.rfft(s)) for s in (samples, step(samples, seeded(**options))))
    hz = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    bands = [(hz > centre / 1.1) & (hz < centre * 1.1) for centre in (15, 1000, 10500)]
    return [20 * np.log10(after[b].mean() / before[b].mean()) for b in bands]


@pytest.mark.parametrize("name", ALL)
def test_a_seed_gives_one_variant_and_leaves_the_clip_alone(voice, name):
    step, samples = getattr(augmentation, name), voice(30.0)
    kept = samples.copy()
    variants = [step(samples, seeded(seed)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(samples, kept)
    np.testing.assert_array_equal(variants[0], variants[1])
    assert variants[0].shape != variants[2].shape or not np.array_equal(variants[0], variants[2])


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("seed", range(4))
def test_every_variant_is_finite_float32(voice, clicks, noise, silence, name, seed):
    step = getattr(augmentation, name)
    dc, short = np.full(RATE_HZ, 0.5, np.float32), voice(0.06)
    for samples in (voice(9.0), clicks(9.0), 100 * noise(9.0), 1e-5 * noise(9.0), silence(9.0), dc, short):
        variant = step(samples, seeded(seed))
        assert variant.dtype == np.float32
        assert np.isfinite(variant).all()
        assert 0 < len(variant) <= len(samples)


@pytest.mark.parametrize("name", KEEPING)
def test_all_but_an_excerpt_keep_the_length(voice, name):
    for seconds in (0.1, 3.0, 7.77):
        samples = voice(seconds)
        assert len(getattr(augmentation, name)(samples, seeded())) == len(samples)


def test_an_excerpt_is_a_part_of_8_to_45_s(noise):
    samples = noise(60.0)
    for seed in range(20):
        part = augmentation.excerpt(samples, seeded(seed))
        assert 8 * RATE_HZ - 1 <= len(part) <= 45 * RATE_HZ + 1
        start = int(np.flatnonzero(samples == part[0])[0])
        np.testing.assert_array_equal(part, samples[start : start + len(part)])


def test_a_short_clip_is_its_own_excerpt(noise):
    np.testing.assert_array_equal(augmentation.excerpt(noise(5.0), seeded()), noise(5.0))


@pytest.mark.parametrize("seed", range(5))
def test_a_narrow_band_loses_lows_and_highs_and_keeps_the_middle(noise, seed):
    low, middle, high = change_db(noise(4.0), augmentation.limit_band, seed=seed)
    assert abs(middle) < 1
    assert low < -20
    assert high < -1


@pytest.mark.parametrize("seed", range(5))
def test_equalising_stays_within_its_range(noise, seed):
    assert abs(change_db(noise(4.0), augmentation.equalise, seed=seed)[1]) < 4.5
    assert max(map(abs, change_db(noise(4.0), augmentation.equalise, seed=seed))) < 4 + 3 * 6.5


def test_a_room_rings_after_the_sound(silence, noise):
    samples = silence(3.0)
    samples[:RATE_HZ] = noise(1.0)
    after = augmentation.reverberate(samples, seeded())[RATE_HZ + 100 :]
    assert -50 < level_db(after[:1000]) - level_db(noise(1.0)) < -3
    assert level_db(after[-1000:]) < level_db(after[:1000]) - 10


def test_saturation_flattens(noise):
    samples = noise(3.0)
    flat = augmentation.saturate(samples, seeded())
    assert np.abs(flat).max() <= 1
    assert np.abs(flat).max() / flat.std() < np.abs(samples).max() / samples.std()


def test_mp3_is_close_but_not_the_same(voice):
    samples = voice(4.0)
    coded = augmentation.code_mp3(samples, seeded())
    coded = coded * (samples.std() / coded.std())
    assert 0 < np.square(coded - samples).mean() < 0.1 * np.square(samples).mean()


@pytest.mark.parametrize("ratio_db", [-10, 0, 6, 20])
@pytest.mark.parametrize("other_s", [2.0, 10.0, 30.0])
def test_mix_stands_apart_by_the_ratio(voice, noise, ratio_db, other_s):
    music, other = voice(10.0), 3 * noise(other_s)
    mixed = augmentation.mix(music, other, ratio_db)
    assert mixed.shape == music.shape
    laid = mixed - music
    got_db = 20 * np.log10(augmentation.active_rms(music) / augmentation.active_rms(laid))
    assert got_db == pytest.approx(ratio_db, abs=0.5)


def test_mix_repeats_with_a_rest(voice, noise):
    laid = augmentation.mix(voice(10.0), noise(2.0), 0) - voice(10.0)
    np.testing.assert_allclose(laid[: 2 * RATE_HZ], laid[3 * RATE_HZ : 5 * RATE_HZ], atol=1e-6)
    np.testing.assert_allclose(laid[2 * RATE_HZ : 3 * RATE_HZ], 0, atol=1e-6)


def test_mix_with_silence_changes_nothing_that_sounds(voice, silence):
    np.testing.assert_array_equal(augmentation.mix(voice(3.0), silence(1.0), 0), voice(3.0))
    assert np.abs(augmentation.mix(silence(3.0), voice(1.0), 0)).max() < 1e-6


def test_active_level_leaves_rests_out(voice, silence):
    samples = np.concatenate([voice(5.0), silence(20.0)])
    assert augmentation.active_rms(samples) == pytest.approx(augmentation.active_rms(voice(5.0)), rel=0.02)
    assert augmentation.active_rms(silence(1.0)) == pytest.approx(0, abs=1e-6)


def test_vary_takes_some_steps_and_leaves_others(voice):
    """Over many seeds some variants are the clip itself, and most are not."""
    samples = voice(1.0)
    same = sum(np.array_equal(augmentation.vary(samples, seeded(seed)), samples) for seed in range(60))
    assert 1 <= same <= 20
