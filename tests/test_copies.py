"""Copies of a recording share a group, and nothing else does."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from helpers import bare_take

from scoreorsong import LabelsError
from scoreorsong.copies import with_copies_together
from scoreorsong.features import SEGMENT_NUMBERS
from scoreorsong.likeness import COMPARED_SEGMENTS, copies
from scoreorsong.takes import Take


def moving(seed, n=COMPARED_SEGMENTS + 5):
    """Segments of something whose spectrum moves."""
    return np.random.default_rng(seed).standard_normal((n, SEGMENT_NUMBERS)).astype(np.float32)


def take(group, segments, variant="original", groups=(), *, label="song"):
    plain = bare_take(label, group, variant=variant)
    features = type(plain.features)(
        group, 8.0, plain.features.clip, plain.features.windows, segments, np.zeros(len(segments), bool)
    )
    return Take(plain.example, variant, frozenset({group, *groups}), features, plain.known)


def test_noise_level_and_equaliser_do_not_matter():
    clip = moving(0)
    band = np.linspace(-9, 9, SEGMENT_NUMBERS, dtype=np.float32)
    level = np.linspace(0, 6, len(clip), dtype=np.float32)[:, None]
    others = [clip + 0.1 * moving(1), clip + band, clip + level, clip[:COMPARED_SEGMENTS]]
    assert copies([clip, *others]) == [(a, b) for a in range(5) for b in range(a + 1, 5)]


def test_other_recordings_are_no_copies():
    assert copies([moving(seed) for seed in range(40)]) == []
    assert copies([moving(0), moving(0)[5:]]) == []  # nor what begins elsewhere
    assert copies([]) == []


def test_what_is_short_or_does_not_move_is_not_compared():
    assert copies([moving(0, COMPARED_SEGMENTS - 1)] * 2) == []
    assert copies([np.ones((COMPARED_SEGMENTS, SEGMENT_NUMBERS), np.float32)] * 2) == []


def test_many_are_compared_in_parts(monkeypatch):
    monkeypatch.setattr("scoreorsong.likeness.ROWS_AT_ONCE", 2)
    assert copies([moving(s) for s in (0, 1, 2, 0, 1)]) == [(0, 3), (1, 4)]


def enough(label, seeds):
    """As many groups of a class as training needs."""
    return [take(f"{label} {seed}", moving(seed), label=label) for seed in seeds]


REST = [*enough("score", (10, 11, 12)), *enough("song", (13, 14))]


def test_their_groups_become_one_in_every_take(caplog):
    clip = moving(0)
    takes = [
        take("b", clip), take("b", moving(5), "speech 0", ["voice: x"]), take("a", clip + 0.1 * moving(3)), *REST,
    ]  # fmt: skip
    with caplog.at_level(logging.WARNING):
        together, pairs = with_copies_together(takes)
    assert pairs == [("b", "a")]
    assert [t.group for t in together[:3]] == ["a", "a", "a"]
    assert [set(t.groups) for t in together[:3]] == [{"a"}, {"a", "voice: x"}, {"a"}]
    assert together[3:] == REST
    assert caplog.messages == ["b and a are copies of one recording and were put into one group"]


def test_copies_in_one_group_are_nothing_to_tell():
    takes = [take("a", moving(0)), take("a", moving(0)), *REST]
    assert with_copies_together(takes) == (takes, [])


def test_groups_that_are_too_few_without_their_copies_are_refused():
    with pytest.raises(
        LabelsError, match="song: 2 groups, copies of one recording in one; expected at least 3"
    ):
        with_copies_together([take("a", moving(13)), *REST])
