"""A recording is known by its sound, and whose it is by its tags."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import soundfile
from helpers import RATE_HZ, song, write_wav

from scoreorsong import AudioError, extract
from scoreorsong.audio import read_audio
from scoreorsong.recordings import SoundHash, alike, merged, sound_of, whose

# As integers: each format rounds floats in its own way when it is written.
SAMPLES = np.round(song(1, 1.0) / 2 * 32767).astype(np.int16)


def write(path, *, tags=(), samples=SAMPLES, **options):
    with soundfile.SoundFile(path, "w", RATE_HZ, 1, **options) as file:
        for tag, value in dict(tags).items():
            setattr(file, tag, value)
        file.write(samples)
    return path


# ---- sound


def test_it_is_the_hash_of_the_decoded_samples(tmp_path):
    path = write_wav(tmp_path / "a.wav", SAMPLES)
    assert sound_of(path) == hashlib.sha256(read_audio(path).astype("<f4").tobytes()).hexdigest()


@pytest.mark.parametrize("name", ["b.flac", "b.wav", "b.aiff"])
def test_neither_name_nor_tags_nor_lossless_format_matter(tmp_path, name):
    one = write(tmp_path / "a.wav")
    other = write(tmp_path / name, tags={"artist": "Somebody", "title": "Else"})
    assert one.read_bytes() != other.read_bytes()
    assert sound_of(one) == sound_of(other)


def test_other_sound_has_another_hash(tmp_path):
    one = write(tmp_path / "a.wav")
    assert sound_of(one) != sound_of(write(tmp_path / "b.wav", samples=SAMPLES // 2))
    assert sound_of(one) != sound_of(one, max_s=0.5) != sound_of(one, offset_s=0.5)


def test_extracting_can_tell_it_on_the_way(tmp_path):
    path, sound = write_wav(tmp_path / "a.wav", SAMPLES, rate_hz=44100), SoundHash()
    overheard = extract(path, windows=False, listener=sound)
    assert str(sound) == sound_of(path)
    np.testing.assert_array_equal(overheard.clip, extract(path, windows=False).clip)


def test_what_cannot_be_decoded_has_no_sound(tmp_path):
    (tmp_path / "a.wav").write_text("Dear reader")
    with pytest.raises(AudioError, match=r"a\.wav"):
        sound_of(tmp_path / "a.wav")


# ---- tags


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff"])
def test_the_artist_comes_before_the_album(tmp_path, name):
    path = write(tmp_path / name, tags={"artist": "Jo  March ", "album": "Cues", "title": "One"})
    assert whose(path) == ("artist", "Jo March")


def test_where_nobody_is_named_the_album_is(tmp_path):
    for artist in ("Various Artists", "unknown artist", " "):
        assert whose(write(tmp_path / "a.flac", tags={"artist": artist, "album": "Cues"})) == (
            "album",
            "Cues",
        )


def test_without_tags_it_is_nobodys(tmp_path):
    assert whose(write(tmp_path / "a.wav")) is None
    assert whose(write(tmp_path / "b.wav", tags={"title": "One"})) is None
    (tmp_path / "c.wav").write_text("Dear reader")
    (tmp_path / "d.m4a").write_text("Dear reader")
    assert whose(tmp_path / "c.wav") is whose(tmp_path / "d.m4a") is whose(tmp_path / "none.wav") is None


def test_tags_of_media_that_libsndfile_does_not_know(tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "a.m4a"
    with av.open(str(path), "w") as media:
        media.metadata["artist"] = "Jo March"
        stream = media.add_stream("aac", rate=RATE_HZ)
        frame = av.AudioFrame.from_ndarray(
            SAMPLES[None].astype(np.float32) / 32768, format="fltp", layout="mono"
        )
        frame.sample_rate = RATE_HZ
        media.mux([*stream.encode(frame), *stream.encode(None)])
    assert whose(path) == ("artist", "Jo March")


# ---- what is alike


def test_marks_that_stand_at_several_places():
    assert alike(["a", "b", "a", "c", "b", "a"]) == [[0, 2, 5], [1, 4]]
    assert alike([]) == alike("abc") == []


def test_groups_of_linked_places_become_one():
    assert merged(["d", "a", "c", "b"], []) == ["d", "a", "c", "b"]
    assert merged(["d", "a", "c", "b", "a"], [(0, 1), (2, 3)]) == ["a", "a", "b", "b", "a"]
    assert merged(["d", "a", "c", "b"], [(0, 2), (2, 3), (3, 1)]) == ["a"] * 4
