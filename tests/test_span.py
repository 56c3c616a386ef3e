"""Blocks, and what is gathered from them, must be as if the whole lay in memory."""

from __future__ import annotations

import errno
import tempfile
from contextlib import closing
from dataclasses import fields

import librosa
import numpy as np
import pytest
import scipy.fft
import scipy.ndimage
import soundfile
from conftest import RATE_HZ, make_clicks, make_mix, make_noise, make_silence, make_voice

from scoreorsong import spool as sl
from scoreorsong.audio import open_audio
from scoreorsong.errors import ScoreOrSongError
from scoreorsong.extraction import extract
from scoreorsong.features import measure, span
from scoreorsong.features.span import SEGMENT_FRAMES, Moments, Span, starts
from scoreorsong.spectra import FRAMES_PER_S, N_FFT, Spectra, analyze, stream
from scoreorsong.spool import Kept, Spool


def recording():
    """46 s of everything over a noise floor, with silence before it."""
    floor = make_noise(40.0, gain=1e-3, seed=1)
    return np.concatenate([make_silence(2.0), make_mix() + floor, make_voice(4.0) + make_clicks(4.0)])


@pytest.fixture
def small_blocks(monkeypatch):
    """Many blocks in a short clip, of which nothing fits in memory."""
    monkeypatch.setattr(span, "BLOCK_FRAMES", 10 * SEGMENT_FRAMES)
    monkeypatch.setattr(sl, "MEMORY_BYTES", 10_000)
    monkeypatch.setattr(sl, "IN_MEMORY_BYTES", 1_000)


def in_one_block(samples, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(span, "BLOCK_FRAMES", 1 << 30)
        return measure(analyze([samples]), source="whole")


# ---- the numbers do not depend on how a source is read


def test_a_file_read_in_blocks_has_the_features_of_the_whole(tmp_path, small_blocks, monkeypatch):
    samples = recording()
    path = tmp_path / "recording.wav"
    soundfile.write(path, samples, RATE_HZ, subtype="FLOAT")
    got, whole = extract(path), in_one_block(samples, monkeypatch)
    assert got.duration_s == whole.duration_s
    np.testing.assert_array_equal(got.silent, whole.silent)
    for name in ("clip", "windows", "segments"):
        one, other = getattr(got, name), getattr(whole, name)
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5, err_msg=name)


def test_features_are_those_of_the_straightforward_computation(small_blocks):
    """Each of whole matrices by librosa and SciPy, with nothing of this library in between."""
    samples = (make_mix() + make_noise(40.0, gain=1e-3, seed=1)).astype(np.float64)
    got = extract(samples.astype(np.float32), rate=RATE_HZ, windows=False)
    power = librosa.feature.melspectrogram(
        y=samples, sr=RATE_HZ, n_fft=N_FFT, hop_length=512, n_mels=72, fmin=40, fmax=7600, pad_mode="constant"
    )
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


# ---- blocks


@pytest.mark.parametrize("n_frames", [1, 10, 100, 219, 220, 329, 331, 2000])
def test_blocks_cover_every_frame_once(small_blocks, n_frames):
    spectra = analyze([make_noise((n_frames - 0.5) * 512 / RATE_HZ)])
    assert spectra.n_frames == n_frames
    blocks = list(Span(spectra).blocks())
    np.testing.assert_array_equal(
        np.concatenate([b.of(lambda part: part.pitch) for b in blocks], axis=1), spectra.pitch
    )
    assert [b.frames.start for b in blocks] == [0, *(b.frames.stop for b in blocks[:-1])]
    assert blocks[-1].frames.stop == n_frames


def test_moments_are_those_of_the_groups():
    rows = np.random.default_rng(0).standard_normal((3, 1000)).astype(np.float32)
    moments = Moments(1000, 44)
    for start in range(0, 1000, 130):
        moments.add(rows[:, start : start + 130], slice(start, min(start + 130, 1000)))
    groups = np.split(rows, starts(1000, 44)[1:], axis=1)
    assert [g.shape[1] for g in groups][-1] == 1000 - 22 * 44 == 32
    np.testing.assert_allclose(moments.mean, np.stack([g.mean(axis=1) for g in groups], axis=1), atol=1e-6)
    np.testing.assert_allclose(moments.std, np.stack([g.std(axis=1) for g in groups], axis=1), atol=1e-6)


@pytest.mark.parametrize(
    ("n_frames", "expected"), [(1, [0]), (14, [0]), (15, [0]), (16, [0, 10]), (20, [0, 10]), (24, [0, 10])]
)
def test_a_short_rest_belongs_to_the_group_before(n_frames, expected):
    assert list(starts(n_frames, 10)) == expected


@pytest.mark.parametrize("in_memory", [1, 1 << 20])
def test_kept_rows_come_back_whole(in_memory, monkeypatch):
    monkeypatch.setattr(sl, "IN_MEMORY_BYTES", in_memory)
    rows = {name: np.random.default_rng(n).random((n, 50), np.float32) for name, n in (("a", 1), ("b", 3))}
    with closing(Kept(50)) as kept:
        for frames in (slice(0, 20), slice(20, 45), slice(45, 50)):
            for name in ("b", "a"):
                kept.put(name, rows[name][:, frames], frames)
        for name, matrix in rows.items():
            np.testing.assert_array_equal(kept[name], matrix)


# ---- trimming


def spanned(*parts):
    return Span(analyze([np.concatenate(parts).astype(np.float32)]))


def test_trimmed_cuts_silence_at_the_ends_only():
    rest, noise = make_silence(2.0), make_noise(1.0)
    trimmed = spanned(rest, noise, rest, noise, rest).trimmed()
    assert trimmed.duration_s == pytest.approx(4.0, abs=0.1)
    assert trimmed.power[[0, -1]].min() > 0
    assert (
        trimmed.n_frames == len(trimmed.power) == sum(b.of(lambda s: s.pitch).size for b in trimmed.blocks())
    )


def test_trimmed_goes_by_the_range():
    quiet, loud = 1e-2 * make_noise(1.0), make_noise(2.0)
    whole = spanned(quiet, loud, quiet)
    assert whole.trimmed(range_db=60).n_frames == whole.n_frames
    assert whole.trimmed(range_db=30).duration_s == pytest.approx(2.0, abs=0.1)


def test_trimmed_is_itself_where_nothing_is_cut():
    """And so is measured once only."""
    whole, rest = spanned(make_noise(2.0)), spanned(make_silence(2.0))
    assert whole.trimmed() is whole
    assert rest.trimmed() is rest
    for parts in ((make_silence(1.0), make_noise(1.0)), (make_noise(1.0), make_silence(1.0))):
        trimmed = spanned(*parts).trimmed()
        assert trimmed.duration_s == pytest.approx(1.0, abs=0.1)
        assert trimmed.trimmed() is trimmed


def test_a_span_has_its_own_scale():
    """What is cut away does not count as quiet."""
    padded, bare = spanned(make_silence(60.0), make_noise(1.0)).trimmed(), spanned(make_noise(1.0))
    assert padded.scale.reference == pytest.approx(bare.scale.reference, rel=0.05)


# ---- the spool


def test_a_spool_has_the_spectra_of_its_parts(small_blocks):
    samples = recording()
    whole = analyze([samples])
    with Spool(stream(open_audio(samples, rate=RATE_HZ))) as spool:
        assert (spool.n_frames, spool.is_silent) == (whole.n_frames, False)
        assert spool.duration_s == pytest.approx(len(samples) / RATE_HZ, abs=1 / FRAMES_PER_S)
        for frames in (slice(0, 10), slice(700, 1300), slice(None)):
            for f in fields(Spectra):
                one, other = getattr(spool[frames], f.name), getattr(whole[frames], f.name)
                np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6, err_msg=f.name)


def test_a_full_disk_is_said(small_blocks, monkeypatch):
    class Full:
        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self):
            pass

    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", lambda _: Full())
    with pytest.raises(ScoreOrSongError, match=r"No space left on device.*TMPDIR"):
        extract(make_voice(2.0), rate=RATE_HZ)
