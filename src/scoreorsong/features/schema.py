"""Nothing → the names, units, ranges and meanings of all features.

One row names one feature or, with ``{}`` in the name and the meaning, one for
each of the listed parts. A clip vector has the order of `NAMES`. Adding a
feature means returning it from one family's ``describe`` and adding its row here;
changing what a name means, or the set of names, raises `SCHEMA_VERSION`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Literal, NamedTuple

Family = Literal["spectral", "vocals", "structure"]

SCHEMA_VERSION: Final = 5


class Feature(NamedTuple):
    """One named number: its values lie in [low, high], `unit` is "1" for shares and ratios."""

    name: str
    family: Family
    unit: str
    low: float
    high: float
    meaning: str


def _rows(
    family: Family, table: Iterable[tuple[str, Iterable[object], str, float, float, str]]
) -> Iterator[Feature]:
    for name, parts, unit, low, high, meaning in table:
        for part in parts or ("",):
            yield Feature(name.format(part), family, unit, low, high, meaning.format(part))


_MFCC = [f"{i:02d}" for i in range(1, 21)]
_SIX = range(1, 7)
_TWELVE = [f"{i:02d}" for i in range(1, 13)]
_GROUPS = ("low", "lowmid", "highmid", "high")
_REGIONS = ("low", "mid", "high")
_RATES = ("0.5_1hz", "1_2hz", "2_4hz", "4_8hz", "8_16hz")

_SPECTRAL = [
    ("mfcc_{}_mean", _MFCC, "dB", -1100, 1100, "mean of cepstral coefficient {}"),
    ("mfcc_{}_std", _MFCC, "dB", 0, 1100, "spread of cepstral coefficient {}"),
    ("mfcc_{}_delta_std", _MFCC, "dB", 0, 2200, "speed of cepstral coefficient {}"),
    ("centroid_{}", ("mean",), "mel bands", 0, 71, "brightness ({} of the centroid on the mel axis)"),
    ("centroid_{}", ("std",), "mel bands", 0, 71, "change of brightness ({} of the centroid)"),
    ("spread_{}", ("mean", "std"), "mel bands", 0, 71, "width of the spectrum ({})"),
    ("rolloff_{}", ("mean", "std"), "mel bands", 0, 72, "band under which 85 % of the power lies ({})"),
    ("flux_{}", ("mean", "std"), "1", 0, 12, "change of the spectrum from frame to frame ({})"),
    ("balance_{}", ("bass", "low", "mid", "high", "treble"), "dB", -60, 0.01, "share of the {} region"),
    ("flatness_{}_mean", _SIX, "1", 0, 1.01, "noisiness of band {} of 6 between 100 Hz and 7.6 kHz"),
    ("flatness_{}_std", _SIX, "1", 0, 1, "change of noisiness in band {} of 6"),
    ("contrast_{}_mean", _SIX, "dB", 0, 120, "peaks over valleys in region {} of 6 of the mel axis"),
    ("contrast_{}_std", _SIX, "dB", 0, 120, "change of peaks over valleys in region {} of 6"),
    ("level_range", (), "dB", 0, 60, "range of the level, 10th to 95th percentile of frames"),
    ("level_floor", (), "dB", -60, 0, "level of the quietest moments under the loudest"),
    ("level_median", (), "dB", -60, 0, "usual level under the loudest"),
    ("level_std", (), "dB", 0, 60, "spread of the level"),
    ("level_delta", (), "dB", 0, 60, "change of the level from frame to frame"),
    ("loudness_range", (), "dB", 0, 60, "range of the loudness over 3 s"),
    ("dynamic_complexity", (), "dB", 0, 60, "mean distance from the overall loudness"),
    ("quiet_share", (), "1", 0, 1, "share of moments more than 20 dB under the loud ones"),
    ("level_slope", (), "dB/min", -60, 60, "growth of the loudness"),
    *(
        (f"modulation_{group}_{{}}", _RATES, "1", 0, 1, f"share of the {group} region's swing at {{}}")
        for group in _GROUPS
    ),
    ("modulation_{}_depth", _GROUPS, "dB", 0, 120, "depth of the swing of the {} region"),
]  # fmt: skip

_VOCALS = [
    ("fluctogram_{}_move", _TWELVE, "bins", 0, 5.01, "gliding of partials in band {} of 12 (fluctogram)"),
    ("fluctogram_{}_std", _TWELVE, "bins", 0, 5.01, "spread of the gliding in band {} of 12"),
    ("contraction_{}_mean", _TWELVE, "1", 0, 1.01, "tonal concentration of band {} of 12"),
    ("glide_abs", (), "bins", 0, 5.01, "gliding of all bands together, as a voice's partials do"),
    ("glide_std", (), "bins", 0, 5.01, "spread of the common gliding"),
    ("glide_agreement", (), "1", 0, 1, "agreement of the bands on the direction of a glide"),
    ("glide_vibrato", (), "1", 0, 1, "share of the common gliding at vibrato rates (4-8 Hz)"),
    *(
        (f"vocvar_{{}}_{at}", range(1, 6), "log10 dB²", -1.01, 7, f"variance of coefficient {{}} ({at})")
        for at in ("q25", "q50", "q90")
    ),
    ("salience_mean", (), "1", 0, 1, "clearness of a leading pitch"),
    ("salience_std", (), "1", 0, 1, "change in the clearness of a leading pitch"),
    ("pitch_median", (), "semitones above 110 Hz", -8.5, 40, "usual height of the leading pitch"),
    ("pitch_range", (), "semitones", 0, 48.5, "range of the leading pitch"),
    ("pitch_hold_share", (), "1", 0, 1, "share of held pitches"),
    ("pitch_glide_share", (), "1", 0, 1, "share of gliding pitches"),
    ("pitch_vibrato", (), "1", 0, 1, "share of the leading pitch's wobble at vibrato rates (4-8 Hz)"),
    ("pitch_wobble", (), "semitones", 0, 0.81, "wobble of the leading pitch"),
    ("voiceband_syllable_share", (), "1", 0, 1, "share of the voice band's swing at the rate of syllables"),
    ("voiceband_excess", (), "dB", -120, 120, "level of the voice band over the rest"),
    ("voiceband_excess_std", (), "dB", 0, 120, "change of the voice band's level over the rest"),
    ("voiceband_excess_syllable_share", (), "1", 0, 1, "syllable-like swing of the voice band over the rest"),
]  # fmt: skip

_STRUCTURE = [
    ("onset_mean", (), "dB", 0, 120, "strength of onsets"),
    ("onset_std", (), "dB", 0, 120, "spread of the strength of onsets"),
    ("onset_skewness", (), "1", -20, 20, "sparseness of onsets"),
    ("onset_rate", (), "1/s", 0, 44, "density of onsets"),
    ("onset_{}", _REGIONS, "dB", 0, 120, "strength of onsets in the {} region"),
    ("pulse_clarity", (), "1", -1, 1.01, "clearness of a steady pulse"),
    ("pulse_clarity_local", (), "1", -1, 1.01, "clearness of a pulse within 8 s"),
    ("pulse_stability", (), "1", -1, 1, "steadiness of the pulse over the clip"),
    ("pulse_median", (), "1", -1, 1.01, "usual periodicity of the onsets"),
    ("pulse_entropy", (), "1", 0, 1.01, "diffuseness of the pulse"),
    ("tempo", (), "1/min", 29, 250, "rate of the strongest pulse"),
    ("tempo_drift", (), "octaves", 0, 2, "change of the strongest pulse"),
    ("pulse_{}", _REGIONS, "1", -1, 1.01, "clearness of the pulse in the {} region"),
    ("percussive_mean", (), "1", 0, 1, "share of percussion"),
    ("percussive_std", (), "1", 0, 1, "change in the share of percussion"),
    ("percussive_peak", (), "1", 0, 1, "share of percussion in the most percussive moments"),
    ("percussive_{}", _REGIONS, "1", 0, 1, "share of percussion in the {} region"),
    ("chroma_entropy", (), "1", -0.01, 1.01, "number of pitch classes in use"),
    ("chroma_entropy_local", (), "1", -0.01, 1.01, "number of pitch classes at a time"),
    ("chroma_change", (), "1", 0, 1.01, "change of harmony"),
    ("chroma_change_std", (), "1", 0, 1, "unevenness in the change of harmony"),
    ("chroma_peak", (), "1", 0, 1.01, "dominance of one pitch class at a time"),
    ("key_clarity", (), "1", -1.01, 1.01, "clearness of the key"),
    ("key_clarity_local", (), "1", -1.01, 1.01, "clearness of the key at a time"),
    ("key_mode", (), "1", -2.01, 2.01, "major over minor"),
    *(
        (f"{name}_{{}}", ("harmony", "timbre"), "1", -2.01, 2.01, meaning)
        for name, meaning in (
            ("repeat_best", "how well stretches of 4 s return ({})"),
            ("repeat_usual", "likeness of distant stretches ({})"),
            ("repeat_lag", "repetition at a fixed distance ({})"),
            ("alike_mean", "likeness of all moments ({})"),
            ("alike_std", "contrast between likeness and unlikeness ({})"),
            ("novelty_mean", "how much the music turns ({})"),
            ("novelty_peak", "the sharpest turn between sections ({})"),
        )
    ),
    ("brightness_drift", (), "mel bands", 0, 72, "drift of the brightness"),
    ("density_drift", (), "dB", 0, 120, "drift of the density of onsets"),
    ("level_drift", (), "dB", 0, 60, "drift of the level"),
    ("brightness_slope", (), "mel bands/min", -60, 60, "growth of the brightness"),
    ("density_slope", (), "dB/min", -60, 60, "growth of the density of onsets"),
    ("level_start", (), "dB", -60, 60, "level of the beginning"),
    ("level_end", (), "dB", -60, 60, "level of the end"),
]  # fmt: skip

FEATURES: Final[tuple[Feature, ...]] = (
    *_rows("spectral", _SPECTRAL),
    *_rows("vocals", _VOCALS),
    *_rows("structure", _STRUCTURE),
)
NAMES: Final[tuple[str, ...]] = tuple(feature.name for feature in FEATURES)
INDEX: Final[dict[str, int]] = {name: i for i, name in enumerate(NAMES)}
