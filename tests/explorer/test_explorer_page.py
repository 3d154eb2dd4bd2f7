"""The explorer's page in a real browser, as a person uses it: by mouse, by keyboard, in two tabs, after a reload."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import browsing
from exploring import illuminate, make_folder
from playwright.sync_api import Browser, Page, Route, expect

pytestmark = pytest.mark.early

VIEWS = {
    "Breed": ("#breed-grid canvas",),
    "Sliders": ("#live canvas", "#across canvas"),
    "Map": ("#cursor[aria-busy=false]",),
    "Watch": ("#runs button",),
    "Kept": ("#keepsakes canvas, #kept-empty",),
}
"""What a view shows as soon as all that it asked for has come."""
WAVES = """
import torch
import evovae


def paint(codes):
    waves = torch.linspace(0, 6, 3 * 64).reshape(3, 8, 8)
    return (codes[:, :40].sum(1).reshape(-1, 1, 1, 1) / 4 + waves).sin() / 2 + 0.5


def waves():
    return evovae.DecoderEncoding(paint, 600, (3, 8, 8))
"""
EXPLORER = """
from evovae.__main__ import main
from evovae.explorer import workspace
if __name__ == "__main__":
    workspace.TEST_IMAGES = 300
    main()
"""
"""With fewer test images, of which a map is made in a moment: that of all takes a core for a minute."""
PRESSED = "#breed-grid button[aria-pressed=true]"


@contextmanager
def started(*words: str) -> Iterator[str]:
    """The address of an explorer that was started as a user starts it, and is ended by Ctrl-C."""
    command = [sys.executable, "-c", EXPLORER, "explore", *words, "--port", "0", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", server.stdout.readline())
        assert found
        yield found[0]
        server.send_signal(signal.SIGINT)
    assert server.returncode == 130


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    vae = make_folder(tmp_path_factory.mktemp("explorer"))
    illuminate(vae, vae.parent / "kinds", grid=(40, 30))
    with started("--vae", str(vae), "--dataset", "mnist") as address:
        yield address


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a generator without encoder and images, of more genes than there are sliders."""
    folder = tmp_path_factory.mktemp("generator")
    (folder / "mine.py").write_text(WAVES)
    with started("--generator", f"{folder / 'mine.py'}:waves", "--runs", str(folder)) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    with visiting(browser, address) as page:
        yield page


@contextmanager
def visiting(browser: Browser, address: str) -> Iterator[Page]:
    """A first visit. Errors in the console fail the test."""
    with browser.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(10_000)
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address)
        expect(page.locator("#breed-grid li")).to_have_count(20)
        yield page
        assert not complaints


def images(page: Page, view: str = "#breed-grid") -> list[str]:
    """What the canvases show."""
    return page.eval_on_selector_all(f"{view} canvas", "all => all.map(one => one.toDataURL())")


def breed(page: Page, *places: int) -> None:
    for place in places:
        page.locator("#breed-grid button.picture").nth(place).click()
    page.get_by_role("button", name="Next generation").click()


def visit(page: Page, view: str, places: tuple[str, ...] = ()) -> None:
    page.get_by_role("navigation").get_by_role("link", name=re.compile(view)).click()
    expect(page.get_by_role("heading", name=view, exact=True)).to_be_focused()
    for shown in places or VIEWS[view]:
        expect(page.locator(shown).filter(visible=True).first).to_be_visible()


def test_a_generation_is_bred_by_three_clicks(page: Page) -> None:
    before = images(page)
    expect(page.locator("#next-reason")).to_have_text("Choose the images you like")
    breed(page, 3, 8)
    expect(page.locator("#position")).to_have_text("Generation 2 of 2")
    after = images(page)
    assert after[:2] == [before[3], before[8]]
    assert len(set(after)) == 20
    expect(page.locator("#breed-grid .badge")).to_have_count(2)


def test_history_is_not_lost_by_going_back_nor_by_a_reload(page: Page) -> None:
    first = images(page)
    breed(page, 0)
    expect(page.locator("#position")).to_have_text("Generation 2 of 2")
    second = images(page)
    page.get_by_role("button", name="Back").click()
    expect(page.locator(PRESSED)).to_have_count(1)
    assert images(page) == first
    breed(page, 5)
    expect(page.locator("#position")).to_have_text("Generation 3 of 3")
    third = images(page)
    page.reload()
    expect(page.locator("#breed-grid li")).to_have_count(20)
    assert images(page) == third
    page.get_by_role("button", name="Generation 2, bred from 1").click()
    expect(page.locator("#position")).to_have_text("Generation 2 of 3")
    assert images(page) == second


def test_everything_in_breeding_works_by_keyboard(page: Page) -> None:
    page.locator("#breed-grid button.picture").first.focus()
    page.keyboard.press("Space")
    expect(page.locator(PRESSED)).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator(PRESSED)).to_have_count(0)
    page.keyboard.press("Enter")
    for _ in range(100):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "next":
            break
    page.keyboard.press("Enter")
    expect(page.locator("#position")).to_have_text("Generation 2 of 2")


def test_arrows_move_among_the_images(page: Page) -> None:
    page.locator("#breed-grid button.picture").first.focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowUp", "ArrowLeft"):
        page.keyboard.press(key)
    columns = page.evaluate(
        "getComputedStyle(document.querySelector('#breed-grid')).gridTemplateColumns.split(' ').length"
    )
    expect(page.locator("#breed-grid button.picture").nth(columns)).to_be_focused()


def test_branches_keep_their_choices(page: Page) -> None:
    breed(page, 0)
    expect(page.locator("#position")).to_have_text("Generation 2 of 2")
    page.locator("#breed-grid button.picture").nth(4).click()
    page.get_by_role("button", name="Back").click()
    breed(page, 5)
    expect(page.locator("#position")).to_have_text("Generation 3 of 3")
    expect(page.locator("#breed-grid .badge")).to_have_count(2)
    expect(page.locator("#timeline .branch")).to_have_count(2)
    page.get_by_role("button", name="Generation 2, bred from 1").click()
    expect(page.locator("#position")).to_have_text("Generation 2 of 3")
    expect(page.locator(PRESSED)).to_have_count(1)
    expect(page.locator("#timeline [aria-current]")).to_be_focused()


def test_ancestors_are_shown(page: Page) -> None:
    breed(page, 0, 1)
    expect(page.locator("#position")).to_have_text("Generation 2 of 2")
    page.get_by_role("button", name="Show ancestors of Image 20").click()
    expect(page.locator("#ancestors-rows > li")).to_have_count(2)
    page.keyboard.press("Escape")
    expect(page.locator("#ancestors")).to_be_hidden()


def test_a_slider_changes_the_image_and_a_lock_holds_it(page: Page) -> None:
    visit(page, "Sliders")
    expect(page.locator("#live canvas")).to_be_visible()
    (before,) = images(page, "#live")
    slider = page.locator("#groups input[type=range]").first
    slider.focus()
    for _ in range(100):
        page.keyboard.press("ArrowRight")
    expect(page.locator("#groups input[type=number]").first).to_have_value("1.00")
    page.wait_for_function("before => document.querySelector('#live canvas').toDataURL() !== before", arg=before)
    page.locator("#groups .lock").first.click()
    page.get_by_role("button", name="Randomise").click()
    expect(page.locator("#groups input[type=number]").first).to_have_value("1.00")
    values = page.eval_on_selector_all("#groups input[type=number]", "all => all.map(one => one.value)")
    assert len(set(values[1:])) > 1  # two of them may be alike by chance
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#groups input[type=number]").nth(1)).to_have_value("0.00")


def test_the_last_value_of_a_quick_drag_is_the_one_that_is_shown(page: Page) -> None:
    visit(page, "Sliders")
    expect(page.locator("#live canvas")).to_be_visible()
    drag = """async () => {
        const slider = document.querySelector('#groups input[type=range]');
        window.drawn = 0;
        document.addEventListener('evovae:drawn', (event) => { window.drawn = event.detail.serial; });
        for (let i = 0; i < 60; i++) {
            slider.value = i / 20;
            slider.dispatchEvent(new Event('input'));
            if (i % 3 === 0) await new Promise((resume) => setTimeout(resume, 1));
        }
    }"""
    page.evaluate(drag)
    page.wait_for_function("() => window.drawn === 60")
    (dragged,) = images(page, "#live")
    for draws, value in ((61, "1.00"), (62, "2.95")):
        page.locator("#groups input[type=number]").first.fill(value)
        page.keyboard.press("Tab")
        page.wait_for_function("draws => window.drawn >= draws", arg=draws)
    assert images(page, "#live") == [dragged]


def test_a_picture_is_encoded_beside_its_reconstruction(page: Page, address: str) -> None:
    visit(page, "Sliders")
    picture = page.request.get(f"{address}/api/test/4/picture").body()
    page.locator("#picture-file").set_input_files({"name": "x.png", "mimeType": "image/png", "buffer": picture})
    expect(page.locator("#original")).to_contain_text("your picture")
    brought = images(page, "#original")
    page.locator("#test-index").fill("4")
    page.keyboard.press("Tab")
    expect(page.locator("#original")).to_contain_text("test image 4, a 4")
    assert images(page, "#original") == brought


def test_a_picture_is_dropped_and_undo_brings_back_what_was_there(page: Page) -> None:
    visit(page, "Sliders")
    page.locator("#test-index").fill("7")
    page.keyboard.press("Tab")
    expect(page.locator("#original")).to_contain_text("test image 7")
    expect(page.locator("#live .what")).to_have_text("Reconstruction")
    (before,) = images(page, "#live")
    page.evaluate("""async () => {
        const picture = await (await fetch("api/test/2/picture")).blob();
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([picture], "x.png", { type: "image/png" }));
        document.querySelector("#view-sliders").dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true }));
    }""")
    expect(page.locator("#original")).to_contain_text("your picture")
    page.wait_for_function("before => document.querySelector('#live canvas').toDataURL() !== before", arg=before)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#original")).to_contain_text("test image 7")
    page.wait_for_function("before => document.querySelector('#live canvas').toDataURL() === before", arg=before)
    page.reload()
    page.wait_for_function("before => document.querySelector('#live canvas')?.toDataURL() === before", arg=before)


def test_a_click_on_the_map_sets_the_sliders(page: Page) -> None:
    visit(page, "Map")
    expect(page.locator("#cursor")).to_have_attribute("aria-busy", "false")
    page.locator("#cursor").click(position={"x": 60, "y": 120})
    expect(page.locator("#decoded canvas")).to_be_visible()
    decoded = images(page, "#decoded")
    nearest = page.locator("#neighbours img").first.get_attribute("src") or ""
    visit(page, "Sliders")
    page.wait_for_function("seen => document.querySelector('#live canvas')?.toDataURL() === seen", arg=decoded[0])
    visit(page, "Map")
    page.locator("#cursor").focus()
    for key in (*["Shift+ArrowRight"] * 6, "ArrowDown", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("#neighbours img").first).not_to_have_attribute("src", nearest)


def test_two_clicks_make_a_path(page: Page) -> None:
    visit(page, "Map")
    expect(page.locator("#cursor")).to_have_attribute("aria-busy", "false")
    page.get_by_label("sets the ends of a path").check()
    page.locator("#cursor").click(position={"x": 60, "y": 60})
    page.locator("#cursor").click(position={"x": 260, "y": 200})
    expect(page.locator("#path canvas")).to_have_count(9)
    assert len(set(images(page, "#path"))) > 5


def test_an_evolution_is_scrubbed(page: Page) -> None:
    visit(page, "Watch")
    page.get_by_role("button", name=re.compile("light")).click()
    expect(page.locator("#replicates canvas")).to_have_count(2)
    last = images(page, "#replicates")
    page.locator("#frame").focus()
    page.keyboard.press("Home")
    expect(page.locator("#frame-value")).to_have_text("Generation 0 of 5")
    page.wait_for_function("seen => document.querySelector('#replicates canvas').toDataURL() !== seen", arg=last[0])
    expect(page.locator("#curve svg")).to_have_attribute("aria-label", re.compile("mean of 2 replicates"))


def open_archive(page: Page) -> None:
    visit(page, "Watch")
    page.get_by_role("button", name=re.compile("kinds")).click()
    expect(page.locator("#archive-filled")).to_contain_text("of 1,200 cells filled, QD score")


def drawn(page: Page) -> str:
    return page.eval_on_selector("#cells", "map => map.toDataURL()")


def test_an_archive_is_walked_by_keyboard_and_its_elites_are_bred_from(page: Page) -> None:
    open_archive(page)
    whole = drawn(page)
    page.locator("#zoom-whole").focus()
    page.keyboard.press("Tab")
    expect(page.locator("#cells-cursor")).to_be_focused()
    expect(page.locator("#elite-thumb canvas")).to_be_visible()
    expect(page.locator("#announce")).to_have_text(re.compile("^lightness .*, slant .*, thickness .*; a"))
    page.keyboard.press("Enter")
    expect(page.locator("#opened canvas")).to_have_count(1)
    for key in (*["Shift+ArrowLeft"] * 5, "Shift+ArrowDown", *["ArrowDown"] * 30):
        page.keyboard.press(key)
    expect(page.locator("#announce")).to_have_text("An empty cell")
    expect(page.locator("#elite-thumb")).to_be_hidden()
    page.keyboard.press("Escape")
    assert drawn(page) == whole
    with page.expect_response(re.compile("/archives/0/pictures$")) as answer:
        for key in "+" * 12:
            page.keyboard.press(key)
    assert 1 <= len(answer.value.json()["pictures"]) <= 64
    expect(page.locator("#zoom-in")).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("0")
    expect(page.locator("#zoom-out")).to_have_attribute("aria-disabled", "true")
    assert drawn(page) == whole
    page.locator("#archive-replicate").select_option(label="2")
    page.wait_for_function("whole => document.querySelector('#cells').toDataURL() !== whole", arg=whole)
    page.locator("#zoom-whole").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#opened canvas")).to_have_count(2)
    (last, first) = images(page, "#opened")
    page.get_by_role("button", name=re.compile("^Keep Elite of lightness")).first.click()
    expect(page.locator("#kept-count")).to_have_text("(1)")
    page.get_by_role("button", name="Breed from these 2").click()
    expect(page.locator("#position")).to_have_text("Generation 2 of 2")
    assert images(page)[:2] == [last, first]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_an_archive_is_zoomed_and_moved_by_a_pointer(page: Page, scheme: str, width: int) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 800})
    open_archive(page)
    whole = drawn(page)
    with page.expect_response(re.compile("/archives/0/pictures$")):
        page.get_by_label("pictures", exact=True).check()
    assert drawn(page) != whole
    page.get_by_label("colours", exact=True).check()
    assert drawn(page) == whole
    page.locator("#cells-cursor").scroll_into_view_if_needed()
    box = page.locator("#cells-cursor").bounding_box()
    assert box
    middle = box["x"] + 0.6 * box["width"], box["y"] + 0.4 * box["height"]
    page.mouse.move(*middle)
    page.mouse.wheel(0, -300)
    page.wait_for_function("whole => document.querySelector('#cells').toDataURL() !== whole", arg=whole)
    zoomed, there = drawn(page), page.evaluate("scrollY")
    page.mouse.down()
    page.mouse.move(middle[0] - 60, middle[1] + 20, steps=4)
    page.mouse.up()
    assert drawn(page) != zoomed
    assert page.evaluate("scrollY") == there
    expect(page.locator("#opened canvas")).to_have_count(0)
    page.get_by_role("button", name="Whole").click()
    assert drawn(page) == whole
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(page).response["violations"]
    assert not found, ", ".join(one["id"] for one in found)


def test_what_is_kept_is_exported_opened_again_and_evolved(page: Page, tmp_path: Path) -> None:
    page.get_by_role("button", name="Keep Image 2", exact=True).click()
    page.get_by_role("button", name="Keep Image 7", exact=True).click()
    visit(page, "Kept")
    expect(page.locator("#keepsakes canvas")).to_have_count(2)
    with page.expect_download() as download:
        page.get_by_role("link", name="Image 1 as JSON").click()
    content = json.loads(download.value.path().read_text())
    assert len(content["genomes"][0]) == 4
    with page.expect_download() as download:
        page.get_by_role("link", name="Save session").click()
    download.value.save_as(tmp_path / "session.safetensors")
    page.get_by_role("button", name="Remove Image 1").click()
    expect(page.locator("#keepsakes canvas")).to_have_count(1)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#keepsakes canvas")).to_have_count(2)
    page.get_by_role("button", name="Remove Image 1").click()
    expect(page.locator("#keepsakes canvas")).to_have_count(1)
    page.locator("#open-session").set_input_files(tmp_path / "session.safetensors")
    expect(page.locator("#keepsakes canvas")).to_have_count(2)
    page.get_by_label("Choose Image 2").check()
    page.get_by_label("target (one image)").check()
    page.get_by_label("Generations", exact=True).fill("2")
    page.get_by_label("Population", exact=True).fill("4")
    page.get_by_role("button", name="Start evolution").click()
    expect(page.locator("#started code")).to_contain_text("--objective target:genome/0")
    page.get_by_role("link", name="Watch it").click()
    expect(page.locator("#run-state")).to_contain_text("finished", timeout=30_000)


def test_a_late_answer_does_not_bring_back_a_session_that_was_left(page: Page, tmp_path: Path) -> None:
    keep = page.get_by_role("button", name="Keep Image 1", exact=True)
    keep.click()
    expect(keep).to_have_attribute("aria-pressed", "true")
    visit(page, "Kept")
    with page.expect_download() as download:
        page.get_by_role("link", name="Save session").click()
    download.value.save_as(tmp_path / "session.safetensors")
    held: list[Route] = []
    page.route(re.compile("/favourites/[0-9]+$"), lambda route: held.append(route))
    page.get_by_role("button", name="Remove Image 1").click()
    left = page.evaluate("sessionStorage['evovae.session']")
    page.locator("#open-session").set_input_files(tmp_path / "session.safetensors")
    page.wait_for_function("left => sessionStorage['evovae.session'] !== left", arg=left)
    with page.expect_response(re.compile("/favourites/[0-9]+$")):
        held[0].continue_()
    expect(page.get_by_text("Removed.")).to_be_visible()
    expect(page.locator("#keepsakes canvas")).to_have_count(1)


def test_tabs_keep_their_own_sessions(page: Page, address: str) -> None:
    breed(page, 0)
    expect(page.locator("#position")).to_have_text("Generation 2 of 2")
    with page.context.expect_page() as opened:
        page.evaluate("window.open(location.href)")  # which copies sessionStorage, as duplicating a tab does
    other = opened.value
    expect(other.locator("#position")).to_have_text("Generation 2 of 2")
    breed(other, 1)
    expect(other.locator("#position")).to_have_text("Generation 3 of 3")
    page.get_by_role("button", name="Back").click()
    expect(page.locator("#position")).to_have_text("Generation 1 of 2")
    assert page.evaluate("sessionStorage['evovae.session']") != other.evaluate("sessionStorage['evovae.session']")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
    page.get_by_role("button", name="Keep Image 1", exact=True).click()
    for view in VIEWS:
        visit(page, view)
        found = Axe().run(page).response["violations"]
        assert not found, f"{view}: " + ", ".join(one["id"] for one in found)


@pytest.mark.parametrize("width", [360, 640, 1280, 2560])
def test_no_view_is_wider_than_the_window(page: Page, width: int) -> None:
    """640 pixels is what 200% zoom leaves of 1280."""
    page.set_viewport_size({"width": width, "height": 800})
    for view in VIEWS:
        visit(page, view)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view


def test_a_generator_without_an_encoder_is_explored(browser: Browser, generator: str) -> None:
    with visiting(browser, generator) as page:
        breed(page, 2, 3)
        expect(page.locator("#position")).to_have_text("Generation 2 of 2")
        assert len(set(images(page))) > 15
        page.get_by_role("button", name="Keep Image 5", exact=True).click()
        (seen,) = images(page, "#breed-grid li:nth-child(5)")
        page.get_by_role("button", name="Open Image 5 in sliders", exact=True).click()
        expect(page.locator("#sliders-about")).to_contain_text("32 random directions")
        page.wait_for_function("seen => document.querySelector('#live canvas')?.toDataURL() === seen", arg=seen)
        expect(page.locator("#from-none")).to_contain_text("no encoder")
        expect(page.locator("#test-index, #picture-file").filter(visible=True)).to_have_count(0)
        page.locator("#groups input[type=number]").first.fill("2")
        page.keyboard.press("Tab")
        page.wait_for_function("seen => document.querySelector('#live canvas').toDataURL() !== seen", arg=seen)
        expect(page.locator("#across canvas")).to_have_count(9)
        page.get_by_role("button", name="Undo").click()
        page.wait_for_function("seen => document.querySelector('#live canvas').toDataURL() === seen", arg=seen)
        page.get_by_role("button", name="Randomise").click()
        page.get_by_role("button", name="Keep This image", exact=True).click()
        for view in VIEWS:
            shown = {"Map": ("#no-map",), "Watch": ("#runs-empty",)}.get(view, VIEWS[view])
            visit(page, view, shown)
            found = Axe().run(page).response["violations"]
            assert not found, f"{view}: " + ", ".join(one["id"] for one in found)
        expect(page.locator("#keepsakes canvas")).to_have_count(2)
        expect(page.locator("#explain")).to_contain_text("Typicality is not measured: there is no image set")
        visit(page, "Map", ("#no-map",))
        expect(page.locator("#no-map")).to_contain_text("no encoder that says where known images lie")
        expect(page.locator("#cursor")).to_be_hidden()
