"""The page that plays a timeline: what stands in it, and what a browser makes of it."""

from __future__ import annotations

import json
import re
import shutil
import time
from dataclasses import replace

import pytest
from helpers import score, write_wav
from timelines import HOSTILE, SEGMENTS, TIMELINES, make_timeline

from scoreorsong.player import write_player
from scoreorsong.segments import Segment

MARKUP = (
    "<script>window.hit=1</script>.wav", "</script><script>window.hit=1</script>.wav", "<img src=x onerror=window.hit=1>.wav",
    '"><svg onload=window.hit=1>.wav', "$name ${data} $$.wav", "&lt;b&gt;.wav",
)  # fmt: skip
SHORT = (
    Segment(0.0, 4.0, "no_music", 0.5, True, 0.0),
    Segment(4.0, 13.5, "score", 0.08, True, 0.02),
    Segment(13.5, 20.0, "song", 0.55, False, 0.8),
)


def text_of(tmp_path, *args, **options):
    write_player(make_timeline(*args, **options), tmp_path / "page.html")
    return (tmp_path / "page.html").read_text()


def data_of(text):
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', text)[1]
    return json.loads(found, parse_constant=pytest.fail)


@pytest.mark.parametrize("segments", TIMELINES.values(), ids=TIMELINES)
def test_the_page_holds_the_segments_and_the_curve(tmp_path, segments):
    data = data_of(text_of(tmp_path, segments))
    assert [Segment(*values) for values in data["segments"]] == list(segments)
    assert len(data["level_db"]) == len(data["music"]) == -(-data["duration_s"] // data["hop_s"])


@pytest.mark.parametrize("name", [*HOSTILE, *MARKUP])
def test_names_and_warnings_stay_text(tmp_path, name):
    text = text_of(tmp_path, source=name, warnings=(name,), model_id=name)
    plain = text_of(tmp_path, source="x", warnings=("y",))
    for mark in ("<script", "</script", "<img", "<svg", "<b>", "<p>"):
        assert text.count(mark) == plain.count(mark)
    assert not re.search(r"https?:(?!//www\.w3\.org/2000/svg)|@import|<link|<[^>]*src=", text)


@pytest.mark.parametrize(
    ("source", "link"),
    [
        ("a b.wav", "../a b.wav"),
        ("sub/日本 #1?.mp4", "../sub/日本 #1?.mp4"),
        ("no text \udcff.wav", "../no text \udcff.wav"),
    ],
)
def test_the_link_is_relative(tmp_path, monkeypatch, source, link):
    from urllib.parse import unquote_to_bytes

    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "pages").mkdir()
    open(source, "w").close()
    write_player(make_timeline(source=source), "pages/page.html")
    data = data_of((tmp_path / "pages" / "page.html").read_text())
    assert unquote_to_bytes(data["href"]) == link.encode("utf-8", "surrogateescape")
    assert data["film"] == source.endswith("mp4")


@pytest.mark.parametrize(
    "source", ["none.wav", "<array>", "<stream>", "https://example.org/a.wav", "a\0b.wav"]
)
def test_what_is_no_file_has_no_player(tmp_path, source):
    text = text_of(tmp_path, source=source)
    assert data_of(text)["href"] is None
    assert "nothing can be played" in text


# ---- in a browser


@pytest.fixture
def show(chromium, tmp_path):
    """Opens the page of a programme of 20 s beside it, which is silent but for its name."""

    def opened(name="a film #1.wav", segments=SHORT, **more):
        source = write_wav(tmp_path / name, score(0, 20.0)) if segments is SHORT else tmp_path / name
        write_player(make_timeline(segments, source=str(source), **more), tmp_path / "page.html")
        chromium.get((tmp_path / "page.html").as_uri())
        return chromium

    yield opened
    assert chromium.get_log("browser") == []


def find(browser, selector):
    return browser.find_element("css selector", selector)


def texts(browser, selector):
    return browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)", selector
    )


def click_at(browser, share, *, inside="#programme"):
    """Click into the picture, so far from its left edge."""
    from selenium.webdriver import ActionChains

    picture = find(browser, inside)
    across = round((share - 0.5) * picture.size["width"])
    ActionChains(browser).move_to_element_with_offset(picture, across, 0).click().perform()


def until(browser, script):
    for _ in range(100):
        if browser.execute_script(f"return {script}"):
            return
        time.sleep(0.05)
    pytest.fail(f"not within 5 s: {script}")


def test_the_list_says_what_was_heard(show):
    browser = show()
    assert texts(browser, "#segments td") == [
        "0:00:00.0", "0:00:04.0", "0:00:04.0", "no music", "", "",
        "0:00:04.0", "0:00:13.5", "0:00:09.5", "score", "0.08", "2%",
        "0:00:13.5", "0:00:20.0", "0:00:06.5", "song (unsure)", "0.55", "80%",
    ]  # fmt: skip
    assert texts(browser, ".name") == ["score", "song?"]
    ticks = texts(browser, ".tick")
    assert ticks[0] == "0:00:00"
    assert 3 <= len(ticks) <= 20


def test_a_click_in_the_picture_jumps_there_and_plays(show):
    browser = show()
    for share, row, heard in (
        (0.4, 2, "score, p(song) 0.08, voice 2%"),
        (0.75, 3, "song (unsure), p(song) 0.55, voice 80%"),
    ):
        click_at(browser, share)
        until(browser, f"Math.abs(document.querySelector('audio').currentTime - {20 * share}) < 2")
        until(
            browser,
            "!document.querySelector('audio').paused && document.querySelector('audio').readyState > 2",
        )
        assert find(browser, "#here").text.endswith(heard)
        assert find(browser, f"#segments tr:nth-child({row})").get_attribute("aria-current") == "true"
        left = float(find(browser, "#head").get_attribute("style").split("left: ")[1].split("%")[0])
        assert left == pytest.approx(100 * share, abs=10)


def test_a_button_in_the_list_jumps_to_its_segment(show):
    browser = show()
    find(browser, "#segments tr:nth-child(3) button").send_keys("\ue007")  # the Enter key
    until(browser, "document.querySelector('audio').currentTime >= 13.5")
    assert len(browser.find_elements("css selector", "#segments [aria-current]")) == 1


def test_what_plays_is_followed(show):
    browser = show()
    browser.execute_script("document.querySelector('audio').currentTime = 6")
    until(browser, "document.querySelector('#segments tr:nth-child(2)').hasAttribute('aria-current')")


def test_zoom_makes_room_and_clicks_still_meet(show):
    browser = show()
    wide, ticks = find(browser, "#programme").size["width"], len(texts(browser, ".tick"))
    find(browser, "#in").click()
    assert find(browser, "#programme").size["width"] == pytest.approx(2 * wide, rel=0.01)
    assert len(texts(browser, ".tick")) > ticks
    browser.execute_script("document.getElementById('view').scrollLeft = 0")
    click_at(browser, 0.5, inside="#view")
    until(browser, "Math.abs(document.querySelector('audio').currentTime - 5) < 1")
    for _ in range(12):
        find(browser, "#out").click()
    assert find(browser, "#programme").size["width"] == wide


def test_two_hours_are_drawn_and_named(show):
    browser = show(name="none.wav", segments=TIMELINES["two hours"])
    assert len(texts(browser, "#segments tr")) == 100
    assert browser.execute_script("return document.querySelectorAll('svg rect').length") == 101
    width = find(browser, "#programme").size["width"]
    assert len(texts(browser, ".tick")) < width / 60
    click_at(browser, 0.5)
    assert find(browser, "#here").text.startswith(("0:59:5", "1:00:0"))


@pytest.mark.parametrize("segments", [TIMELINES["empty"], TIMELINES["silent"], TIMELINES["no length"]])
def test_odd_timelines_are_shown(show, segments):
    browser = show(name="none.wav", segments=segments)
    assert len(browser.find_elements("css selector", "#segments tr")) == len(segments)
    click_at(browser, 0.5)
    assert find(browser, "#programme svg").size["height"] > 100


@pytest.mark.parametrize("name", [name for name in MARKUP if "/" not in name])
def test_hostile_names_run_nothing_and_play(show, name):
    browser = show(name=name, warnings=(name,))
    assert find(browser, "h1").text == name
    assert browser.execute_script("return window.hit") is None
    find(browser, "#segments tr:nth-child(2) button").click()
    until(browser, "document.querySelector('audio').currentTime > 3.9")


def test_a_film_is_shown_as_one(show, tmp_path):
    browser = show(name="none.wav", segments=SEGMENTS)
    assert not browser.find_elements("css selector", "audio, video")
    shutil.copy(write_wav(tmp_path / "a.wav", score(0, 20.0)), tmp_path / "film.mkv")
    write_player(replace(make_timeline(SHORT), source=str(tmp_path / "film.mkv")), tmp_path / "page.html")
    browser.get((tmp_path / "page.html").as_uri())
    assert len(browser.find_elements("css selector", "video")) == 1
