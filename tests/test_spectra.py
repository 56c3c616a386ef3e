"""What the one STFT and all that is derived from it must be true to."""

from __future__ import annotations

from dataclasses import fields

import librosa
import numpy as np
import pytest
import scipy.ndimage
from conftest import make_harmonics

from scoreorsong import median
from scoreorsong import spectra as sp
from scoreorsong.spectra import Spectra, analyze, joined, stream

RATE_HZ = 22050
WEIGHTY = 0.1  # contraction above which a fluctogram band is to be believed


def same(one: Spectra, other: Spectra) -> None:
    for field in fields(Spectra):
        np.testing.assert_allclose(
            getattr(one, field.name), getattr(other, field.name), rtol=1e-4, atol=1e-6, err_msg=field.name
        )


@pytest.mark.parametrize("size", [1, 7, 511, 513, 2048, 22050, 100_003, 512 * 512 + 1536])
def test_blocks_of_any_size_give_the_same(voice, noise, size):
    samples = voice(13.0) + 0.1 * noise(13.0)  # more than one batch of frames
    if size < 500:
        samples = samples[:3001]
    same(analyze(samples[i : i + size] for i in range(0, len(samples), size)), analyze([samples]))


def test_a_batch_boundary_leaves_no_seam(voice):
    """The fluctogram looks one frame back, over the end of the batch before."""
    samples = voice(13.0)
    later = samples[sp.HOP * (sp.BATCH_FRAMES - 100) :]
    whole, part = analyze([samples]), analyze([later])
    np.testing.assert_array_equal(whole.fluctogram[:, sp.BATCH_FRAMES - 50 :], part.fluctogram[:, 50:])


@pytest.mark.filterwarnings("ignore:n_fft=2048 is too large")
@pytest.mark.parametrize("length", [1, 511, 512, 513, 1102, 22050, 50_000, 512 * 512, 512 * 513 + 17])
def test_frames_are_centred_as_librosas(noise, length):
    samples = noise(13.0)[:length]
    expected = librosa.stft(samples, n_fft=sp.N_FFT, hop_length=sp.HOP, center=True, pad_mode="constant")
    spectra = analyze([samples])
    assert spectra.n_frames == expected.shape[1] == 1 + length // sp.HOP
    assert spectra.duration_s == pytest.approx(length / RATE_HZ, abs=1.01 * sp.HOP / RATE_HZ)


def test_mel_power_is_librosas_up_to_one_factor(voice, noise):
    samples = voice(3.0) + noise(3.0)
    expected = librosa.feature.melspectrogram(
        y=samples, sr=RATE_HZ, n_fft=sp.N_FFT, hop_length=sp.HOP, n_mels=sp.N_MELS, fmin=sp.FMIN_HZ,
        fmax=sp.FMAX_HZ, power=2.0, pad_mode="constant",
    )  # fmt: skip
    factor = (4 / sp.N_FFT) ** 2 * 50
    np.testing.assert_allclose(analyze([samples]).mel_power, factor * expected, rtol=1e-3, atol=1e-9)


def test_the_mel_filters_are_librosas():
    filters = librosa.filters.mel(
        sr=RATE_HZ, n_fft=sp.N_FFT, n_mels=sp.N_MELS, fmin=sp.FMIN_HZ, fmax=sp.FMAX_HZ
    )
    assert not filters[:, sp.N_BINS :].any()
    expected = filters[:, : sp.N_BINS] * (4 / sp.N_FFT) ** 2 * 50
    np.testing.assert_allclose(sp.mel_filters(), expected, rtol=1e-6)


@pytest.mark.parametrize("n_rows", [1, 2, 7, 13, 72])
@pytest.mark.parametrize("size", [1, 3, 13, 17])
def test_the_running_median_is_scipys(monkeypatch, size, n_rows):
    matrix = np.random.default_rng(0).random((n_rows, 300), dtype=np.float32)
    for piece in (1000, 1 << 20):
        monkeypatch.setattr(median, "PIECE", piece)
        for axis, shape in ((0, (size, 1)), (1, (1, size))):
            expected = scipy.ndimage.median_filter(matrix, shape, mode="nearest")
            np.testing.assert_array_equal(median.running_median(matrix, size, axis=axis), expected)


def test_the_scale_is_the_peak_and_the_99th_percentile(noise):
    spectra = analyze([noise(6.0)])
    assert spectra.scale.peak == spectra.mel_power.max()
    expected = np.percentile(spectra.mel_power.astype(np.float64), 99)
    assert spectra.scale.reference == pytest.approx(expected, rel=1e-6)


def test_a_lone_click_is_no_more_than_40_db_over_the_reference(silence):
    samples = silence(20.0)
    samples[40000] = 0.9
    spectra = analyze([samples])
    assert spectra.scale.reference == pytest.approx(1e-4 * spectra.scale.peak)


def test_a_part_has_a_scale_of_its_own(voice, noise):
    whole = analyze([np.concatenate([voice(2.0), 0.1 * noise(2.0)])])
    assert whole[120:].scale.peak < 0.1 * whole.scale.peak


def test_onsets_mean_is_librosas_onset_strength(clicks):
    spectra = analyze([clicks(6.0)])
    expected = librosa.onset.onset_strength(S=spectra.mel_db, hop_length=sp.HOP, center=False, lag=1)
    np.testing.assert_allclose(spectra.onsets.mean(axis=0), expected, atol=1e-4)


def test_the_mel_power_is_the_same_alone(voice):
    samples = voice(13.0)  # more than one batch of frames
    np.testing.assert_array_equal(sp.mel_power([samples]), analyze([samples]).mel_power)


def test_a_full_scale_sine_has_a_mel_power_near_one(tone):
    peaks = [analyze([tone(1.0, hz=hz, gain=1.0)]).mel_power.max() for hz in (110, 440, 1760, 5000)]
    assert all(0.05 < peak < 20 for peak in peaks), peaks


def test_440_hz_is_an_a_two_octaves_above_110_hz(tone):
    spectra = analyze([tone(2.0)])
    assert (spectra.chroma.argmax(axis=0) == 0).all()
    np.testing.assert_allclose(spectra.pitch[:, 3:-3], 24, atol=0.2)
    assert np.median(spectra.salience) > 0.15


@pytest.mark.parametrize("semitone", range(8, 36, 3))
def test_pitch_and_chroma_follow_the_fundamental(voice, semitone):
    spectra = analyze([voice(1.0, hz=110 * 2 ** (semitone / 12), semitones=0)])
    assert np.median(spectra.pitch) == pytest.approx(semitone, abs=0.3)
    if semitone >= 15:  # lower, the partials lie closer than the STFT resolves in the lowest octave
        assert np.median(spectra.chroma.argmax(axis=0)) == semitone % 12


@pytest.mark.parametrize("partials", [4, 8, 15])
@pytest.mark.parametrize("hz", [75, 90, 100, 110, 125, 140, 160, 165, 250, 500, 1000])
def test_the_pitch_of_a_voice_is_never_an_octave_off(hz, partials):
    """Also where the fundamental itself lies under the log-frequency axis; with vibrato and without."""
    expected = 12 * np.log2(hz / 110)
    for semitones in (0, 0.6):
        wobble = semitones * np.sin(2 * np.pi * 6 * np.arange(2 * RATE_HZ) / RATE_HZ)
        spectra = analyze([make_harmonics(hz * 2 ** (wobble / 12), partials=partials)])
        pitch = spectra.pitch[0, 3:-3]
        assert np.median(pitch) == pytest.approx(expected, abs=0.2)
        np.testing.assert_allclose(pitch, expected, atol=0.5 + semitones)


@pytest.mark.parametrize("hz", [90, 120, 150])
def test_the_pitch_needs_no_fundamental(hz):
    """As where a small loudspeaker leaves out what is under 200 Hz: here the lowest one or two partials."""
    time_s = np.arange(2 * RATE_HZ) / RATE_HZ
    partials = [np.sin(2 * np.pi * k * hz * time_s) / k for k in range(1, 16) if k * hz > 200]
    spectra = analyze([np.sum(partials, axis=0).astype(np.float32)])
    assert np.median(spectra.pitch) == pytest.approx(12 * np.log2(hz / 110), abs=0.3)


def test_pitch_stays_within_its_range(voice, noise, tone):
    lowest, highest = -8, 40
    for samples in (noise(2.0), tone(2.0, hz=30), tone(2.0, hz=5000), voice(2.0, hz=50), voice(2.0, hz=2000)):
        pitch = analyze([samples]).pitch
        assert lowest - 0.5 <= pitch.min() <= pitch.max() <= highest


def test_a_clear_pitch_is_more_salient_than_noise(voice, tone, noise):
    noisy = np.quantile(analyze([noise(2.0)]).salience, 0.95)
    for samples in (voice(2.0), voice(2.0, hz=90), tone(2.0), tone(2.0, hz=80)):
        assert np.quantile(analyze([samples]).salience[:, 3:-3], 0.05) > 2 * noisy


def test_flatness_tells_tone_from_noise(tone, noise):
    tonal, noisy = analyze([tone(3.0)]).flatness, analyze([noise(3.0)]).flatness
    assert np.median(tonal[2]) < 0.1  # the band with the 440 Hz in it
    assert (np.median(noisy, axis=1) > 0.4).all()
    assert noisy.min() >= 0
    assert noisy.max() <= 1 + 1e-5


@pytest.mark.parametrize(("octaves", "sign"), [(3.0, 1), (-3.0, -1), (0.0, 0)])
def test_fluctogram_lags_show_the_direction_of_a_glide(glide, octaves, sign):
    """One octave per second is 36 bins in 43 frames: about one bin per frame."""
    spectra = analyze([glide(3.0, octaves=octaves, hz=880.0 if sign < 0 else 220.0)])
    lags = spectra.fluctogram[:, 5:-5][spectra.contraction[:, 5:-5] > WEIGHTY]
    assert len(lags) > 100
    assert np.sign(np.round(lags.mean() * 2)) == sign


def test_fluctogram_of_one_bin_per_frame_is_one(glide):
    seconds = 2.0
    octaves = seconds * sp.FRAMES_PER_S / sp.BINS_PER_OCTAVE
    spectra = analyze([glide(seconds, octaves=octaves)])
    lags = spectra.fluctogram[:, 5:-5][spectra.contraction[:, 5:-5] > WEIGHTY]
    assert np.median(lags) == 1


def test_contraction_and_salience_are_shares(voice, noise):
    spectra = analyze([voice(2.0) + noise(2.0)])
    for share in (spectra.contraction, spectra.salience):
        assert share.min() >= 0
        assert share.max() <= 1 + 1e-5


def test_clicks_are_percussive_and_a_steady_tone_is_not(clicks, tone, noise):
    spectra = analyze([clicks(6.0)])
    loud = spectra.mel_power > 1e-3 * spectra.mel_power.max()
    assert np.median(spectra.percussive[loud]) > 0.95
    spectra = analyze([tone(6.0)])
    own = spectra.mel_power.mean(axis=1).argmax()
    assert spectra.percussive[own, 10:-10].max() < 0.01
    assert spectra.percussive[:, 10:-10].mean() < 0.1
    assert analyze([noise(6.0)]).percussive.mean() == pytest.approx(0.5, abs=0.1)


def test_clicks_over_a_tone_are_found_where_they_are(clicks, tone):
    """Two a second; in between the tone has its band for itself."""
    samples = 2 * clicks(6.0) + 0.1 * tone(6.0)
    spectra = analyze([samples.astype(np.float32)])
    own = analyze([tone(6.0)]).mel_power.mean(axis=1).argmax()
    since_s = (np.arange(spectra.n_frames) / sp.FRAMES_PER_S) % 0.5
    high = spectra.percussive[40:].mean(axis=0)
    at, between = (since_s < 0.03)[10:-10], ((since_s > 0.15) & (since_s < 0.35))[10:-10]
    assert high[10:-10][at].mean() > 0.9
    assert spectra.percussive[own, 10:-10][between].mean() < 0.1


def test_percussive_is_a_share_at_any_gain(voice, noise, silence):
    samples = voice(3.0) + noise(3.0)
    share = analyze([samples]).percussive
    assert share.shape == (sp.N_MELS, analyze([samples]).n_frames)
    assert share.dtype == np.float32
    assert 0 <= share.min() <= share.max() <= 1
    for gain in (0.5, 1e-3):
        np.testing.assert_allclose(analyze([np.float32(gain) * samples]).percussive, share, atol=1e-3)
    assert not analyze([silence(2.0)]).percussive.any()
    assert np.isfinite(analyze([samples[:1000]]).percussive).all()


def test_mel_db_is_the_same_at_any_gain(voice, noise):
    samples = voice(3.0) + 0.1 * noise(3.0)
    expected = analyze([samples]).mel_db
    for gain in (0.5, 0.1, 1e-3):
        np.testing.assert_allclose(analyze([np.float32(gain) * samples]).mel_db, expected, atol=0.01)
    assert expected.min() >= -80
    assert expected.max() <= 40


def test_slicing_cuts_every_matrix_alike(noise):
    spectra = analyze([noise(2.0)])
    part = spectra[10:30]
    assert {getattr(part, f.name).shape[1] for f in fields(Spectra)} == {20}
    assert part.n_frames == 20
    np.testing.assert_array_equal(part.pitch, spectra.pitch[:, 10:30])


def test_the_parts_of_a_stream_make_the_whole(noise):
    parts = list(stream([noise(20.0)]))
    assert len(parts) > 1
    same(joined(parts), analyze([noise(20.0)]))


def test_silence_is_silent_and_stays_whole(silence):
    spectra = analyze([silence(2.0)])
    assert spectra.is_silent
    assert not spectra.fluctogram.any()
    assert all(np.isfinite(getattr(spectra, f.name)).all() for f in fields(Spectra))


@pytest.mark.parametrize(("gain", "silent"), [(1e-6, True), (1e-3, False)])
def test_silent_ends_about_one_16_bit_step(tone, gain, silent):
    assert analyze([tone(1.0, gain=gain)]).is_silent is silent
