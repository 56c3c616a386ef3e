"""Path on stdin → seconds on stdout: one peer, warm, in an environment of its own.

    VENV/bin/python benchmarks/peers.py NAME

Reads one path a line, answers with the seconds it took, or with ``failed: `` and why. The first
line it writes says whether the peer can be had at all. `speed.py` runs it.
"""

import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", NUMBA_NUM_THREADS="1")

import sys
import time

PACKAGES = {
    "Essentia MusicExtractor": ["essentia"],
    "openSMILE ComParE 2016": ["opensmile"],
    "pyAudioAnalysis mid-term": [
        "pyAudioAnalysis", "eyed3", "hmmlearn", "imbalanced-learn", "matplotlib", "plotly", "pydub", "scikit-learn",
        "soundfile",
    ],
    "librosa script": ["librosa"],
}  # fmt: skip


def essentia():
    import essentia
    from essentia.standard import MusicExtractor

    essentia.log.infoActive = essentia.log.warningActive = False
    return MusicExtractor()


def opensmile():
    import opensmile

    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.ComParE_2016, feature_level=opensmile.FeatureLevel.Functionals
    )
    return smile.process_file


def pyaudioanalysis():
    import soundfile
    from pyAudioAnalysis import MidTermFeatures

    def run(path):
        samples, rate = soundfile.read(path, always_2d=True)  # its own reader takes ffmpeg for an MP3
        samples = samples.mean(axis=1)
        MidTermFeatures.mid_feature_extraction(
            samples, rate, rate, rate, round(0.05 * rate), round(0.05 * rate)
        )

    return run


def librosa():
    import librosa
    import numpy as np

    def run(path):
        samples, rate = librosa.load(path)
        magnitude = np.abs(librosa.stft(samples))
        librosa.feature.mfcc(y=samples, sr=rate)
        librosa.feature.chroma_stft(S=magnitude**2, sr=rate)
        librosa.feature.spectral_contrast(S=magnitude, sr=rate)
        librosa.feature.tonnetz(y=samples, sr=rate)
        librosa.decompose.hpss(magnitude)
        librosa.beat.beat_track(y=samples, sr=rate)

    return run


MAKERS = dict(zip(PACKAGES, (essentia, opensmile, pyaudioanalysis, librosa), strict=True))


def main():
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # peers print
    try:
        run = MAKERS[sys.argv[1]]()
    except Exception as error:  # whatever is broken in it is what we report
        answers.write(f"failed: {type(error).__name__}: {error}".replace("\n", " ") + "\n")
        return
    answers.write("ready\n")
    for line in sys.stdin:
        try:
            began = time.perf_counter()
            run(line.rstrip("\n"))
            answers.write(f"{time.perf_counter() - began}\n")
        except Exception as error:
            answers.write(f"failed: {type(error).__name__}: {error}".replace("\n", " ") + "\n")


if __name__ == "__main__":
    main()
