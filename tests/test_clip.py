"""What is measured minute by minute, summed up by groups of frames, and kept out of the way meanwhile."""

from __future__ import annotations

import errno
import tempfile
from dataclasses import fields
from itertools import pairwise

import librosa
import numpy as np
import pytest
import scipy.fft
import scipy.ndimage
import soundfile
from conftest import RATE_HZ, make_clicks, make_mix, make_noise, make_silence, make_tone, make_voice

from scoreorsong import spool
from scoreorsong.audio import open_audio
from scoreorsong.errors import ScoreOrSongError
from scoreorsong.extraction import extract
from scoreorsong.features import PART_FRAMES, PART_SEGMENTS, measure, schema, vector
from scoreorsong.features.clip import EDGE_FRAMES, SEGMENT_FRAMES, grouped, moments, sounding, starts
from scoreorsong.spectra import FRAMES_PER_S, HOP, N_FFT, Spectra, analyze, stream


def recording():
    """46 s of everything over a noise floor, with silence before it."""
    floor = make_noise(40.0, gain=1e-3, seed=1)
    return np.concatenate([make_silence(2.0), make_mix() + floor, make_voice(4.0) + make_clicks(4.0)])


# ---- a long source is measured minute by minute


MINUTE = PART_FRAMES * HOP
RANGES = np.array([feature.high - feature.low for feature in schema.FEATURES])


def minutes(*parts):
    """A source of which every part but the last is cut to what is measured at a time."""
    return np.concatenate([*(np.resize(part, MINUTE) for part in parts[:-1]), parts[-1]])


def test_a_long_source_is_described_by_the_mean_of_its_minutes():
    music = [make_noise(60.0), make_noise(60.0) + make_clicks(60.0), make_noise(50.0) + make_voice(50.0)]
    spectra = analyze([minutes(*music)])
    edges = (0, PART_FRAMES, 2 * PART_FRAMES, spectra.n_frames)
    parts = [spectra[first:last] for first, last in pairwise(edges)]
    sounding = [len(starts(part.n_frames, SEGMENT_FRAMES)) for part in parts]
    expected = np.average([vector(part) for part in parts], axis=0, weights=sounding)
    measured = measure(spectra, source="")
    np.testing.assert_allclose(measured.clip, expected, rtol=1e-5, atol=1e-6)
    alone = [measure(part, source="") for part in parts]
    np.testing.assert_array_equal(measured.segments, np.concatenate([part.segments for part in alone]))


def test_how_often_it_is_heard_changes_nothing_of_how_it_is_described():
    """Whatever counts what returns, or looks for the most of anything, grows with the time it is given."""
    once = np.resize(make_mix() + make_noise(40.0, gain=1e-3), MINUTE)
    whole, four = (extract(samples, rate=RATE_HZ) for samples in (once, np.tile(once, 4)))
    np.testing.assert_array_less(np.abs(four.clip - whole.clip), 0.02 * RANGES)
    assert four["repeat_lag_timbre"] == pytest.approx(whole["repeat_lag_timbre"], abs=0.01)


def test_minutes_of_silence_do_not_count():
    """They would pull every number towards those of nothing."""
    music = np.resize(make_mix() + make_noise(40.0, gain=1e-3), MINUTE)
    silence, hiss = make_silence(120.0), 1e-5 * make_noise(120.0)
    alone = extract(music, rate=RATE_HZ)
    for rest in (silence, hiss):
        long = extract(minutes(music, rest), rate=RATE_HZ)
        np.testing.assert_array_less(np.abs(long.clip - alone.clip), 0.02 * RANGES)
        assert long.silent[PART_SEGMENTS + 1 :].all()


def test_silence_of_minutes_is_silent_and_finite():
    features = extract(make_silence(200.0), rate=RATE_HZ)
    assert features.silent.all()
    assert np.isfinite(features.clip).all()


@pytest.mark.parametrize(
    ("seconds", "parts"), [(5.0, 1), (60.0, 1), (89.0, 1), (91.0, 2), (149.0, 2), (151.0, 3)]
)
def test_a_rest_of_half_a_minute_belongs_to_the_minute_before(seconds, parts):
    assert len(starts(round(seconds * FRAMES_PER_S), PART_FRAMES)) == parts


def test_a_file_read_in_blocks_has_the_features_of_the_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(spool, "MEMORY_BYTES", 10_000)
    samples = recording()
    path = tmp_path / "recording.wav"
    soundfile.write(path, samples, RATE_HZ, subtype="FLOAT")
    got, whole = extract(path), measure(analyze([samples]), source="whole")
    assert got.duration_s == whole.duration_s
    np.testing.assert_array_equal(got.silent, whole.silent)
    for name in ("clip", "windows", "segments"):
        one, other = getattr(got, name), getattr(whole, name)
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5, err_msg=name)


def test_features_are_those_of_the_straightforward_computation():
    """Each of whole matrices by librosa and SciPy, with nothing of this library in between."""
    samples = (make_mix() + make_noise(40.0, gain=1e-3, seed=1)).astype(np.float64)
    got = extract(samples.astype(np.float32), rate=RATE_HZ, windows=False)
    power = librosa.feature.melspectrogram(
        y=samples, sr=RATE_HZ, n_fft=N_FFT, hop_length=512, n_mels=72, fmin=40, fmax=7600, pad_mode="constant"
    )[:, 3:-3]
    db = librosa.power_to_db(power, ref=np.percentile(power, 99), amin=1e-30, top_db=None)
    onsets = librosa.onset.onset_strength(S=db, hop_length=512, center=False)
    cepstrum = scipy.fft.dct(db, axis=0, norm="ortho")[1:21]
    amplitude = np.sqrt(power / power.max())
    along = scipy.ndimage.median_filter(amplitude, (1, 17), mode="nearest") ** 2
    across = scipy.ndimage.median_filter(amplitude, (13, 1), mode="nearest") ** 2
    share = across / (along + across + 1e-9)
    groups = np.sort(db.reshape(6, 12, -1), axis=1)
    contrast = groups[:, -3:].mean(axis=1) - groups[:, :3].mean(axis=1)
    centroid = np.arange(72) @ power / power.sum(axis=0)
    expected = {
        **{f"mfcc_{i + 1:02d}_mean": row.mean() for i, row in enumerate(cepstrum)},
        **{f"mfcc_{i + 1:02d}_std": row.std() for i, row in enumerate(cepstrum)},
        **{
            f"mfcc_{i + 1:02d}_delta_std": np.diff(row, prepend=row[:1]).std()
            for i, row in enumerate(cepstrum)
        },
        **{f"contrast_{i + 1}_mean": row.mean() for i, row in enumerate(contrast)},
        **{f"contrast_{i + 1}_std": row.std() for i, row in enumerate(contrast)},
        "centroid_mean": centroid.mean(),
        "centroid_std": centroid.std(),
        "onset_mean": onsets.mean(),
        "onset_std": onsets.std(),
        "percussive_mean": ((share * amplitude).sum(axis=0) / amplitude.sum(axis=0)).mean(),
        "percussive_mid": share[8:36].mean(),
    }
    for name, value in expected.items():
        assert got[name] == pytest.approx(value, rel=1e-4, abs=1e-4), name


# ---- sums over frames


def test_moments_are_those_of_the_groups():
    rows = np.random.default_rng(0).standard_normal((3, 1000)).astype(np.float32)
    groups = np.split(rows, starts(1000, 44)[1:], axis=1)
    assert [g.shape[1] for g in groups][-1] == 1000 - 22 * 44 == 32
    mean, std = grouped(rows, 44)
    np.testing.assert_allclose(mean, np.stack([g.mean(axis=1) for g in groups], axis=1), atol=1e-6)
    np.testing.assert_allclose(std, np.stack([g.std(axis=1) for g in groups], axis=1), atol=1e-6)
    np.testing.assert_allclose(moments(rows).mean, rows.mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(moments(rows).std, rows.std(axis=1), atol=1e-6)


@pytest.mark.parametrize(
    ("n_frames", "expected"), [(1, [0]), (14, [0]), (15, [0]), (16, [0, 10]), (20, [0, 10]), (24, [0, 10])]
)
def test_a_short_rest_belongs_to_the_group_before(n_frames, expected):
    assert list(starts(n_frames, 10)) == expected


# ---- what sounds


def sounding_of(*parts, **options):
    spectra = analyze([np.concatenate(parts).astype(np.float32)])
    return spectra[sounding(spectra.power, **options)]


def test_what_sounds_is_without_silence_at_the_ends_only():
    rest, noise = make_silence(2.0), make_noise(1.0)
    spectra = sounding_of(rest, noise, rest, noise, rest)
    assert spectra.duration_s == pytest.approx(4.0, abs=0.1)
    assert spectra.power[[0, -1]].min() > 0
    assert not spectra.power.all()


def test_what_sounds_goes_by_the_range():
    quiet, loud = 1e-2 * make_noise(1.0), make_noise(2.0)
    whole = analyze([np.concatenate([quiet, loud, quiet])])
    assert sounding(whole.power, range_db=60) == slice(EDGE_FRAMES, whole.n_frames - EDGE_FRAMES)
    assert sounding_of(quiet, loud, quiet, range_db=30).duration_s == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("before", [0.0, 1.0])
@pytest.mark.parametrize("after", [0.0, 1.0])
def test_what_sounds_has_no_frame_that_reaches_over_an_edge(before, after):
    """Steady from its first frame to its last, after silence as at the beginning of a file."""
    spectra = sounding_of(make_silence(before), make_tone(3.0), make_silence(after))
    assert spectra.power.min() > 0.95 * spectra.power.max()
    assert spectra.duration_s == pytest.approx(3.0, abs=0.2)


def test_all_of_silence_is_measured_and_no_less_than_a_frame_of_anything():
    assert sounding_of(make_silence(2.0)).duration_s == pytest.approx(2.0, abs=0.05)
    for length in (1, HOP, N_FFT, SEGMENT_FRAMES * HOP):
        assert sounding_of(make_silence(1.0), make_noise(1.0)[:length]).n_frames > 0


def test_what_sounds_has_its_own_scale():
    """What is cut away does not count as quiet."""
    padded, bare = sounding_of(make_silence(60.0), make_noise(1.0)), sounding_of(make_noise(1.0))
    assert padded.scale.reference == pytest.approx(bare.scale.reference, rel=0.05)


@pytest.mark.parametrize(("before", "after"), [(20, 0), (0, 20), (7, 33)])
def test_silence_beside_the_music_tells_nothing_of_it(before, after):
    """Neither that it begins with an attack nor what lies within the ear's reach."""
    segment, kinds = SEGMENT_FRAMES * HOP, ("onset", "level", "brightness", "percussive", "vocvar")
    music = (make_voice(30.0) + make_clicks(30.0) + 1e-2 * make_noise(30.0))[: 40 * segment]
    bare, padded = (
        extract(np.pad(music, (segment * first, segment * last)), rate=RATE_HZ)
        for first, last in ((0, 0), (before, after))
    )
    for name in (name for name in schema.NAMES if name.startswith(kinds) and not name.endswith("slope")):
        assert padded[name] == pytest.approx(bare[name], rel=0.1, abs=0.1), name
    np.testing.assert_array_equal(padded.silent, [True] * before + [False] * 40 + [True] * after)
    mean, spread = bare.segments.mean(axis=0), bare.segments.std(axis=0)
    assert (np.abs(padded.segments.mean(axis=0) - mean) < spread + 0.2).all()


# ---- the spool


def test_a_spool_has_the_spectra_of_its_parts(monkeypatch):
    monkeypatch.setattr(spool, "MEMORY_BYTES", 10_000)
    samples = recording()
    whole = analyze([samples])
    with spool.Spool(stream(open_audio(samples, rate=RATE_HZ))) as kept:
        assert (kept.n_frames, kept.is_silent) == (whole.n_frames, False)
        assert kept.duration_s == pytest.approx(len(samples) / RATE_HZ, abs=1 / FRAMES_PER_S)
        for frames in (slice(0, 10), slice(700, 1300), slice(None)):
            for f in fields(Spectra):
                one, other = getattr(kept[frames], f.name), getattr(whole[frames], f.name)
                np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6, err_msg=f.name)


def test_a_full_disk_is_said(monkeypatch):
    class Full:
        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self):
            pass

    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", lambda _: Full())
    with pytest.raises(ScoreOrSongError, match=r"No space left on device.*TMPDIR"):
        extract(make_voice(2.0), rate=RATE_HZ)
