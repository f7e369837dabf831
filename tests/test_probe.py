"""A probe: due steps, what is read and stored, killed and resumed, budget, divergence, and a training left untouched."""

import json
import math
import random
import time
import warnings
from functools import partial
from types import SimpleNamespace

import IPython
import IPython.display
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

from grok_synergy import probe as probe_module
from grok_synergy.hooks import layer_features
from grok_synergy.layer import Layer
from grok_synergy.layer_curves import draw_layers
from grok_synergy.layer_rows import what_was_met
from grok_synergy.look import PHASE_STYLE
from grok_synergy.measurement import measurement
from grok_synergy.measures import MEASURES
from grok_synergy.probe import Cost, Probe, show_again, stretch
from grok_synergy.seeds import joined, layers_figure
from grok_synergy.trainer import Experiment

INPUTS = torch.cartesian_prod(torch.arange(12.0), torch.arange(12.0)) / 6 - 1
TARGETS = (INPUTS[:, 0] * INPUTS[:, 1] > 0).long()
QUICK = {"n_bins": 4, "draws": 2}


class Net(nn.Module):
    def __init__(self, seed=0, width=8):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.body = nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width), nn.Tanh(), nn.Dropout(0.1))
            self.head = nn.Linear(width, 2)

    def forward(self, x):
        return self.head(self.body(x))


def train(model, probe, steps=range(31), lr=0.1):
    """Trains by gradient descent with dropout; what the calls returned, by step."""
    optimiser = torch.optim.SGD(model.parameters(), lr)
    returned = {}
    for step in steps:
        loss = nn.functional.cross_entropy(model(INPUTS), TARGETS)
        returned[step] = probe(step, loss=loss)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return returned


def made(model=None, layers="body.2", inputs=INPUTS, **settings):
    return Probe(Net() if model is None else model, layers, inputs, **QUICK | settings)


@pytest.fixture(scope="module")
def run():
    """A probe with both nulls that followed a network, what its calls returned, and the network."""
    model = Net()
    probe = made(model, {"a/b.c": "body.2", "head": "head"}, n_bins=2, nulls=["columns", "responses"],
                 factors=INPUTS.mul(6).round())
    return probe, train(model, probe), model


def test_due_steps_are_those_of_a_trajectory():
    due = [step for step in range(1, 4001) if stretch("log", step) > stretch("log", step - 1)]
    assert [0, *due] == Experiment().checkpoints.tolist()[:-1]  # a trajectory's last step is always one
    assert [step for step in range(1, 31) if stretch(7, step) > stretch(7, step - 1)] == [7, 14, 21, 28]


def test_a_call_behind_a_due_step_is_due():
    probe = made(every=10)
    assert [bool(probe(step)) for step in (0, 4, 11, 19, 20, 45)] == [True, False, True, False, True, True]


def test_a_call_returns_plain_numbers_and_nothing_where_none_is_due(run):
    _, returned, _ = run
    assert returned[1] and not returned[23]
    assert all(type(value) is float for value in returned[0].values())
    expected = {f"{word}/{layer}" for word in MEASURES for layer in ("a/b.c", "head")}
    expected |= {f"excess_{word}/{layer}/{null}" for word in ("synergy", "redundancy") for layer in ("a/b.c", "head")
                 for null in ("columns", "responses")}
    assert set(returned[0]) == expected and json.dumps(returned[0])


def test_one_null_needs_no_name():
    found = made(nulls="columns")(0)
    assert "excess_synergy/body.2" in found and len(found) == len(MEASURES) + 2


def test_the_dataset_has_the_names_of_measure(run):
    data = run[0].dataset
    assert set(MEASURES) <= set(data) and data.synergy.dims == ("layer", "step")
    assert data.null_synergy.dims == ("null", "draw", "layer", "step") and data.sizes["draw"] == 2
    assert data.excess_redundancy.dims == ("null", "layer", "step") and data.loss.dims == ("step",)
    assert data.synergy_neurons.dims == ("layer", "step", "neuron")
    assert data.layer.values.tolist() == ["a/b.c", "head"] and data.step.values[0] == 0
    assert data.synergy.attrs == {"units": "bits"} and json.loads(data.attrs["measurement"])["n_bins"] == 2
    excess = data.synergy - data.null_synergy.median("draw")
    xr.testing.assert_allclose(data.excess_synergy, excess.transpose("null", "layer", "step"))


def test_readings_are_those_of_the_features(run):
    probe, returned, model = run
    now = probe.measure(31)
    reading = Layer(layer_features(model, "body.2", INPUTS)["body.2"]).read(measurement(n_bins=2))
    assert now["synergy/a/b.c"] == reading.synergy and now["redundancy_size/a/b.c"] == reading.redundancy_size
    probe.rows.leave(31)


def test_the_training_is_the_same_to_the_bit_without_the_probe():
    def alone(step, **scalars):
        return {}

    torch.manual_seed(1)
    followed = Net(1)
    probe = made(followed, inputs=DataLoader(TensorDataset(INPUTS, TARGETS), 32, shuffle=True))
    train(followed, probe)
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    torch.manual_seed(1)
    plain = Net(1)
    train(plain, alone)
    assert all(torch.equal(one, other) for one, other in zip(
        followed.state_dict().values(), plain.state_dict().values(), strict=True))
    assert torch.equal(states[0], torch.get_rng_state()) and states[1] == random.getstate()
    assert np.array_equal(states[2], np.random.get_state()[1]) and followed.training  # noqa: NPY002


def readings(data):
    return data.drop_vars("seconds")


def test_a_killed_run_goes_on(tmp_path, monkeypatch):
    torch.manual_seed(0)
    model = Net()
    whole = made(model, store=tmp_path / "whole")
    train(model, whole)
    torch.manual_seed(0)
    model = Net()
    train(model, made(model, store=tmp_path / "killed"), range(12))
    counted = []
    read = probe_module.Reader.read
    monkeypatch.setattr(probe_module.Reader, "read", lambda *given: (counted.append(given[-1]), read(*given))[1])
    torch.manual_seed(0)
    model = Net()
    again = made(model, store=tmp_path / "killed")
    assert again.dataset.step.values.tolist() == list(range(12))
    train(model, again)
    assert counted == [step for step in whole.dataset.step.values.tolist() if step >= 12]  # no step was read twice
    assert readings(again.dataset).identical(readings(whole.dataset))
    files = sorted((tmp_path / "killed").rglob("*.nc"))
    files[3].write_bytes(files[3].read_bytes()[:-100])  # killed by something that does not write files whole
    with pytest.warns(UserWarning, match="is damaged"):
        assert made(Net(), store=tmp_path / "killed").dataset.sizes["step"] == whole.dataset.sizes["step"] - 1


def test_a_run_goes_on_from_a_checkpoint(tmp_path):
    probe = made(store=tmp_path)
    train(probe.hooks.model, probe, range(8))
    again = made(store=tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # step 0 is there: no baseline lacks
        assert again(9)
    assert again.dataset.step.values.tolist() == [*range(8), 9]


def test_another_network_of_the_same_name_is_refused(tmp_path):
    made(store=tmp_path)(0)
    other = made(Net(5), store=tmp_path)
    with pytest.raises(ValueError, match="holds the readings of another network.*name='seed-1'"):
        other(0)
    assert made(Net(5), store=tmp_path, name="seed-5")(0)


def test_a_network_that_went_another_way_replaces_what_is_stored(tmp_path):
    model = Net()
    train(model, made(model, store=tmp_path), range(12))
    model = Net()
    again = made(model, store=tmp_path)
    with pytest.warns(UserWarning, match="the network at step 1 is not the one"):
        train(model, again, range(5), lr=0.5)
    assert again.dataset.step.values.tolist() == [0, 1, 2, 3, 4]
    assert len(list(tmp_path.rglob("*.nc"))) == 5


def test_a_loop_that_is_run_again_needs_a_new_probe():
    model = Net()
    probe = made(model)
    train(model, probe, range(6))
    with pytest.raises(ValueError, match="this probe holds the readings of another network.*make a new probe"):
        train(model, probe, range(3))
    assert probe.dataset.step.values.tolist() == [0, 1, 2, 3, 4, 5]


def test_a_step_that_is_called_twice_is_measured_once():
    probe = made()
    first, second = probe(0, loss=1.0), probe(0, loss=2.0)
    assert first == second and float(probe.dataset.loss[0]) == 2.0 and probe.dataset.sizes["step"] == 1


def test_other_settings_have_a_folder_of_their_own(tmp_path):
    made(store=tmp_path)(0)
    with pytest.warns(UserWarning, match="holds 'probe' with other settings"):
        other = made(store=tmp_path, unit="means")
    assert not other.rows.known and other(0) and len(list(tmp_path.iterdir())) == 2


def test_a_store_that_cannot_be_written_is_said_once(tmp_path):
    (tmp_path / "file").write_text("no folder")
    probe = made(store=tmp_path / "file")
    with pytest.warns(UserWarning, match="could not be stored") as notes:
        train(Net(), probe, range(4))
    assert len(notes) == 1 and probe.dataset.sizes["step"] == 4


def test_a_network_that_diverges_gives_nan_and_one_warning():
    model = Net()
    probe = made(model, nulls="columns")
    assert math.isfinite(probe(0)["synergy/body.2"])
    with torch.no_grad():
        model.body[0].weight[0, 0] = torch.nan
    with pytest.warns(UserWarning, match="features are not finite, as the training diverged") as notes:
        found = [probe(step) for step in (1, 2)]
    assert len(notes) == 1 and all(math.isnan(one["synergy/body.2"]) for one in found)
    assert math.isnan(found[0]["excess_synergy/body.2"]) and found[0]["dropped/body.2"] == 8
    assert probe.plot()


def test_dead_neurons_are_counted():
    model = Net()
    with torch.no_grad():
        model.body[0].weight[:3] = 0
    assert made(model)(0)["dropped/body.2"] == 3
    with torch.no_grad():
        model.body[0].weight[:] = 0
    found = made(model)(0)
    assert (found["dropped/body.2"], found["synergy/body.2"]) == (8, 0)


def test_a_network_that_fails_later_does_not_end_the_training():
    model = Net()
    probe = made(model)
    probe(0)
    model.head = nn.Linear(3, 2)
    with pytest.warns(UserWarning, match="NaN from step 1 on, which cannot be measured: the network cannot"):
        assert math.isnan(probe(1)["synergy/body.2"])


def test_the_first_call_is_missed_at_step_0():
    with pytest.warns(UserWarning, match="no untrained baseline"):
        assert made()(5)


@pytest.fixture
def now(monkeypatch):
    """A clock that only moves where a test moves it."""
    now = [0.0]
    monkeypatch.setattr(probe_module.time, "perf_counter", lambda: now[0])
    return now


def slowed(monkeypatch, now, owner, name, seconds):
    """Lets each call of a method take so long."""
    method = getattr(owner, name)

    def slow(*given):
        now[0] += seconds
        return method(*given)

    monkeypatch.setattr(owner, name, slow)


def test_a_budget_is_kept(monkeypatch, now):
    slowed(monkeypatch, now, probe_module.Hooks, "features", 1.0)
    probe = made(every=1, budget=0.1)
    with pytest.warns(UserWarning, match="budget=0.1: step 1 is the first that is skipped") as notes:
        for step in range(100):
            probe(step)
            now[0] += 0.5
    assert len(notes) == 1 and probe.cost.share <= 0.1
    assert probe.cost.measured >= 3 and probe.cost.measured + probe.cost.skipped == 100
    assert "due steps were skipped for the budget" in repr(probe.cost)
    assert probe.measure(100)  # asked for, not due


def test_cost_is_of_training_alone(monkeypatch):
    assert Cost(1.0, 20.0, 3, 0).share == 0.05 and math.isnan(Cost(1.0, 0.0, 1, 0).share)
    probe = made(every=1)
    start = time.perf_counter()
    for step in range(3):
        probe(step)
        time.sleep(0.02)
    cost, elapsed = probe.cost, time.perf_counter() - start
    assert 0.04 <= cost.training <= elapsed and cost.measured == 3


@pytest.mark.parametrize(("settings", "words"), [
    ({"layers": "body.9"}, "names no layer"), ({"inputs": 3}, "inputs of type int"), ({"preset": "new"}, "preset='new'"),
    ({"n_bins": 1}, "n_bins=1"), ({"bins": 3}, "no such choice"),
    ({"null": "responses"}, "null: no such choice; did you mean nulls=?"),
    ({"which": "test"}, "which='test' is not possible here"),
    ({"layer": "pre"}, "layer='pre' is not possible here"), ({"every": 0}, "every=0"), ({"every": "often"}, "every='often'"),
    ({"nulls": "shuffled"}, "nulls='shuffled' is unknown"), ({"nulls": 3}, "nulls=3"),
    ({"nulls": "chimera"}, "needs several networks"),
    ({"nulls": "responses"}, "needs factors="), ({"draws": 0}, "draws=0"), ({"seed": -1}, "seed=-1"),
    ({"nulls": "responses", "factors": INPUTS[:9]}, "were given for 144 samples"),
    ({"nulls": "responses", "factors": {"head": INPUTS}}, "factors lack the layers ['body.2']"),
    ({"select": "heads"}, "select='heads' is unknown"), ({"samples": 0}, "samples=0"), ({"budget": 0}, "budget=0"),
    ({"budget": "5 %"}, "budget='5 %'"), ({"store": 3}, "store=3 is not a path"), ({"live": "yes"}, "live='yes'"),
    ({"store": "here", "name": "a/b"}, "name='a/b'"), ({"store": "here", "name": ""}, "name=''"),
    ({"keep_features": 1}, "keep_features=1"), ({"estimator": "own"}, "estimator='own' is unknown"),
    ({"inputs": INPUTS[:8]}, "has 8 samples of 8 neurons"), ({"model": Net(width=1)}, "cannot be made of 1 neurons"),
    ({"model": "net"}, "give a torch.nn.Module"),
])
def test_what_cannot_be_measured_is_said_before_training(settings, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=".") as error:
        made(**settings)
    assert words in str(error.value)


@pytest.mark.parametrize(("given", "words"), [
    ({"step": -1}, "step=-1"), ({"step": 1.5}, "step=1.5"), ({"step": 0, "loss": "low"}, "loss='low' is not possible"),
    ({"step": 0, "loss": torch.ones(2)}, "give one number"), ({"step": 0, "synergy": 1.0}, "a number of that name"),
    ({"step": 0, "excess_synergy": 1.0}, "a number of that name"), ({"step": 0, "layer": 1}, "a number of that name"),
])
def test_a_call_with_what_is_no_number_is_refused(given, words):
    with pytest.raises(ValueError, match=".") as error:
        made()(**given)
    assert words in str(error.value)


def test_few_samples_are_read_by_means():
    with pytest.warns(UserWarning, match="layer 'body.2': 12 samples of 8 neurons"):
        made(inputs=INPUTS[:12])
    few = torch.randn(8, INPUTS.shape[1], generator=torch.Generator().manual_seed(0))
    for choice in ({"unit": "means"}, {"clustering": "none"}):
        assert math.isfinite(made(Net(width=12), inputs=few, **choice)(0)["redundancy/body.2"])


def test_scalars_may_come_and_go():
    probe = made(every=1)
    probe(0, loss=np.float32(1.5))
    probe(1, accuracy=0.5)
    probe(2, loss=float("nan"))
    data = probe.dataset
    assert np.isnan(data.loss.values).tolist() == [False, True, True] and float(data.accuracy[1]) == 0.5


def test_layers_of_other_widths_stand_side_by_side(run):
    assert run[0].dataset.sizes["neuron"] == 8 and run[0].widths == {"a/b.c": 8, "head": 2}


def test_nothing_measured_has_no_picture():
    assert made().dataset.sizes == {"layer": 1, "step": 0}
    with pytest.raises(ValueError, match="nothing has been measured yet"):
        made().plot()


def test_a_live_picture_shows_nothing_outside_notebooks(capsys):
    assert made(live=True)(0) and show_again(lambda: 1 / 0, None) is None
    assert not capsys.readouterr().out


def test_a_live_picture_is_redrawn_in_its_place(monkeypatch):
    plt.close(plt.figure())  # the first figure asks a shell for its events
    shown, before = [], plt.get_fignums()
    handle = SimpleNamespace(update=lambda figure: shown.append("again"))
    waiting = []
    events = SimpleNamespace(register=lambda _, call: waiting.append(call), unregister=lambda _, call: waiting.remove(call))
    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(kernel="a kernel", events=events))
    monkeypatch.setattr(IPython.display, "display", lambda figure, display_id: shown.append("first") or handle)
    picture = show_again(plt.figure, None)
    for _ in range(2):
        assert show_again(plt.figure, picture) is picture and shown == ["first"]  # it is recent
    show_again(plt.figure, picture, every=0)
    assert shown == ["first", "again"] and plt.get_fignums() == before
    [last] = waiting  # for the end of the cell
    last("the cell's result")
    assert shown == ["first", "again", "again"] and not waiting and plt.get_fignums() == before


def test_the_main_jobs_figure_takes_what_was_followed(run):
    with pytest.raises(ValueError, match="null=None is unknown: choose one of 'columns', 'responses'"):
        layers_figure(run[0].dataset)
    titles = [ax.get_title() for ax in layers_figure(run[0].dataset, "two layers", "columns").axes]
    assert "a/b.c" in titles and "head" in titles
    plt.close("all")


def test_a_picture_of_each_layer(run):
    figure = run[0].plot()
    most = int(run[0].dataset.dropped.sel(layer="a/b.c").max())
    assert {ax.get_title() for ax in figure.axes} >= {"a/b.c (up to 1 neuron left out)", "head"} and most == 1
    shown = [ax for ax in figure.axes if ax.get_visible()]
    assert sum(ax.get_xlabel() == "step" for ax in shown) == 2  # also above a panel that is empty
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(labels) == len(set(labels)) and {"synergy", "redundancy", "step 0"} <= set(labels)
    assert "2 layers" in repr(run[0]) or "a/b.c (8 neurons)" in repr(run[0])


def test_steps_at_equal_distances_stand_on_a_plain_axis():
    scales = []
    for every in ("log", 10):
        model = Net()
        probe = made(model, every=every)
        train(model, probe, range(61))
        scales.append({ax.get_xscale() for ax in probe.plot().axes})
    assert scales == [{"log"}, {"linear"}]


@pytest.mark.parametrize(("steps", "scale"), [
    ([0, 100, 200, 300, 350], "linear"), (range(40), "linear"), ([0, 1, 2, 3, 4], "log"), ([0, 1, 2, 4, 8], "log"),
    ([0, 100], "log"), ([0, 10, 20], "log"), ([0, 10, 25, 30, 40], "log")])
def test_a_plain_axis_is_for_steps_that_are_even_for_long(steps, scale):
    steps, rng = np.array(steps), np.random.default_rng(0)
    data = xr.Dataset({"synergy": (("layer", "step"), rng.random((1, len(steps)))),
                       "redundancy": (("layer", "step"), rng.random((1, len(steps))))},
                      {"layer": ["one"], "step": steps})
    axes = draw_layers(data).axes
    assert {ax.get_xscale() for ax in axes} == {scale}
    assert scale == "log" or {ax.get_xlim() for ax in axes} == {(0, steps[-1])}
    plt.close("all")


def test_one_legend_has_what_any_layer_shows_and_steps_have_numbers_above_an_empty_panel():
    steps, rng = np.array([0, 1, 2, 5, 10]), np.random.default_rng(0)
    curve, draws = rng.random((2, 5)), rng.random((1, 3, 2, 5))
    curve[0, 0], draws[:, :, 0] = np.nan, np.nan  # the first layer has neither step 0 nor a null
    own = {word: (("layer", "step"), curve) for word in ("synergy", "redundancy")}
    null = {f"null_{word}": (("null", "draw", "layer", "step"), draws) for word in own}
    data = xr.Dataset(own | null | {"loss": ("step", curve[1])}, {"layer": ["a", "b"], "step": steps, "null": ["columns"]})
    figure = draw_layers(data)
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "null: columns, median and all draws", "synergy", "redundancy", "step 0"]
    grid = np.array(figure.axes).reshape(3, 2)
    assert grid[2, 0].get_visible() and not grid[2, 1].get_visible()
    numbered = [[ax.xaxis.get_tick_params()["labelbottom"] for ax in row] for row in grid]
    assert numbered[0] == [False, False] and numbered[1] == [False, True] and numbered[2][0]
    assert [[bool(ax.get_xlabel()) for ax in row] for row in grid] == [[False, False], [False, True], [True, False]]
    plt.close("all")


@pytest.mark.parametrize("stored", [False, True])
def test_a_chimera_is_made_of_all_networks(stored, tmp_path):
    probes = {}
    for seed in range(5):
        model = Net(seed)
        probes[seed] = made(model, every=5, keep_features=True, nulls="columns", store=tmp_path if stored else None,
                            name=f"seed-{seed}")
        train(model, probes[seed], range(6))
    data = joined(probes, chimera=True)
    assert data.synergy.dims == ("layer", "seed", "step") and data["null"].values.tolist() == ["columns", "chimera"]
    assert data.null_synergy.dims == ("null", "draw", "layer", "seed", "step")
    chimera = data.null_redundancy.sel(null="chimera", layer="body.2", step=0)
    assert (chimera == chimera.isel(seed=0)).all()
    first, *others = (Layer(layer_features(Net(seed), "body.2", INPUTS)["body.2"]) for seed in range(5))
    expected = first.null("chimera", [0, 0, 1], others=others).read(measurement(n_bins=4)).redundancy
    assert float(chimera.isel(draw=1, seed=0)) == expected
    if stored:
        assert joined([one.dataset for one in probes.values()]).identical(joined(list(probes.values())))


def test_probes_that_differ_are_not_joined():
    probes = [made(every=1), made(every=2)]
    for probe in probes:
        with pytest.raises(ValueError, match="give probes that have measured"):
            joined(probes)
        for step in range(3):
            probe(step)
    with pytest.warns(UserWarning, match="the 2 that all have"):
        assert joined(probes).step.values.tolist() == [0, 2]
    with pytest.raises(ValueError, match="chimera=True of 2 networks"):
        joined(probes[:1] * 2, chimera=True)
    means = made(unit="means")
    means(0)
    with pytest.raises(ValueError, match="made with the same settings"):
        joined([probes[0], means])
    with pytest.raises(ValueError, match="give probes that have measured"):
        joined([])
    other = made(every=1)
    other.measure(7)
    with pytest.raises(ValueError, match="no step was measured by all"):
        joined([probes[0], other])
    with pytest.raises(ValueError, match="keep_features=True"):
        joined([probes[0]] * 5, chimera=True)


@pytest.mark.parametrize("step", [0, 10])
def test_a_device_that_is_full_for_once_costs_no_stored_reading(tmp_path, monkeypatch, step):
    settings = dict(store=tmp_path, every=10, keep_features=True)
    train(Net(), first := made(**settings))
    model = Net()
    again = made(model, **settings)

    def full():
        raise RuntimeError("out of memory")

    monkeypatch.setattr(again, "features", full)
    with pytest.warns(UserWarning, match="out of memory"):
        assert again.measure(step) == first.measure(step)
    monkeypatch.undo()
    assert again.dataset.step.values.tolist() == [0, 10, 20, 30]
    xr.testing.assert_identical(again.dataset.synergy, first.dataset.synergy)
    assert again.rows.features_of(step, ["body.2"])["body.2"].isfinite().all()


@pytest.mark.filterwarnings("ignore")
def test_features_that_cannot_be_written_are_still_there(tmp_path, monkeypatch):
    monkeypatch.setattr("grok_synergy.layer_rows.save_dataset", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    probes = [made(Net(seed), store=tmp_path, name=f"{seed}", keep_features=True, every=10) for seed in range(5)]
    for probe in probes:
        probe(0)
    assert "chimera" in joined((one for one in probes), chimera=True)["null"]  # a generator is gone over once


def test_a_function_s_address_is_no_setting():
    def own(x, k):
        return x[..., k:]

    assert "0x" not in json.dumps(made(select=partial(own, k=1)).settings)


# What users do


@pytest.mark.parametrize("settings", [
    {"shuffle": True}, {"sampler": WeightedRandomSampler(torch.ones(144), 144)},
    {"batch_sampler": [[*range(0, 144, 2)], [*range(1, 144, 2)]]},
])
def test_factors_beside_samples_in_another_order_are_refused(settings):
    table = TensorDataset(INPUTS)
    with pytest.raises(ValueError, match="takes samples in an order of its own"):
        made(inputs=DataLoader(table, **({} if "batch_sampler" in settings else {"batch_size": 48}) | settings),
             nulls="responses", factors=INPUTS.mul(6).round())
    in_order = made(inputs=DataLoader(table, 48), nulls="responses", factors=INPUTS.mul(6).round())
    assert in_order(0) == made(nulls="responses", factors=INPUTS.mul(6).round())(0)


def test_inputs_that_are_changed_later_stay_as_they_were_taken():
    inputs, model = INPUTS.clone(), Net()
    several = {"tensor": inputs, "tuple": (inputs,), "list": [inputs[:72], inputs[72:]], "array": inputs.numpy()}
    probes = [made(model, inputs=one) for one in several.values()]
    inputs.zero_()
    assert [probe(0) for probe in probes] == [made(model)(0)] * 4


def test_another_processor_may_round_otherwise_at_step_0(tmp_path):
    first = made(store=tmp_path)(0)
    model = Net()
    with torch.no_grad():
        model.body[0].weight *= 1 + 1e-6
    assert made(model, store=tmp_path)(0) == first
    with torch.no_grad():
        model.body[0].weight *= 1.05
    with pytest.raises(ValueError, match="another network, which differs at step 0"):
        made(model, store=tmp_path)(0)


def test_a_slash_in_a_name_is_written_as_files_can_have_it(tmp_path):
    probe = made(store=tmp_path)
    probe(0, **{"val/loss": 1.0})
    assert probe.dataset.val_loss.item() == made(store=tmp_path).dataset.val_loss.item() == 1.0
    with pytest.raises(ValueError, match="val_loss=2.0: there is a number of that name"):
        probe.measure(1, **{"val/loss": 1.0, "val_loss": 2.0})


def test_a_budget_counts_what_was_before_a_run_was_killed(tmp_path):
    settings = {"store": tmp_path, "every": 1, "budget": 0.5}
    killed = made(**settings)
    killed(0)
    for step in range(1, 4):
        time.sleep(0.2)
        killed.measure(step)
    again = made(**settings)
    assert again.before.training == pytest.approx(killed.cost.training, rel=0.5) and again.before.measured == 4
    assert 0 < again.latest < again.before.measuring <= killed.cost.measuring
    before = again.latest
    assert again(0) and again.latest == before  # what is stored was not measured now


def test_no_phase_is_named_without_a_null():
    networks = [made() for _ in range(2)]
    for probe in networks:
        train(Net(), probe)
    figure = layers_figure(joined(networks))
    said = {text.get_text() for ax in figure.axes for text in ax.texts}
    assert not said & ({short for short, _ in PHASE_STYLE.values()} - {""})
    plt.close("all")


def test_datasets_hold_no_features_for_a_chimera():
    probe = made()
    probe(0)
    with pytest.raises(ValueError, match="can return its probe"):
        joined([probe.dataset] * 5, chimera=True)


# One store for each network and its inputs


def test_two_probes_of_one_name_do_not_write_into_one_run(tmp_path):
    first, second = (made(Net(seed), store=tmp_path) for seed in (0, 1))
    first(0)
    first(1)
    with pytest.warns(UserWarning, match="changed steps"), pytest.raises(ValueError, match="differs at step 0.*name="):
        second(0)
    assert first(2) and made(Net(0), store=tmp_path).dataset.step.values.tolist() == [0, 1, 2]
    late, later = (made(Net(seed), store=tmp_path, name="late") for seed in (0, 1))
    with pytest.warns(UserWarning, match="no untrained baseline"):
        late(7)
    with pytest.warns(UserWarning, match="no untrained"), pytest.raises(ValueError, match="differs at step 7"):
        later(7)
    late(8)
    with pytest.warns(UserWarning, match=r"another probe has changed steps \[8\]"):
        later.measure(9)
    twin = made(Net(0), store=tmp_path)  # such as a second process of one training
    first(3)
    assert twin(3)


def test_probes_that_read_at_the_same_time_do_not_overwrite_each_other(tmp_path, monkeypatch):
    first, second = (made(Net(seed), store=tmp_path) for seed in (0, 1))
    read = second._row_now

    def late(step):
        found = read(step)
        first(step)  # meanwhile
        return found

    monkeypatch.setattr(second, "_row_now", late)
    with pytest.raises(ValueError, match="another network, which differs at step 0"):
        second(0)


def test_other_inputs_or_another_function_are_refused_where_a_run_goes_on(tmp_path):
    for step in range(3):
        made(store=tmp_path, select=lambda x: torch.relu(x)).measure(step)
    with pytest.raises(ValueError, match="made of other inputs.*name="):
        made(store=tmp_path, inputs=INPUTS * 2, select=lambda x: torch.relu(x))
    with pytest.raises(ValueError, match="made of another select.*name="):
        made(store=tmp_path, select=lambda x: torch.tanh(x))
    loader = DataLoader(TensorDataset(INPUTS), 10)
    again = made(store=tmp_path, inputs=loader, select=lambda y: torch.relu(y))  # the same samples, batch by batch
    assert again.dataset.sizes["step"] == 3
    for path in tmp_path.rglob("*.nc"):  # as files of earlier versions are
        row = xr.load_dataset(path)
        del row.attrs["met"]
        row.to_netcdf(path)
    assert made(store=tmp_path, inputs=INPUTS * 2, select=lambda x: torch.tanh(x)).dataset.sizes["step"] == 3


@pytest.mark.parametrize("values", [(1, 2), (torch.zeros(2), torch.ones(2)), ([0, 1], [1, 0])])
def test_what_a_function_holds_tells_it_from_others(values):
    def holding(value):
        return lambda x: (x, value)[0]

    def mark(one):
        return json.dumps(what_was_met([INPUTS], {"body.2": one}))

    marks = {mark(make(value)) for value in values for make in (holding, holding)}
    marks |= {mark(partial(torch.mul, other=value)) for value in values}
    assert len(marks) == 4 and not any("0x" in one for one in marks)


def test_probes_of_other_inputs_are_joined_with_a_note_and_of_another_select_not_at_all():
    probes = [made(select=torch.tanh), made(select=torch.tanh, inputs=INPUTS * 2), made(select=lambda x: torch.sin(x)),
              made(select=lambda x: torch.cos(x))]
    for probe in probes:
        probe(0)
    with pytest.warns(UserWarning, match="the probes met different inputs"):
        assert joined(probes[:2]).sizes["seed"] == 2
    with pytest.raises(ValueError, match="made with the same settings"):
        joined(probes[2:])


def test_no_chimera_of_networks_that_met_samples_in_other_orders():
    table = TensorDataset(INPUTS)
    probes = [made(Net(seed), keep_features=True, inputs=DataLoader(
        table, 48, shuffle=True, generator=torch.Generator().manual_seed(seed))) for seed in range(5)]
    for probe in probes:
        probe(0)
    with pytest.raises(ValueError, match="chimera=True.*the same samples in the same order"):
        joined(probes, chimera=True)


def test_a_store_stays_where_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    probe = made(store="here")
    probe(0)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    probe(1)
    assert len(list((tmp_path / "here").rglob("*.nc"))) == 2 and probe.rows.folder.is_absolute()


def shuffled_by(generator=None):
    return DataLoader(TensorDataset(INPUTS), 48, shuffle=True, generator=generator)


OWN, KEPT = torch.Generator().manual_seed(0), shuffled_by(torch.Generator().manual_seed(0))


@pytest.mark.parametrize("inputs", [
    lambda: shuffled_by(), lambda: shuffled_by(OWN), lambda: KEPT, lambda: (batch for batch in KEPT),
    lambda: (batch for batch in shuffled_by()), lambda: [INPUTS[torch.randperm(144)]],
    lambda: INPUTS[np.random.permutation(144)], lambda: shuffled_by(torch.Generator().manual_seed(7)),  # noqa: NPY002
    lambda: DataLoader(TensorDataset(INPUTS), 48, sampler=random.sample(range(144), 144)),
], ids=range(9))
def test_factors_beside_a_function_that_shuffles_are_refused(inputs):
    for given in (inputs, (batch for batch in inputs())) if isinstance(inputs(), DataLoader) else (inputs,):
        with pytest.raises(ValueError, match="takes samples in an order of its own"):
            made(inputs=given, nulls="responses", factors=INPUTS.mul(6).round())


def test_factors_beside_a_function_that_does_not_are_taken():
    loader = DataLoader(TensorDataset(INPUTS), 48)
    expected = made(nulls="responses", factors=INPUTS.mul(6).round())(0)
    for inputs in (lambda: loader, lambda: INPUTS, lambda: (batch for batch in loader), lambda: INPUTS.split(48)):
        if isinstance(inputs(), tuple):
            inputs = list(inputs())
        assert made(inputs=inputs, nulls="responses", factors=INPUTS.mul(6).round())(0) == expected


def test_factors_that_no_null_takes_are_refused():
    for nulls in ((), "columns"):
        with pytest.raises(ValueError, match="factors= are those of nulls='responses'"):
            made(nulls=nulls, factors=INPUTS[:9])


def test_a_layer_that_grows_is_refused_where_it_has_grown():
    model = Net()
    probe = made(model)
    probe(0)
    model.body, model.head = nn.Sequential(*Net(width=9).body), nn.Linear(9, 2)
    probe.hooks.layers["body.2"] = model.body[2]
    with pytest.raises(ValueError, match=r"step 1: layers had \{'body.2': 8\} neurons and have \{'body.2': 9\}"):
        probe(1)
    assert probe.dataset.sizes["step"] == 1


def test_a_budget_knows_what_a_measurement_takes_from_the_start(monkeypatch, now):
    slowed(monkeypatch, now, probe_module.Reader, "read", 5.0)
    probe = made(every=1, budget=0.5)
    probe(0)
    now[0] += 9.0
    with pytest.warns(UserWarning, match="a measurement takes 5 s"):
        assert not probe(1) and probe.latest == 5.0
    now[0] += 12.0
    assert probe(2)


def test_what_a_probe_could_only_read_as_nothing_is_refused():
    with pytest.raises(ValueError, match="layer 'body.2': clustering='none' reads ten neurons, and there are 8"):
        made(clustering="none")
    with pytest.raises(ValueError, match="layer 'body.2': min_size=9 bins cannot be made of 8 neurons"):
        made(n_bins=9, min_size=9)


def test_a_layer_that_dies_is_noted_once():
    model = Net()
    probe = made(model, layers=["body.2", "head"], every=1)
    probe(0)
    with torch.no_grad():
        model.body[0].weight[:] = 0
    with pytest.warns(UserWarning, match="from step 1 on: layer 'body.2': 0 of 8 neurons") as notes:
        assert probe(1)["synergy/body.2"] == 0
    probe(2)
    assert sum("body.2" in str(note.message) for note in notes) == 1
    with pytest.warns(UserWarning, match="from step 0 on: layer 'body.2': 0 of 8 neurons"):
        made(model)


def test_halves_need_more_samples_than_neurons():
    few = torch.randn(15, 2, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="judged_on='other half'.*give 18 samples or more"):
        made(judged_on="other half", inputs=few)
    assert made(judged_on="other half", unit="means", n_bins=2, inputs=few)(0)


def test_a_single_probe_is_no_list():
    probe = made()
    probe(0)
    for one in (probe, probe.dataset):
        with pytest.raises(ValueError, match="joined\\(\\[probe\\]\\)"):
            joined(one)
