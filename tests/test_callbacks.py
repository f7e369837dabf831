"""A probe in the trainers of Lightning and Transformers: every step once, and nothing else changed."""

import importlib
import sys
from functools import cache

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from grok_synergy.callbacks import check_trained, lightning_callback, transformers_callback
from grok_synergy.probe import Probe

PAIRS = torch.cartesian_prod(torch.arange(8), torch.arange(8))
TARGETS = PAIRS.sum(1) % 8
QUIET = dict(accelerator="cpu", enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False)


class Later:
    """A library that takes seconds to import, once a test asks for it."""

    def __init__(self, name):
        self.name = name

    def __getattr__(self, attribute):
        return getattr(importlib.import_module(self.name), attribute)


lightning, loggers, transformers = map(Later, ("lightning", "lightning.pytorch.loggers", "transformers"))


@cache
def of_pairs():
    class OfPairs(lightning.LightningModule):
        def __init__(self, manual=False):
            super().__init__()
            torch.manual_seed(0)
            self.automatic_optimization = not manual
            self.network = nn.Sequential(nn.Embedding(8, 8), nn.Flatten(), nn.Linear(16, 12), nn.ReLU(), nn.Dropout(0.1),
                                         nn.Linear(12, 8))

        def forward(self, pairs):
            return self.network(pairs)

        def training_step(self, batch, _):
            loss = cross_entropy(self.network(batch[0]), batch[1])
            self.log("logged", 2 * loss.detach())
            if self.automatic_optimization:
                return loss
            self.optimizers().zero_grad()
            self.manual_backward(loss)
            self.optimizers().step()
            return None

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    return OfPairs


def Module(manual=False):
    return of_pairs()(manual)


def fit(module, callbacks, steps=12, logger=False, **settings):
    data = torch.utils.data.TensorDataset(PAIRS, TARGETS)
    loader = torch.utils.data.DataLoader(data, batch_size=16, shuffle=True, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(1)
    trainer = lightning.Trainer(max_steps=steps, max_epochs=-1, callbacks=callbacks, logger=logger, log_every_n_steps=1,
                                **QUIET, **settings)
    trainer.fit(module, loader)
    return trainer


def weights(module):
    return torch.cat([one.detach().ravel() for one in module.parameters()])


def spied(probe, monkeypatch):
    """The steps that a probe is called at."""
    called, call = [], type(probe).__call__

    def spy(self, step, **followed):
        called.append(step)
        return call(self, step, **followed)

    monkeypatch.setattr(type(probe), "__call__", spy)
    return called


@pytest.mark.parametrize("accumulated", [1, 2])
def test_lightning_calls_once_for_every_update(monkeypatch, accumulated):
    module = Module()
    probe = Probe(module, "network.3", PAIRS, every=4)
    called = spied(probe, monkeypatch)
    fit(module, [lightning_callback(probe)], accumulate_grad_batches=accumulated)
    assert called == list(range(13))
    assert probe.dataset.step.values.tolist() == [0, 4, 8, 12]
    assert probe.dataset.loss.notnull().values.tolist() == [True] * 3 + [False]


@pytest.mark.parametrize("accumulated", [1, 2])
def test_the_loss_is_that_of_the_weights_that_are_read(accumulated):
    module = Module()
    data = [(PAIRS, TARGETS)] * 4
    trainer = lightning.Trainer(max_steps=2, max_epochs=-1, logger=False, accumulate_grad_batches=accumulated, **QUIET)
    probe = Probe(module, "network.3", PAIRS, every=1)
    trainer.callbacks.append(lightning_callback(probe))
    module.network[4].p = 0.0  # no dropout
    trainer.fit(module, torch.utils.data.DataLoader(data, batch_size=None))
    alone = Module()
    alone.network[4].p = 0.0
    assert probe.dataset.loss[0].item() == pytest.approx(cross_entropy(alone(PAIRS), TARGETS).item())
    loss = cross_entropy(alone(PAIRS), TARGETS)
    loss.backward()
    torch.optim.SGD(alone.parameters(), lr=0.1).step()
    assert probe.dataset.loss[1].item() == pytest.approx(cross_entropy(alone(PAIRS), TARGETS).item(), rel=1e-5)


def test_lightning_trains_as_it_would_without_a_probe():
    alone, watched = Module(), Module()
    fit(alone, [])
    fit(watched, [lightning_callback(Probe(watched, "network.3", PAIRS))])
    assert torch.equal(weights(alone), weights(watched)) and watched.training


def test_lightning_s_loggers_get_the_numbers(tmp_path):
    module = Module()
    trainer = fit(module, [lightning_callback(Probe(module, "network.3", PAIRS, every=6))],
                  logger=loggers.CSVLogger(tmp_path))
    rows = (next(tmp_path.rglob("metrics.csv")).read_text().splitlines())
    assert "synergy/network.3" in rows[0] and trainer.global_step == 12


def test_modules_that_update_by_themselves_are_followed():
    module = Module(manual=True)
    probe = Probe(module, "network.3", PAIRS, every=6)
    fit(module, [lightning_callback(probe)])
    assert probe.dataset.step.values.tolist() == [0, 6, 12]


def test_functions_are_called_at_due_steps_alone():
    module, asked, logged = Module(), [], []
    probe = Probe(module, "network.3", PAIRS, every=6)
    fit(module, [lightning_callback(probe, lambda numbers, step: logged.append(step),
                                    weights=lambda: asked.append(1) or 0.5)])
    assert len(asked) == 3 and logged == [0, 6, 12]
    assert probe.dataset.weights.values.tolist() == [0.5] * 3


def test_a_scalar_of_one_s_own_stands_for_the_loss():
    module = Module()
    probe = Probe(module, "network.3", PAIRS, every=6)
    fit(module, [lightning_callback(probe, loss=lambda: 7.0)])
    assert probe.dataset.loss.values.tolist() == [7.0] * 3


def gpt():
    torch.manual_seed(0)
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(
        vocab_size=9, n_positions=3, n_embd=8, n_layer=1, n_head=2, n_inner=12, bos_token_id=8, eos_token_id=8))


WORDS = torch.cat([PAIRS, TARGETS[:, None]], 1)


def trained(model, callbacks, folder, **settings):
    arguments = transformers.TrainingArguments(
        str(folder), max_steps=9, per_device_train_batch_size=16, use_cpu=True, report_to=[], disable_tqdm=True,
        save_strategy="no", logging_steps=3, remove_unused_columns=False, dataloader_pin_memory=False, **settings)
    trainer = transformers.Trainer(model, arguments, train_dataset=[{"input_ids": one, "labels": one} for one in WORDS],
                                   callbacks=callbacks)
    trainer.train()
    return trainer


@pytest.mark.parametrize("accumulated", [1, 2])
def test_transformers_calls_once_for_every_update(monkeypatch, tmp_path, accumulated):
    model = gpt()
    probe = Probe(model, "transformer.h.*.mlp.act", WORDS, select=1, every=3)
    called = spied(probe, monkeypatch)
    trainer = trained(model, [transformers_callback(probe)], tmp_path, gradient_accumulation_steps=accumulated)
    assert called == list(range(10))
    assert probe.dataset.step.values.tolist() == [0, 3, 6, 9]
    found = [row["step"] for row in trainer.state.log_history if "synergy/transformer.h.0.mlp.act" in row]
    assert found == [0, 3, 6, 9]


def test_transformers_trains_as_it_would_without_a_probe(tmp_path):
    alone, watched = gpt(), gpt()
    trained(alone, [], tmp_path)
    trained(watched, [transformers_callback(Probe(watched, "transformer.h.0.mlp.act", WORDS, select=1))], tmp_path)
    assert torch.equal(weights(alone), weights(watched)) and watched.training


@pytest.mark.parametrize("make, library", [(lightning_callback, "lightning"), (transformers_callback, "transformers")])
def test_a_missing_library_is_named(monkeypatch, make, library):
    for name in [name for name in sys.modules if name.split(".")[0] == library]:
        monkeypatch.setitem(sys.modules, name, None)
    module = Module()
    with pytest.raises(ImportError, match=rf"pip install 'grok_synergy\[{library}\]'"):
        make(Probe(module, "network.3", PAIRS))


def test_the_loss_is_not_that_of_a_scaler():
    module = Module()
    probe = Probe(module, "network.3", PAIRS, every=6)
    plugin = lightning.pytorch.plugins.MixedPrecision("16-mixed", "cpu", scaler=torch.amp.GradScaler("cpu"))
    fit(module, [lightning_callback(probe)], steps=7, plugins=[plugin])
    assert 1 < float(probe.dataset.loss[0]) < 4


def test_a_probe_of_another_network_is_refused():
    module = Module()
    with pytest.raises(ValueError, match="the probe is of another network than the one that is trained"):
        fit(module, [lightning_callback(Probe(Module(), "network.3", PAIRS))])
    part = Probe(module.network, "3", PAIRS, every=6)
    fit(module, [lightning_callback(part)])
    assert part.dataset.sizes["step"] == 3


def test_a_probe_of_another_model_is_refused(tmp_path):
    probe = Probe(gpt(), "transformer.h.0.mlp.act", WORDS, select=1)
    with pytest.raises(ValueError, match="the probe is of another network.*model_init"):
        trained(gpt(), [transformers_callback(probe)], tmp_path)


def test_a_network_shares_parameters_with_its_wrappers_and_copies_do_not():
    net = nn.Sequential(nn.Linear(4, 3))
    probe = Probe(net, "0", torch.randn(20, 4))
    check_trained(probe, torch.compile(net, backend="eager"))
    check_trained(probe, nn.DataParallel(net))
    functional = nn.Linear(4, 3)
    functional.weight = net[0].weight  # shared by another module
    check_trained(probe, functional)
    with pytest.raises(ValueError, match="another network"):
        check_trained(probe, nn.Sequential(nn.Linear(4, 3)))
