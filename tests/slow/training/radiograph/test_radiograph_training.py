"""Training on synthetic radiographs: reading, sampling, losses, and resuming."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from operators.errors import UsageError
from operators.networks.architectures.radiograph_network import (
    FRACTURE,
    SIMULATED,
    Output,
    RadiographNetwork,
    local_contrast,
    with_local_contrast,
)
from operators.radiographs.canvas import on_canvas
from tests.support.radiographs.synthetic_radiographs import made_pixels, made_radiograph, write_dataset
from tests.support.training.training_cases import ROOT
from training.radiograph.batches.sampler import Draws, Sampler, bone_mask, source_of
from training.radiograph.batches.simulated_fracture import simulate_fracture
from training.radiograph.batches.views import View, sample
from training.radiograph.datasets.groups import Member, apart, number_of
from training.radiograph.datasets.near_copies import copy_pairs
from training.radiograph.datasets.radiograph import ATTRIBUTES, ORIENTATION, RECOGNISED
from training.radiograph.datasets.reading import read_dataset
from training.radiograph.loop.batch_statistics import with_statistics
from training.radiograph.loop.multitask_loss import LossWeights, loss
from training.radiograph.loop.networks import build, network_of
from training.radiograph.loop.phased_trainer import Trainer
from training.radiograph.loop.schedule import Limits, NetworkSize, Phase, RadiographRecipe
from training.radiograph.predictions import predict

# With 4 channels oneDNN (torch 2.13) writes beyond its memory in float32, and the process dies
SMALL = NetworkSize((8, 8, 8, 8, 8), (1, 1, 1, 1))
CROPS = Draws(fractures=2, simulated=1, others=2, size=(96, 96))
WHOLE = Draws(fractures=1, simulated=0, others=1, size=(128, 96), whole=True)
RECIPE = RadiographRecipe(
    (
        Phase("first", 2, 1e-3, (replace(CROPS, fractures=0, simulated=3),)),
        Phase("second", 8, 1e-3, (CROPS, WHOLE)),
    ),
    SMALL,
    warmup_steps=2,
)


@pytest.fixture(scope="module")
def sampler() -> Sampler:
    return made_sampler()


def made_sampler() -> Sampler:
    rng = np.random.default_rng(0)
    return Sampler([source_of(made_radiograph(n, n % 2 == 0), rng) for n in range(6)], seed=0)


def trainer(sampler: Sampler, folder: Path) -> Trainer:
    torch.set_num_threads(1)
    return Trainer(RECIPE, sampler, folder, lambda _: {"auc": 0.5})


def test_reads_images_and_outlines_where_they_lie(tmp_path: Path) -> None:
    images = [made_radiograph(1, True), made_radiograph(2, False, "dev")]
    one, other = read_dataset(write_dataset(tmp_path / "set", images))
    assert np.abs(one.pixels.astype(int) - images[0].pixels).mean() < 4
    assert one.mask()[50:60, 40:60].all()
    assert one.mask().sum() == pytest.approx(25 * 14, rel=0.15)
    assert (other.split, other.fractured, other.masks()) == ("dev", False, [])
    assert one.attributes == images[0].attributes


def test_larger_images_are_made_smaller_with_their_outlines(tmp_path: Path) -> None:
    (half,) = read_dataset(write_dataset(tmp_path / "set", [made_radiograph(1, True)]), longest_pixels=60)
    assert half.pixels.shape == (60, 50)
    rows, columns = np.nonzero(half.mask())
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == pytest.approx((24, 31, 19, 31.5), abs=1)


def test_an_outline_without_an_image_is_an_error(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "set", [made_radiograph(1, True)])
    columns = ",".join(("file", "split", "fractured", *ATTRIBUTES))
    (folder / "images.csv").write_text(f"{columns}\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"IMG0000001\.jpg"):
        read_dataset(folder)


def test_turned_noisy_copies_of_development_images_are_not_trained_on() -> None:
    rng = np.random.default_rng(5)
    texture = [np.kron(rng.integers(0, 200, (24, 20)), np.ones((5, 5))) for _ in range(3)]
    train = [
        replace(made_radiograph(n, False), pixels=texture[k].astype(np.uint8)) for n, k in ((10, 0), (50, 1))
    ]
    copy = np.clip(np.rot90(texture[0])[:, ::-1] * 0.8 + rng.normal(0, 4, (100, 120)) + 20, 0, 255)
    dev = replace(made_radiograph(30, False, "dev"), pixels=copy.astype(np.uint8))
    neighbours = [
        replace(made_radiograph(n, False), pixels=np.rot90(texture[2], k).astype(np.uint8))
        for n, k in ((11, 0), (12, 1), (13, 2), (29, 3), (33, 0))
    ]
    images = [*train, dev, *neighbours]
    members = [Member(image, number=number_of(image.name)) for image in images]
    near = apart(members, copy_pairs([image.pixels for image in images]), {images.index(dev)})
    kept = [image.name for at, image in enumerate(images) if at not in near and image is not dev]
    assert kept == ["IMG0000050.jpg", "IMG0000013.jpg", "IMG0000033.jpg"]


def test_bone_is_the_bar_and_neither_limb_nor_air() -> None:
    bone = bone_mask(made_pixels(3, gap=False))
    columns = np.flatnonzero(bone[60])
    assert 40 <= columns.min() < columns.max() < 64
    assert not bone[:, :35].any()


def test_an_unturned_view_is_the_image() -> None:
    pixels = made_pixels(1, gap=True)
    view = View((49.5, 59.5), (120, 100))
    assert np.allclose(sample(pixels[None], view.points())[0].numpy() * 255, pixels, atol=0.01)


def test_a_view_is_mirrored_stretched_and_turned_about_its_centre() -> None:
    points = View((30.0, 70.0), (65, 49), angle=np.pi / 2, zoom=(1.25, 0.5), mirror=True).points()
    assert points[32, 24] == pytest.approx((30, 70))
    assert points[32, 29] == pytest.approx((30, 70 - 5 / 1.25), abs=1e-3)
    assert points[35, 24] == pytest.approx((30 - 3 / 0.5, 70), abs=1e-3)


def test_a_break_stays_near_its_place() -> None:
    window = (made_pixels(2, gap=False) / 255).astype(np.float32)
    bone = bone_mask(made_pixels(2, gap=False))
    drawn = [simulate_fracture(window, bone, (48.0, 60.0), np.random.default_rng(seed)) for seed in range(20)]
    assert all(one.mask.any() for one in drawn)
    far = np.zeros(window.shape, bool)
    far[:15] = far[-15:] = True
    assert all(not one.mask[far].any() for one in drawn)
    assert max(float(np.abs(one.added[far]).max()) for one in drawn) < 1e-3
    assert np.mean([np.abs(one.moved).max() for one in drawn]) > 1


def test_the_same_step_draws_the_same_batch(sampler: Sampler) -> None:
    one, again, other = (sampler.batch(CROPS, step) for step in (5, 5, 6))
    assert torch.equal(one.seen, again.seen)
    assert torch.equal(one.maps, again.maps)
    assert not torch.equal(one.seen, other.seen)


def test_labels_of_a_batch_say_what_its_maps_show(sampler: Sampler) -> None:
    batch = sampler.batch(Draws(fractures=4, simulated=4, others=4, size=(96, 96)), 1)
    shown = batch.maps.flatten(2).sum(-1)
    assert (shown[:4, FRACTURE] > 0).all()
    assert (shown[4:8, SIMULATED] > 0).sum() >= 3
    assert torch.isnan(batch.labels[shown[:, SIMULATED] > 0, FRACTURE]).all()
    known = ~torch.isnan(batch.labels[:, FRACTURE])
    assert torch.equal(batch.labels[known, FRACTURE] == 1, shown[known, FRACTURE] >= 40)


def test_whole_views_tell_which_are_upside_down_and_which_mirrored() -> None:
    """Of an image that is bright at its upper left alone, in a lying image its upper right."""
    for shape, corner in (((90, 60), np.s_[:30, :20]), ((60, 90), np.s_[:20, -30:])):
        pixels = np.full(shape, 20, np.uint8)
        pixels[corner] = 200
        image = replace(made_radiograph(1, False), pixels=pixels)
        whole = replace(WHOLE, fractures=0, others=24)
        source = replace(source_of(image, np.random.default_rng(0)), bone=np.array([[5, 5]], np.int16))
        batch = Sampler([source], 0).batch(whole, 0)
        names = RECOGNISED.index(ORIENTATION[0]), RECOGNISED.index(ORIENTATION[1])
        upside_down, mirrored = (batch.attributes[:, at] > 0 for at in names)
        thirds = torch.nn.functional.adaptive_avg_pool2d(batch.whole, (2, 2)).flatten(1).argmax(1)
        assert torch.equal(thirds >= 2, upside_down)
        assert torch.equal(thirds % 2 == 1, mirrored ^ upside_down)
        assert 0 < upside_down.sum() < 24
    crops = Sampler([source], 0).batch(replace(CROPS, fractures=0, simulated=0), 0)
    assert torch.isnan(crops.attributes[:, list(names)]).all()


def test_a_lying_image_stands_upright_on_the_canvas_and_comes_back() -> None:
    lying = np.ascontiguousarray(made_pixels(1, gap=True, shape=(90, 150)))
    canvas = on_canvas(lying.astype(np.float32) / np.float32(255), (128, 96))
    assert canvas.grey.shape == (128, 96)
    half = torch.nn.functional.avg_pool2d(torch.from_numpy(canvas.grey)[None], 2)[0].numpy()
    assert np.abs(canvas.back(half) * 255 - lying).mean() < 8


def outputs(maps: torch.Tensor, image: float) -> Output:
    coarse = torch.nn.functional.avg_pool2d(maps[:, :2], 4)
    count = len(maps)
    return Output(
        maps,
        coarse,
        torch.full((count, 2), image),
        torch.zeros(count, len(RECOGNISED)),
        torch.zeros(count, 1),
    )


def test_the_loss_wants_the_fracture_and_is_silent_on_drawn_breaks(sampler: Sampler) -> None:
    batch = sampler.batch(Draws(fractures=2, simulated=0, others=0, size=(96, 96)), 3)
    half = torch.nn.functional.avg_pool2d(batch.maps, 2)
    true = torch.cat([half * 12 - 6, torch.zeros_like(half[:, :1])], 1)
    weights = LossWeights(texture=0, attributes=0)
    right, wrong = (loss(outputs(sign * true, sign * 4.0), batch, weights)[0] for sign in (1, -1))
    assert right < 0.3 * wrong
    broken = sampler.batch(Draws(fractures=0, simulated=2, others=0, size=(96, 96)), 3)
    there = torch.nn.functional.avg_pool2d(broken.maps[:, SIMULATED : SIMULATED + 1], 2)
    logits = torch.full((2, 3, 48, 48), -6.0)
    called = logits.clone()
    called[:, FRACTURE][there[:, 0] > 0] = 6.0
    coarse = torch.full((2, 2, 12, 12), -6.0)
    parts = [loss(outputs(one, 0.0)._replace(coarse=coarse), broken, weights)[1] for one in (logits, called)]
    assert parts[0]["fracture"] == pytest.approx(parts[1]["fracture"], abs=1e-6)
    assert parts[0]["image"] == pytest.approx(parts[1]["image"])


def test_a_network_is_blind_to_exposure_alone_in_its_contrast_channel() -> None:
    image = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(local_contrast(image), local_contrast(0.5 * image + 0.2), atol=0.15)


def test_a_training_that_was_killed_goes_on_as_if_it_had_not_been(sampler: Sampler, tmp_path: Path) -> None:
    through = trainer(sampler, tmp_path / "through")
    through.run(Limits(6))
    trainer(sampler, tmp_path / "parts").run(Limits(3))
    second = trainer(sampler, tmp_path / "parts")
    assert second.step == 3
    second.run(Limits(6))
    for name, value in through.network.state_dict().items():
        assert torch.equal(value, second.network.state_dict()[name]), name
    for name, value in through.average.items():
        assert torch.equal(value, second.average[name]), name


def test_a_training_that_is_told_to_stop_saves(sampler: Sampler, tmp_path: Path) -> None:
    run = trainer(sampler, tmp_path)
    run.run(Limits(9, should_stop=lambda: run.step == 2))
    assert trainer(sampler, tmp_path).step == 2


def test_batch_statistics_are_those_of_whole_images(sampler: Sampler, tmp_path: Path) -> None:
    run = trainer(sampler, tmp_path)
    run.step = 2
    name = "stem.0.1.running_mean"
    before = run.network.state_dict()[name].clone()
    run.train_step(Limits(9))
    assert torch.equal(run.network.state_dict()[name], before)
    run.train_step(Limits(9))
    assert not torch.equal(run.network.state_dict()[name], before)


def test_the_rate_falls_to_nothing_at_the_end(sampler: Sampler, tmp_path: Path) -> None:
    run = trainer(sampler, tmp_path)
    rates = []
    for step in (5, 6, 8):
        run.step = step
        run.train_step(Limits(9, decay_steps=4))
        rates.append(run.optimiser.param_groups[0]["lr"])
    assert rates == pytest.approx([1e-3, 0.75e-3, 0.25e-3])


def test_a_prediction_has_the_images_shape() -> None:
    network = RadiographNetwork(SMALL.channels, SMALL.blocks, 10).eval()
    for shape in ((90, 150), (120, 100)):
        found = predict(network, made_pixels(1, gap=True, shape=shape))
        assert found.probabilities.shape == shape
        assert 0 <= found.probabilities.min() <= found.probabilities.max() <= 1
        assert np.isfinite(found.logit)


def test_the_network_learns_a_gap_from_few_steps(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    easy = Sampler([source_of(made_radiograph(n, n % 2 == 0), rng) for n in range(12)], seed=0)
    draws = Draws(fractures=4, simulated=0, others=4, size=(96, 96), hidden=(0.0, 0.0))
    size = NetworkSize((8, 8, 16, 16, 16), (1, 1, 1, 1))
    recipe = RadiographRecipe((Phase("only", 60, 1e-2, (draws,)),), size, warmup_steps=5)
    run = Trainer(recipe, easy, tmp_path, lambda _: {})
    first = [run.train_step(Limits(60))["crop fracture"] for _ in range(5)]
    last = [run.train_step(Limits(60))["crop fracture"] for _ in range(50)][-5:]
    assert np.mean(last) < 0.75 * np.mean(first)


def test_images_are_read_as_grey(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "set", [made_radiograph(1, False)])
    Image.fromarray(np.stack([made_pixels(1, gap=False)] * 3, -1)).save(folder / "images/IMG0000001.jpg")
    (image,) = read_dataset(folder)
    assert image.pixels.shape == (120, 100)


def test_a_short_training_ends_its_first_phases_by_their_share(sampler: Sampler, tmp_path: Path) -> None:
    run = trainer(sampler, tmp_path / "through")
    run.recipe = replace(RECIPE, phases=(replace(RECIPE.phases[0], steps=100), RECIPE.phases[1]))
    limits = Limits(10, begin=0.3, fall=0.5, rise=0.2)
    rates = []
    run.watch = lambda *_: rates.append(run.optimiser.param_groups[0]["lr"])
    run.run(limits)
    assert run.recipe.begun_at == 3
    assert rates == pytest.approx([0.5e-3, 1e-3, 1e-3, 0.5e-3, 1e-3, 1e-3, 0.8e-3, 0.6e-3, 0.4e-3, 0.2e-3])
    again = trainer(sampler, tmp_path / "through")
    assert again.recipe.begun_at == 3
    assert again.seconds == run.seconds


def test_time_counts_over_interruptions(sampler: Sampler, tmp_path: Path) -> None:
    seconds = iter(range(1000))

    def begun() -> Trainer:
        return Trainer(RECIPE, sampler, tmp_path, lambda _: {}, lambda: float(next(seconds)))

    run = begun()
    run.run(Limits(1000, 30, should_stop=lambda: run.seconds > 12, fall=0.4))
    assert 12 < run.seconds < 30
    again = begun()
    assert again.seconds == run.seconds
    again.run(Limits(1000, 30, fall=0.4))
    assert 30 <= again.seconds < 40
    assert again.step < 20
    assert again.optimiser.param_groups[0]["lr"] < 0.5e-3


def test_batches_drawn_by_other_processes_are_the_same(tmp_path: Path) -> None:
    # In a process of its own: the one of a test runner has threads, which do not survive the workers' fork
    code = f"from {__name__} import *; train_inside_and_beside(Path({str(tmp_path)!r}))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def train_inside_and_beside(folder: Path) -> None:
    torch.set_num_threads(1)
    sampler = made_sampler()
    inside = trainer(sampler, folder / "inside")
    beside = Trainer(RECIPE, sampler, folder / "beside", lambda _: {}, workers=1)
    for run in (inside, beside):
        run.run(Limits(4, begin=0.25))
    assert beside.recipe.begun_at == 1
    for name, value in inside.network.state_dict().items():
        assert torch.equal(value, beside.network.state_dict()[name]), name


def test_states_from_before_time_was_kept_are_read(sampler: Sampler, tmp_path: Path) -> None:
    run = trainer(sampler, tmp_path)
    run.run(Limits(1))
    path = tmp_path / "state.pt"
    kept = torch.load(path, weights_only=True)
    torch.save({name: kept[name] for name in ("network", "average", "optimiser", "step")}, path)
    again = trainer(sampler, tmp_path)
    assert (again.step, again.seconds, again.recipe.begun_at) == (1, 0.0, None)


def test_a_fractured_image_that_is_not_outlined_is_not_drawn() -> None:
    rng = np.random.default_rng(0)
    unknown = replace(made_radiograph(1, True), outlines=())
    drawn = Sampler([source_of(one, rng) for one in (made_radiograph(2, False), unknown)], 0)
    assert (len(drawn.outlined), len(drawn.whole), len(drawn.all)) == (0, 1, 1)


def test_averaged_weights_get_statistics_of_their_own_activations(sampler: Sampler) -> None:
    torch.manual_seed(0)
    network = build(RECIPE)
    shifted = {
        name: value + 5.0 if name.endswith("running_mean") else value
        for name, value in network.state_dict().items()
    }
    made = with_statistics(shifted, RECIPE, sampler, torch.device("cpu"), 8)
    changed = {name for name in made if not torch.equal(made[name].float(), shifted[name].float())}
    assert changed
    assert all(name.endswith(("running_mean", "running_var", "num_batches_tracked")) for name in changed)
    again = with_statistics(network.state_dict(), RECIPE, sampler, torch.device("cpu"), 8)
    assert all(torch.equal(made[name], again[name]) for name in made)
    with torch.no_grad():
        seen = sampler.batch(replace(WHOLE, hidden=(0.0, 0.0)), 3).seen
        features = network_of(made, RECIPE).stem[0](with_local_contrast(seen))  # type: ignore[operator,index]
    assert abs(float(features.mean())) < 0.3
    assert float(features.std()) == pytest.approx(1, abs=0.3)
