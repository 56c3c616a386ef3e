"""What is read off curves, against curves that one draws by hand."""

from __future__ import annotations

from test_figures import run_of

from scoreorsong import breakdown, metrics
from scoreorsong.curve_tables import curve_tables


def tables(parts):
    return {t.heading: t for t in curve_tables(breakdown.curves([metrics.table_of(run_of(parts))]))}


PARTS = {"score": [0.1, 0.2, 0.3, 0.7], "song": [0.9, 0.8, 0.6, 0.25]}  # surest first: 0.9, 0.1, 0.8, 0.2 ...


def test_roc_is_read_without_going_over_the_false_alarms():
    rows = {row[0]: row[1] for row in tables(PARTS)["ROC in numbers"].rows}
    assert rows == {"1%": "0.500", "5%": "0.500", "10%": "0.500", "20%": "0.500", "50%": "1.000"}


def test_precision_is_the_best_at_so_much_recall():
    rows = tables(PARTS)["Precision and recall in numbers"].rows
    assert rows[0][:4] == ("songs", "0.500", "50%", "1.000")
    assert [row[3] for row in rows[:4]] == ["1.000", "0.667", "0.667", "0.667"]


def test_every_call_is_in_one_bin_of_calibration():
    rows = tables(PARTS)["Calibration"].rows
    assert sum(row[3] for row in rows) == 8
    assert ("0.9 to 1.0", "0.900", "1.000", 1) in rows


def test_risk_of_all_is_the_share_called_wrong():
    rows = dict(row[:2] for row in tables(PARTS)["Coverage and risk"].rows)
    assert rows["the surest 50%"] == "0.000"
    assert rows["the surest 100%"] == "0.250"


def test_of_one_class_there_is_what_one_can_tell():
    assert set(tables({"song": [0.9, 0.2]})) == {"Calibration", "Coverage and risk"}
    assert list(curve_tables({})) == []
