"""Truths about the named numbers: some for every feature and every signal, some for one alone."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.signal
from conftest import (
    RATE_HZ,
    make_clicks,
    make_glide,
    make_mix,
    make_noise,
    make_silence,
    make_tone,
    make_voice,
)
from helpers import speech
from make_golden import GOLDEN, measured

from scoreorsong import features as ft
from scoreorsong.extraction import extract
from scoreorsong.features import measure, schema, spectral, structure, vector, vocals
from scoreorsong.features.clip import Clip
from scoreorsong.features.statistics import quantiles, slope_per_minute, smooth
from scoreorsong.spectra import FRAMES_PER_S, analyze

LOW = np.array([feature.low for feature in schema.FEATURES])
HIGH = np.array([feature.high for feature in schema.FEATURES])


def impulse(*, at_s=1.0):
    samples = make_silence()
    samples[round(at_s * RATE_HZ)] = 0.9
    return samples


SIGNALS = {
    "tone": make_tone(),
    "tone of 20 Hz": make_tone(hz=20),
    "tone of 9 kHz": make_tone(hz=9000),
    "clicks": make_clicks(),
    "voice": make_voice(),
    "glide": make_glide(octaves=3.0),
    "noise": make_noise(),
    "hiss": make_noise(gain=1e-5),
    "unscaled noise": make_noise(gain=1e4),
    "silence": make_silence(),
    "impulse": impulse(),
    "impulse at the start": impulse(at_s=0),
    "DC": np.full(6 * RATE_HZ, 0.5, np.float32),
    "square wave": 0.5 * np.sign(make_tone(hz=220) + np.float32(1e-6)),
    "alternating": np.tile(np.float32([0.5, -0.5]), 3 * RATE_HZ),
    "fade-in": make_noise() * np.linspace(0, 1, 6 * RATE_HZ, dtype=np.float32) ** 2,
    "0.05 s of tone": make_tone(0.05),
    "0.05 s of noise": make_noise(0.05),
    "0.2 s of tone": make_tone(0.2),
    "0.2 s of silence": make_silence(0.2),
    "1.3 s of voice": make_voice(1.3),
    "40 s of everything": make_mix(),
}
# Where there is no pulse, which lag is the least bad is up to rounding.
NEEDS_PULSE = ("tempo", "tempo_drift", "pulse_entropy", "pulse_stability")


def clip(samples):
    return vector(analyze([samples]))


def named(samples):
    return dict(zip(schema.NAMES, map(float, clip(samples)), strict=True))


def assert_alike(got, expected, *, relative, context=""):
    """Within `relative` of the value, or of 1 for small ones; names what is not."""
    off = np.abs(got - expected) > relative * np.maximum(np.abs(expected), 1)
    if expected[schema.INDEX["pulse_clarity"]] < 0.01:
        off[[schema.INDEX[name] for name in NEEDS_PULSE]] = False
    astray = {schema.NAMES[i]: (float(got[i]), float(expected[i])) for i in np.flatnonzero(off)}
    assert not astray, f"{context}: {astray}"


@pytest.fixture(params=SIGNALS)
def signal(request):
    return SIGNALS[request.param]


# ---- the schema


def test_names_are_many_and_unique():
    assert len(set(schema.NAMES)) == len(schema.NAMES) >= 120
    assert [schema.INDEX[name] for name in schema.NAMES] == list(range(len(schema.NAMES)))


def test_every_row_is_whole():
    for feature in schema.FEATURES:
        assert feature.low < feature.high, feature
        assert feature.unit, feature
        assert feature.meaning, feature
        assert "{" not in feature.name + feature.meaning, feature


@pytest.mark.parametrize(
    ("family", "module"), [("spectral", spectral), ("vocals", vocals), ("structure", structure)]
)
def test_each_family_returns_what_its_rows_name(family, module):
    expected = {feature.name for feature in schema.FEATURES if feature.family == family}
    assert expected
    assert set(module.describe(Clip(analyze([make_voice(2.0)])))) == expected


# ---- invariants of every feature


def test_finite_and_within_the_schemas_range(signal):
    values = clip(signal)
    assert values.shape == (len(schema.NAMES),)
    outside = ~((values >= LOW) & (values <= HIGH))  # NaN is outside, too
    assert not outside.any(), {schema.NAMES[i]: float(values[i]) for i in np.flatnonzero(outside)}


def test_the_same_at_half_the_gain(signal):
    assert_alike(clip(np.float32(0.5) * signal), clip(signal), relative=1e-3)


def test_segments_are_the_same_at_half_the_gain(signal):
    whole, half = (measure(analyze([gain * signal]), source="x") for gain in np.float32([1, 0.5]))
    np.testing.assert_allclose(half.segments, whole.segments, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(half.silent, whole.silent)


def test_the_same_upside_down(signal):
    assert_alike(clip(-signal), clip(signal), relative=1e-5)


@pytest.mark.parametrize(
    "name", [name for name in SIGNALS if name not in ("hiss", "silence", "0.2 s of silence")]
)
def test_the_same_at_a_tenth_of_the_gain(name):
    """As from any recording, with a noise floor: in a synthetic void there is only rounding to measure."""
    samples = SIGNALS[name]
    floor = np.abs(samples).max() * make_noise(len(samples) / RATE_HZ, gain=1e-4)
    assert_alike(clip(np.float32(0.1) * (samples + floor)), clip(samples + floor), relative=0.05)


def test_silence_at_the_ends_changes_nothing():
    samples, rest = make_voice(4.0) + make_noise(4.0, gain=1e-3), make_silence(1.0)
    length = len(samples) // 512 * 512
    padded = np.concatenate([np.zeros(512 * 40, np.float32), samples[:length], rest])
    got, expected = named(padded), named(samples[:length])
    for name in ("mfcc_01_mean", "glide_abs", "pulse_clarity", "level_range", "pitch_median", "key_clarity"):
        assert got[name] == pytest.approx(expected[name], rel=0.05, abs=0.02), name


# ---- spectral truths


def test_dark_and_bright_are_told_apart():
    dark, bright = named(make_tone(hz=150)), named(make_tone(hz=4000))
    assert dark["centroid_mean"] < bright["centroid_mean"]
    assert dark["rolloff_mean"] < bright["rolloff_mean"]
    assert dark["balance_bass"] > -1
    assert bright["balance_treble"] > -1


def test_noise_is_flat_and_a_tone_has_contrast():
    noise, voice = named(make_noise()), named(make_voice(semitones=0))
    for band in range(2, 7):
        assert noise[f"flatness_{band}_mean"] > 0.4 > voice[f"flatness_{band}_mean"]
    assert voice["contrast_2_mean"] > noise["contrast_2_mean"] + 10


def test_a_steady_tone_has_no_dynamics():
    steady = named(make_tone())
    for name in ("level_range", "level_std", "loudness_range", "quiet_share"):
        assert steady[name] == pytest.approx(0, abs=1), name  # the ends fade in a window


@pytest.mark.parametrize(("start", "end", "sign"), [(0.05, 1.0, 1), (1.0, 0.05, -1)])
def test_fades_have_a_slope(start, end, sign):
    samples = make_noise(20.0)
    faded = named(samples * np.geomspace(start, end, len(samples), dtype=np.float32))
    assert sign * faded["level_slope"] == pytest.approx(60, abs=25)  # 26 dB in 20 s, held at 60 dB/min
    assert sign * (faded["level_end"] - faded["level_start"]) > 15
    assert faded["level_drift"] > named(samples)["level_drift"] + 3


@pytest.mark.parametrize(
    ("hz", "name"), [(0.75, "0.5_1hz"), (1.5, "1_2hz"), (3, "2_4hz"), (6, "4_8hz"), (11, "8_16hz")]
)
def test_modulation_is_found_in_its_band(hz, name):
    samples = make_noise(12.0)
    swing = 0.55 + 0.45 * np.sin(2 * np.pi * hz * np.arange(len(samples)) / RATE_HZ)
    values = named((samples * swing).astype(np.float32))
    shares = {band: values[f"modulation_highmid_{band}"] for band in schema._RATES}
    assert max(shares, key=shares.get) == name
    assert shares[name] > 0.6
    assert values["modulation_highmid_depth"] > 3 * named(samples)["modulation_highmid_depth"]


# ---- vocal truths


def test_vibrato_glides_and_a_steady_tone_does_not():
    hiss = make_noise(gain=1e-3)  # so that no band is empty
    sung, steady = named(make_voice() + hiss), named(make_voice(semitones=0) + hiss)
    assert sung["glide_abs"] > 3 * steady["glide_abs"]
    assert sung["glide_vibrato"] > max(0.5, 2 * steady["glide_vibrato"])
    assert sung["pitch_vibrato"] > max(0.5, 2 * steady["pitch_vibrato"])
    assert sung["pitch_wobble"] > 5 * steady["pitch_wobble"]
    assert sung["pitch_glide_share"] > 0.5 > sung["pitch_hold_share"]
    assert steady["pitch_hold_share"] > 0.9 > steady["pitch_glide_share"]


def test_a_wobble_beyond_a_voices_rate_is_no_vibrato():
    assert named(make_voice(vibrato_hz=1.5))["pitch_vibrato"] < 0.3 < named(make_voice())["pitch_vibrato"]


@pytest.mark.parametrize("semitone", [-5, 0, 4, 9, 12, 17, 24, 30])
def test_the_median_pitch_is_the_sung_one(semitone):
    sung = named(make_voice(hz=110 * 2 ** (semitone / 12)))
    assert sung["pitch_median"] == pytest.approx(semitone, abs=0.5)
    coarse = 0.2 if semitone < 9 else 0  # there two semitones are one bin of the STFT
    assert sung["pitch_range"] == pytest.approx(1.2, abs=0.5 + coarse)  # ±0.6 semitones


HELD_ROWS = ("distance", "log_held", "held_0.15", "held_0.3", "fit")


def held(samples):
    """The rows of `held_pitch` by name, without what the ends do."""
    rows = vocals.held_pitch(Clip(analyze([np.asarray(samples, np.float32)])))
    assert rows.shape[0] == len(HELD_ROWS)
    return dict(zip(HELD_ROWS, rows[:, 5:-5], strict=True))


@pytest.mark.parametrize("cents", [-40, 0, 30])
@pytest.mark.parametrize("hz", [100.0, 220.0, 440.0])
def test_a_held_tone_is_a_note_of_the_music(hz, cents):
    """However the clip is tuned: its own semitones count."""
    rows = held(make_voice(6.0, hz=hz * 2 ** (cents / 1200), semitones=0))
    assert rows["distance"].max() < 0.05
    np.testing.assert_allclose(rows["log_held"], np.log(6.0), atol=0.05)
    assert rows["held_0.15"].all()
    assert rows["held_0.3"].all()


def test_a_held_tone_fits_the_harmony():
    for samples in (make_tone(), make_voice(hz=440.0, semitones=0)):
        np.testing.assert_allclose(held(samples)["fit"], 1, atol=1e-3)


def test_a_gliding_tone_passes_the_notes():
    rows, steady = held(make_glide(6.0, octaves=2.0)), held(make_voice(6.0, semitones=0))
    assert rows["distance"].mean() == pytest.approx(
        0.25, abs=0.03
    )  # as of any number to the nearest whole one
    assert rows["fit"].mean() < 0.6 < 0.9 < steady["fit"].mean()


def test_a_fast_glide_is_not_held():
    """Four octaves a second are 1.1 semitones a frame."""
    rows = held(make_glide(0.7, octaves=2.8, hz=110.0))
    np.testing.assert_allclose(rows["log_held"], np.log(1 / FRAMES_PER_S), atol=0.8)
    assert rows["held_0.15"].mean() < 0.1
    assert not rows["held_0.3"].any()


@pytest.mark.parametrize(("note_s", "short", "long"), [(0.1, 0, 0), (0.25, 1, 0), (0.5, 1, 1)])
def test_notes_are_held_for_as_long_as_they_sound(note_s, short, long):
    rows = held(melody([0, 4, 7, 12, 7, 4, 9, 5] * 4, note_s=note_s))
    assert np.median(np.exp(rows["log_held"])) == pytest.approx(note_s, abs=0.05)
    assert np.mean(rows["held_0.15"]) == pytest.approx(short, abs=0.25)
    assert np.mean(rows["held_0.3"]) == pytest.approx(long, abs=0.25)


def test_a_detuned_melody_is_as_well_in_tune_with_itself():
    notes = np.array([0, 4, 7, 12, 7, 4, 9, 5])
    for offset in (0.0, 0.3, -0.3):
        assert held(melody(notes + offset))["distance"].mean() < 0.03
    assert held(melody(notes + np.tile([0, 0.5], 4)))["distance"].mean() > 0.15


def test_speech_glides_past_the_notes_that_a_melody_holds():
    spoken, sung = held(speech(0, 8.0)), held(melody([0, 4, 7, 12, 7, 4, 9, 5] * 2))
    assert spoken["distance"].mean() > 5 * sung["distance"].mean()
    assert np.exp(spoken["log_held"]).mean() < 0.2 < np.exp(sung["log_held"]).mean()
    assert spoken["held_0.3"].mean() < 0.1 < 0.8 < sung["held_0.3"].mean()


def test_syllables_swing_the_voice_band():
    samples = make_voice(8.0, semitones=0) + make_noise(8.0, gain=1e-3)
    spoken = samples * (0.5 + 0.5 * np.sin(2 * np.pi * 4 * np.arange(len(samples)) / RATE_HZ))
    spoken, steady = named(spoken.astype(np.float32)), named(samples)
    assert spoken["voiceband_syllable_share"] > 0.6
    assert spoken["vocvar_1_q50"] > steady["vocvar_1_q50"]


# ---- structural truths


@pytest.mark.parametrize("bpm", [80, 100, 120, 150])
def test_clicks_have_their_tempo_or_its_octave(bpm):
    values = named(make_clicks(20.0, bpm=bpm))
    octaves = np.log2(values["tempo"] / bpm)
    assert octaves == pytest.approx(round(octaves), abs=0.05)
    assert values["pulse_clarity"] > 0.6
    assert values["onset_rate"] == pytest.approx(bpm / 60, rel=0.1)
    assert values["percussive_peak"] > 0.9


def test_noise_has_no_pulse():
    noise, clicks = named(make_noise(20.0)), named(make_clicks(20.0))
    assert noise["pulse_clarity"] < 0.2
    assert noise["pulse_entropy"] > clicks["pulse_entropy"]
    assert noise["onset_skewness"] < clicks["onset_skewness"]


def test_a_tone_has_no_percussion():
    tone = named(make_tone())
    assert tone["percussive_mean"] < 0.2
    assert tone["percussive_peak"] < 0.2


FRAME_ROWS = ("low", "mid", "high", "entropy", "peak", "change")


def frames(samples):
    """The rows of `structure.frames` by name, without what the ends do."""
    rows = structure.frames(analyze([np.asarray(samples, np.float32)]))
    assert rows.shape[0] == len(FRAME_ROWS)
    return dict(zip(FRAME_ROWS, rows[:, 10:-10], strict=True))


def test_percussion_is_told_by_region():
    """Of the two bursts a second each is louder than what a tone leaves."""
    bursts, tone = frames(make_clicks(6.0)), frames(make_tone(6.0))
    for region in ("low", "mid", "high"):
        assert np.quantile(bursts[region], 0.95) > 0.9
        assert np.quantile(tone[region], 0.95) < 0.5
    muffled = scipy.signal.sosfilt(scipy.signal.butter(8, 200, fs=RATE_HZ, output="sos"), make_clicks(6.0))
    low = frames(muffled + make_tone(6.0, hz=3000, gain=0.2))
    assert np.quantile(low["low"], 0.95) > 0.9
    assert low["high"].mean() < 0.5


def test_frames_tell_how_many_pitch_classes_there_are():
    tone, noise, chord = (
        frames(samples) for samples in (make_tone(), make_noise(), make_tone() + make_tone(hz=440 * 1.26))
    )
    assert tone["entropy"].max() < 0.2
    assert tone["peak"].min() > 0.9
    assert noise["entropy"].min() > 0.9
    assert noise["peak"].max() < 0.3
    assert chord["peak"] == pytest.approx(0.5, abs=0.1)
    assert 0.2 < chord["entropy"].mean() < 0.4  # of two alike: log 2 / log 12


def test_frames_tell_when_the_harmony_changes():
    """Within the half second after it, from none to all of it."""
    still = frames(make_tone(8.0))["change"]
    assert still[30:-30].max() < 0.01  # the ends fade in a window
    turned = frames(np.concatenate([make_tone(4.0), make_tone(4.0, hz=440 * 2 ** (5 / 12))]))["change"]
    at_s = (np.arange(len(turned)) + 10) / FRAMES_PER_S
    assert turned.max() > 0.9
    assert at_s[turned.argmax()] == pytest.approx(4.25, abs=0.1)
    assert turned[((at_s > 0.8) & (at_s < 3.6)) | (at_s > 4.9)].max() < 0.05


def test_rows_of_frames_keep_within_their_ranges(signal):
    spectra = analyze([signal])
    rows, pitch = structure.frames(spectra), vocals.held_pitch(Clip(spectra))
    assert rows.shape == (len(FRAME_ROWS), spectra.n_frames)
    assert pitch.shape == (len(HELD_ROWS), spectra.n_frames)
    slack = 1e-4
    assert -slack <= rows.min() <= rows.max() <= 1 + slack
    distance, log_held, *longer, fit = pitch
    assert 0 <= distance.min() <= distance.max() <= 0.5 + slack
    assert np.log(1 / FRAMES_PER_S) - slack <= log_held.min()
    assert log_held.max() <= np.log(spectra.duration_s) + slack
    assert set(np.unique(longer)) <= {0, 1}
    assert 0 <= fit.min() <= fit.max() <= 1 + slack


def melody(order, *, note_s=0.5):
    """Steady notes; each number is a semitone above 220 Hz."""
    return np.concatenate([make_voice(note_s, hz=220 * 2 ** (note / 12), semitones=0) for note in order])


def test_a_section_that_returns_repeats():
    rng = np.random.default_rng(0)
    section = rng.integers(0, 24, 12)
    returning, wandering = np.tile(section, 5), rng.integers(0, 24, 60)
    again, never = named(melody(returning)), named(melody(wandering))
    for name in ("harmony", "timbre"):
        assert again[f"repeat_best_{name}"] > 0.9
        assert again[f"repeat_best_{name}"] > never[f"repeat_best_{name}"] + 0.1
        assert again[f"repeat_lag_{name}"] > never[f"repeat_lag_{name}"] + 0.1


def test_a_turn_is_novel():
    one, other = make_voice(12.0, semitones=0), make_noise(12.0)
    assert named(np.concatenate([one, other]))["novelty_peak_timbre"] > 0.5
    assert named(make_voice(24.0, semitones=0))["novelty_peak_harmony"] < 0.05


def test_one_pitch_class_is_less_than_twelve():
    drone, chromatic = named(make_tone()), named(melody(range(24)))
    assert drone["chroma_entropy"] < 0.4 < 0.8 < chromatic["chroma_entropy"]
    assert drone["chroma_peak"] > chromatic["chroma_peak"]
    assert chromatic["chroma_change"] > 10 * drone["chroma_change"]


@pytest.mark.parametrize(("third", "sign"), [(4, 1), (3, -1)])
def test_major_and_minor_are_told_apart(third, sign):
    scale = [0, 2, third, 5, 7, 8 + (third == 4), 10 + (third == 4), 12, 7, third, 0, 0]
    notes = np.concatenate([make_tone(0.5, hz=440 * 2 ** (note / 12)) for note in scale])
    values = named(notes)
    assert values["key_clarity"] > 0.7
    assert sign * values["key_mode"] > 0.05


# ---- windows, segments, and the whole


@pytest.mark.parametrize(
    ("seconds", "windows"),
    [(0.2, 1), (4, 1), (10, 1), (14, 1), (16, 2), (20, 2), (24, 2), (25.5, 3), (40, 4)],
)
def test_windows_are_ten_seconds_and_a_short_rest_joins_the_last(seconds, windows):
    features = measure(analyze([make_noise(seconds)]), source="noise")
    assert features.windows.shape == (windows, len(schema.NAMES))
    assert measure(analyze([make_noise(seconds)]), source="noise", windows=False).windows.shape == (
        0,
        len(schema.NAMES),
    )


def test_one_window_alone_is_the_clip():
    features = measure(analyze([make_voice(9.0)]), source="voice")
    np.testing.assert_array_equal(features.windows[0], features.clip)


def test_windows_tell_where_something_is():
    features = measure(analyze([np.concatenate([make_voice(10.0), make_noise(10.0)])]), source="both")
    flatness = features.windows[:, schema.INDEX["flatness_4_mean"]]
    assert flatness[0] < 0.2 < 0.4 < flatness[1]


def test_segments_cover_the_source(signal):
    spectra = analyze([signal])
    features = measure(spectra, source="signal", windows=False)
    assert np.isfinite(features.segments).all()
    assert features.silent.shape == (len(features.segments),)
    assert features.silent.dtype == bool
    expected = max(1, round(spectra.n_frames / ft.SEGMENT_FRAMES))
    assert abs(len(features.segments) - expected) <= 1
    assert features.segments.shape[1] == ft.SEGMENT_NUMBERS


def test_segments_are_means_then_deviations():
    spectra = analyze([make_voice(2.0)])
    rows = ft.frame_rows(spectra)
    mean, deviation = np.split(measure(spectra, source="voice").segments[1], 2)
    frames = slice(ft.SEGMENT_FRAMES, 2 * ft.SEGMENT_FRAMES)
    np.testing.assert_allclose(mean[: len(rows)], rows[:, frames].mean(axis=1), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(deviation[: len(rows)], rows[:, frames].std(axis=1), rtol=1e-2, atol=0.02)


def test_silent_segments_are_flagged():
    rest, sound = make_silence(3.0), make_noise(3.0)
    features = measure(analyze([np.concatenate([sound, rest, sound])]), source="gap")
    at_s = (np.arange(len(features.silent)) + 0.5) * ft.SEGMENT_S
    np.testing.assert_array_equal(features.silent[(at_s > 3.6) & (at_s < 5.4)], True)
    np.testing.assert_array_equal(features.silent[(at_s < 2.9) | (at_s > 6.3)], False)
    assert measure(analyze([rest]), source="rest").silent.all()


def test_a_feature_is_found_by_its_name():
    features = measure(analyze([make_tone(2.0)]), source="tone.wav", warnings=("odd",))
    assert features["pitch_median"] == pytest.approx(24, abs=0.1)
    assert {row.name: value for row, value in features.items()}["pitch_median"] == features["pitch_median"]
    assert (features.source, features.warnings) == ("tone.wav", ("odd",))
    assert features.duration_s == pytest.approx(2.0, abs=0.05)
    with pytest.raises(KeyError, match="loudness_of_the_moon"):
        features["loudness_of_the_moon"]


# ---- extraction


@pytest.mark.parametrize(
    ("samples", "warning"),
    [
        (make_silence(6.0), "nothing but silence"),
        (make_tone(2.0), "only 2.0 s long; the call is unsure below 5 s"),
        (make_tone(6.0), None),
    ],
)
def test_extract_warns_of_what_is_hard_to_judge(samples, warning):
    features = extract(samples, rate=RATE_HZ, windows=False)
    assert features.warnings == ((warning,) if warning else ())


def test_extract_takes_a_part():
    samples = np.concatenate([make_tone(3.0, hz=440), make_tone(3.0, hz=880)])
    part = extract(samples, rate=RATE_HZ, offset_s=3.2, max_s=2.0)
    assert part["pitch_median"] == pytest.approx(36, abs=0.1)
    assert part.duration_s == pytest.approx(2.0, abs=0.05)


def test_extract_hears_the_same_at_any_sample_rate():
    samples = make_voice(6.0) + make_noise(6.0, gain=1e-3)
    time_s = np.arange(round(6.0 * 48000)) / 48000
    expected = extract(samples, rate=RATE_HZ)
    finer = np.interp(time_s, np.arange(len(samples)) / RATE_HZ, samples)
    got = extract(finer, rate=48000)
    for name in ("pitch_median", "pitch_vibrato", "glide_abs", "balance_mid", "key_clarity"):
        assert got[name] == pytest.approx(expected[name], rel=0.1, abs=0.05), name


# ---- statistics


def test_statistics_of_known_rows():
    assert quantiles([0, 1, 2, 3, 4], (0.25, 0.5)) == [1.0, 2.0]
    minute = np.arange(round(60 * FRAMES_PER_S)) / FRAMES_PER_S / 60
    assert slope_per_minute(3 * minute) == pytest.approx(3)
    assert slope_per_minute(1000 * minute) == 60
    assert slope_per_minute(np.zeros(1)) == 0
    np.testing.assert_allclose(smooth(np.ones(5), seconds=9), 1)
    assert smooth(np.eye(1, 99, 49)[0], seconds=11 / FRAMES_PER_S)[49] == pytest.approx(1 / 11)


# ---- golden values


def test_values_are_those_of_the_golden_file():
    """Where this fails on purpose: make_golden.py, a higher SCHEMA_VERSION, a new model."""
    golden = json.loads(GOLDEN.read_text())
    assert golden["schema_version"] == schema.SCHEMA_VERSION
    for signal_name, values in measured().items():
        expected = golden["signals"][signal_name]
        assert values.keys() == expected.keys()
        got, wanted = (np.array([row[name] for name in schema.NAMES]) for row in (values, expected))
        assert_alike(got, wanted, relative=2e-3, context=signal_name)
