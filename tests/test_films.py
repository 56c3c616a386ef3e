"""Films: which of their sound tracks is heard, and where in the film it begins."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from conftest import make_tone
from helpers import write_wav

from scoreorsong.audio import RATE_HZ, open_audio
from scoreorsong.errors import AudioError

av = pytest.importorskip("av")

ENCODE_RATE_HZ = 48000
TRACKS = (
    {"hz": 330.0, "language": "eng"},
    {"hz": 550.0, "language": "deu", "title": "Musik & Töne"},
    {"hz": 880.0},
)
FILMS = [("mkv", "aac"), ("mp4", "aac"), ("mov", "pcm_s16le"), ("webm", "libopus")]


def write_film(path, codec, tracks=TRACKS, *, seconds=2.0, late_s=0.0):
    """A film with a picture and a tone on each track; `late_s` is where the sound begins."""
    with av.open(str(path), "w") as film:
        picture = film.add_stream("libvpx" if path.suffix == ".webm" else "mpeg4", rate=25)
        picture.width, picture.height, picture.pix_fmt = 16, 16, "yuv420p"
        streams = [film.add_stream(codec, rate=ENCODE_RATE_HZ, layout="mono") for _ in tracks]
        for stream, track in zip(streams, tracks, strict=True):
            stream.metadata.update({name: value for name, value in track.items() if name != "hz"})
        for number in range(round(25 * (late_s + seconds))):
            frame = av.VideoFrame(16, 16, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            film.mux(picture.encode(frame))
        film.mux(picture.encode(None))
        for stream, track in zip(streams, tracks, strict=True):
            mux_tone(film, stream, make_tone(seconds, hz=track["hz"], rate_hz=ENCODE_RATE_HZ), late_s)
    return path


def mux_tone(film, stream, samples, late_s):
    resampler = av.AudioResampler(format=stream.format.name, layout="mono", rate=ENCODE_RATE_HZ)
    for start in range(0, len(samples), 4800):
        frame = av.AudioFrame.from_ndarray(
            samples[None, start : start + 4800].copy(), format="fltp", layout="mono"
        )
        frame.sample_rate, frame.time_base = ENCODE_RATE_HZ, Fraction(1, ENCODE_RATE_HZ)
        frame.pts = round(late_s * ENCODE_RATE_HZ) + start
        for part in resampler.resample(frame):
            film.mux(stream.encode(part))
    film.mux(stream.encode(None))


def heard(source, **options):
    return np.concatenate(list(open_audio(source, **options)))


def hz_of(samples):
    return np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 17)).argmax() * RATE_HZ / (1 << 17)


@pytest.mark.parametrize(("ending", "codec"), FILMS)
def test_the_track_that_is_asked_for_is_heard(tmp_path, ending, codec):
    path = write_film(tmp_path / f"film.{ending}", codec)
    for number, track in enumerate(TRACKS, 1):
        samples = heard(path, track=number)
        assert hz_of(samples) == pytest.approx(track["hz"], abs=1)
        assert len(samples) == pytest.approx(2 * RATE_HZ, abs=0.1 * RATE_HZ)
    np.testing.assert_array_equal(heard(path), heard(path, track=1))
    with path.open("rb") as file:
        assert hz_of(heard(file, track=3)) == pytest.approx(880, abs=1)


def test_a_part_of_a_later_track_can_be_chosen(tmp_path):
    path = write_film(tmp_path / "film.mkv", "aac")
    samples = heard(path, track=2, offset_s=0.5, max_s=1.0)
    assert len(samples) == pytest.approx(RATE_HZ, abs=2)
    assert hz_of(samples) == pytest.approx(550, abs=1)


def test_a_track_that_is_not_there_lists_those_that_are(tmp_path):
    path = write_film(tmp_path / "film.mkv", "aac")
    expected = (
        r"film\.mkv: has no sound track 4; there is 1 \(eng, aac, mono\), 2 \(deu, Musik & Töne, aac, mono\), "
        r"3 \(aac, mono\)$"
    )
    with pytest.raises(AudioError, match=expected):
        heard(path, track=4)


@pytest.mark.parametrize("ending", ["wav", "flac", "mp3"])
def test_a_file_of_sound_alone_has_one_track(tmp_path, ending):
    path = tmp_path / f"tone.{ending}"
    write_wav(path, make_tone(1.0), subtype=None)
    assert hz_of(heard(path, track=1)) == pytest.approx(440, abs=1)
    with pytest.raises(
        AudioError, match=rf"tone\.{ending}: has no sound track 2; there is 1 \(.*(mono|1 channels)\)$"
    ):
        heard(path, track=2)


@pytest.mark.parametrize("track", [0, -1])
def test_tracks_count_from_1(tmp_path, track):
    with pytest.raises(AudioError, match=f"track={track}: expected a number from 1"):
        open_audio(write_wav(tmp_path / "a.wav", make_tone(1.0)), track=track)


def test_an_array_has_no_tracks():
    with pytest.raises(AudioError, match=r"track=2: .* only a file has more than one sound track"):
        open_audio(make_tone(1.0), rate=RATE_HZ, track=2)


def test_without_the_extra_the_error_names_it(tmp_path, monkeypatch):
    path = write_wav(tmp_path / "a.wav", make_tone(1.0))
    monkeypatch.setattr("scoreorsong.audio.installed", lambda: False)
    with pytest.raises(
        AudioError, match=r'a\.wav: .* sound track 2, .* pip install "score-or-song\[media\]"'
    ):
        heard(path, track=2)


@pytest.mark.parametrize(("ending", "codec"), [("mkv", "aac"), ("mp4", "aac"), ("mov", "pcm_s16le")])
def test_sound_that_begins_late_keeps_its_place_in_the_film(tmp_path, ending, codec):
    path = write_film(tmp_path / f"film.{ending}", codec, TRACKS[:1], late_s=3.3)
    samples = heard(path)
    assert len(samples) == pytest.approx(5.3 * RATE_HZ, abs=0.1 * RATE_HZ)
    assert not samples[: round(3.2 * RATE_HZ)].any()
    assert np.flatnonzero(np.abs(samples) > 0.1)[0] == pytest.approx(3.3 * RATE_HZ, abs=0.03 * RATE_HZ)
    part = heard(path, offset_s=3.0, max_s=1.0)
    np.testing.assert_allclose(part[:4000], 0, atol=1e-3)
    assert hz_of(part[10_000:]) == pytest.approx(330, abs=1.5)


@pytest.mark.parametrize("ending", ["mkv", "mp4", "wav"])
def test_the_length_is_known_from_the_first_block_on(tmp_path, ending):
    path = tmp_path / f"film.{ending}"
    write_wav(path, make_tone(2.0)) if ending == "wav" else write_film(path, "aac")
    audio = open_audio(path)
    next(iter(audio))
    assert audio.announced_s == pytest.approx(2.0, abs=0.05)
    assert open_audio(make_tone(2.0), rate=RATE_HZ).announced_s == 2
