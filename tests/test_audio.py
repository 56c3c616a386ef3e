"""Whatever the source, the samples are mono float32 at 22 050 Hz, or the error says what to do."""

from __future__ import annotations

import io
import os
import re

import numpy as np
import pytest
import soundfile
import soxr

from scoreorsong import audio as audio_module
from scoreorsong.audio import RATE_HZ, open_audio, read_audio
from scoreorsong.errors import AudioError, ScoreOrSongError

# Format, subtype, and how far the decoded sound may stray from what was written.
FORMATS = [
    ("wav", "PCM_U8", 0.02), ("wav", "PCM_16", 1e-3), ("wav", "PCM_24", 1e-3), ("wav", "PCM_32", 1e-3),
    ("wav", "FLOAT", 1e-3), ("wav", "DOUBLE", 1e-3), ("wav", "ULAW", 0.05), ("wav", "IMA_ADPCM", 0.05),
    ("flac", "PCM_16", 1e-3), ("flac", "PCM_24", 1e-3), ("ogg", "VORBIS", 0.05), ("opus", "OPUS", 0.05),
    ("mp3", "MPEG_LAYER_III", 0.05), ("aiff", "PCM_16", 1e-3), ("caf", "PCM_16", 1e-3),
]  # fmt: skip
FORBIDDEN = r"tone\.wav: cannot be read \(Permission denied\); check its permissions"
CUTTABLE = [row[:2] for row in FORMATS if row[0] in ("wav", "flac", "ogg", "opus", "mp3", "aiff")]


def write(path, samples, *, subtype=None, rate_hz=48000):
    container = {".opus": "OGG"}.get(path.suffix)
    soundfile.write(path, samples, rate_hz, subtype=subtype, format=container)
    return path


def hz_of(samples):
    """Frequency of the strongest partial."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return spectrum.argmax() * RATE_HZ / len(samples)


def read_warned(source, **options):
    audio = open_audio(source, **options)
    return np.concatenate(list(audio)), " | ".join(audio.warnings)


@pytest.fixture
def wav(tmp_path, tone):
    return write(tmp_path / "tone.wav", tone(2.0, rate_hz=44100), rate_hz=44100, subtype="FLOAT")


# ---- what can be read


@pytest.mark.parametrize(("ending", "subtype", "tolerance"), FORMATS)
def test_formats_decode_to_the_sound_that_was_written(tmp_path, tone, ending, subtype, tolerance):
    path = write(tmp_path / f"tone.{ending}", tone(2.0, rate_hz=48000), subtype=subtype)
    samples, warnings = read_warned(path)
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert len(samples) == pytest.approx(2 * RATE_HZ, abs=0.06 * RATE_HZ)
    assert hz_of(samples) == pytest.approx(440, abs=1)
    middle = slice(RATE_HZ // 2, RATE_HZ)
    np.testing.assert_allclose(samples[middle], tone(2.0)[middle], atol=max(tolerance, 2e-3))
    assert warnings == ""


@pytest.mark.parametrize("rate_hz", [2000, 8000, 11025, 22050, 44100, 96000, 192000])
def test_every_rate_keeps_pitch_and_length(tmp_path, tone, rate_hz):
    path = write(tmp_path / "tone.wav", tone(1.5, rate_hz=rate_hz), rate_hz=rate_hz)
    samples = read_audio(path)
    assert len(samples) == pytest.approx(1.5 * RATE_HZ, abs=2)
    assert hz_of(samples) == pytest.approx(440, abs=1)


@pytest.mark.parametrize("kind", [str, lambda path: path, lambda path: io.BytesIO(path.read_bytes())])
def test_every_kind_of_source_gives_the_same(wav, tone, kind):
    expected = read_audio(tone(2.0, rate_hz=44100), rate=44100)
    np.testing.assert_array_equal(read_audio(kind(wav)), expected)


def test_an_open_file_is_read_from_its_start_however_often(wav):
    with wav.open("rb") as file:
        file.seek(1000)
        first, second = read_audio(file), read_audio(file)
        assert open_audio(file).name == str(wav)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, read_audio(wav))


def test_a_nameless_stream_has_a_name_for_messages(wav):
    assert open_audio(io.BytesIO(wav.read_bytes())).name == "<stream>"
    assert open_audio(np.zeros(2000), rate=8000).name == "<array>"


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16])
def test_integer_arrays_are_scaled(tone, dtype):
    info, samples = np.iinfo(dtype), tone(0.5).astype(np.float64)
    half = (float(info.max) - float(info.min)) / 2
    integers = (samples * half * 0.99 + (half if info.min == 0 else 0)).astype(dtype)
    np.testing.assert_allclose(read_audio(integers, rate=RATE_HZ), 0.99 * samples, atol=2.1 / half + 1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4", ">i2"])
def test_arrays_of_any_real_kind_are_taken(tone, dtype):
    samples = (tone(0.5) * (2**15 if np.dtype(dtype).kind == "i" else 1)).astype(dtype)
    np.testing.assert_allclose(read_audio(samples, rate=RATE_HZ), tone(0.5), atol=1e-3)


def test_an_array_is_left_as_it_was(tone):
    samples = tone(0.5)
    samples.flags.writeable = False
    read_audio(samples, rate=44100)
    np.testing.assert_array_equal(samples, tone(0.5))


@pytest.mark.parametrize("channels", [2, 6, 8])
def test_channels_are_averaged(tmp_path, tone, channels):
    samples = np.zeros((RATE_HZ, channels), np.float32)
    samples[:, 0] = tone(1.0)
    expected = tone(1.0) / channels
    path = write(tmp_path / "many.wav", samples, rate_hz=RATE_HZ, subtype="FLOAT")
    np.testing.assert_allclose(read_audio(path), expected, atol=1e-6)
    np.testing.assert_allclose(read_audio(samples, rate=RATE_HZ), expected, atol=1e-6)


@pytest.mark.parametrize("rate_hz", [8000, 44100, 48000])
def test_resampling_in_blocks_leaves_no_seam(tmp_path, noise, rate_hz):
    """A whole file at once gives the same, so block edges do not sound."""
    samples = noise(4.3)
    path = write(tmp_path / "noise.wav", samples, rate_hz=rate_hz, subtype="FLOAT")
    expected = soxr.resample(samples, rate_hz, RATE_HZ)
    got = read_audio(path)
    assert abs(len(got) - len(expected)) <= 1
    n = min(len(got), len(expected))
    np.testing.assert_allclose(got[:n], expected[:n], atol=1e-4)


@pytest.mark.parametrize("offset_s", [0.0, 1.3, 8.7, 12.9])
def test_an_mp3_in_blocks_is_the_same_as_in_one_read(tmp_path, clicks, offset_s):
    """Its frames borrow bits from those before; a decoder that starts among them loses whole clicks."""
    path = tmp_path / "clicks.mp3"
    soundfile.write(path, clicks(16.0), RATE_HZ, bitrate_mode="VARIABLE", compression_level=0.6)
    expected = soundfile.read(path, dtype="float32")[0][round(offset_s * RATE_HZ) :]
    np.testing.assert_allclose(read_audio(path, offset_s=offset_s), expected, atol=1e-6)


def test_blocks_are_about_a_second_long(tmp_path, tone):
    path = write(tmp_path / "long.wav", tone(30.0, rate_hz=8000), rate_hz=8000)
    blocks = list(open_audio(path))
    assert len(blocks) >= 30
    assert max(map(len, blocks)) < 2 * RATE_HZ


# ---- the part to read


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "opus", "mp3"])
def test_offset_and_max_choose_the_part(tmp_path, glide, ending):
    """A glide of one octave in 4 s, so that the pitch tells the time."""
    whole = glide(4.0, octaves=1.0, hz=400.0)
    path = write(tmp_path / f"glide.{ending}", soxr.resample(whole, RATE_HZ, 48000))
    part = read_audio(path, offset_s=2.0, max_s=1.0)
    assert len(part) == pytest.approx(RATE_HZ, abs=2)
    for at_s in (0.1, 0.8):
        piece = part[round(at_s * RATE_HZ) :][:2048]
        expected = 400 * 2 ** ((2.0 + at_s + 1024 / RATE_HZ) / 4)
        assert hz_of(np.pad(piece * np.hanning(2048), (0, 1 << 16))) == pytest.approx(expected, rel=0.01)


def test_offset_and_max_of_an_array(tone):
    samples = tone(3.0)
    part = read_audio(samples, rate=RATE_HZ, offset_s=1.0, max_s=0.5)
    np.testing.assert_array_equal(part, samples[RATE_HZ : RATE_HZ + RATE_HZ // 2])


def test_max_beyond_the_end_reads_to_the_end(wav):
    samples, warnings = read_warned(wav, offset_s=1.5, max_s=100.0)
    assert len(samples) == pytest.approx(RATE_HZ / 2, abs=2)
    assert warnings == ""


def test_a_part_before_the_damage_has_no_warning(wav):
    wav.write_bytes(wav.read_bytes()[:-50_000])
    assert read_warned(wav, max_s=1.0)[1] == ""
    assert "breaks off" in read_warned(wav, offset_s=1.0)[1]


@pytest.mark.parametrize(
    "part",
    [{"offset_s": value} for value in (-1, np.nan, np.inf)] + [{"max_s": value} for value in (0, -1, np.inf)],
)
def test_a_part_that_cannot_be_is_refused(wav, part):
    with pytest.raises(AudioError, match=r"expected seconds with offset_s >= 0 and max_s > 0"):
        open_audio(wav, **part)


def test_an_offset_beyond_the_end_says_so(wav):
    with pytest.raises(AudioError, match=r"tone\.wav: 0 s of sound.*Check that.*the offset lies inside"):
        read_audio(wav, offset_s=10.0)


# ---- how short it may be


def test_a_fifth_of_a_second_is_enough(tmp_path, tone):
    assert len(read_audio(write(tmp_path / "s.wav", tone(0.2), rate_hz=RATE_HZ))) == round(0.2 * RATE_HZ)


@pytest.mark.parametrize("length", [0, 1, 1000])
def test_less_than_a_twentieth_of_a_second_is_refused(tmp_path, length):
    path = write(tmp_path / "short.wav", np.zeros(length), rate_hz=RATE_HZ)
    for source, rate in ((path, None), (np.zeros(length), RATE_HZ)):
        with pytest.raises(AudioError, match=r"s of sound in the part to analyse; expected at least 0\.05 s"):
            read_audio(source, rate=rate)


# ---- damage


def test_damaged_samples_are_silence_with_a_warning(tone):
    samples = tone(2.0)
    samples[[100, 200, 300]] = np.nan, np.inf, 1e30
    got, warnings = read_warned(samples, rate=RATE_HZ)
    assert not got[[100, 200, 300]].any()
    assert np.isfinite(got).all()
    assert warnings.count("taken as silence") == 1


@pytest.mark.parametrize("value", [3e38, -3e38, np.inf, np.nan])
def test_damage_on_several_channels_raises_no_warning_of_numpys(tone, value):
    samples = np.stack([tone(1.0)] * 2, axis=1)
    samples[1000:1100] = value
    samples[1000:1050, 0] = -value
    for dtype in (np.float32, np.float64):
        blocks, warnings = read_warned(samples.astype(dtype), rate=RATE_HZ)
        assert np.isfinite(blocks).all()
        assert warnings.count("taken as silence") == 1


def test_unscaled_floats_are_no_damage():
    samples, warnings = read_warned(np.full(RATE_HZ, 32767.0), rate=RATE_HZ)
    assert samples[0] == 32767
    assert warnings == ""


@pytest.mark.parametrize(("ending", "subtype"), CUTTABLE)
def test_a_cut_file_is_analysed_up_to_the_cut(tmp_path, noise, ending, subtype):
    path = write(tmp_path / f"cut.{ending}", noise(8.0), subtype=subtype, rate_hz=24000)
    whole = path.read_bytes()
    path.write_bytes(whole[: round(0.6 * len(whole))])
    samples, warnings = read_warned(path)
    assert 0.3 < len(samples) / (8.0 * RATE_HZ * RATE_HZ / 24000) < 0.75
    assert re.fullmatch(r"the file breaks off after [\d.]+ s.*was analysed up to there", warnings)
    said_s = float(re.search(r"after ([\d.]+) s", warnings)[1])
    assert said_s == pytest.approx(len(samples) / RATE_HZ, abs=0.1)


@pytest.mark.parametrize(("ending", "subtype"), [("ogg", "VORBIS"), ("opus", "OPUS")])
def test_a_second_ogg_stream_is_told_of(tmp_path, tone, ending, subtype):
    """Web radio writes chained streams; libsndfile reads the first only."""
    sounds = [tone(2.0, hz=hz) for hz in (300, 400)]
    parts = [
        write(tmp_path / f"{i}.{ending}", sound, rate_hz=24000, subtype=subtype)
        for i, sound in enumerate(sounds)
    ]
    chained = tmp_path / f"chained.{ending}"
    chained.write_bytes(b"".join(part.read_bytes() for part in parts))
    warnings = read_warned(chained)[1]
    assert re.search(r"more follows after 1\.8 s|breaks off", warnings)


@pytest.mark.parametrize("ending", ["wav", "flac", "mp3", "aiff"])
def test_text_in_audios_clothing_is_refused(tmp_path, ending):
    path = tmp_path / f"letter.{ending}"
    path.write_text("Dear reader, this is no audio. " * 100)
    with pytest.raises(
        AudioError,
        match=rf"letter\.{ending}: Format not recognised; expected WAV, FLAC.+check that it is audio",
    ):
        read_audio(path)


@pytest.mark.parametrize("size", [1, 12, 44, 200])
def test_a_file_cut_in_its_header_is_refused(wav, size):
    wav.write_bytes(wav.read_bytes()[:size])
    with pytest.raises(AudioError, match=r"tone\.wav: .*(expected|[Cc]heck)"):
        read_audio(wav)


def test_rates_no_music_has_are_refused(tmp_path, tone):
    path = write(tmp_path / "slow.wav", tone(1.0, rate_hz=1000), rate_hz=1000)
    with pytest.raises(AudioError, match=r"slow\.wav: sample rate 1000 Hz; expected 2000 to 1000000"):
        read_audio(path)


# ---- what is no file, or not to be read


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("none.wav", r"none\.wav: no such file; check the spelling"),
        ("none/such.wav", r"such\.wav: no such file; check the spelling"),
        ("empty.wav", r"empty\.wav: the file is empty \(0 bytes\); copy or export it again"),
        ("folder", r"folder: is a folder, expected an audio file; name the files in it"),
        ("nul\0.wav", r"cannot be read \(embedded null byte\)"),
        ("long" * 2000, r"cannot be read \(File name too long\)"),
    ],
)
def test_what_is_no_audio_file_is_refused_when_opened(tmp_path, name, match):
    (tmp_path / "empty.wav").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(AudioError, match=match):
        open_audio(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_forbidden_file_is_refused(wav):
    wav.chmod(0)
    with pytest.raises(AudioError, match=FORBIDDEN):
        open_audio(wav)


def test_what_cannot_be_opened_is_named(wav, monkeypatch):
    """The same as above, for root."""

    def forbidden(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", forbidden)
    with pytest.raises(AudioError, match=FORBIDDEN):
        open_audio(wav)


@pytest.mark.parametrize("source", [None, 3, [0.0, 1.0], b"RIFF"])
def test_what_is_no_source_is_refused(source):
    with pytest.raises(
        AudioError, match=rf"{type(source).__name__}: cannot be read as a file; expected a path"
    ):
        open_audio(source)


def test_files_that_cannot_be_read_or_rewound_are_refused(wav):
    expected = pytest.raises(
        AudioError, match=r"expected a path, an open binary file that can seek, or a NumPy"
    )
    with wav.open(encoding="latin-1") as text, expected:
        open_audio(text)
    with wav.open("ab") as write_only, expected:
        open_audio(write_only)
    with expected:
        open_audio(write_only)  # closed by now
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe, os.fdopen(writing, "wb"), expected:
        open_audio(pipe)


def test_an_empty_stream_is_refused():
    with pytest.raises(AudioError, match=r"<stream>: .+; (expected|install)"):
        read_audio(io.BytesIO())


# ---- arrays


@pytest.mark.parametrize("rate", [None, 0, -1, 100, 1e9, np.nan, np.inf])
def test_an_array_needs_a_rate_that_can_be(rate):
    with pytest.raises(AudioError, match=r"<array>: rate=.*; expected rate=, the array's sample rate"):
        open_audio(np.zeros(RATE_HZ), rate=rate)


def test_only_an_array_takes_a_rate(wav):
    with pytest.raises(AudioError, match=r"rate=44100: only an array of samples takes rate="):
        open_audio(wav, rate=44100)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(9, complex), np.zeros(9, bool), np.array(["a"]), np.array([None]),
        np.zeros(()), np.zeros((9, 0)), np.zeros((9, 2, 2)),
    ],
)  # fmt: skip
def test_arrays_that_are_no_sound_are_refused(samples):
    with pytest.raises(AudioError, match=r"<array>: shape .* of .*; expected real numbers shaped"):
        open_audio(samples, rate=RATE_HZ)


def test_an_array_lying_on_its_side_is_told_so():
    with pytest.raises(AudioError, match=r"shape \(2, 22050\) means 22050 channels; pass samples\.T"):
        open_audio(np.zeros((2, RATE_HZ)), rate=RATE_HZ)


def test_one_root_for_all_errors():
    assert issubclass(AudioError, ScoreOrSongError)
    assert issubclass(ScoreOrSongError, Exception)


def test_constants_agree():
    assert 0 < audio_module.MIN_S < audio_module.READ_S
