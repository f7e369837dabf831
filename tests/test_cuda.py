"""A CUDA device gives what the CPU gives: training, correlations, searches, resamples, the study; skipped without one."""

import io

import numpy as np
import pytest
import torch
from test_oinfo import MEASURES
from test_paper import TINY
from test_uncertainty import BINS, planted

from grok_synergy import audit, estimators, latent, trainer
from grok_synergy.arrays import live_columns
from grok_synergy.binning import bin_means, group_neurons
from grok_synergy.data import ModularTask
from grok_synergy.entropy import TIES, copula_correlation, copula_normal, gaussian_entropy, usable_columns
from grok_synergy.hooks import layer_features
from grok_synergy.layer import measure_features
from grok_synergy.matrices import correlation, independent_columns
from grok_synergy.measurement import PRESETS
from grok_synergy.model import Weights, init_weights
from grok_synergy.multiplets import all_multiplets, extremes
from grok_synergy.oinfo import o_information
from grok_synergy.probe import Probe
from grok_synergy.search import search_multiplet
from grok_synergy.streams import streamed_layer
from grok_synergy.study.jobs import load_paper, run_paper
from grok_synergy.trainer import Experiment
from grok_synergy.training import train, train_many
from grok_synergy.uncertainty import bootstrap_extremes, null_extremes
from grok_synergy.unions import union_multiplets

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
SMALL = dict(task=ModularTask(p=23), width=32, steps=60, per_decade=10)
INIT = dict(wd=0.0, alpha=8.0, keep_norm=True, zero_last=True)
EXPERIMENTS = [Experiment(**SMALL, seeds=(0, 1)), Experiment(**SMALL, wd=0.1, seeds=(1,)), Experiment(**SMALL, **INIT)]


def rectified(samples=600, variables=12, seed=0):
    "Rectified correlated Gaussians, a third to two thirds of them zero."
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(samples, variables)) @ (np.eye(variables) + 0.3 * rng.normal(size=(variables, variables)))
    return torch.as_tensor(np.maximum(x - 0.3, 0))


def assert_same(on_device, on_cpu, atol=1e-10):
    "The same numbers, and where the input was."
    assert on_device.is_cuda and not on_cpu.is_cuda
    torch.testing.assert_close(on_device.cpu(), on_cpu, rtol=0, atol=atol)


# Training

@pytest.fixture
def double_precision(monkeypatch):
    monkeypatch.setattr(trainer, "init_weights", lambda *given: Weights(*(one.double() for one in init_weights(*given))))


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=["weight decay 1", "weight decay 0.1", "alpha 8"])
def test_networks_are_those_of_the_cpu(experiment, tmp_path, double_precision):
    ours, theirs = (train(experiment, store=tmp_path / device, device=device, progress=False).data
                    for device in ("cuda", "cpu"))
    for name in ("W1", "b1", "W2", "train_loss", "test_loss"):
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-5, atol=1e-7, err_msg=name)


def test_networks_trained_together_are_those_trained_alone(tmp_path, double_precision):
    together = train_many(EXPERIMENTS, store=tmp_path / "together", progress=False)  # the device is found
    for experiment, found in zip(EXPERIMENTS, together, strict=True):
        alone = train(experiment, store=tmp_path / "alone", progress=False)
        np.testing.assert_allclose(found.data.W1, alone.data.W1, rtol=1e-5, atol=1e-7)


def test_a_run_goes_on_where_it_was_left(tmp_path, monkeypatch, double_precision):
    [whole, *_] = train_many(EXPERIMENTS[:1], store=tmp_path / "whole", device="cuda", progress=False)
    update, done = trainer.Trainer.update, []

    def interrupted(trainer):
        if len(done) == 30:
            raise KeyboardInterrupt
        done.append(update(trainer))

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(trainer.Trainer, "update", interrupted)
        train_many(EXPERIMENTS[:1], store=tmp_path / "cut", device="cuda", progress=False)
    [again] = train_many(EXPERIMENTS[:1], store=tmp_path / "cut", device="cuda", progress=False)
    assert len(done) == 30
    np.testing.assert_allclose(again.data.W1, whole.data.W1, rtol=1e-5, atol=1e-7)  # sums are not ordered on the device


def test_what_was_trained_on_the_device_is_read_on_a_cpu(tmp_path):
    on_device, on_cpu = (train(EXPERIMENTS[0], store=tmp_path, device=device, progress=False) for device in ("cuda", "cpu"))
    assert on_cpu.data.identical(on_device.data)  # nothing is left to train


# Correlations

@pytest.mark.parametrize("ties", TIES)
def test_copulas_are_those_of_the_cpu(ties):
    x = rectified()
    assert_same(copula_normal(x.cuda(), ties=ties), copula_normal(x, ties=ties))
    assert_same(copula_correlation(x.cuda(), ties=ties), copula_correlation(x, ties=ties))
    single = torch.stack([x.float(), rectified(seed=1).float()])
    assert_same(copula_correlation(single.cuda(), ties=ties), copula_correlation(single, ties=ties))


def test_columns_that_are_left_out_are_those_of_the_cpu():
    x = torch.cat([rectified(), torch.zeros(600, 1), rectified()[:, :1]], 1)
    assert_same(correlation(rectified().cuda()), correlation(rectified()))
    for choose in (live_columns, usable_columns):
        assert_same(choose(x.cuda()), choose(x))
    corr = copula_correlation(x[:, live_columns(x)])
    assert_same(independent_columns(corr.cuda()), independent_columns(corr))
    with pytest.raises(ValueError, match="column"):
        copula_correlation(x.cuda())


@pytest.mark.parametrize("lags", [None, 20])
def test_estimators_for_zeros_are_those_of_the_cpu(lags):
    x = rectified(variables=6)
    options = {} if lags is None else {"lags": lags}
    assert_same(latent.kendall_tau(x.cuda(), **options), latent.kendall_tau(x, **options))
    assert_same(latent.truncated_columns(x.cuda()), latent.truncated_columns(x))
    ours, theirs = (latent.truncated_correlation(t) for t in (x.cuda(), x))
    assert_same(ours, theirs)
    bent = theirs.clone()
    bent[0, 1] = bent[1, 0] = -0.9
    bent[0, 2] = bent[2, 0] = bent[1, 2] = bent[2, 1] = 0.9
    assert_same(latent.nearest_correlation(bent.cuda()).corr, latent.nearest_correlation(bent).corr, 1e-6)
    ours, theirs = (estimators.on_off_information(t) for t in (x.cuda(), x))
    np.testing.assert_allclose(torch.as_tensor(ours.omega).cpu(), torch.as_tensor(theirs.omega))
    assert ours._repr_markdown_() == theirs._repr_markdown_()


# Information and searches

@pytest.fixture
def corr():
    return copula_correlation(rectified())


@pytest.mark.parametrize("measure", [gaussian_entropy, *MEASURES])
def test_information_is_that_of_the_cpu(measure, corr):
    assert_same(measure(corr.cuda()), measure(corr))
    assert_same(measure(corr.cuda(), n_samples=600), measure(corr, n_samples=600))


@pytest.mark.parametrize("options", [{}, {"min_size": 3, "max_size": 5}, {"n_samples": 600},
                                     {"blocks": np.arange(12) // 3}], ids=str)
def test_all_multiplets_are_those_of_the_cpu(options, corr):
    for t in (corr, torch.stack([corr, torch.eye(12, dtype=torch.float64)])):
        ours, theirs = all_multiplets(t.cuda(), **options), all_multiplets(t, **options)
        np.testing.assert_array_equal(ours.masks, theirs.masks)
        assert_same(ours.tc, theirs.tc)
        assert_same(ours.dtc, theirs.dtc)
        assert repr(ours) == repr(theirs)
        assert ours._repr_html_() == theirs._repr_html_()


@pytest.mark.parametrize("variables", [12, 26])
def test_extremes_are_those_of_the_cpu(variables):
    corr = copula_correlation(rectified(variables=variables))
    ours, theirs = (extremes(t, min_size=3, top=3, n_samples=600) for t in (corr.cuda(), corr))
    np.testing.assert_array_equal(ours.masks, theirs.masks)
    np.testing.assert_allclose(ours.omega.cpu(), theirs.omega, rtol=0, atol=1e-9)
    assert ours.synergy == pytest.approx(theirs.synergy) and ours._repr_html_() == theirs._repr_html_()


@pytest.mark.parametrize("options", [{}, {"n_samples": 300}, {"containing": [3, 60]},
                                     {"among": range(20, 50), "min_size": 3}], ids=str)
@pytest.mark.parametrize("batch", [(), (3,)])
def test_low_orders_are_those_of_the_cpu(options, batch):
    corr = correlation(torch.as_tensor(np.random.default_rng(0).normal(size=(*batch, 300, 70))))
    size = 4 if "containing" in options else 3
    ours, theirs = (all_multiplets(t, max_size=size, **options) for t in (corr.cuda(), corr))
    np.testing.assert_array_equal(ours.groups, theirs.groups)
    for name in ("tc", "dtc"):
        assert_same(getattr(ours, name), getattr(theirs, name), atol=1e-11)
    edges = np.linspace(-1, 1, 11) + 1e-4  # 0 lies on none of them
    ours, theirs = (extremes(t, max_size=3, top=20, histogram=edges, **options) for t in (corr.cuda(), corr))
    np.testing.assert_array_equal(ours.counts, theirs.counts)
    assert_same(ours.omega, theirs.omega, atol=1e-11)
    np.testing.assert_array_equal(ours.groups, theirs.groups)


def test_thresholds_and_singular_triplets_are_those_of_the_cpu():
    x = np.random.default_rng(0).normal(size=(300, 70))
    corr = torch.as_tensor(np.corrcoef(x.T))
    ours, theirs = (extremes(t, max_size=3, below=-0.02, above=0.02) for t in (corr.cuda(), corr))
    np.testing.assert_array_equal(ours.groups, theirs.groups)
    x[:, 9] = x[:, 3] + x[:, 30]
    with pytest.raises(ValueError, match="in the group of columns 3, 9 and 30"):
        all_multiplets(torch.as_tensor(np.corrcoef(x.T)).cuda(), max_size=3)


@pytest.mark.parametrize("seed", range(3))
def test_unions_are_those_of_the_cpu(seed):
    corr = copula_correlation(rectified(2000, 60, seed))
    bins = np.random.default_rng(seed).integers(10, size=60)
    ours, theirs = (union_multiplets(t, bins, n_samples=2000) for t in (corr.cuda(), corr))
    np.testing.assert_array_equal(ours.masks, theirs.masks)
    assert_same(ours.omega, theirs.omega, 1e-9)


@pytest.mark.parametrize("extreme", ["synergy", "redundancy"])
@pytest.mark.parametrize("size", [4, None])
def test_a_search_finds_the_extreme_of_all(size, extreme, corr):
    found = search_multiplet(corr.cuda(), size, extreme=extreme)  # other random numbers than on a CPU
    omega = all_multiplets(corr, min_size=size or 3, max_size=size).omega
    best = omega.min() if extreme == "synergy" else omega.max()
    assert found.omega == pytest.approx(float(best), abs=1e-9)
    assert found.omega == pytest.approx(float(o_information(corr[list(found.members)][:, list(found.members)])))


@pytest.mark.parametrize("options", [{}, {"bins": BINS}, {"ties": "ordinal"}], ids=str)
@pytest.mark.parametrize("search", [null_extremes, bootstrap_extremes])
@pytest.mark.filterwarnings("ignore:the resampled")
def test_draws_are_those_of_the_cpu(search, options):
    x = torch.as_tensor(planted())
    ours, theirs = search(x.cuda(), draws=20, **options), search(x, draws=20, **options)
    assert ours.members == theirs.members and repr(ours) == repr(theirs)
    for name in ("draws",) if search is null_extremes else ("same", "anew", "displacement"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=1e-9)


# Activations

def test_activations_are_measured_as_on_the_cpu():
    x = rectified(2000, 20).float()
    for preset in PRESETS:
        ours, theirs = measure_features(x.cuda(), preset), measure_features(x, preset)
        assert repr(ours) == repr(theirs)
    np.testing.assert_array_equal(group_neurons(x.cuda(), 5), group_neurons(x, 5))
    assert_same(bin_means(x.cuda(), group_neurons(x, 5)), bin_means(x, group_neurons(x, 5)), 1e-6)


def test_audit_takes_activations_of_the_device():
    x = rectified(400, 12).float()
    ours, theirs = audit(x.cuda(), draws=1), audit(x, draws=1)
    assert ours.table.to_csv() == theirs.table.to_csv()
    ours.plot().savefig(io.BytesIO())


# Any network

def test_a_probe_follows_a_network_of_the_device():
    net = torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.ReLU(), torch.nn.Dropout(), torch.nn.Linear(16, 2))
    x = torch.randn(300, 6, generator=torch.Generator().manual_seed(0))
    on_cpu = layer_features(net, "1", x)["1"]
    net.cuda()
    states = torch.cuda.get_rng_state_all()
    found = layer_features(net, "1", x)["1"]  # the inputs are moved to the network
    torch.testing.assert_close(found, on_cpu, rtol=0, atol=1e-5)
    assert torch.equal(layer_features(net, "1", x.cuda())["1"], found)
    half = layer_features(net.bfloat16(), "1", x.bfloat16())["1"]
    assert half.dtype == torch.float32 and not half.is_cuda
    probe = Probe(net.float(), "1", x, nulls="columns", draws=2)
    assert np.isfinite(probe(0)["excess_synergy/1"])
    assert all(map(torch.equal, states, torch.cuda.get_rng_state_all())) and net.training


@pytest.mark.parametrize("kept", [64, None])
def test_two_passes_are_those_of_the_cpu(kept):
    x = rectified(4000, 20).float()
    ours, theirs = (streamed_layer(t.split(700), kept=kept) for t in (x.cuda(), x))
    assert_same(ours.corr, torch.as_tensor(theirs.corr))
    assert ours.error == pytest.approx(theirs.error) and ours.sketch.most == theirs.sketch.most
    np.testing.assert_array_equal(ours.bins(PRESETS["mid_ranks"]), theirs.bins(PRESETS["mid_ranks"]))
    assert repr(ours.read(PRESETS["mid_ranks"])) == repr(theirs.read(PRESETS["mid_ranks"]))


def test_few_samples_are_read_as_on_the_cpu():
    x = rectified(30, 50).float()
    for choices in ({"unit": "means"}, {"clustering": "none"}):
        assert repr(measure_features(x.cuda(), **choices)) == repr(measure_features(x, **choices))


# The study

def test_the_study_runs_without_a_change_of_command(tmp_path):
    run_paper(TINY, store=tmp_path / "store", tables=tmp_path / "tables", n_jobs=2, progress=False)
    found = load_paper(tmp_path / "tables")
    assert found.of("released").metrics["wd2"].seed.values.tolist() == [0, 100] and len(found.ablations)
