"""Variants are the same for a seed, sound for any clip, and mixed as loud as was asked for."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
import soundfile

from scoreorsong import augmentation
from scoreorsong.audio import RATE_HZ
from scoreorsong.augmentation import CHECKS, COPIES, ENDS, checks
from scoreorsong.extraction import extract
from scoreorsong.spectra import analyze

KEEPING = ("equalise", "limit_band", "reverberate", "saturate", "fade", "hiss", "crackle", "code_mp3")
ALL = (*KEEPING, "vary")


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
def test_every_step_keeps_the_length(voice, name):
    for seconds in (0.1, 3.0, 7.77):
        samples = voice(seconds)
        assert len(getattr(augmentation, name)(samples, seeded())) == len(samples)


def test_an_excerpt_is_a_part_of_8_to_45_s_or_all():
    length = 60 * RATE_HZ
    parts = [augmentation.excerpt(length, seeded(seed)) for seed in range(200)]
    shorter = [part for part in parts if part != slice(0, length)]
    assert len(shorter) / len(parts) == pytest.approx(augmentation.EXCERPT_CHANCE, abs=0.1)
    for part in shorter:
        assert 8 * RATE_HZ - 1 <= part.stop - part.start <= 45 * RATE_HZ + 1
        assert 0 <= part.start < part.stop <= length


def test_a_short_clip_is_its_own_excerpt():
    assert {augmentation.excerpt(5 * RATE_HZ, seeded(seed)).stop for seed in range(20)} == {5 * RATE_HZ}


@pytest.mark.parametrize("seed", range(5))
def test_laid_is_cut_or_heard_again_after_a_second_of_rest(noise, seed):
    samples = noise(2.0)
    np.testing.assert_array_equal(augmentation.laid(samples, RATE_HZ, seeded(seed)), samples[:RATE_HZ])
    laid = augmentation.laid(samples, 20 * RATE_HZ, seeded(seed))
    assert len(laid) == 20 * RATE_HZ
    np.testing.assert_array_equal(laid[: 2 * RATE_HZ], samples)
    assert not laid[2 * RATE_HZ : 3 * RATE_HZ].any()
    assert laid[3 * RATE_HZ : round(4.7 * RATE_HZ)].all()  # none takes less than 2 s over 1.15


@pytest.mark.parametrize("seed", range(5))
def test_nothing_laid_returns_to_the_letter(noise, seed):
    """Or repetition would tell who is spoken over from who is not."""
    samples = noise(2.0)
    rest = augmentation.laid(samples, 20 * RATE_HZ, seeded(seed))[len(samples) :]
    alike = np.abs(scipy.signal.correlate(rest, samples)) / np.square(samples).sum()
    assert alike.max() < 0.3


@pytest.mark.parametrize("seed", range(20))
def test_what_is_heard_again_is_faster_or_slower_by_a_seventh_at_most(tone, seed):
    samples = tone(4.0, hz=440)
    faster = len(samples) / len(augmentation.again(samples, seeded(seed)))
    assert 1 / augmentation.MOST_FASTER <= faster <= augmentation.MOST_FASTER
    assert faster != 1
    pitch = extract(augmentation.again(samples, seeded(seed)), rate=RATE_HZ)["pitch_median"]
    assert pitch == pytest.approx(24 + 12 * np.log2(faster), abs=0.3)


@pytest.mark.parametrize("seed", range(20))
def test_what_is_acted_takes_about_as_long_and_is_about_as_loud(noise, seed):
    samples = noise(6.0)
    acted = augmentation.acted(samples, seeded(seed))
    faster = len(samples) / len(acted)
    furthest = augmentation.MOST_HIGHER * augmentation.MOST_SWING
    assert 1 / furthest - 1e-3 <= faster <= furthest + 1e-3
    assert abs(level_db(acted) - level_db(samples)) < augmentation.MOST_LOUDER_DB
    assert np.isfinite(acted).all()
    assert acted.dtype == np.float32


def test_who_acts_swings_in_pitch_and_loudness_as_who_reads_does_not(tone):
    """Most of ten do so by a good part of the most that is asked for."""
    read = tone(10.0, hz=440)
    acted = [augmentation.acted(read, seeded(seed)) for seed in range(10)]
    pitches = [analyze([samples]).pitch[0, 5:-5] for samples in acted]
    assert analyze([read]).pitch[0, 5:-5].std() < 0.01
    assert np.median([pitch.std() for pitch in pitches]) > 0.5
    assert np.std([np.median(pitch) for pitch in pitches]) > 0.5
    seconds = [[level_db(part) for part in np.array_split(samples, 10)] for samples in acted]
    assert np.median([np.ptp(levels) for levels in seconds]) > 1


def test_a_seed_acts_the_same_way(noise):
    acted = [augmentation.acted(noise(3.0), seeded(seed)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(acted[0], acted[1])
    assert len(acted[0]) != len(acted[2])


@pytest.fixture
def at_one_speed(monkeypatch):
    """Whoever is heard again is heard as before."""
    monkeypatch.setattr(augmentation, "again", lambda samples, _: samples)


@pytest.mark.parametrize("seed", range(5))
def test_they_speak_by_turns_as_loud_with_rests_in_between(at_one_speed, seed):
    """The one holds a positive voltage, the other a negative one."""
    voices = [np.full(10 * RATE_HZ, level, np.float32) for level in (0.5, -0.01)]
    scene = augmentation.by_turns(voices, 60 * RATE_HZ, seeded(seed))
    assert len(scene) == 60 * RATE_HZ
    assert set(np.unique(scene.round(3))) == {-1.0, 0.0, 1.0}
    said = np.split(scene, np.flatnonzero(np.diff(scene)) + 1)
    assert [float(part[0].round(3)) for part in said][:6] == [1, 0, -1, 0, 1, 0]
    lengths = [len(part) / RATE_HZ for part in said[:-1]]
    for got, (least, most) in ((lengths[::2], augmentation.TURN_S), (lengths[1::2], augmentation.REST_S)):
        assert min(got) >= least - 1e-3
        assert max(got) <= most + 1e-3


def test_who_has_less_to_say_than_a_turn_says_all_of_it(at_one_speed, noise):
    scene = augmentation.by_turns([noise(0.5)], 30 * RATE_HZ, seeded(0))
    spoken = np.flatnonzero(scene)
    first = scene[spoken[0] :][: RATE_HZ // 2]
    np.testing.assert_allclose(first, noise(0.5) / augmentation.active_rms(noise(0.5)), rtol=1e-5)


def test_who_has_less_to_say_says_all_of_it_at_any_speed(noise):
    scene = augmentation.by_turns([noise(0.5)], 30 * RATE_HZ, seeded(0))
    said = np.split(scene, np.flatnonzero(np.diff(scene == 0)) + 1)
    lengths = [len(part) / RATE_HZ for part in said if part.any() and len(part) > 100][:-1]
    assert min(lengths) >= 0.5 / augmentation.MOST_FASTER - 1e-3
    assert max(lengths) <= 0.5 * augmentation.MOST_FASTER + 1e-3


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


@pytest.mark.parametrize("seed", range(8))
def test_a_fade_leaves_the_middle_alone(noise, seed):
    samples = noise(60.0)
    faded = augmentation.fade(samples, seeded(seed))
    middle = slice(12 * RATE_HZ, -12 * RATE_HZ)
    np.testing.assert_array_equal(faded[middle], samples[middle])
    ends = [level_db(faded[part]) for part in (slice(1000), slice(-1000, None))]
    assert min(ends) < level_db(samples) - 20


def test_some_fade_in_some_out_some_both(noise):
    samples = noise(9.0)
    faded = [augmentation.fade(samples, seeded(seed)) for seed in range(40)]
    assert {(bool(f[0]), bool(f[-1])) for f in faded} == {(False, False), (False, True), (True, False)}


@pytest.mark.parametrize("seed", range(8))
def test_hiss_is_steady_and_under_the_music(tone, seed):
    samples = tone(6.0)
    added = augmentation.hiss(samples, seeded(seed)) - samples
    under_db = level_db(samples) - level_db(added)
    assert 14 < under_db < 46
    seconds = [level_db(second) for second in added.reshape(6, -1)]
    assert max(seconds) - min(seconds) < 6  # brown noise swells a little


@pytest.mark.parametrize("seed", range(8))
def test_crackle_is_short_and_now_and_then(silence, tone, seed):
    samples = tone(60.0)
    changed = np.abs(augmentation.crackle(samples, seeded(seed)) - samples) > 1e-4 * np.abs(samples).max()
    clicks = np.count_nonzero(np.diff(changed.astype(int)) > 0) / 60
    assert 0.1 < clicks < 60  # one may be broken in two where it crosses zero
    assert changed.mean() < 0.04


def test_mp3_is_close_but_not_the_same(voice):
    samples = voice(4.0)
    coded = augmentation.code_mp3(samples, seeded())
    coded = coded * (samples.std() / coded.std())
    assert 0 < np.square(coded - samples).mean() < 0.1 * np.square(samples).mean()


@pytest.mark.parametrize("ratio_db", [-10, 0, 6, 20])
@pytest.mark.parametrize("other_s", [2.0, 10.0, 30.0])
def test_mix_stands_apart_by_the_ratio(voice, noise, ratio_db, other_s):
    music, other = voice(10.0), augmentation.laid(3 * noise(other_s), 10 * RATE_HZ, seeded())
    mixed = augmentation.mix(music, other, ratio_db)
    assert mixed.shape == music.shape
    laid = mixed - music
    got_db = 20 * np.log10(augmentation.active_rms(music) / augmentation.active_rms(laid))
    assert got_db == pytest.approx(ratio_db, abs=0.5)


def test_mix_with_silence_changes_nothing_that_sounds(voice, silence):
    np.testing.assert_array_equal(augmentation.mix(voice(3.0), silence(3.0), 0), voice(3.0))
    assert np.abs(augmentation.mix(silence(3.0), voice(3.0), 0)).max() < 1e-6


def test_active_level_leaves_rests_out(voice, silence):
    samples = np.concatenate([voice(5.0), silence(20.0)])
    assert augmentation.active_rms(samples) == pytest.approx(augmentation.active_rms(voice(5.0)), rel=0.02)
    assert augmentation.active_rms(silence(1.0)) == pytest.approx(0, abs=1e-6)


def test_vary_takes_some_steps_and_leaves_others(voice):
    """Over many seeds some variants are the clip itself, and most are not."""
    samples = voice(1.0)
    same = sum(np.array_equal(augmentation.vary(samples, seeded(seed)), samples) for seed in range(200))
    assert 1 <= same <= 60


# ---- checks


def read_back(samples, name):
    return dict(checks(samples))[name]


def share_over(samples, hz):
    power = np.abs(np.fft.rfft(samples)) ** 2
    return power[np.fft.rfftfreq(len(samples), 1 / RATE_HZ) > hz].sum() / power.sum()


@pytest.mark.parametrize(
    ("name", "container", "subtype", "rate_hz", "channels"),
    [
        ("at -20 dB", "WAV", "PCM_16", RATE_HZ, 1),
        ("as MP3 64 kbit/s", "MP3", "MPEG_LAYER_III", RATE_HZ, 1),
        ("in stereo", "WAV", "FLOAT", RATE_HZ, 2),
        ("from 16 kHz", "WAV", "FLOAT", 16_000, 1),
        ("first 20 s", "WAV", "FLOAT", RATE_HZ, 1),
        ("last 20 s", "WAV", "FLOAT", RATE_HZ, 1),
    ],
)
def test_a_check_is_the_file_that_its_name_says(voice, name, container, subtype, rate_hz, channels):
    file = CHECKS[name](voice(41.0))
    file.seek(0)
    info = soundfile.info(file)
    assert (info.format, info.subtype, info.samplerate, info.channels) == (
        container, subtype, rate_hz, channels
    )  # fmt: skip
    assert info.duration == pytest.approx(20 if name in ENDS else 41, abs=0.01)


@pytest.mark.parametrize("gain", [0.01, 1.0])
def test_the_mp3_has_64_kbit_per_second_whatever_sounds(voice, noise, silence, gain):
    for samples in (voice(30.0), noise(30.0), silence(30.0)):
        size = augmentation.constant_mp3(gain * samples).getbuffer().nbytes
        assert size * 8 / 30 == pytest.approx(64_000, rel=0.01)


def test_at_minus_20_db_there_is_a_tenth_in_steps_of_16_bits(voice):
    samples = voice(5.0)
    quiet = read_back(samples, "at -20 dB")
    np.testing.assert_allclose(quiet, 0.1 * samples, atol=2**-15)
    assert np.abs(quiet - 0.1 * samples).max() > 2**-18
    assert level_db(quiet) == pytest.approx(level_db(samples) - 20, abs=0.01)


def test_stereo_is_mixed_down_again(voice):
    samples = 5 * voice(5.0)
    assert np.abs(samples).max() > 1.5  # decoded clips do peak over full scale
    file = augmentation.stereo_wav(samples)
    file.seek(0)
    left, right = soundfile.read(file)[0].T
    assert level_db(left) > level_db(right) + 6
    np.testing.assert_allclose(read_back(samples, "in stereo"), (left + right) / 2, atol=1e-6)
    np.testing.assert_allclose((left + right) / 2, 0.55 * samples, atol=1e-6)


def test_from_16_khz_all_is_there_but_the_highs(noise):
    samples = noise(4.0)
    low = read_back(samples, "from 16 kHz")
    assert len(low) == len(samples)
    assert share_over(samples, 8100) > 0.2
    assert share_over(low, 8100) < 1e-4
    before, after = (np.fft.rfft(s)[: 4 * 7000] for s in (samples, low))
    np.testing.assert_allclose(np.abs(after), np.abs(before), atol=0.02 * np.abs(before).max())


def test_the_mp3_sounds_like_the_clip(voice):
    samples = voice(5.0)
    coded = read_back(samples, "as MP3 64 kbit/s")
    assert coded.shape == samples.shape
    assert 0 < np.square(coded - samples).mean() < 0.01 * np.square(samples).mean()


def test_the_ends_are_the_clips_and_do_not_overlap(noise):
    samples = noise(40.0)
    first, last = (read_back(samples, name) for name in ("first 20 s", "last 20 s"))
    np.testing.assert_array_equal(np.concatenate([first, last]), samples)
    assert [name for name, _ in checks(samples)] == [*COPIES, *ENDS]
    assert [name for name, _ in checks(samples[1:])] == list(COPIES)


def test_checks_are_the_same_again_and_finite_for_any_clip(voice, clicks, noise, silence):
    for samples in (voice(9.0), clicks(9.0), 100 * noise(2.0), silence(9.0), voice(0.06)):
        kept = samples.copy()
        for (name, one), (_, again) in zip(checks(samples), checks(samples), strict=True):
            np.testing.assert_array_equal(one, again)
            assert one.dtype == np.float32
            assert one.shape == samples.shape, name
            assert np.isfinite(one).all()
        np.testing.assert_array_equal(samples, kept)
