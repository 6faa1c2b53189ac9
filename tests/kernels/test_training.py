"""The network's training: however it is cut, shared, stopped or rounded, it comes to the same model as in one go."""

import pickle
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import torch

from portrait_assets.assets.training import machine_for
from portrait_assets.errors import PortraitError
from portrait_assets.home import Home
from portrait_assets.kernels.batches import read
from portrait_assets.kernels.behaviour_model import BAGS, LEVELS, BehaviourModel, Shape
from portrait_assets.kernels.checkpoints import told_and_tensors
from portrait_assets.kernels.config import BehaviourConfig
from portrait_assets.kernels.labels import user_outcomes
from portrait_assets.kernels.lessons import Lesson
from portrait_assets.kernels.machine import ALONE, Machine, machine_of
from portrait_assets.kernels.parts import window_labels
from portrait_assets.kernels.sequences import day_number, history_from
from portrait_assets.kernels.several import train_together
from portrait_assets.kernels.training import checkpoint_file, fit_network
from portrait_assets.settings import Settings
from tests.kernels.conftest import CONFIG, THROUGH, as_ofs_back

EPOCHS = replace(CONFIG, epochs=3)
CERTAIN = replace(EPOCHS, dropout=0.0)  # nothing is drawn while learning: only sums may differ


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def lesson(shop) -> Lesson:
    """Three as-of points of the shop, with two numbers a user for features."""
    history = history_from(shop["visits"], shop["items"], THROUGH, "purchase")
    as_ofs = as_ofs_back(THROUGH - timedelta(days=14), 3)[::-1]
    users = [history.seen_before(a) for a in as_ofs]
    words = {bag: history.popular(bag, THROUGH, 100, 20) for bag in BAGS}
    targets = {level: history.popular(level, THROUGH, 100, 6) for level in LEVELS}
    features = np.random.default_rng(0).normal(size=(sum(map(len, users)), 2))
    return Lesson(
        read(history, words, targets, as_ofs, features, CONFIG),
        Shape(
            {bag: len(names) + 1 for bag, names in words.items()}, 2, {level: len(names) for level, names in targets.items()}
        ),
        np.concatenate([user_outcomes(history, u, day_number(a), 14) for u, a in zip(users, as_ofs, strict=True)]),
        {level: window_labels(history, level, names, users, as_ofs, CONFIG) for level, names in targets.items()},
    )


def trained(lesson: Lesson, config: BehaviourConfig, machine: Machine = ALONE, stop_at: int | None = None):
    """The network, and the (epoch, loss) that were told; Killed while `stop_at` is looked at."""
    told = []

    def look(_: BehaviourModel, epoch: int, loss: float) -> None:
        told.append((epoch, loss))
        if epoch == stop_at:
            raise Killed

    return fit_network(lesson, config, look, machine), told


def difference(one: BehaviourModel, other: BehaviourModel) -> float:
    """Greatest of any weight."""
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return max(float((a - b).abs().max()) for a, b in pairs)


@pytest.fixture(scope="module")
def in_one_go(lesson):
    return trained(lesson, EPOCHS)


@pytest.mark.parametrize("stop_at", range(3))
def test_a_training_that_was_stopped_goes_on_to_the_same_bits(lesson, in_one_go, tmp_path, stop_at):
    machine = Machine(checkpoints=tmp_path)
    with pytest.raises(Killed):
        trained(lesson, EPOCHS, machine, stop_at)
    model, told = trained(lesson, EPOCHS, machine)
    assert difference(model, in_one_go[0]) == 0.0
    assert told == in_one_go[1][stop_at:]  # the epoch it was stopped at is told again, what was before is not


def test_another_training_does_not_go_on_from_it(lesson, in_one_go, tmp_path):
    machine = Machine(checkpoints=tmp_path)
    trained(lesson, EPOCHS, machine)
    others = [
        checkpoint_file(*one)
        for one in (
            (lesson, replace(EPOCHS, seed=8), machine),
            (lesson, EPOCHS, replace(machine, pieces=2)),
            (replace(lesson, outcomes=1 - lesson.outcomes), EPOCHS, machine),
        )
    ]
    assert len({*others, checkpoint_file(lesson, EPOCHS, machine)}) == 4 and not any(file.exists() for file in others)


@pytest.mark.parametrize("content", [b"", pickle.dumps({"model": 1}), b"\x08\0\0\0\0\0\0\0{}      "])
def test_what_is_no_checkpoint_is_one_clear_error(lesson, tmp_path, content):
    machine = Machine(checkpoints=tmp_path)
    checkpoint_file(lesson, EPOCHS, machine).write_bytes(content)
    with pytest.raises(PortraitError, match="not a checkpoint of this training .*; delete it and train again"):
        trained(lesson, EPOCHS, machine)


def test_a_checkpoint_of_other_sizes_is_refused_whole(lesson, tmp_path):
    machine, wide = Machine(checkpoints=tmp_path), replace(EPOCHS, width=32)
    trained(lesson, wide, machine)
    checkpoint_file(lesson, wide, machine).rename(checkpoint_file(lesson, EPOCHS, machine))
    with pytest.raises(PortraitError, match="size mismatch"):
        trained(lesson, EPOCHS, machine)


@pytest.mark.parametrize("pieces", [2, 7])
def test_a_batch_in_pieces_is_the_batch(lesson, pieces):
    (whole, told), (cut, told_too) = (trained(lesson, CERTAIN, Machine(pieces=n)) for n in (1, pieces))
    assert difference(whole, cut) < 1e-4
    assert [loss for _, loss in told_too] == pytest.approx([loss for _, loss in told], rel=1e-5)


def test_two_processes_are_as_one(lesson, tmp_path):
    """Started by torchrun, with gloo: what one asks for and the other helps with comes back as a checkpoint."""
    machine = Machine(processes=2, checkpoints=tmp_path)
    train_together(lesson, CERTAIN, machine)
    (alone, told), (together, told_too) = trained(lesson, CERTAIN), trained(lesson, CERTAIN, machine)
    assert difference(alone, together) < 1e-4
    assert told_too == [(2, pytest.approx(told[2][1], rel=1e-5))]  # nothing was left to learn here
    assert [file.suffix for file in tmp_path.iterdir()] == [".safetensors"]


def test_processes_that_fail_are_one_clear_error(lesson, tmp_path, monkeypatch):
    machine = Machine(processes=2, checkpoints=tmp_path)
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(PortraitError, match="2 processes that trained the network ended with code 1"):
        train_together(lesson, CERTAIN, machine)
    with pytest.raises(ValueError, match="name a folder"):
        Machine(processes=2)


def test_half_precision_learns_the_same_and_keeps_whole_weights(lesson, in_one_go):
    model, told = trained(lesson, EPOCHS, Machine(precision="bfloat16"))
    assert [loss for _, loss in told] == pytest.approx([loss for _, loss in in_one_go[1]], rel=0.01)
    assert difference(model, in_one_go[0]) > 0
    assert {weight.dtype for weight in model.state_dict().values()} == {torch.float32}


def test_a_lesson_survives_the_way_to_another_process(lesson):
    again = Lesson.of(lesson.tensors(), lesson.shape)
    assert again.fingerprint(CONFIG, ALONE) == lesson.fingerprint(CONFIG, ALONE)
    assert difference(*(trained(one, replace(CONFIG, epochs=1))[0] for one in (lesson, again))) == 0.0


def test_only_sizes_for_a_gpu_are_trained_on_one(monkeypatch, tmp_path):
    assert machine_of("gpu", 1, 1, None) == ALONE  # there is none here
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert machine_of("cpu", 1, 1, None) == ALONE
    assert machine_of("gpu-large", 4, 2, tmp_path) == Machine("cuda", "bfloat16", 4, 2, tmp_path)


def test_checkpoints_stay_until_a_training_is_over(tmp_path):
    home = Home(Settings(home=tmp_path), None, None, None)  # type: ignore[arg-type]
    with pytest.raises(Killed), machine_for(home, "week") as machine:
        machine.checkpoints.mkdir(parents=True)
        raise Killed
    assert machine.checkpoints.exists()
    with machine_for(home, "week") as machine:
        pass
    assert not machine.checkpoints.exists()


def test_nothing_in_a_checkpoint_is_pickled(lesson, tmp_path):
    machine = Machine(checkpoints=tmp_path)
    model, _ = trained(lesson, EPOCHS, machine)
    told, tensors = told_and_tensors(checkpoint_file(lesson, EPOCHS, machine))
    assert set(told) == {"losses", "groups", "schedule"} and len(told["losses"]) == 3
    weights = {name: tensors[f"model.{name}"] for name in model.state_dict()}
    assert all(torch.equal(weight, model.state_dict()[name]) for name, weight in weights.items())
