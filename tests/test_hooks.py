"""Features of layers of any network: which layers, from which inputs, and that the network stays as it was."""

import random
import warnings
from collections import OrderedDict, UserDict, namedtuple
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from grok_synergy.hooks import Hooks, batches, find_layers, layer_features
from grok_synergy.states import moved

X = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))


class Blocks(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 8)
        self.blocks = nn.ModuleList(nn.Sequential(OrderedDict(mlp=nn.Linear(8, 8), act=nn.ReLU(inplace=True)))
                                    for _ in range(3))
        self.norm, self.drop, self.never = nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 8)
        self.register_buffer("runs", torch.zeros(1))
        self.register_buffer("last", None)

    def forward(self, x, scale=1.0):
        self.runs += 1
        self.last = x.mean(0)
        x = self.first(x) * scale
        for block in self.blocks:
            x = block(x)
        return self.drop(self.norm(x))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Blocks()


@pytest.mark.parametrize(("layers", "names"), [
    ("first", ["first"]), ("blocks.*.mlp", [f"blocks.{i}.mlp" for i in range(3)]),
    ("blocks.[01]", ["blocks.0", "blocks.1"]), (["norm", "first"], ["norm", "first"]),
    (("first", "fi*"), ["first"]), ({"my/own.name": "blocks.2.mlp"}, ["my/own.name"]),
])
def test_layers_are_found_by_name_and_pattern(model, layers, names):
    assert list(find_layers(model, layers)) == names


def test_layers_are_found_as_modules(model):
    assert list(find_layers(model, model.blocks)) == ["blocks.0", "blocks.1", "blocks.2"]
    assert find_layers(model, [model.norm, "first"]) == {"norm": model.norm, "first": model.first}
    assert list(find_layers(model, model)) == ["(model)"]
    assert find_layers(nn.DataParallel(model), "first") == {"first": model.first}
    assert find_layers(torch.compile(model, backend="eager"), "first") == {"first": model.first}


@pytest.mark.parametrize(("layers", "words"), [
    ("frist", "near are 'first'"), ("blocks.*.att", "near are"), ([], "names none"), ({}, "names none"),
    (3, "give names, patterns"), ([None], "give names, patterns"), (nn.Linear(2, 2), "no part of the model"),
    ({"one": "blocks.*"}, "stands for 3 layers"), ({"": "first"}, "a name of its own"), ({1: "first"}, "a name of its own"),
])
def test_layers_that_do_not_exist_are_named(model, layers, words):
    with pytest.raises(ValueError, match="layers") as error:
        find_layers(model, layers)
    assert words in str(error.value)


def test_a_model_is_a_module():
    with pytest.raises(ValueError, match="give a torch.nn.Module"):
        find_layers(lambda x: x, "first")


def one_by_one():
    yield X[:30]
    yield X[30:]


PAIRS = TensorDataset(X, torch.zeros(40))


@pytest.mark.parametrize("inputs", [
    X, (X,), (X, 1.0), {"x": X, "scale": 1.0}, X.numpy(), [X], [X[:7], X[7:]], [(X[:7], 0), [X[7:], 1]],
    [((X, 1.0), "targets")], [{"x": X}], DataLoader(PAIRS, 16), DataLoader(TensorDataset(X), 16), DataLoader(X, 16),
    one_by_one, lambda: X, lambda: [X], lambda: DataLoader(PAIRS, 16),
], ids=lambda inputs: type(inputs).__name__)
def test_every_source_of_inputs_gives_the_same(model, inputs):
    found = layer_features(model, "first", inputs)["first"]
    assert torch.allclose(found, model.first(X).detach(), atol=1e-6) and not found.requires_grad


@pytest.mark.parametrize(("inputs", "words"), [
    (3, "inputs of type int"), ("text", "inputs of type str"), ([3], "a batch of type int"), ((), "a batch of type tuple"),
    ([], "not called in 0 batches"), (X[:, :3], "cannot be run on the inputs (RuntimeError"),
    ({"y": X}, "cannot be run on the inputs (TypeError"),
])
def test_inputs_that_are_none_are_named(model, inputs, words):
    with pytest.raises(ValueError, match=".") as error:
        layer_features(model, "first", inputs)
    assert words in str(error.value)
    assert not any(module._forward_hooks for module in model.modules()) and model.training


def test_a_layer_that_is_not_called_is_named(model):
    with pytest.raises(ValueError, match=r"layers \['never'\] were not called in 1 batches"):
        layer_features(model, ["first", "never"], X)


def test_what_is_changed_in_place_later_was_copied(model):
    found = layer_features(model, ["blocks.0.mlp", "blocks.0.act"], X)
    assert found["blocks.0.mlp"].min() < 0 <= found["blocks.0.act"].min()


def test_the_network_stays_as_it_was(model):
    model.norm.eval()
    model.first.weight.requires_grad_(False)
    model(X).sum().backward()
    before = {name: one.clone() for name, one in model.state_dict().items()}
    gradients = [None if one.grad is None else one.grad.clone() for one in model.parameters()]
    modes, last = [one.training for one in model.modules()], model.last
    layer_features(model, "blocks.*.mlp", X + 1)
    assert all(torch.equal(one, before[name]) for name, one in model.state_dict().items())
    assert [one.training for one in model.modules()] == modes and model.last is last
    assert not model.first.weight.requires_grad and model.first.bias.requires_grad and torch.is_grad_enabled()
    for one, gradient in zip(model.parameters(), gradients, strict=True):
        assert (one.grad is None) if gradient is None else torch.equal(one.grad, gradient)


def test_random_states_stay_as_they_were(model):
    own = torch.Generator().manual_seed(3)

    def inputs():
        random.random()
        np.random.rand()  # noqa: NPY002
        return X + torch.rand(40, 6)

    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy(), own.get_state()  # noqa: NPY002
    first, second = (layer_features(model, "first", inputs)["first"] for _ in range(2))
    layer_features(model, "first", DataLoader(PAIRS, 8, shuffle=True))
    layer_features(model, "first", DataLoader(PAIRS, 8, shuffle=True, generator=own))
    assert torch.equal(first, second)  # draws are the same each time
    assert torch.equal(states[0], torch.get_rng_state()) and states[1] == random.getstate()
    assert np.array_equal(states[2], np.random.get_state()[1]) and torch.equal(states[3], own.get_state())  # noqa: NPY002


def test_a_network_that_draws_in_its_forward_gives_the_same_each_time():
    net = nn.Sequential(nn.Linear(6, 4))
    net.register_forward_pre_hook(lambda module, given: nn.functional.dropout(given[0], 0.5))
    assert torch.equal(*(layer_features(net, "0", X)["0"] for _ in range(2)))


@dataclass
class Output:
    count: int
    hidden: torch.Tensor


class Shaped(nn.Module):
    "Returns what it was made with."

    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, x):
        return self.output


AXES = torch.arange(40 * 3 * 5 * 4.0).reshape(40, 3, 5, 4)


@pytest.mark.parametrize(("output", "select", "expected"), [
    (AXES[:, 0, 0], None, AXES[:, 0, 0]),
    ((AXES[:, 0, 0], 1), None, AXES[:, 0, 0]),
    ({"loss": 1.0, "hidden": AXES[:, 0, 0]}, None, AXES[:, 0, 0]),
    (Output(3, AXES[:, 0, 0]), None, AXES[:, 0, 0]),
    (Output(3, AXES[:, 0, 0]), lambda output: output.hidden + 1, AXES[:, 0, 0] + 1),
    (AXES, ..., AXES.reshape(-1, 4)),
    (AXES[:, 0], -1, AXES[:, 0, -1]),
    (AXES[:, 0], [0, 1], AXES[:, 0, :2].reshape(-1, 4)),
    (AXES, (1, -1), AXES[:, 1, -1]),
    (AXES, slice(1), AXES[:, :1].reshape(-1, 4)),
    (AXES, "channels", AXES.movedim(1, -1).reshape(-1, 3)),
    (AXES[:, :, 0], "channels", AXES[:, :, 0].movedim(1, -1).reshape(-1, 3)),
    (AXES[:, 0, 0].bfloat16(), None, AXES[:, 0, 0].bfloat16().float()),
    (AXES[:, 0, 0].half(), None, AXES[:, 0, 0].half().float()),
    (AXES[:, 0, 0].double(), None, AXES[:, 0, 0].double()),
    (AXES[:, 0, 0].int(), None, AXES[:, 0, 0].double()),
    (AXES[:, 0, 0] > 3, None, (AXES[:, 0, 0] > 3).double()),
])
def test_what_is_taken_of_an_output(output, select, expected):
    net = Shaped(output)
    found = layer_features(net, net, X, select=select)["(model)"]
    assert found.dtype == expected.dtype and torch.equal(found, expected)


@pytest.mark.parametrize(("output", "select", "words"), [
    (1.0, None, "returns float without a tensor"), (AXES[0, 0, 0], None, "gives shape (4,)"),
    (AXES + 1j, ..., "torch.complex64"), (AXES, 7, "index 7 is out of bounds"), (AXES, (0, 0, 0, 0), "too many indices"),
    (AXES, (0, 0, 0), "gives shape (40,)"), (AXES[:0], ..., "gives shape (0, 3, 5, 4)"), (AXES, lambda x: 3, "returns int"),
    (AXES, "heads", "select='heads' is unknown"), (AXES, {"other": 1}, "not measured"),
])
def test_what_cannot_be_taken_is_named(output, select, words):
    net = Shaped(output)
    with pytest.raises(ValueError, match=".") as error:
        layer_features(net, net, X, select=select)
    assert words in str(error.value)


def test_axes_that_become_samples_are_noted_once_asked_for_they_are_not():
    net = Shaped(AXES)
    with pytest.warns(UserWarning, match=r"\(model\) \(40, 3, 5, 4\).*select='channels'"):
        layer_features(net, net, X)
    with pytest.warns(UserWarning) as notes:
        layer_features(Shaped(AXES[:, 0]), {"net": "(model)"}, X)
    assert len(notes) == 1 and "channels" not in str(notes[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer_features(net, net, X, select=...)


def test_a_layer_that_is_called_several_times_gives_all_samples():
    shared = nn.Linear(6, 6)
    net = nn.Sequential(shared, nn.ReLU(), shared)
    with pytest.warns(UserWarning, match="several times in one run: {'0': 2}"):
        found = layer_features(net, "0", X)["0"]
    assert found.shape == (80, 6) and torch.allclose(found[40:], net(X).detach())
    narrow = nn.Module()
    narrow.act, narrow.forward = nn.ReLU(), lambda x: narrow.act(narrow.act(x)[:, :3])
    with pytest.raises(ValueError, match=r"layers \['act'\] have \[\[3, 6\]\] neurons"):
        layer_features(narrow, "act", X)


def test_compiled_networks_and_parts_are_read(model):
    plain = layer_features(model, "blocks.*.mlp", X)
    model.blocks[1].compile(backend="eager")
    model(X)
    for one in (model, torch.compile(model, backend="eager"), nn.DataParallel(model)):
        found = layer_features(one, "blocks.*.mlp", X)
        assert list(found) == list(plain) and all(torch.allclose(found[name], plain[name]) for name in plain)


def test_a_loader_is_read_until_there_are_enough_samples(model):
    features, used = Hooks(model, "first").features(batches(DataLoader(PAIRS, 8)), most=20)
    assert features["first"].shape == (24, 8) and len(used) == 3


def test_lazy_parameters_are_refused():
    with pytest.raises(ValueError, match="lazy parameters"):
        layer_features(nn.LazyLinear(3), "(model)", X)


class Held(TensorDataset):
    "A data set that draws by itself."

    def __init__(self):
        super().__init__(X)
        self.rng, self.old, self.plain = np.random.default_rng(0), np.random.RandomState(0), random.Random(0)  # noqa: NPY002

    def __getitem__(self, i):
        return X[i] + self.rng.random() + self.old.random() + self.plain.random()


def own_generators():
    "Loaders that hold a generator somewhere, what a function returns, and how often each would draw."
    one = torch.Generator().manual_seed(0)
    several = BatchSampler(RandomSampler(PAIRS, generator=one), 8, False)
    shuffled, held = DataLoader(PAIRS, 8, shuffle=True, generator=one), Held()
    loaders = {"one": shuffled}

    def state():
        return one.get_state().tolist()

    yield state, DataLoader(PAIRS, batch_sampler=several)
    yield state, lambda: shuffled
    yield state, lambda: loaders["one"]
    yield state, (batch for batch in shuffled)
    yield state, lambda: (batch for batch in DataLoader(PAIRS, batch_sampler=several))
    yield held.rng.random.__self__.bit_generator.__getstate__, DataLoader(held, 8)
    yield held.plain.getstate, DataLoader(held, 8)
    yield lambda: held.old.get_state()[2], DataLoader(held, 8)


@pytest.mark.parametrize("place", range(8))
def test_generators_that_inputs_hold_stay_as_they_were(model, place):
    state, inputs = list(own_generators())[place]
    before = str(state())
    layer_features(model, "first", inputs)
    assert str(state()) == before


class Stateful(nn.Module):
    "Has every kind of state that a forward can change."

    def __init__(self):
        super().__init__()
        self.cell, self.linear = nn.RNNCell(6, 6), nn.Linear(6, 6)
        self.register_buffer("average", torch.zeros(6))
        self.register_buffer("codes", None)
        self.h, self.pair, self.calls, self.table = None, (torch.zeros(6), 0), 0, torch.zeros(6)

    def forward(self, x):
        self.average.data.mul_(0.9).add_(x.detach().mean(0))
        self.codes = x.detach()[:3] if self.codes is None else self.codes + 1
        self.h = self.cell(x, self.h).detach()
        self.pair[0].add_(1)
        self.table.data.add_(1)
        self.calls, self.new = self.calls + 1, x
        self.register_buffer("late", x)
        with torch.no_grad():
            self.linear.weight.div_(self.linear.weight.norm(dim=1, keepdim=True))
            self.linear.bias.data.add_(1)
        return self.linear(x + self.h)


def test_every_state_of_a_network_stays_as_it_was():
    model = Stateful()
    before = {name: one.clone() for name, one in model.state_dict().items()}
    weight = model.linear.weight
    layer_features(model, "linear", X)
    assert set(model.state_dict()) == set(before) and model.codes is None and not hasattr(model, "late")
    assert all(torch.equal(one, before[name]) for name, one in model.state_dict().items())
    assert model.h is None and model.calls == 0 and not hasattr(model, "new") and model.linear.weight is weight
    assert not model.pair[0].any() and not model.table.any()


def test_parameters_too_large_to_copy_are_watched(monkeypatch):
    monkeypatch.setattr("grok_synergy.states.COPIED", 10)
    with pytest.warns(UserWarning, match="changes while it is measured: pair, linear.weight;"):
        layer_features(Stateful(), "linear", X)


def test_a_measurement_between_forward_and_backward_does_no_harm(model):
    loss = model(X).sum()
    layer_features(model, "first", X)
    loss.backward()
    assert model.first.weight.grad.isfinite().all()


def test_inputs_that_a_network_changes_stay_as_they_were():
    inputs = X.clone()
    layer_features(nn.Sequential(nn.ReLU(inplace=True), nn.Linear(6, 3)), "1", inputs)
    assert torch.equal(inputs, X)


Pair = namedtuple("Pair", "x y")


@dataclass(frozen=True)
class Frozen:
    x: torch.Tensor


@pytest.mark.parametrize("make", [
    lambda x: x, lambda x: x.numpy(), lambda x: (x,), lambda x: [x], lambda x: {"x": x}, lambda x: {"x": x.numpy()},
    lambda x: Pair(x, 1), lambda x: UserDict(x=x), lambda x: SimpleNamespace(x=x), lambda x: Frozen(x),
    lambda x: (SimpleNamespace(x={"y": x}), None), lambda x: nn.utils.rnn.PackedSequence(x, torch.tensor([3])),
], ids=range(12))
def test_everything_that_holds_numbers_is_copied_and_moved(make):
    def numbers(value):
        if isinstance(value, torch.Tensor | np.ndarray):
            return value
        value = getattr(value, "data", value) if isinstance(value, UserDict | nn.utils.rnn.PackedSequence) else value
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else None
        return numbers(value if isinstance(value, torch.Tensor) else next(iter(parts or vars(value).values())))

    x = torch.ones(3, 2)
    given = make(x)
    copied = moved(given)
    x.zero_()
    assert type(copied) is type(given) and numbers(copied).all() and not numbers(given).any()
    if not isinstance(numbers(given), np.ndarray):
        assert numbers(moved(given, torch.device("meta"))).device.type == "meta"


def test_what_holds_no_numbers_is_handed_on():
    things = ("text", 3, None, nn.ReLU(), torch.relu, SimpleNamespace(a=1), torch.float32)
    assert all(one is other for one, other in zip(moved(things), things, strict=True))


def test_a_transformer_with_a_padding_mask_is_read_below_its_top():
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, dropout=0.0), 2)
    inputs = {"src": torch.randn(100, 5, 16), "src_key_padding_mask": torch.zeros(100, 5, dtype=torch.bool)}
    inputs["src_key_padding_mask"][:50, 3:] = True
    for layer, module in (("layers.0", encoder.layers[0]), ("layers.1", encoder.layers[1]), ("(model)", encoder)):
        outputs = []
        hook = module.register_forward_hook(lambda module, given, output, outputs=outputs: outputs.append(output))
        encoder(**inputs)  # while it trains there is no fast path
        hook.remove()
        found = layer_features(encoder, layer, inputs, select=0)[layer]
        assert torch.allclose(found, outputs[0][:, 0].detach(), atol=1e-5)
    assert encoder.use_nested_tensor


def test_errors_of_select_are_those_of_select():
    lstm = nn.LSTM(6, 12, batch_first=True)
    for select in (lambda output: output["hidden"], lambda output: 1 / 0, lambda output: output.nothing):
        with pytest.raises(ValueError, match=r"select of layer '\(model\)'.*returns tuple.*Error"):
            layer_features(lstm, "(model)", torch.randn(40, 4, 6), select=select)


def test_scripted_networks_are_refused_with_words():
    for net in (torch.jit.script(nn.Sequential(nn.Linear(6, 3))), nn.Sequential(torch.jit.trace(nn.Linear(6, 3), X))):
        with pytest.raises(ValueError, match="TorchScript.*before it was scripted"):
            layer_features(net, "0", X)
