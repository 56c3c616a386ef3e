"""The report: what stands in the page, how it is written, and what a browser makes of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

import numpy as np
import pytest
from helpers import FAILED_ROW, OK_ROW, check, run, score, song, write_results, write_wav

from scoreorsong import cli, files, predict
from scoreorsong.albums import write_albums
from scoreorsong.errors import ResultsError
from scoreorsong.formats import spelt
from scoreorsong.report import page, write_report
from scoreorsong.results import Album, Result, Results, read_results

# Names that would run, load or end something, were they taken as markup. In a path, a slash parts folders.
HOSTILE = (
    "<script>window.hit=1</script>.wav",
    "</script><script>window.hit=1</script>.wav",
    "<!--<script>.wav",
    "<img src=x onerror=window.hit=1>.wav",
    "\"><svg onload=window.hit=1>.wav",
    "' onmouseover='window.hit=1' '.wav",
    "javascript:window.hit=1.wav",
    "&lt;b&gt; &amp; \\u003c.wav",
    "$name ${data} $$.wav",
    "a\u2028b\x00c\x1b[31m.wav",
)  # fmt: skip
ODD_NAMES = (
    "a:b.wav",
    "a #1?x=y&z.wav",
    "100%41.wav",
    "日本 é.wav",
    "a'b\"c<d>.wav",
    "a\\b.wav",
    "no text \udcff.wav",
)


def row(path, *, label="song", probability=0.9, sure=True, **more):
    return Result(path, "ok", label, probability, sure, 0.5, 1.0, 30.0, "", "", "m1", **more)


def failure(path, error="the file is empty"):
    return Result(path, "error", None, None, None, None, None, None, "", error, "m1")


ROWS = [
    row("lib/songs/1 sure.wav", probability=0.95),
    row("lib/songs/2 torn.wav", probability=0.55, sure=False),
    row("lib/score/10 calm.wav", label="score", probability=0.05),
    row("lib/score/9 unsure.wav", label="score", probability=0.48, sure=False),
    row("lib/score/speech.wav", label="no_music", probability=0.5),
    failure("lib/broken.wav"),
]


def album(folder, kind="score album", probability=0.8, tracks=2, song_share=0.0, percentile=90.0):
    cohesion = None if percentile is None else 0.3
    return Album(folder, kind, probability, tracks, 1 - song_share, song_share, 0, 0, cohesion, percentile)


ALBUMS = [
    album("lib/songs", "song soundtrack", 0.7, 2, 1.0, 50.0),
    album("lib/score", probability=0.9, tracks=3),
    album("elsewhere", "mixed", 0.5, 12, 0.5, None),
    Album("lib", None, None, 0, None, None, 0, 1, None, None),
]


def results(rows, name="results.csv"):
    return Results(Path(name), list(rows))


def data_of(text):
    return json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', text)[1])


def test_albums_stand_there_where_they_are_asked_for():
    without = page(results(ROWS), ".")
    assert data_of(without)["albums"] is None
    assert 'id="albums"' not in without
    data = data_of(page(results(ROWS), ".", albums=ALBUMS))
    assert data["albums"] == [
        ["lib/songs", "song soundtrack", 0.7, 2, 0.0, 1.0, 0.5],
        ["lib/score", "score album", 0.9, 3, 1.0, 0.0, 0.9],
        ["elsewhere", "mixed", 0.5, 12, 0.5, 0.5, None],
        ["lib", None, None, 0, None, None, None],
    ]  # fmt: skip


def links(rows, folder):
    return [file[-1] for file in data_of(page(results(rows), folder))["files"]]


# ---- what stands in the page


def test_counts_are_told(tmp_path):
    count = write_report(results(ROWS), tmp_path / "report.html")
    assert count == {"score": 2, "song": 2, "no_music": 1, "uncertain": 2, "failed": 1}
    text = (tmp_path / "report.html").read_text()
    told = re.findall(r'<div class="(\w+)"><dt>[^<]+</dt><dd>(\d+)</dd>', text)
    assert {kind: int(n) for kind, n in told} == count
    assert "6 files in results.csv." in text
    assert "Model m1." in text


def test_folders_have_their_counts_and_files_their_cells():
    data = data_of(page(results(ROWS), "."))
    assert data["folders"] == [
        ["lib/songs", 2, 0, 2, 0, 1, 0], ["lib/score", 3, 2, 0, 1, 1, 0], ["lib", 1, 0, 0, 0, 0, 1],
    ]  # fmt: skip
    assert data["files"][0] == [0, "1 sure.wav", "song", 0.95, True, 0.5, 1.0, 30.0, "", None]
    assert data["files"][-1] == [2, "broken.wav", *[None] * 6, "the file is empty", None]


def test_the_histogram_counts_files_with_music_and_marks_the_uncertain():
    bars = re.findall(r"<title>(\S+) to \S+: (\d+) files, (\d+) uncertain", page(results(ROWS), "."))
    assert len(bars) == 20
    filled = {low: (int(n), int(unsure)) for low, n, unsure in bars if int(n)}
    assert filled == {"0.05": (1, 0), "0.45": (1, 1), "0.55": (1, 1), "0.95": (1, 0)}


def test_the_ends_of_the_histogram_belong_to_it():
    text = page(results([row("a.wav", probability=1.0), row("b.wav", label="score", probability=0.0)]), ".")
    assert "0.00 to 0.05: 1 files" in text
    assert "0.95 to 1.00: 1 files" in text


@pytest.mark.parametrize("rows", [[], [failure("a.wav")], [row("a.wav", label="no_music")]])
def test_without_music_there_is_no_histogram(rows):
    assert "No file with music." in page(results(rows), ".")


def test_a_torn_table_and_several_models_are_told():
    rows = [ROWS[0], ROWS[0], replace(ROWS[1], model_id="<i>m2")]
    text = page(Results(Path("a.csv"), rows, "a.csv, line 9: breaks off"), ".")
    assert "Models: m1 (2 files), &lt;i&gt;m2 (1 files)." in text
    assert "The last line of the table breaks off" in text


@pytest.mark.parametrize("name", HOSTILE)
def test_markup_in_names_and_remarks_stays_text(name):
    rows = [row(name), failure("a.wav", error=name), replace(row("b.wav"), warnings=name, model_id=name)]
    text = page(results(rows, name), ".")
    plain = page(results([row("x"), failure("a.wav"), row("b.wav")], "x"), ".")
    for mark in ("<script", "</script", "<!--", "<img", "<svg", "<b>"):
        assert text.count(mark) == plain.count(mark)
    assert data_of(text)["files"][0][1] == os.path.basename(name)


def test_the_page_asks_nothing_of_a_network():
    text = page(results(ROWS), ".")
    assert not re.search(r"https?:|@import|url\((?!#hatch)|<link|src=", text)
    assert "default-src 'none'" in text


# ---- links


@pytest.mark.parametrize("folder", [".", "lib", "lib/songs", "out/of/the/way", "Ünï #?%"])
def test_links_lead_from_the_report_to_the_files(tmp_path, monkeypatch, folder):
    """Resolved as a browser does it, a link is the address of the file; whatever its name."""
    monkeypatch.chdir(tmp_path)
    paths = [f"{where}{name}" for where in ("", "lib/", "lib/a b/") for name in ODD_NAMES]
    for path in map(Path, [*paths, f"{folder}/x"]):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    base = (tmp_path / folder / "report.html").as_uri()
    found = links([row(path) for path in paths], folder)
    for path, link in zip(paths, found, strict=True):
        assert not urlsplit(link).scheme
        assert unquote_to_bytes(urlsplit(urljoin(base, link)).path) == os.fsencode(tmp_path / path)


def test_names_that_parquet_spells_out_are_found(tmp_path, monkeypatch):
    """In Parquet a name that is no text is spelt out, be it of the file or of a folder on the way."""
    monkeypatch.chdir(tmp_path)
    odd = os.fsdecode(b"odd \xff")
    names = [f"{odd}.wav", f"{odd}/{odd}/a.wav", f"plain/{odd}.wav", "back\\slash/a.wav"]
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    found = links([row(spelt(name)) for name in names], ".")
    assert [os.fsdecode(unquote_to_bytes(link)) for link in found] == names
    assert links([row("none\\xff/none\\xff/a.wav"), row("odd \\xfe.wav")], ".") == [None, None]


def test_absolute_paths_get_relative_links(tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "a.wav").touch()
    assert links([row(str(tmp_path / "lib" / "a.wav"))], tmp_path / "reports") == ["../lib/a.wav"]


@pytest.mark.parametrize(
    "path",
    ["none.wav", "none/a.wav", "https://example.org/a.wav", "javascript:1", "a\0/b.wav", "lib/", "a" * 5000],
)
def test_what_cannot_be_reached_has_no_link(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lib").mkdir()
    assert links([row(path)], ".") == [None]
    assert "1 files were not found from here" in page(results([row(path)]), ".")


# ---- the writing


def test_only_the_named_file_is_written(tmp_path):
    write_report(results(ROWS), tmp_path / "report.html")
    write_report(results(ROWS), tmp_path / "report.html")
    assert os.listdir(tmp_path) == ["report.html"]


def test_a_report_that_fails_keeps_the_old_one_and_leaves_no_other(tmp_path, monkeypatch):
    (tmp_path / "report.html").write_text("old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", fail)
    with pytest.raises(ResultsError, match=r"report\.html: cannot be written \(No space left"):
        write_report(results(ROWS), tmp_path / "report.html")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_the_table_is_never_written_over(tmp_path):
    path = write_results(tmp_path / "results.csv", [OK_ROW])
    before = path.read_bytes()
    os.link(path, tmp_path / "twin.csv")
    write_albums(tmp_path / "albums.csv", ALBUMS)
    for output, what in (
        (path, "results"),
        (tmp_path / "twin.csv", "results"),
        (tmp_path / "albums.csv", "albums"),
    ):
        with pytest.raises(ResultsError, match=f"is the {what} table itself"):
            write_report(read_results(path), output, albums=tmp_path / "albums.csv")
    assert path.read_bytes() == before


@pytest.mark.parametrize("output", ["none/report.html", "folder", "a\0b.html"])
def test_where_nothing_can_be_written_is_told(tmp_path, output):
    (tmp_path / "folder").mkdir()
    with pytest.raises(ResultsError, match="cannot be written"):
        write_report(results(ROWS), tmp_path / output)
    assert os.listdir(tmp_path) == ["folder"]


# ---- the command


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_the_command_makes_the_page(tmp_path, ending):
    table = write_results(tmp_path / f"results{ending}", [OK_ROW, FAILED_ROW])
    result = check(run("report", table, "-o", tmp_path / "report.html"))
    told = "2 files: 0 score, 1 song, 0 no_music, 0 uncertain, 1 failed"
    assert result.stdout == f"{tmp_path / 'report.html'}: {told}\n"
    assert result.stderr == ""
    assert data_of((tmp_path / "report.html").read_text())["files"][0][1] == "b.wav"


def test_the_command_tells_of_a_torn_line(tmp_path, capsys):
    table = write_results(tmp_path / "results.csv", [OK_ROW, FAILED_ROW])
    table.write_bytes(table.read_bytes()[:-20])
    assert cli.main(["report", str(table), "-o", str(tmp_path / "report.html")]) == 0
    captured = capsys.readouterr()
    assert captured.err == f"score-or-song: {table}, line 3: breaks off and is left out; scan again\n"
    assert "1 files: " in captured.out


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_from_the_scan_to_the_report(tmp_path, ending):
    """A library with odd names, one of them no text, and a file that fails: all of it in the page, with players."""
    names = [b"songs/sung.wav", b"songs/no text \xff.wav", b"odd \xfe/a, 'b'.wav", b"</script>/<b>.wav"]
    for i, name in enumerate(names):
        path = tmp_path / "library" / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_wav(tmp_path / "new.wav", (song if i < 2 else score)(i, 1.0)).rename(path)
    (tmp_path / "library" / "songs" / "bad.wav").write_text("no audio")
    table, albums, report = (tmp_path / name for name in (f"out.{ending}", f"albums.{ending}", "report.html"))
    check(run("scan", tmp_path / "library", "-o", table, "--albums", albums, "--quiet"), 1)
    told = check(run("report", table, "--albums", albums, "-o", report)).stdout
    assert told.startswith(f"{report}: 5 files: ")
    data = data_of(report.read_text())
    found = {unquote_to_bytes(file[-1]): file for file in data["files"]}
    assert set(found) == {b"library/" + name for name in [*names, b"songs/bad.wav"]}
    assert found[b"library/songs/bad.wav"][2] is None
    for name in names:
        heard = predict(tmp_path / "library" / os.fsdecode(name))
        assert found[b"library/" + name][2] == heard.label
    assert sorted(album[0] for album in data["albums"]) == sorted(folder[0] for folder in data["folders"])


@pytest.mark.parametrize(
    "arguments", [["none.csv", "-o", "report.html"], ["results.csv", "-o", "none/report.html"]]
)
def test_what_cannot_be_done_is_2(tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    write_results(tmp_path / "results.csv", [OK_ROW])
    assert cli.main(["report", *arguments]) == 2
    assert re.match(r"score-or-song: none\S+: cannot be ", capsys.readouterr().err)
    assert os.listdir(tmp_path) == ["results.csv"]


# ---- in a browser


@pytest.fixture(scope="module")
def chromium():
    """A headless Chromium, or a skip that says why there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    browser, driver = next(filter(None, map(shutil.which, names)), None), shutil.which("chromedriver")
    if not browser or not driver:
        pytest.skip("no Chromium with its driver here (Debian: chromium, chromium-driver)")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(driver)
    with webdriver.Chrome(options, service) as started:
        yield started


@pytest.fixture
def show(chromium, tmp_path, monkeypatch):
    """Opens a report of these rows, and of albums if there are any."""

    def opened(rows, albums=None):
        monkeypatch.chdir(tmp_path)
        if albums is not None:
            write_albums("albums.jsonl", albums)
        write_report(results(rows), "report.html", albums=albums and "albums.jsonl")
        chromium.get((tmp_path / "report.html").as_uri())
        return chromium

    yield opened
    assert chromium.get_log("browser") == []


def texts(browser, selector):
    """What stands in these elements, by way of the page: quicker than asking for each."""
    return browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)", selector
    )


def names(browser):
    return texts(browser, "#files .name bdi:first-child")


def find(browser, selector):
    return browser.find_element("css selector", selector)


def choose(browser, name, value):
    find(browser, f"#{name} option[value='{value}']").click()


BY_CERTAINTY = ["9 unsure.wav", "2 torn.wav", "1 sure.wav", "10 calm.wav", "speech.wav", "broken.wav"]


def test_the_most_uncertain_stand_first_and_failures_last(show):
    browser = show(ROWS)
    assert names(browser) == BY_CERTAINTY
    assert texts(browser, "#files tbody tr:last-child td") == [
        "broken.wavlib", "failed", "", "", "", "", "", "the file is empty",
    ]  # fmt: skip
    assert texts(browser, "#files [role=status]") == ["1 to 6 of 6"]
    assert find(browser, "figure svg").size["height"] > 100


@pytest.mark.parametrize(
    ("column", "rising"),
    [
        ("file", ["broken", "9 unsure", "10 calm", "speech", "1 sure", "2 torn"]),
        ("probability", ["10 calm", "9 unsure", "2 torn", "1 sure", "speech", "broken"]),
    ],
)
def test_every_column_sorts_by_its_button(show, column, rising):
    """Numbers within names count as numbers, and what has no value stands last either way."""
    browser = show(ROWS)
    head = find(browser, f"#files th[data-column={column}]")
    for direction in ("ascending", "descending"):
        head.find_element("css selector", "button").send_keys("\ue007")  # the Enter key
        assert head.get_attribute("aria-sort") == direction
        found = [name.removesuffix(".wav") for name in names(browser)]
        valued = [name for name in rising if column == "file" or name not in ("speech", "broken")]
        wanted = valued if direction == "ascending" else valued[::-1]
        assert found == wanted + [name for name in rising if name not in valued]
    assert find(browser, "#files th[data-column=certainty]").get_attribute("aria-sort") == "none"


def test_all_heads_are_buttons_that_sort(show):
    browser = show(ROWS, ALBUMS)
    for table, columns in (("files", 8), ("folders", 7), ("albums", 7)):
        buttons = browser.find_elements("css selector", f"#{table} th[scope=col] > button")
        assert len(buttons) == columns
        for button in buttons:
            button.click()
            assert len(browser.find_elements("css selector", f"#{table} th:not([aria-sort=none])")) == 1


@pytest.mark.parametrize(
    ("label", "state", "text", "left"),
    [
        ("song", "", "", ["2 torn.wav", "1 sure.wav"]),
        ("no_music", "", "", ["speech.wav"]),
        ("", "uncertain", "", ["9 unsure.wav", "2 torn.wav"]),
        ("", "sure", "", ["1 sure.wav", "10 calm.wav", "speech.wav"]),
        ("", "failed", "", ["broken.wav"]),
        ("score", "uncertain", "", ["9 unsure.wav"]),
        ("", "", "SCORE calm", ["10 calm.wav"]),
        ("", "", "file is empty", ["broken.wav"]),
        ("", "", "nothing like it", []),
    ],
)
def test_filters_narrow_the_table(show, label, state, text, left):
    browser = show(ROWS)
    choose(browser, "label", label)
    choose(browser, "state", state)
    find(browser, "#text").send_keys(text)
    assert names(browser) == left
    assert texts(browser, "#files [role=status]") == [f"1 to {len(left)} of {len(left)}" if left else "None."]


def test_a_folder_shows_its_files_alone(show):
    browser = show(ROWS)
    assert texts(browser, "#folders tbody tr td") == [
        "lib", "1", "", "", "", "0", "1",
        "lib/score", "3", "67%", "0%", "33%", "1", "0",
        "lib/songs", "2", "0%", "100%", "0%", "1", "0",
    ]  # fmt: skip
    find(browser, "#folders tbody tr:nth-child(2) button").click()
    assert names(browser) == ["9 unsure.wav", "10 calm.wav", "speech.wav"]
    assert find(browser, "#folders [aria-pressed=true]").text == "lib/score"
    find(browser, "#folder").click()
    assert names(browser) == BY_CERTAINTY
    assert not find(browser, "#folder").is_displayed()


def test_albums_are_told_and_show_their_files(show):
    browser = show(ROWS, ALBUMS)
    assert texts(browser, "#albums tbody tr td") == [
        "elsewhere", "mixed", "50%", "12", "50%", "50%", "",
        "lib", "", "", "0", "", "", "",
        "lib/score", "score album", "90%", "3", "100%", "0%", "90%",
        "lib/songs", "song soundtrack", "70%", "2", "0%", "100%", "50%",
    ]  # fmt: skip
    assert texts(browser, "#albums button.folder") == ["lib", "lib/score", "lib/songs"]
    find(browser, "#albums th[data-column=probability] button").click()
    assert texts(browser, "#albums td:first-child") == ["elsewhere", "lib/songs", "lib/score", "lib"]
    find(browser, "#albums tbody tr:nth-child(2) button").click()
    assert names(browser) == ["2 torn.wav", "1 sure.wav"]
    for table in ("albums", "folders"):
        assert texts(browser, f"#{table} [aria-pressed=true]") == ["lib/songs"]


def test_without_albums_there_is_no_section_for_them(show):
    assert texts(show(ROWS), "#albums, #albums-title") == []


def test_hostile_folders_stand_there_as_text_and_run_nothing(show):
    folders = [f"{i} {name}" for i, name in enumerate(HOSTILE)]
    rows = [row(f"{folder}/a.wav") for folder in folders[::2]]
    browser = show(rows, [album(folder) for folder in folders])
    assert sorted(texts(browser, "#albums td:first-child")) == sorted(folders)
    assert browser.execute_script("return window.hit") is None
    assert browser.execute_script("return document.scripts.length") == 2
    assert browser.find_elements("css selector", "img, #albums svg, #folders svg, b, [onmouseover]") == []


def test_hostile_names_stand_there_as_text_and_run_nothing(show):
    rows = [replace(row(f"lib/{i}/{name}"), warnings=name) for i, name in enumerate(HOSTILE)]
    browser = show(rows)
    find(browser, "#files th[data-column=file] button").click()
    shown = [
        f"{folder}/{name}"
        for folder, name in zip(texts(browser, "#files .path"), names(browser), strict=True)
    ]
    assert sorted(shown) == sorted(result.path for result in rows)
    assert sorted(texts(browser, "#files td[data-column=remark]")) == sorted(HOSTILE)
    assert browser.execute_script("return window.hit") is None
    assert browser.execute_script("return document.scripts.length") == 2
    assert browser.find_elements("css selector", "img, #files svg, #folders svg, b, [onmouseover]") == []


def test_even_markup_that_got_in_could_not_run(show, chromium):
    browser = show(ROWS)
    browser.execute_script(
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=window.hit=1><p onclick=window.hit=1>');"
        "document.querySelector('p[onclick]').click();"
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.hit=1'}))"
    )
    time.sleep(0.2)
    assert browser.execute_script("return window.hit") is None
    assert all("Content Security Policy" in entry["message"] for entry in chromium.get_log("browser"))


def test_a_file_plays_on_a_click_and_stops_for_the_next(show, tmp_path):
    for name in ODD_NAMES[:2]:
        write_wav(tmp_path / "lib" / name, 0.01 * np.sin(np.arange(22050)))
    (tmp_path / "lib" / "broken.wav").write_text("no audio")
    browser = show([row(f"lib/{name}") for name in (*ODD_NAMES[:2], "broken.wav", "missing.wav")])
    buttons = browser.find_elements("css selector", ".play")
    assert [button.get_attribute("aria-label") for button in buttons] == [
        "Play a:b.wav", "Play a #1?x=y&z.wav", "Play broken.wav",
    ]  # fmt: skip
    assert texts(browser, "audio") == []
    for button in buttons[:2]:
        button.click()
        assert wait_for(browser, "return document.querySelector('audio')?.duration") == pytest.approx(1)
        assert len(texts(browser, "audio")) == 1
        assert button.get_attribute("aria-label").startswith("Stop ")
    buttons[1].click()
    assert texts(browser, "audio") == []
    buttons[2].click()
    assert "cannot play" in wait_for(browser, "return document.querySelector('.unplayable')?.textContent")


def wait_for(browser, script):
    for _ in range(100):
        found = browser.execute_script(script)
        if found:
            return found
        time.sleep(0.05)
    return None


def test_a_hundred_thousand_rows_stay_light(show):
    browser = show(
        row(
            f"lib/{i % 1000}/{i}.wav",
            probability=i / 1e5,
            label="song" if i > 5e4 else "score",
            sure=i < 99_000,
        )
        for i in range(100_000)
    )
    assert texts(browser, "#files [role=status]") == ["1 to 50 of 100,000"]
    assert browser.execute_script("return document.querySelectorAll('*').length") < 3000
    find(browser, "#files nav button:last-child").click()
    assert texts(browser, "#files [role=status]") == ["51 to 100 of 100,000"]
    begin = time.monotonic()
    find(browser, "#files th[data-column=file] button").click()
    assert names(browser)[:2] == ["0.wav", "1000.wav"]
    find(browser, "#text").send_keys("99999")
    assert names(browser) == ["99999.wav"]
    assert time.monotonic() - begin < 10


def test_on_a_phone_nothing_is_wider_than_the_screen(show):
    long = "long" * 50
    chromium = show(
        [*ROWS, row(f"{long}/{long}.wav")], [*ALBUMS, album(long), album(f"{long}, without files")]
    )
    wide = {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", wide)
    try:
        assert chromium.execute_script("return document.documentElement.scrollWidth") <= 360
        assert find(chromium, "#files th[data-column=file] button").is_displayed()
    finally:
        chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
