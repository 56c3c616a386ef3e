"""Films, phones and browsers: what libsndfile cannot read, or gives up on, PyAV reads."""

from __future__ import annotations

import io
import re
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from scoreorsong import media
from scoreorsong.audio import RATE_HZ, open_audio, read_audio
from scoreorsong.errors import AudioError

av = pytest.importorskip("av")

MEDIA = [
    ("m4a", "aac"), ("mp4", "aac"), ("mp4", "libopus"), ("m4a", "alac"), ("mov", "pcm_s16le"),
    ("mkv", "aac"), ("mkv", "libopus"), ("mka", "flac"), ("webm", "libopus"), ("avi", "pcm_s16le"),
    ("wma", "wmav2"), ("aac", "aac"), ("ac3", "ac3"),
]  # fmt: skip
LOSSY = 0.05
ENCODE_RATE_HZ = 48000


def write_media(path, samples, codec, *, layout="mono", muxer=None, picture=False, bit_rate=128_000):
    """Encode mono samples at 48 kHz into every channel of `layout`."""
    with av.open(str(path), "w", options=muxer or {}) as media:
        video = add_picture(media) if picture else None
        stream = media.add_stream(codec, rate=ENCODE_RATE_HZ, layout=layout)
        stream.bit_rate = bit_rate
        resampler = av.AudioResampler(format=stream.format.name, layout=layout, rate=ENCODE_RATE_HZ)
        for start in range(0, len(samples), 4800):
            block = np.tile(samples[start : start + 4800], (len(stream.layout.channels), 1))
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = ENCODE_RATE_HZ, start, Fraction(1, ENCODE_RATE_HZ)
            for part in resampler.resample(frame):
                media.mux(stream.encode(part))
        media.mux(stream.encode(None))
        if video:
            mux_picture(media, video)
    return path


def add_picture(media):
    stream = media.add_stream("mpeg4", rate=25)
    stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
    return stream


def mux_picture(media, stream):
    for _ in range(50):
        media.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
    media.mux(stream.encode(None))


def hz_of(samples):
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 17))
    return spectrum.argmax() * RATE_HZ / (1 << 17)


def read_warned(source, **options):
    audio = open_audio(source, **options)
    return np.concatenate(list(audio)), " | ".join(audio.warnings)


@pytest.fixture
def rising():
    """A tone that rises by one octave in `seconds`, from 400 Hz, at 48 kHz: its pitch tells the time."""

    def make(seconds):
        hz = 400 * 2 ** (np.arange(round(seconds * ENCODE_RATE_HZ)) / ENCODE_RATE_HZ / seconds)
        return (0.4 * np.sin(2 * np.pi * np.cumsum(hz) / ENCODE_RATE_HZ)).astype(np.float32)

    return make


@pytest.fixture
def m4a(tmp_path, tone):
    return write_media(tmp_path / "tone.m4a", tone(3.0, rate_hz=ENCODE_RATE_HZ), "aac")


def without_extra(monkeypatch):
    monkeypatch.setattr("scoreorsong.audio.installed", lambda: False)


# ---- what can be read


@pytest.mark.parametrize(("ending", "codec"), MEDIA)
def test_media_decode_to_the_sound_that_was_written(tmp_path, tone, ending, codec):
    path = write_media(tmp_path / f"tone.{ending}", tone(3.0, rate_hz=ENCODE_RATE_HZ), codec)
    samples, warnings = read_warned(path)
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(3 * RATE_HZ, abs=0.1 * RATE_HZ)
    assert hz_of(samples) == pytest.approx(440, abs=1)
    assert np.abs(samples[RATE_HZ : 2 * RATE_HZ]).max() == pytest.approx(0.5, abs=LOSSY)
    assert warnings == ""


def test_the_sound_of_a_film_is_found_beside_its_picture(tmp_path, tone):
    path = write_media(tmp_path / "film.mp4", tone(2.0, rate_hz=ENCODE_RATE_HZ), "aac", picture=True)
    assert hz_of(read_audio(path)) == pytest.approx(440, abs=1)


@pytest.mark.parametrize("layout", ["stereo", "5.1"])
def test_channels_are_averaged(tmp_path, tone, layout):
    path = write_media(tmp_path / "wide.mka", tone(1.0, rate_hz=ENCODE_RATE_HZ), "pcm_f32le", layout=layout)
    np.testing.assert_allclose(read_audio(path)[4000:16000], tone(1.0)[4000:16000], atol=2e-3)


def test_paths_and_streams_give_the_same(m4a):
    expected = read_audio(m4a)
    np.testing.assert_array_equal(read_audio(str(m4a)), expected)
    np.testing.assert_array_equal(read_audio(io.BytesIO(m4a.read_bytes())), expected)
    with m4a.open("rb") as file:
        np.testing.assert_array_equal(read_audio(file), expected)
        np.testing.assert_array_equal(read_audio(file), expected)


@pytest.mark.parametrize(("ending", "codec"), [("m4a", "aac"), ("mkv", "libopus"), ("mka", "pcm_s16le")])
def test_offset_and_max_choose_the_part(tmp_path, rising, ending, codec):
    path = write_media(tmp_path / f"rising.{ending}", rising(4.0), codec)
    part = read_audio(path, offset_s=2.0, max_s=1.0)
    assert len(part) == pytest.approx(RATE_HZ, abs=2)
    for at_s in (0.1, 0.8):
        piece = part[round(at_s * RATE_HZ) :][:2048]
        assert hz_of(piece) == pytest.approx(400 * 2 ** ((2.0 + at_s + 1024 / RATE_HZ) / 4), rel=0.01)


def test_an_offset_beyond_the_end_says_so(m4a):
    with pytest.raises(AudioError, match=r"tone\.m4a: 0 s of sound.*the offset lies inside"):
        read_audio(m4a, offset_s=10.0)


# ---- what cannot


@pytest.mark.parametrize(("ending", "codec"), [("m4a", "aac"), ("mkv", "libopus"), ("webm", "libopus")])
def test_without_the_extra_the_error_names_it(tmp_path, tone, monkeypatch, ending, codec):
    path = write_media(tmp_path / f"tone.{ending}", tone(1.0, rate_hz=ENCODE_RATE_HZ), codec)
    without_extra(monkeypatch)
    mend = rf'tone\.{ending}: .+; install the extra that reads it: pip install "score-or-song\[media\]"'
    with pytest.raises(AudioError, match=mend):
        read_audio(path)
    with pytest.raises(AudioError, match=r'<stream>: .+ pip install "score-or-song\[media\]"'):
        read_audio(io.BytesIO(path.read_bytes()))


def test_a_coding_that_ffmpeg_does_not_know_is_said(m4a):
    """Neither by the name of its samples nor by the type that an MP4 gives them."""
    strange = m4a.read_bytes().replace(b"mp4a", b"zzzz").replace(b"\x40\x15\0\0", b"\xfe\x15\0\0")
    m4a.write_bytes(strange)
    with pytest.raises(
        AudioError, match=r"tone\.m4a: its sound is in a coding that FFmpeg does not know; .*FLAC"
    ):
        read_audio(m4a)
    with pytest.raises(AudioError, match=r"tone\.m4a: has no sound track 2; there is 1 \(.*unknown coding\)"):
        list(open_audio(m4a, track=2))


def test_a_header_that_claims_a_rate_of_nothing_is_survived():
    """As a damaged Ogg file had it; the decoder says what is wrong then."""
    nothing = SimpleNamespace(start_time=None, rate=0, decode=lambda stream: iter(()))
    assert list(media._decoded(nothing, nothing)) == []


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
@pytest.mark.parametrize(
    ("ending", "codec", "muxer"),
    [
        ("m4a", "aac", {}),
        ("m4a", "aac", {"movflags": "faststart"}),
        ("mkv", "aac", {}),
        ("webm", "libopus", {}),
    ],
)
def test_a_cut_file_is_never_taken_for_a_whole_one(tmp_path, rising, ending, codec, muxer, share):
    """An m4a with its index at the end is lost; the others are read up to the cut."""
    path = write_media(tmp_path / f"cut.{ending}", rising(20.0), codec, muxer=muxer)
    whole = path.read_bytes()
    path.write_bytes(whole[: round(share * len(whole))])
    try:
        samples, warnings = read_warned(path)
    except AudioError as refusal:
        error = str(refusal)
        assert not muxer
        assert ending == "m4a" or share < 0.1
        assert re.match(rf".*cut\.{ending}: .+; expected an audio or video file with sound", error)
    else:
        assert len(samples) / RATE_HZ == pytest.approx(20 * share, abs=1.5)
        assert re.search(r"breaks off after [\d.]+ s", warnings)


def test_a_film_without_sound_is_refused(tmp_path):
    path = tmp_path / "mute.mp4"
    with av.open(str(path), "w") as media:
        mux_picture(media, add_picture(media))
    with pytest.raises(AudioError, match=r"mute\.mp4: holds no sound track; expected a file with audio"):
        read_audio(path)


@pytest.mark.parametrize("ending", ["m4a", "mkv", "opus", "aac"])
def test_text_in_medias_clothing_is_refused(tmp_path, ending):
    path = tmp_path / f"letter.{ending}"
    path.write_text("Dear reader, this is no film. " * 100)
    with pytest.raises(AudioError, match=rf"letter\.{ending}: "):
        read_audio(path)


# ---- where libsndfile gives up half-way


@pytest.fixture
def stumbling(tmp_path, rising):
    """An Opus file, noisy at first, with long pages: libsndfile 1.2.2 calls the last one malformed after a seek."""
    samples = rising(10.0)
    samples[: 5 * ENCODE_RATE_HZ] += 0.2 * np.random.default_rng(0).standard_normal(5 * ENCODE_RATE_HZ)
    return write_media(tmp_path / "pages.opus", samples, "libopus", muxer={"page_duration": "4000000"})


def assert_rising(samples, *, seconds, from_s=0.0):
    """Every quarter of a second has the pitch of its time: nothing is missing, nothing comes twice."""
    for at_s in np.arange(0.1, len(samples) / RATE_HZ - 0.1, 0.25):
        piece = samples[round(at_s * RATE_HZ) :][:2048]
        expected = 400 * 2 ** ((from_s + at_s + len(piece) / 2 / RATE_HZ) / seconds)
        assert hz_of(piece) == pytest.approx(expected, rel=0.005), at_s


@pytest.mark.parametrize("extra", [True, False])
def test_opus_files_on_which_libsndfile_stumbles_are_whole(stumbling, monkeypatch, extra):
    if not extra:
        without_extra(monkeypatch)
    samples, warnings = read_warned(stumbling)
    assert len(samples) == pytest.approx(10 * RATE_HZ, abs=0.02 * RATE_HZ)
    assert_rising(samples, seconds=10.0)
    assert warnings == ""


def stumble_after(blocks, monkeypatch):
    """Let libsndfile read so many blocks and no more; returns the list of its calls."""
    read, calls = soundfile.SoundFile.read, []

    def stumble(self, *args, **options):
        calls.append(1)
        if len(calls) > blocks:
            raise soundfile.LibsndfileError(1, "stumbled: ")
        return read(self, *args, **options)

    monkeypatch.setattr("soundfile.SoundFile.read", stumble)
    return calls


def test_without_the_extra_a_file_ends_where_libsndfile_fails(tmp_path, rising, monkeypatch):
    path = write_media(tmp_path / "fine.opus", rising(10.0), "libopus")
    without_extra(monkeypatch)
    stumble_after(3, monkeypatch)
    samples, warnings = read_warned(path)
    assert len(samples) == pytest.approx(3 * RATE_HZ, abs=3)
    assert_rising(samples, seconds=10.0)
    assert warnings == "the file breaks off after 3.0 s and was analysed up to there"


@pytest.mark.parametrize("blocks", [0, 1, 3])
@pytest.mark.parametrize(("offset_s", "max_s"), [(0.0, None), (2.25, None), (2.25, 4.5)])
def test_pyav_takes_over_where_libsndfile_fails(tmp_path, rising, monkeypatch, blocks, offset_s, max_s):
    path = write_media(tmp_path / "fine.opus", rising(10.0), "libopus")
    calls = stumble_after(blocks, monkeypatch)
    samples, warnings = read_warned(path, offset_s=offset_s, max_s=max_s)
    assert len(calls) == blocks + 1
    assert len(samples) == pytest.approx((max_s or 10.0 - offset_s) * RATE_HZ, abs=3)
    assert_rising(samples, seconds=10.0, from_s=offset_s)
    assert np.abs(np.diff(samples)).max() < 0.4 * 2 * np.pi * 800 / RATE_HZ * 1.2  # no click at the seam
    assert warnings == ""


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:2,\n{other}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{other}'\n",
    ],
)
def test_a_playlist_opens_no_other_file(tmp_path, playlist):
    other = tmp_path / "other.wav"
    soundfile.write(other, np.zeros(22050), 22050)
    path = tmp_path / "playlist.mka"
    path.write_text(playlist.format(other=other), encoding="utf-8")
    with pytest.raises(AudioError, match=r"playlist\.mka: .*; expected an audio or video file"):
        list(open_audio(path))
