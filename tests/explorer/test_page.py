"""The explorer's page in a real browser: its numbers are Python's."""

import base64
import io
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import requests
from click.testing import CliRunner
from PIL import Image

from keras_vae_cli import main

pytestmark = pytest.mark.slow


@pytest.fixture(params=["rest", "litert"])
def page(request, visit):
    """The page, with each of the two sides of inference."""
    return visit(request.getfixturevalue(request.param))


@pytest.fixture
def rest_page(rest, visit):
    return visit(rest)


@pytest.fixture(scope="module")
def x(run):
    """The examples as a picture holds them, in 8 bits."""
    return np.round(run.dataset().test.x * 255).astype("uint8") / np.float32(255)


def array(page, expression):
    """Numbers of the page, once it has come to rest."""
    page.evaluate("explorer.settled()")
    return np.array(page.evaluate(f"[...{expression}]"), "float32")


def pixels(page, canvas):
    """What is drawn in a canvas: uint8 `(height, width, 4)`."""
    page.evaluate("explorer.settled()")
    values = page.evaluate(
        """id => {
          const canvas = document.getElementById(id);
          const context = canvas.getContext("2d");
          const {width, height} = canvas;
          return [height, width, [...context.getImageData(0, 0, width, height).data]];
        }""",
        canvas,
    )
    height, width, data = values
    return np.array(data, "uint8").reshape(height, width, 4)


def on_map(page, place):
    """Where a place of the map is, in pixels of its canvas."""
    x, y = page.evaluate("place => explorer.plot.toPixels(place)", list(place))
    return {"x": x, "y": y}


def example_on_map(page, i):
    return on_map(page, page.evaluate("i => explorer.plot.places[i]", i))


def check_decoded(page, vae, z):
    """Holds what is decoded, as numbers and as drawn, against Python."""
    expected = vae.decode(np.reshape(z, (1, -1)))[0]
    found = array(page, "explorer.reconstruction").reshape(expected.shape)
    np.testing.assert_allclose(found, expected, atol=2e-6)
    drawn = pixels(page, "decoded")[..., 0]
    assert np.abs(drawn - 255.0 * expected[..., 0]).max() <= 0.5 + 1e-3


def measured(page):
    """The numbers that are shown of what went in, by name."""
    page.evaluate("explorer.settled()")
    found = page.locator("#measures > div").all()
    return {
        row.locator("dt").inner_text(): float(
            row.locator("dd").get_attribute("data-value")
        )
        for row in found
    }


def check_measured(page, vae, detector, image):
    scores = vae.score(image[None], seed=0)
    expected = {
        "ELBO": scores["elbo"][0],
        "reconstruction loss": scores["reconstruction_loss"][0],
        "KL": scores["kl_loss"][0],
        "p-value": detector.detect(image[None]).p_value[0],
    }
    found = measured(page)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-5), name


def test_what_is_pointed_at_is_decoded_at_once(page, run, shown):
    i, j = shown.about["active"][:2]
    pixel = page.evaluate("1 / explorer.plot.view.scale")
    page.hover("#map", position=on_map(page, (1.5, -0.75)))
    z = array(page, "explorer.shown")
    expected = np.zeros(3)
    expected[[i, j]] = 1.5, -0.75
    np.testing.assert_allclose(z, expected, atol=pixel)
    check_decoded(page, run.vae, z)
    # When the mouse leaves, the page is back where it was: at the middle of the prior.
    page.hover("h1")
    check_decoded(page, run.vae, np.zeros(3))


def test_an_example_is_chosen_by_a_click(page, run, shown, detector, x):
    # One that no other hides.
    place = np.array(page.evaluate("explorer.plot.places"))
    distance = np.linalg.norm(place[:, None] - place, axis=2) + 9 * np.eye(len(place))
    i = int(distance.min(axis=1).argmax())
    page.hover("#map", position=example_on_map(page, i))
    name = shown.about["label_names"][shown.about["labels"][i]]
    assert page.inner_text("#hover figcaption") == f"test example {i}, {name}"
    page.click("#map", position=example_on_map(page, i))
    z = run.vae.codes(x[i : i + 1])[0]
    np.testing.assert_allclose(array(page, "explorer.z"), z, atol=1e-6)
    check_decoded(page, run.vae, z)
    levels = np.round(x[i, ..., 0] * 255)
    np.testing.assert_array_equal(pixels(page, "input")[..., 0], levels)
    check_measured(page, run.vae, detector, x[i])
    # Of the error the strength is how far the decoded pixel is from that of the input.
    error = run.vae.decode(z[None])[0, ..., 0] - x[i, ..., 0]
    drawn = pixels(page, "error")
    assert np.abs(drawn[..., 3] - 255 * np.abs(error)).max() <= 1
    assert (drawn[error > 0.1][:, 0] > 200).all()  # too much is orange
    assert (drawn[error < -0.1][:, 2] > 200).all()  # too little is blue
    assert f"at most {np.abs(error).max():.2f}" == page.inner_text("#error-scale")


def drop(page, content, name="image.png", kind="image/png"):
    page.evaluate(
        """([content, name, type]) => {
          const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([bytes], name, {type}));
          const options = {dataTransfer, bubbles: true, cancelable: true};
          document.body.dispatchEvent(new DragEvent("drop", options));
        }""",
        [base64.b64encode(content).decode(), name, kind],
    )


def png(levels):
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "PNG")
    return file.getvalue()


def test_an_image_is_dropped(page, run, detector):
    levels = np.random.default_rng(0).integers(0, 256, (8, 8)).astype("uint8")
    page.click("#random")
    page.evaluate("explorer.settled()")
    drop(page, png(levels), "noise.png")
    page.locator("#source", has_text="Noise.png").wait_for()
    image = (levels / np.float32(255))[..., None].astype("float32")
    z = run.vae.codes(image[None])[0]
    np.testing.assert_allclose(array(page, "explorer.z"), z, atol=2e-6)
    check_decoded(page, run.vae, z)
    check_measured(page, run.vae, detector, image)
    assert "an anomaly" in page.inner_text("#measures")  # as noise should be


def test_an_image_of_another_size_is_fitted_and_what_is_none_is_refused(rest_page):
    page = rest_page
    white = np.full((40, 20), 255, "uint8")
    drop(page, png(white), "tall.png")
    page.locator("#source", has_text="Tall.png").wait_for()
    drawn = pixels(page, "input")[..., 0]
    assert (drawn[:, 2:6] == 255).all()
    assert (drawn[:, [0, 1, 6, 7]] == 0).all()
    page.click("#invert")
    assert (pixels(page, "input")[..., 0] == 255 - drawn).all()
    drop(page, b"no image", "text.txt", "text/plain")
    page.locator("#trouble", has_text="text.txt is no image").wait_for()
    page.click("#dismiss")
    assert page.locator("#trouble").is_hidden()


def test_an_image_is_drawn_with_the_mouse(rest_page, run, detector):
    page = rest_page
    box = page.locator("#input").bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.8 * box["height"])
    page.mouse.up()
    image = array(page, "explorer.x").reshape(8, 8, 1)
    drawn = pixels(page, "input")[..., 0]
    np.testing.assert_array_equal(np.round(image[..., 0] * 255), drawn)
    assert (drawn[2:6, 3:5] > 100).all() and not drawn[:, [0, 1, 6, 7]].any()
    z = run.vae.codes(image[None])[0]
    np.testing.assert_allclose(array(page, "explorer.z"), z, atol=1e-6)
    check_measured(page, run.vae, detector, image)
    page.click("#clear")
    assert not pixels(page, "input")[..., :3].any()
    assert measured(page) == {}


def test_a_slider_moves_its_dimension_alone(rest_page, run, shown):
    page = rest_page
    page.evaluate("explorer.choose(5)")
    before = array(page, "explorer.z")
    first = shown.about["active"][0]
    slider = page.locator(".slider input").first
    assert slider.evaluate("e => e.parentElement.innerText").startswith(f"z[{first}]")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    after = array(page, "explorer.z")
    assert after[first] > before[first]
    others = [j for j in range(3) if j != first]
    np.testing.assert_array_equal(after[others], before[others])
    check_decoded(page, run.vae, after)


def test_a_random_place_is_that_of_its_seed(page, run):
    page.fill("#seed", "5")
    page.click("#random")
    page.locator("#source", has_text="by seed 5").wait_for()
    sample = run.vae.sample(1, seed=5)
    found = array(page, "explorer.reconstruction").reshape(sample.shape)
    np.testing.assert_allclose(found, sample, atol=2e-6)
    assert page.input_value("#seed") == "6"  # the next one
    page.click("#copy-seed")
    page.locator("#copied", has_text="Seed copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "5"
    page.click("#reset")
    assert not array(page, "explorer.z").any()
    assert page.locator("#copy-seed").is_disabled()


def test_what_is_copied_computes_the_same_elsewhere(rest_page, run):
    page = rest_page
    page.evaluate("explorer.choose(7)")
    shown = array(page, "explorer.reconstruction")
    page.click("#copy-python")
    page.locator("#copied", has_text="Python copied").wait_for()
    names = {}
    exec(page.evaluate("navigator.clipboard.readText()"), names)
    np.testing.assert_allclose(names["reconstruction"].ravel(), shown, atol=1e-6)
    page.click("#copy-curl")
    page.locator("#copied", has_text="curl copied").wait_for()
    command = shlex.split(page.evaluate("navigator.clipboard.readText()"))
    assert command[:2] == ["curl", "-d"]
    answer = requests.post(command[3], data=command[2], timeout=30).json()
    np.testing.assert_allclose(np.ravel(answer["predictions"]), shown, atol=1e-6)


def test_between_two_examples(page, run, x):
    page.evaluate("explorer.choose(1)")
    page.click("#from")
    page.click("#map", position=example_on_map(page, 4), modifiers=["Shift"])
    page.evaluate("explorer.interpolation.set('B', explorer.codes[4], 'four')")
    expected = run.vae.interpolate(x[1:2], x[4:5], num_steps=9)[0, ..., 0]
    strip = pixels(page, "strip")[..., 0]  # nine pictures side by side
    drawn = strip.reshape(8, 9, 8).transpose(1, 0, 2)
    assert np.abs(drawn - 255.0 * expected).max() <= 0.5 + 1e-3
    z_a, z_b = run.vae.codes(x[[1, 4]])
    page.locator("#strip").scroll_into_view_if_needed()
    box = page.locator("#strip").bounding_box()
    page.click("#strip", position={"x": 0.5 * box["width"], "y": box["height"] / 2})
    np.testing.assert_allclose(array(page, "explorer.z"), (z_a + z_b) / 2, atol=1e-6)
    # Played, it moves along the line, and stops where it is told to.
    page.click("#play")
    page.evaluate("new Promise((done) => setTimeout(done, 100))")
    page.click("#play")
    z = array(page, "explorer.z")
    t = np.dot(z - z_a, z_b - z_a) / np.dot(z_b - z_a, z_b - z_a)
    assert 0 < t < 1 and t != 0.5
    np.testing.assert_allclose(z, (1 - t) * z_a + t * z_b, atol=1e-5)


def test_the_map_by_the_keyboard(rest_page, run, shown):
    page = rest_page
    i, j = shown.about["active"][:2]
    scale = page.evaluate("explorer.plot.view.scale")
    page.focus("#map")
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "Shift+ArrowUp", "ArrowLeft"):
        page.keyboard.press(key)
    z = array(page, "explorer.z")
    np.testing.assert_allclose(z[[i, j]], np.array([8, 48]) / scale, rtol=1e-5)
    check_decoded(page, run.vae, z)
    # A screen reader is told where that is, and what is near it.
    codes = np.array(shown.about["codes"])
    near = int(np.linalg.norm(codes[:, [i, j]] - z[[i, j]], axis=1).argmin())
    spoken = page.locator("#spoken", has_text=f"Nearest: test example {near},")
    spoken.wait_for(state="attached")
    where = f"z[{i}] {z[i]:.2f}, z[{j}] {z[j]:.2f}".replace("-", "−")
    assert where in spoken.inner_text()
    page.keyboard.press("Enter")
    np.testing.assert_allclose(array(page, "explorer.z"), codes[near], atol=1e-6)
    page.keyboard.press("0")
    assert not array(page, "explorer.z").any()
    page.keyboard.press("r")
    page.locator("#source", has_text="by seed 0").wait_for()
    page.keyboard.press("g")
    assert page.is_checked("#grid")
    # Where one types, letters and digits are text.
    page.fill("#seed", "")
    page.type("#seed", "00")
    assert array(page, "explorer.z").any()


def test_a_drag_takes_the_place_along(rest_page, run, shown):
    page = rest_page
    i, j = shown.about["active"][:2]
    box = page.locator("#map").bounding_box()
    for k, place in enumerate(((2.0, 2.0), (1.0, 1.0), (-1.5, 0.5))):
        at = on_map(page, place)
        page.mouse.move(box["x"] + at["x"], box["y"] + at["y"])
        if k == 0:
            page.mouse.down()
    page.mouse.up()
    page.hover("h1")
    pixel = page.evaluate("1 / explorer.plot.view.scale")
    z = array(page, "explorer.z")
    np.testing.assert_allclose(z[[i, j]], [-1.5, 0.5], atol=pixel)
    check_decoded(page, run.vae, z)


def test_principal_components(rest_page, run, shown):
    from sklearn.decomposition import PCA

    page = rest_page
    page.select_option("#axis-x", "c0")
    assert page.input_value("#axis-y") == "c1"  # which goes with it
    codes = np.array(shown.about["codes"], "float32")
    pca = PCA(2).fit(codes)
    expected = pca.transform(codes)
    places = np.array(page.evaluate("explorer.plot.places"))
    signs = np.sign(np.sum(expected * places, axis=0))
    np.testing.assert_allclose(places, expected * signs, atol=1e-5)
    share = round(100 * pca.explained_variance_ratio_[0])
    name = page.evaluate("explorer.plot.projection.names[0]")
    assert name == f"component 1 ({share} % of the variance)"
    # A place has the code there, what is at right angles to the map as it was.
    page.evaluate("explorer.choose(2)")
    place = np.array([0.7, -0.4])
    page.hover("#map", position=on_map(page, place))
    z = array(page, "explorer.shown")
    pixel = page.evaluate("1 / explorer.plot.view.scale")
    there = pca.transform(z[None])[0] * signs
    np.testing.assert_allclose(there, place, atol=2 * pixel)
    across = np.cross(*pca.components_)
    np.testing.assert_allclose((z - codes[2]) @ across, 0, atol=1e-5)
    # Back to two dimensions, of which one is the other's.
    page.select_option("#axis-y", "z2")
    assert page.input_value("#axis-x") in ("z0", "z1")
    page.select_option("#axis-x", "z2")
    assert page.input_value("#axis-y") != "z2"


def test_decodings_under_the_points(page, run, shown):
    page.evaluate("explorer.choose(2)")
    page.check("#grid")
    page.evaluate("explorer.settled()")
    width, height = page.evaluate(
        "[explorer.plot.view.width, explorer.plot.view.height]"
    )
    columns, rows = page.evaluate(
        "[explorer.grid.sheet.width / 8, explorer.grid.sheet.height / 8]"
    )
    assert columns > 10 and rows > 8
    column, row = int(columns) - 2, 3
    middle = [(column + 0.5) * width / columns, (row + 0.5) * height / rows]
    place = page.evaluate("at => explorer.plot.toPlace(at)", middle)
    z = np.array(shown.about["codes"][2], "float32")
    z[shown.about["active"][:2]] = place
    expected = run.vae.decode(z[None])[0, ..., 0]
    drawn = page.evaluate(
        """([x, y]) => [...explorer.grid.sheet.getContext("2d")
             .getImageData(x, y, 8, 8).data]""",
        [8 * column, 8 * row],
    )
    drawn = np.array(drawn).reshape(8, 8, 4)[..., 0]
    assert np.abs(drawn - 255.0 * expected).max() <= 0.5 + 1e-3


def test_labels_stand_out_and_points_can_be_hidden(rest_page):
    page = rest_page
    point = """() => {
      const [x, y] = explorer.plot.toPixels(explorer.plot.places[0]);
      const {ratio} = explorer.plot.view;
      return [...explorer.plot.base.getContext("2d")
        .getImageData(Math.round(x * ratio), Math.round(y * ratio), 1, 1).data];
    }"""
    shown = page.evaluate(point)
    label = page.evaluate("explorer.about.labels[0]")
    other = page.locator("#legend button").nth((label + 1) % 10)
    other.click()
    assert other.get_attribute("aria-pressed") == "true"
    assert page.evaluate(point) != shown
    other.click()
    assert page.evaluate(point) == shown
    page.uncheck("#points")
    assert page.evaluate(point) != shown


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_follows_the_screen(rest, visit, scheme):
    page = visit(rest, viewport={"width": 360, "height": 700}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    levels = [int(v) for v in ground[4:-1].split(",")]
    assert (min(levels) > 200) if scheme == "light" else (max(levels) < 60)
    # The map is above the code, and the pictures stay in sight above both.
    tops = [
        page.locator(s).bounding_box()["y"] for s in ("#pictures", "#map", "#place")
    ]
    assert tops == sorted(tops)
    page.locator("#place").scroll_into_view_if_needed()
    page.mouse.wheel(0, 400)
    assert page.locator("#decoded").bounding_box()["y"] >= 0


def test_everything_that_is_used_has_a_name(rest_page):
    names = rest_page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, canvas")]
          .filter((e) => e.checkVisibility() && !e.closest("#hover"))
          .map((e) => e.ariaLabel || e.labels?.[0]?.innerText || e.innerText || "")"""
    )
    assert len(names) > 20 and all(name.strip() for name in names), names
    regions = rest_page.locator("section:visible").all()
    assert all(r.get_attribute("aria-labelledby") for r in regions)


def test_a_server_that_has_ended_is_said(run, shown, measures, visit):
    from keras_vae.explorer import ExplorerServer

    with ExplorerServer(shown, run.directory / "export", measures) as server:
        with server.running():
            page = visit(server.url)
        page.route("**/v1/**", lambda route: route.abort())
        page.click("#random")
        page.locator("#trouble", has_text="does not answer").wait_for()
        page.unroute("**/v1/**")
        with server.running():
            page.click("#random")
            page.locator("#trouble").wait_for(state="hidden")
        page.errors.clear()  # the browser's own, that nothing was loaded


# --- The command ------------------------------------------------------------------


def call(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_it_is_served_until_it_is_interrupted(run, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    process = subprocess.Popen(
        [sys.executable, "-m", "keras_vae_cli", "explore", str(run.directory)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout.readline().startswith("The latent space of ")
        url = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())[0]
        about = requests.get(f"{url}/latent_map.json", timeout=30).json()
        assert about["models"] == ["bound", "scorer"] and about["level"] == 0.1
        assert about["path"] == str(run.directory)
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, rest) == (0, "")
    assert "Traceback" not in errors


def test_what_the_command_refuses(run, tmp_path, monkeypatch):
    def refused(*arguments):
        result = call("explore", *arguments)
        assert result.exit_code == 2, result.output
        return " ".join(result.stderr.split())

    place = run.directory
    assert "a model alone" in refused(place / "model.keras")
    both = refused(place, "--rest", "http://localhost:1", "--site", tmp_path / "site")
    assert "give one of them" in both
    assert "not of the form http://" in refused(place, "--rest", "localhost:8501")
    # The run was not converted, and there is no LiteRT.js: it says what mends it.
    site = refused(place, "--site", tmp_path / "site")
    assert f"keras-vae convert {place} --output {place / 'export' / 'tflite'}" in site
    bare = tmp_path / "bare"
    shutil.copytree(place, bare, ignore=shutil.ignore_patterns("export"))
    assert f"keras-vae export {bare} --output {bare / 'export'}" in refused(bare)
    (bare / "export" / "tflite").mkdir(parents=True)
    (bare / "export" / "tflite" / "encoder.tflite").touch()
    monkeypatch.chdir(tmp_path)
    assert "make site-runtime" in refused(bare, "--site", tmp_path / "site")
    assert not (tmp_path / "site").exists()
