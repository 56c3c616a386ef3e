"""Files are read to their end, whatever they say of their length, and nothing is odd about those that only say it badly."""

from __future__ import annotations

import io
import itertools
import struct

import numpy as np
import pytest
import soundfile

from scoreorsong.audio import RATE_HZ, open_audio, read_audio
from scoreorsong.sound_files import SoundFile

# Of MPEG-2 Layer III at 22 050 Hz, by the number in a frame's header.
KBITS = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
TAG = b"TAG" + bytes(125)  # ID3v1
ART = b"APETAGEX" + bytes(range(256)) * 1000


def mp3(samples, *, says_its_length=True):
    """Of variable bit rate; the first frame holds no sound, only the number of those that do."""
    file = io.BytesIO()
    soundfile.write(file, samples, RATE_HZ, format="MP3", bitrate_mode="VARIABLE", compression_level=0.3)
    data = file.getvalue()
    assert data[:2] == b"\xff\xf3"
    assert b"Xing" in data[:64]
    kbits, padding = KBITS[data[2] >> 4], data[2] >> 1 & 1
    return data if says_its_length else data[72_000 * kbits // RATE_HZ + padding :]


def heard(data, path=None, **part):
    if path is None:
        source = io.BytesIO(data)
    else:
        path.write_bytes(data)
        source = path
    audio = open_audio(source, **part)
    return np.concatenate(list(audio)), " | ".join(audio.warnings)


@pytest.fixture
def loud_and_quiet():
    """Ten seconds that take many bits, and thirty that take few."""
    random = np.random.default_rng(0)
    hum = 1e-3 * np.sin(np.arange(30 * RATE_HZ) / 20)
    return np.concatenate([0.3 * random.standard_normal(10 * RATE_HZ), hum]).astype(np.float32)


@pytest.mark.parametrize("order", [1, -1])
def test_an_mp3_that_does_not_say_its_length_is_read_to_its_end(tmp_path, loud_and_quiet, order):
    data = mp3(loud_and_quiet[::order], says_its_length=False)
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        assert not 0.9 < file.frames / len(loud_and_quiet) < 1.1  # else this shows nothing
    for path in (None, tmp_path / "stream.mp3"):
        samples, warnings = heard(data, path)
        assert len(samples) == pytest.approx(len(loud_and_quiet), abs=0.2 * RATE_HZ)
        assert warnings == ""
    loud = samples[::order][: 9 * RATE_HZ].std(), samples[::order][-29 * RATE_HZ :].std()
    assert loud == pytest.approx((0.3, 1e-3 / np.sqrt(2)), rel=0.1)


def test_a_part_of_it_is_found_where_it_is(loud_and_quiet):
    data = mp3(loud_and_quiet[::-1], says_its_length=False)
    whole = read_audio(io.BytesIO(data))
    part = read_audio(io.BytesIO(data), offset_s=33.0, max_s=2.0)
    np.testing.assert_allclose(part, whole[33 * RATE_HZ : 35 * RATE_HZ], atol=1e-5)


def test_one_that_says_its_length_is_believed(loud_and_quiet, capfd):
    samples, warnings = heard(mp3(loud_and_quiet))
    assert len(samples) == len(loud_and_quiet)
    assert warnings == ""
    assert capfd.readouterr().err == ""  # libsndfile's decoder complains there of what is not as announced


def test_a_part_of_one_that_was_cut_short_is_told_of(loud_and_quiet):
    data = mp3(loud_and_quiet)
    assert "breaks off" in heard(data[: len(data) // 2])[1]


def test_mp3s_joined_end_to_end_are_told_of(tone):
    data = mp3(tone(3.0))
    assert heard(data + data)[1] == "more follows after 3.0 s, in a second stream that was not read"
    assert heard(data + data, max_s=2.0)[1] == ""


@pytest.mark.parametrize("end", [TAG, ART, ART + TAG], ids=["ID3v1", "APE", "both"])
def test_what_is_written_at_its_end_is_no_sound(tone, end):
    for says_its_length in (True, False):
        samples, warnings = heard(mp3(tone(3.0), says_its_length=says_its_length) + end)
        assert len(samples) == pytest.approx(3 * RATE_HZ, abs=0.2 * RATE_HZ)
        assert warnings == ""


def test_a_tag_amid_the_last_frame_is_no_breaking_off(tmp_path):
    path = tmp_path / "tagged.mp3"
    noise = 0.3 * np.random.default_rng(0).standard_normal(round(3.5 * 44100))
    soundfile.write(path, noise, 44100, bitrate_mode="CONSTANT", compression_level=0)
    path.write_bytes(path.read_bytes()[:-1030] + TAG)
    with pytest.raises(soundfile.LibsndfileError), SoundFile(path) as file:
        file.read(4 * 44100)
    samples, warnings = heard(path.read_bytes(), path)
    assert 2.9 < len(samples) / RATE_HZ < 3.5
    assert warnings == ""


def test_a_wav_from_a_pipe_is_whole(tone):
    """FFmpeg and SoX cannot go back to the header, and say that there is as much as there may be."""
    file = io.BytesIO()
    soundfile.write(file, tone(2.0), RATE_HZ, format="WAV")
    data = file.getvalue()
    at = data.index(b"data") + 4
    for said, warned in ((0xFFFFFFFF, False), (0x7FFFF000, False), (3 * len(data), True), (len(data), False)):
        samples, warnings = heard(data[:at] + struct.pack("<I", said) + data[at + 4 :])
        assert len(samples) == 2 * RATE_HZ
        assert ("breaks off" in warnings) == warned


def test_a_header_that_is_off_by_one_is_no_breaking_off(tone):
    """The bytes per second of ADPCM come out odd, and writers round them as they like."""
    file = io.BytesIO()
    soundfile.write(file, tone(2.0), RATE_HZ, format="WAV", subtype="MS_ADPCM")
    data = bytearray(file.getvalue())
    (rate,) = struct.unpack_from("<I", data, 28)
    struct.pack_into("<I", data, 28, rate + 1)
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        assert f"{rate + 1} (should be {rate})" in file.extra_info
    assert heard(bytes(data))[1] == ""


def test_a_decoder_that_stumbles_beyond_a_guess_is_told_of(tmp_path, loud_and_quiet, monkeypatch):
    read, reads = SoundFile.read, itertools.count()

    def stumbling(file, *args, **kwargs):
        if next(reads) == 30:
            raise soundfile.LibsndfileError(29)
        return read(file, *args, **kwargs)

    monkeypatch.setattr(SoundFile, "read", stumbling, raising=False)
    samples, warnings = heard(mp3(loud_and_quiet, says_its_length=False), tmp_path / "stream.mp3")
    assert len(samples) == pytest.approx(30 * RATE_HZ, abs=2)
    assert warnings == "the file breaks off after 30.0 s and was analysed up to there"
