"""Times grok_synergy against other packages and against plain code; writes results.md and orders.svg beside this file.

Every section runs in a process of its own, with its number of threads set before NumPy and torch are loaded.
"""

import argparse
import io
import json
import math
import os
import platform
import resource
import subprocess
import sys
import time
import traceback
from contextlib import redirect_stderr, suppress
from datetime import date
from functools import lru_cache, partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import combinations, count
from pathlib import Path
from statistics import median

import matplotlib
import numpy as np
import torch
from scipy.special import ndtri
from scipy.stats import norm, rankdata
from sklearn.cluster import AgglomerativeClustering
from threadpoolctl import threadpool_limits

from grok_synergy import oinfo
from grok_synergy.arrays import live_columns
from grok_synergy.binning import ward_bins
from grok_synergy.entropy import TIES, copula_correlation, usable_columns
from grok_synergy.layer import Layer, measure_features
from grok_synergy.measurement import PRESETS
from grok_synergy.model import hidden_features
from grok_synergy.nulls import design_of
from grok_synergy.probe import Probe
from grok_synergy.streams import streamed_layer
from grok_synergy.trainer import Experiment, Trainer

HERE = Path(__file__).resolve().parent
CPUS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count()))
PACKAGES = {"THOI": ("thoi", "thoi"), "HOI": ("hoi", "hoi"), "syntropyx": ("syntropyx", "syntropy")}  # package, module
CAP = 60  # seconds: what took longer is not run on larger problems; no repeats after twice as many
OURS = "grok_synergy"


# Measuring


def set_threads(threads):
    "The same number of threads, and of processors, for every library."
    torch.set_num_threads(threads)
    threadpool_limits(threads)
    if hasattr(os, "sched_setaffinity"):  # JAX asks for nothing else
        os.sched_setaffinity(0, CPUS[-threads:])


def duration(call, loops=1):
    "Seconds of one call, the mean of some."
    start = time.perf_counter()
    for _ in range(loops):
        call()
    return (time.perf_counter() - start) / loops


def race(alternatives, repeats, least=0.05):
    "Seconds of each alternative's first call, and of its later ones; the alternatives take turns."
    first = {name: duration(call) for name, call in alternatives.items()}
    second = {name: duration(call) if first[name] < 1 else first[name] for name, call in alternatives.items()}
    loops = {name: min(10_000, 1 + int(least / seconds)) for name, seconds in second.items()}
    later = {name: [] for name in alternatives}
    for _ in range(repeats):
        for name, call in alternatives.items():
            if not later[name] or sum(later[name]) * loops[name] < 2 * CAP:
                later[name].append(duration(call, loops[name]))
    return first, later


def number(value):
    "Three digits, without an exponent."
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def spread(values, unit=""):
    "Median, with the lowest and highest."
    if len(values) == 1:
        return f"{number(values[0])}{unit} (1 run)"
    return f"{number(median(values))}{unit} ({number(min(values))}–{number(max(values))})"


def seconds(values):
    "Median and range of times, in the unit that suits them."
    unit, factor = next(((unit, factor) for unit, factor in ((" s", 1), (" ms", 1e3)) if median(values) * factor >= 1),
                        (" µs", 1e6))
    return spread([value * factor for value in values], unit)


def ratios(slow, fast):
    "How many times as long, round by round."
    return [a / b for a, b in zip(slow, fast, strict=False)]


def bar(value, least=None, most=None, unit="×"):
    "A bar, and whether a value meets it: the end of a spread that is nearest to missing it."
    met = value >= least if most is None else value <= most
    return (f"≥ {number(least)}{unit}" if most is None else f"≤ {number(most)}{unit}") + (": met" if met else ": missed")


def installed(alternatives):
    "Those alternatives whose package is there, by the first word of their name."
    return {name: call for name, call in alternatives.items()
            if (peer := name.split()[0]) not in PACKAGES or find_spec(PACKAGES[peer][1])}


def jidt_jar():
    "JIDT's jar, where its path was given (--jidt or JIDT_JAR) and jpype is there; else why not."
    path = os.environ.get("JIDT_JAR")
    if not path:
        return None, "the path of its jar was not given (`--jidt`, or the variable JIDT_JAR)"
    if not Path(path).is_file():
        return None, f"there is no file {path}"
    return (Path(path), "") if find_spec("jpype") else (None, "jpype is not installed")


def say(*words):
    "A line of progress."
    print(*words, file=sys.__stderr__, flush=True)


# Data


def gaussian_samples(n, samples=9409, seed=0):
    "Gaussian samples with random correlations: (samples, n)."
    rng = np.random.default_rng(seed)
    return rng.normal(size=(samples, 2 * n)) @ rng.normal(size=(2 * n, n))


def factor_samples(n, seed, samples=2000, factors=20):
    "Gaussian samples of a factor model: (samples, n)."
    rng = np.random.default_rng(seed)
    return rng.normal(size=(samples, factors)) @ rng.normal(size=(factors, n)) + 2 * rng.normal(size=(samples, n))


@lru_cache
def network_features(steps):
    "Activations of a network of the paper, weight decay 2, after some steps: (3763, 250) float32."
    trainer = Trainer([(Experiment.paper(), 0)])
    for _ in range(steps):
        trainer.update()
    task = trainer.experiment.task
    return hidden_features(trainer.weights, task.pairs[task.train_index])[0].contiguous()


# 1. All orders


def thoi_orders(corr):
    "THOI's measures of every order, from the correlations: a data frame, nats."
    from thoi.measures.gaussian_copula import multi_order_measures
    return multi_order_measures(corr, covmat_precomputed=True)


def hoi_orders(x):
    "HOI's Ω of every order, from the samples: the model and its float32 values, bits."
    from hoi.metrics import Oinfo
    model = Oinfo(x, verbose="error")
    return model, model.fit(minsize=3, maxsize=x.shape[1], method="gc", biascorrect=False)


def syntropyx_orders(corr):
    "Syntropyx's Ω of every order, from the correlations, one multiplet at a time: by mask, nats."
    from syntropy.gaussian import o_information
    n = len(corr)
    return {sum(1 << i for i in members): o_information(corr, members)
            for order in range(3, n + 1) for members in combinations(range(n), order)}


def jidt_orders(corr):
    "JIDT's Ω of every order, from the correlations, one multiplet at a time: by mask, nats."
    import jpype
    if not jpype.isJVMStarted():
        jpype.startJVM("-XX:+UseSerialGC", f"-XX:ActiveProcessorCount={torch.get_num_threads()}",
                       classpath=[str(jidt_jar()[0])])
    calculator = jpype.JClass("infodynamics.measures.continuous.gaussian.OInfoCalculatorGaussian")()
    matrix, n, found = jpype.JArray(jpype.JDouble, 2), len(corr), {}
    for order in range(3, n + 1):
        for members in combinations(range(n), order):
            calculator.initialise(order)
            calculator.setCovariance(matrix(corr[np.ix_(members, members)].tolist()))
            found[sum(1 << i for i in members)] = calculator.computeAverageLocalOfObservations()
    return found


def omega_of_table(entropy):
    "Ω of every mask, from the entropy of every mask."
    n = len(entropy).bit_length() - 1
    masks = np.arange(2**n)
    omega = (np.bitwise_count(masks) - 2.0) * entropy
    for i in range(n):
        inside = masks[masks >> i & 1 == 1]
        omega[inside] += entropy[1 << i] - entropy[inside ^ 1 << i]
    return omega


def numpy_loop(corr):
    "Ω of every mask in bits: one slogdet for each subset."
    n = len(corr)
    entropy = np.zeros(2**n)
    for mask in range(1, 2**n):
        members = [i for i in range(n) if mask >> i & 1]
        entropy[mask] = np.linalg.slogdet(corr[np.ix_(members, members)])[1] / math.log(4)
    return omega_of_table(entropy)


def numpy_batched(corr):
    "Ω of every mask in bits: one slogdet for each order."
    n = len(corr)
    entropy = np.zeros(2**n)
    for order in range(1, n + 1):
        members = np.array(list(combinations(range(n), order)))
        logdet = np.linalg.slogdet(corr[members[:, :, None], members[:, None]])[1]
        entropy[(1 << members).sum(1)] = logdet / math.log(4)
    return omega_of_table(entropy)


def order_alternatives(x):
    "The ways to all orders of one data set."
    corr = copula_correlation(x)
    return installed({
        OURS: lambda: oinfo.all_multiplets(corr),
        "grok_synergy from samples": lambda: oinfo.all_multiplets(copula_correlation(x)),
        "THOI": lambda: thoi_orders(corr),
        "HOI": lambda: hoi_orders(x),
        "syntropyx": lambda: syntropyx_orders(corr),
        **({"JIDT": lambda: jidt_orders(corr)} if jidt_jar()[0] else {}),
        "NumPy batches": lambda: numpy_batched(corr),
        "NumPy loop": lambda: numpy_loop(corr)})


def agreement(n):
    "Largest difference of Ω between ours and each other result, orders 3 to n, data without ties."
    x = gaussian_samples(n)
    corr = copula_correlation(x)
    by_mask = np.full((2, 2**n), np.nan)
    for row, n_samples in zip(by_mask, (None, len(x)), strict=True):
        found = oinfo.all_multiplets(corr, min_size=3, n_samples=n_samples)
        row[found.masks] = found.omega
    plain, corrected = by_mask

    def thoi(frame):
        return frame[[f"var_{i}" for i in range(n)]].to_numpy() @ (1 << np.arange(n)), frame.o.to_numpy() / math.log(2)

    def thoi_samples():
        from thoi.measures.gaussian_copula import multi_order_measures
        return thoi(multi_order_measures(x))

    def hoi():
        model, omega = hoi_orders(x)
        return [sum(1 << int(i) for i in members if i >= 0) for members in model.multiplets], omega[:, 0]

    def by_masks(found):
        return list(found), np.array(list(found.values())) / math.log(2)

    def syntropyx(correlations):
        return by_masks(syntropyx_orders(correlations))

    def syntropyx_samples():
        from syntropy.gaussian.utils import copula_transform
        return syntropyx(copula_transform(x.T.copy())[1])

    all_masks = np.arange(2**n)[np.bitwise_count(np.arange(2**n)) > 2]
    results = installed({
        "THOI from correlations (nats)": (lambda: thoi(thoi_orders(corr)), plain),
        "THOI from samples, bias corrected (nats)": (thoi_samples, corrected),
        "HOI from samples (bits, float32)": (hoi, plain),
        "syntropyx from correlations (nats)": (lambda: syntropyx(corr), plain),
        "syntropyx from samples (nats, its copula: (rank − ½) / N)": (syntropyx_samples, plain),
        **({"JIDT from correlations (nats)": (lambda: by_masks(jidt_orders(corr)), plain)} if jidt_jar()[0] else {}),
        "NumPy loop": (lambda: (all_masks, numpy_loop(corr)[all_masks]), plain)})
    rows = []
    for name, (call, reference) in results.items():
        masks, omega = call()
        rows.append({"against": name, "multiplets": len(masks),
                     "max abs. ΔΩ, bits": f"{abs(omega - reference[masks]).max():.1e}"})
    return rows


def order_ratios(timings):
    "How many times as long the others take, at some n."
    bars, rows = {("THOI", 10): 50, ("THOI", 15): 150, ("THOI", 20): 300, ("HOI", 15): 1000}, []
    for n in sorted({10, 15, 20, max(timings)} & set(timings)):
        times = timings[n]
        for name in times:
            for fast in (OURS, "grok_synergy from samples") if name == "HOI" else (OURS,):
                if not name.startswith(OURS):
                    values = ratios(times[name], times[fast])
                    least = bars.get((name, n))
                    rows.append({"n": n, "time of": f"{name}, warm" if name == "HOI" else name, "over that of": fast,
                                 "ratio": spread(values, "×"), "bar": bar(min(values), least) if least else "–"})
    return rows


def draw_orders(timings, folder):
    "Seconds against n for every alternative, as orders.svg."
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    from grok_synergy.look import COLOURS
    looks = {OURS: ("vermilion", "o"), "THOI": ("blue", "s"), "HOI": ("green", "^"), "syntropyx": ("purple", "D"),
             "JIDT": ("orange", "P"), "NumPy batches": ("sky blue", "v"), "NumPy loop": ("black", "x")}
    plt.rcParams.update({"font.size": 9, "svg.hashsalt": "orders"})
    figure, axes = plt.subplots(figsize=(5, 3.6), layout="constrained")
    for name, (colour, marker) in looks.items():
        sizes = [n for n in timings if name in timings[n]]
        if sizes:
            low, mid, high = (np.array([pick(timings[n][name]) for n in sizes]) for pick in (min, median, max))
            axes.errorbar(sizes, mid, [mid - low, high - mid], color=COLOURS[colour], marker=marker, markersize=4.5,
                          linewidth=1.2, capsize=2, label="HOI (warm)" if name == "HOI" else name)
    axes.set(yscale="log", xlabel="number of variables n", ylabel="seconds", xticks=[n for n in timings if n % 5 == 0])
    axes.grid(alpha=0.3, linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(folder / "orders.svg", metadata={"Date": None})


def orders(options):
    "Ω of every group of n variables: ours, three packages, two ways in NumPy."
    timings, rows, too_slow = {}, [], {}
    for n in range(5, 8) if options.quick else range(5, 21):
        alternatives = order_alternatives(gaussian_samples(n))
        first, timings[n] = race({name: alternatives[name] for name in alternatives if name not in too_slow},
                                 2 if options.quick else 5)
        rows.append({"n": n, "multiplets": f"{2**n - n - 1:,}"})
        for name in first:
            if name == "HOI":
                rows[-1]["HOI, first call"] = seconds([first[name]])
            rows[-1]["HOI, warm" if name == "HOI" else name] = seconds(timings[n][name])
        too_slow |= {name: n for name in first if max(first[name], *timings[n][name]) > CAP}
        say("orders, n =", n)
    draw_orders(timings, options.folder)
    notes = [f"{name} was not run beyond n = {n}, where one run took over {CAP} s." for name, n in too_slow.items()]
    notes += ["THOI, syntropyx and NumPy start from the correlations, as grok_synergy does. HOI takes samples only (9409). "
              "The other packages leave out pairs, since their Ω is 0. grok_synergy and NumPy count them."]
    return {"Time": rows, "": "![Seconds against the number of variables](orders.svg)", "Note": "\n".join(notes),
            "Ratios": order_ratios(timings), "Agreement": agreement(6 if options.quick else 10)}


# 2. Streamed extremes


def extremes_once(options):
    "One search in this process: seconds and peak memory."
    corr = copula_correlation(gaussian_samples(options.n))
    taken = duration(lambda: oinfo.extremes(corr))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"seconds": taken, "peak": peak}


def extremes(options):
    "Lowest and highest Ω of all groups of n variables, each in a fresh process."
    set_threads(len(CPUS))  # which the processes inherit, and lower
    most, rows = {26: 15, 30: 300}, []
    for n in (10, 12) if options.quick else (24, 26, 28, 30):
        runs = {threads: [] for threads in (1, 2) if threads <= len(CPUS)}
        for _ in range(2 if options.quick else 3):
            for threads, found in runs.items():
                if not found or sum(run["seconds"] for run in found) < 2 * CAP:
                    found.append(in_process("extremes_once", options, threads, n))
                    if "Failed" in found[-1]:
                        return found[-1]
                    say("extremes, n =", n, "threads =", threads, found[-1])
        for threads, found in runs.items():
            taken, peak = [run["seconds"] for run in found], [run["peak"] / 2**30 for run in found]
            bars = [bar(max(taken), most=most[n], unit=" s"), bar(max(peak), most=4, unit=" GiB")] if n in most else ["–"]
            rows.append({"n": n, "multiplets": f"{2**n - n - 1:,}", "threads": threads, "time": seconds(taken),
                         "peak memory": spread(peak, " GiB"), "bar": "; ".join(bars)})
    return {"": rows}


# 3. Unions of bins


def plain_unions(corr, bins):
    "Ω in bits of every union of two bins or more: one Cholesky factor and one inverse for each."
    labels = np.unique(bins, return_inverse=True)[1]
    position = [torch.as_tensor(np.flatnonzero(labels == b)) for b in range(labels.max() + 1)]
    omega = []
    for mask in range(2 ** len(position)):
        if mask.bit_count() > 1:
            members = torch.cat([part for b, part in enumerate(position) if mask >> b & 1])
            factor = torch.linalg.cholesky(corr[members[:, None], members])
            precision = torch.cholesky_inverse(factor).diagonal()
            omega.append(-2 * factor.diagonal().log2().sum() - precision.log2().sum() / 2)
    return torch.stack(omega)


def usable_features(steps):
    "Network features without degenerate neurons, as float32 tensor."
    x = network_features(steps)
    return x[:, usable_columns(x)]


def union_cases():
    "Correlations and bins: (name, corr, bins)."
    cases = []
    for steps in (60, 400):
        x = usable_features(steps)
        corr = copula_correlation(x)
        cases.append((f"features, step {steps}, Ward", corr, ward_bins(x)))
        if steps == 60:
            cases.append((f"features, step {steps}, balanced", corr, np.arange(len(corr)) * 10 // len(corr)))
    return cases


def unions(options):
    "Neuron-wise Ω of every union of ten bins of the network's neurons."
    rows = []
    for name, corr, bins in union_cases():
        _, times = race({OURS: lambda corr=corr, bins=bins: oinfo.union_multiplets(corr, bins),
                         "plain": lambda corr=corr, bins=bins: plain_unions(corr, bins)}, 2 if options.quick else 7)
        difference = (oinfo.union_multiplets(corr, bins).omega - plain_unions(corr, bins)).abs().max()
        values = ratios(times["plain"], times[OURS])
        rows.append({"case": name, "neurons in each bin": " ".join(map(str, sorted(np.bincount(bins), reverse=True))),
                     OURS: seconds(times[OURS]), "Cholesky for each union": seconds(times["plain"]),
                     "ratio": spread(values, "×"), "bar": bar(min(values), 10), "max abs. ΔΩ, bits": f"{difference:.1e}"})
    return {"": rows}


# 4. One checkpoint


def plain_correlation(x, ties, quantile):
    "The copula's correlations by SciPy and NumPy."
    ranks = rankdata(x, axis=0) if ties == "average" else x.argsort(0).argsort(0) + 1
    return np.corrcoef(quantile(ranks / (len(x) + 1)), rowvar=False)


def plain_checkpoint(x, ties):
    "Lowest and highest Ω of unions of ten Ward bins by SciPy, scikit-learn and torch, without bias correction."
    corr = plain_correlation(x, ties, norm.ppf)
    bins = AgglomerativeClustering(n_clusters=10).fit_predict(x.T)
    omega = plain_unions(torch.as_tensor(corr), bins)
    return float(omega.min()), float(omega.max())


def checkpoint(options):
    "From a layer's features to its synergy and redundancy, in parts and against plain code."
    rows = []
    for steps in (60,) if options.quick else (60, 400):
        x, kept = network_features(steps), usable_features(steps)
        plain, bins = kept.numpy(), ward_bins(kept)
        for preset, settings in PRESETS.items():
            corr = copula_correlation(kept, settings.ties)
            n_samples = len(x) if settings.bias_correction else None
            parts = {
                "whole": lambda preset=preset, x=x: measure_features(x, preset, degenerate="drop"),
                "copula": lambda ties=settings.ties, kept=kept: copula_correlation(kept, ties),
                "Ward": lambda kept=kept: ward_bins(kept),
                "unions": lambda corr=corr, bins=bins, n=n_samples: oinfo.union_multiplets(corr, bins, n_samples=n),
                "plain": lambda plain=plain, ties=settings.ties: plain_checkpoint(plain, ties)}
            _, times = race(parts, 2 if options.quick else 7)
            reading = measure_features(kept, preset, bias_correction=False, degenerate="drop")
            difference = np.abs(np.subtract([-reading.synergy, reading.redundancy], plain_checkpoint(plain, settings.ties)))
            rows.append({"preset": preset, "step": steps, "whole": seconds(times["whole"]),
                         "bar": bar(1e3 * max(times["whole"]), most=120, unit=" ms"),
                         **{name: seconds(times[name]) for name in ("copula", "Ward", "unions")},
                         "plain path": seconds(times["plain"]), "ratio": spread(ratios(times["plain"], times["whole"]), "×"),
                         "max abs. ΔΩ, bits": f"{difference.max():.1e}"})
            say("checkpoint, step", steps, preset)
    return {"": rows}


# 5. Copula


def copula(options):
    "Ranks, scores and correlations of one checkpoint's features, for every rule of ties."
    x = network_features(60)
    x = x[:, live_columns(x)].contiguous()
    array = x.numpy()
    calls = {ties: lambda ties=ties: copula_correlation(x, ties) for ties in TIES}
    calls |= {"torch.sort": lambda: torch.sort(x, dim=0), "SciPy": lambda: plain_correlation(array, "average", ndtri)}
    _, times = race(calls, 2 if options.quick else 9)
    rows = [{"": f'ties="{ties}"', "time": seconds(times[ties]),
             "over torch.sort alone": spread(ratios(times[ties], times["torch.sort"]), "×"),
             "rankdata, ndtri and corrcoef over it": spread(ratios(times["SciPy"], times[ties]), "×")} for ties in TIES]
    rows += [{"": "`torch.sort` alone", "time": seconds(times["torch.sort"])},
             {"": "`scipy.stats.rankdata`, `ndtri`, `numpy.corrcoef`", "time": seconds(times["SciPy"])}]
    difference = np.abs(copula_correlation(array) - plain_correlation(array, "average", ndtri)).max()
    return {"": rows, "Many samples": many_samples(options),
            "Note": f"{x.shape[0]} samples of {x.shape[1]} neurons, float32, step 60. With mid-ranks our "
                    f"correlations differ from SciPy's by at most {difference:.1e}."}


def many_samples(options):
    "From many samples of ten variables to Ω of all orders, against THOI and against the sort alone."
    rows, samples = [], 20_000 if options.quick else 1_000_000
    for dtype in ("float32", "float64"):
        x = gaussian_samples(10, samples).astype(dtype)

        def thoi(x=x):
            from thoi.measures.gaussian_copula import multi_order_measures
            return multi_order_measures(x)

        _, times = race(installed({"all": lambda x=x: oinfo.all_multiplets(copula_correlation(x)),
                                   "copula": lambda x=x: copula_correlation(x), "THOI": thoi,
                                   "torch.sort": lambda x=x: torch.sort(torch.as_tensor(x.T), dim=-1),
                                   "numpy.sort": lambda x=x: np.sort(x.T, axis=-1)}), 2 if options.quick else 5)
        row = {"samples of ten": f"{samples:,}, {dtype}", "all orders": seconds(times["all"]),
               "copula": seconds(times["copula"])}
        for alone in ("torch.sort", "numpy.sort"):
            row[f"copula over `{alone}` alone"] = spread(ratios(times["copula"], times[alone]), "×")
        if "THOI" in times:
            values = ratios(times["THOI"], times["all"])
            row |= {"THOI over all orders": spread(values, "×"), "bar": bar(min(values), 3)}
        rows.append(row)
    return rows


# 6. Trainer


def plain_step(experiment, fused):
    "One step of the same training by `nn.Linear`, autograd and AdamW on dense one-hot inputs, as a function."
    task = experiment.task
    x, targets = task.one_hot("train"), task.targets[task.train_index]
    network = torch.nn.Sequential(torch.nn.Linear(2 * task.p, experiment.width), torch.nn.ReLU(),
                                  torch.nn.Linear(experiment.width, task.p, bias=False))
    optimiser = torch.optim.AdamW(network.parameters(), lr=experiment.lr, betas=experiment.betas, eps=experiment.eps,
                                  weight_decay=experiment.wd, fused=fused)

    def step():
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(x), targets).backward()
        optimiser.step()

    return step


def last_layer_products(experiment):
    "The three matrix products of the last layer in one step, as a function."
    p, samples = experiment.task.p, experiment.task.n_train
    hidden, weights, error = torch.rand(samples, experiment.width), torch.rand(p, experiment.width), torch.rand(samples, p)
    outputs = [torch.empty(samples, p), torch.empty(p, experiment.width), torch.empty(samples, experiment.width)]

    def products():
        for a, b, out in zip((hidden, error.T, error), (weights.T, hidden, weights), outputs, strict=True):
            torch.mm(a, b, out=out)

    return products


def trainer(options):
    "One training step: ours, `nn.Linear` with AdamW, and the last layer's products alone."
    experiment, rows = Experiment.paper(), []
    for threads in [threads for threads in (1, 2) if threads <= len(CPUS)]:
        set_threads(threads)
        torch.manual_seed(0)
        calls = {OURS: Trainer([(experiment, 0)]).update, "plain": plain_step(experiment, None),
                 "plain, fused AdamW": plain_step(experiment, True), "products": last_layer_products(experiment),
                 "five": Trainer([(experiment, seed) for seed in experiment.seeds]).update}
        _, times = race(calls, 2 if options.quick else 9, least=0.1 if options.quick else 0.5)
        times["five"] = [value / len(experiment.seeds) for value in times["five"]]
        values = ratios(times["plain"], times[OURS])
        rows.append({"threads": threads, OURS: seconds(times[OURS]), "Linear + AdamW": seconds(times["plain"]),
                     "ratio": spread(values, "×"), "bar": bar(min(values), 2.2),
                     "Linear + fused AdamW": seconds(times["plain, fused AdamW"]),
                     "its ratio": spread(ratios(times["plain, fused AdamW"], times[OURS]), "×"),
                     "W2's products alone": seconds(times["products"]),
                     "ours over products": spread(ratios(times[OURS], times["products"]), "×"),
                     "five seeds at once, each": seconds(times["five"])})
    return {"": rows, "Note": "Weight decay 2, 3763 pairs, 250 neurons, float32. Linear + AdamW is a step of "
                              "`training.plain_loop`."}


# 7. Search


def repaired_greedy():
    "THOI's greedy search; in 0.2.42 its collector expects arguments that are no longer passed."
    from unittest.mock import patch

    import thoi.heuristics
    from thoi.collectors import top_k_nplets

    def collect(index, measures, batch, top_k, metric, largest):
        return top_k_nplets(index, measures, min(top_k, len(index)), metric, largest)

    def greedy(*args, **kwargs):
        with patch.object(sys.modules["thoi.heuristics.greedy"], "batch_to_tensor", collect):
            return thoi.heuristics.greedy(*args, **kwargs)

    return greedy


def thoi_searches(corr, size, largest, time_for, quick):
    "THOI's searches, each again and again until it has had `time_for` seconds: name, members, seconds."
    from thoi.heuristics import simulated_annealing
    corr, greedy = torch.as_tensor(corr), repaired_greedy()
    steps = 200 if quick else 5000
    slow = dict(initial_temp=1.0, cooling_rate=1e-5 ** (1 / steps), max_iterations=steps, early_stop=steps, repeat=100)
    methods = {
        "greedy": lambda turn: greedy(corr, 3, size, covmat_precomputed=True, repeat=10 * 4**turn, batch_size=20_000,
                                      largest=largest),
        "annealing": lambda turn: simulated_annealing(corr, size, covmat_precomputed=True, largest=largest, verbose=30),
        "long annealing": lambda turn: simulated_annealing(corr, size, covmat_precomputed=True, largest=largest, verbose=30,
                                                           **slow)}
    torch.manual_seed(0)
    for name, method in methods.items():
        found, turn, start = [], 0, time.perf_counter()
        while not found or time.perf_counter() - start < time_for:
            groups, scores = method(turn)
            best = (scores if scores.ndim == 1 else scores[:, -1]).argsort(descending=largest)[0]
            found.append(groups[best].tolist())
            turn += 1
        yield name, found, time.perf_counter() - start


def search_cases(quick):
    "Correlations to search: (name, corr)."
    n, seeds, checkpoints = (40, [0], [60]) if quick else (250, range(4), [60, 400])
    samples = {f"factor model, seed {seed}": factor_samples(n, seed) for seed in seeds}
    samples |= {f"features, step {steps}": usable_features(steps)[:, :n].numpy() for steps in checkpoints}
    samples |= {f"random matrix, seed {seed}": gaussian_samples(n, 3000, seed) for seed in seeds[:2]}
    return [(name, copula_correlation(x)) for name, x in samples.items()]


def score(corr, members):
    "Ω of one multiplet, bits."
    return float(oinfo.o_information(corr[np.ix_(members, members)]))


def search(options):
    "Groups of one size with extreme Ω: our search against THOI's searches with as much time or more."
    from grok_synergy.search import search_multiplet
    size, rows, tally = 5 if options.quick else 10, [], {}
    for name, corr in search_cases(options.quick):
        for extreme, sign in (("synergy", -1), ("redundancy", 1)):
            run = partial(search_multiplet, corr, size, extreme=extreme, seed=0)
            ours, taken = score(corr, list(run().members)), [duration(run) for _ in range(3)]
            found, longer = run(), run(restarts=8 if options.quick else 80)
            row = {"data": name, "extreme": extreme, "grok_synergy Ω": f"{ours:.4f}", "its time": seconds(taken),
                   "agreement": f"{found.agreement:.0%}", "Ω with 20 times the families": f"{longer.omega:.4f}",
                   "short of it": f"{1 - ours / longer.omega:.1%}"}
            rivals = thoi_searches(corr, size, sign > 0, max(taken), options.quick) if find_spec("thoi") else []
            values = {}
            for rival, groups, spent in rivals:
                values[rival] = sign * max(sign * score(corr, group) for group in groups)
                row |= {f"THOI {rival} Ω": f"{values[rival]:.4f}", f"{rival}, time": number(spent) + " s"}
            if values:
                values["best of the three"] = sign * max(sign * value for value in values.values())
                outcomes = {rival: outcome(sign * (ours - value)) for rival, value in values.items()}
                row["against the best"] = outcomes["best of the three"]
                for rival, result in outcomes.items():
                    tally.setdefault(rival, []).append(result)
            rows.append(row)
            say("search,", name, extreme)
    counts = [{"against THOI's": rival, **{result: results.count(result) for result in ("win", "draw", "loss")}}
              for rival, results in tally.items()]
    note = (f"Ω, in bits, is recomputed from the best {size} variables found. Equal within 1e-6 is a draw. Each of THOI's "
            "searches is repeated (greedy from more starts) until it has had our time. Annealing has default settings. "
            "Long annealing has 100 chains and 5000 steps from temperature 1 to 1e-5. THOI's `greedy` fails in 0.2.42, "
            "and the arguments of its collector are repaired here.")
    return {"": rows, "Outcomes": counts, "Note": note}


def outcome(gain):
    "A win, a draw or a loss, from how much more extreme ours is."
    return "draw" if abs(gain) < 1e-6 else "win" if gain > 0 else "loss"


# 8. Many matrices


def batch(options):
    "Ω of every group of ten variables, for a thousand matrices at once."
    count, n = (20, 6) if options.quick else (1000, 10)
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(count, 200, 2 * n)) @ rng.normal(size=(count, 2 * n, n))
    corr = copula_correlation(samples)
    _, times = race(installed({"at once": lambda: oinfo.all_multiplets(corr),
                               "one by one": lambda: [oinfo.all_multiplets(one) for one in corr],
                               "THOI at once": lambda: thoi_orders(corr)}), 2 if options.quick else 5)
    return {"": [{"": name if "THOI" in name else f"grok_synergy, {name}", "time": seconds(values),
                  "for one matrix": seconds([value / count for value in values]),
                  "over at once": spread(ratios(values, times["at once"]), "×")} for name, values in times.items()],
            "Note": f"{count:,} matrices of {n} variables."}


# 9. Nulls


def nulls(options):
    "One draw of each null with its reading, against a reading of the layer itself."
    steps, experiment = 60, Experiment.paper(seeds=range(0, 1000, 100))
    trainer, task = Trainer([(experiment, seed) for seed in experiment.seeds]), experiment.task
    for _ in range(5 if options.quick else steps):
        trainer.update()
    whole = [x.contiguous() for x in hidden_features(trainer.weights, task.pairs)]
    rows, settings, factors = task.train_index.numpy(), PRESETS["mid_ranks"], design_of(task.pairs, task.n_pairs)
    first, *others = (Layer(x[rows]) for x in whole)
    responding, seeds = Layer(whole[0]), count()
    calls = {"the layer": lambda: Layer(whole[0][rows]).read(settings),
             "columns": lambda: first.null("columns", next(seeds)).read(settings),
             "responses": lambda: responding.null("responses", next(seeds), factors=factors, rows=rows).read(settings),
             "chimera": lambda: first.null("chimera", next(seeds), others=others).read(settings)}
    _, times = race(calls, 2 if options.quick else 9, 0.05 if options.quick else 1.0)
    values = {name: ratios(times[name], times["the layer"]) for name in calls}
    return {"": [{"": name, "time": seconds(times[name]), "readings": spread(values[name]),
                  "bar": "–" if name == "the layer" else bar(max(values[name]), most=1.3, unit="")} for name in calls]}


# 10. Low orders


def low_orders_once(options):
    "The extremes and the best thousand of all triplets of n variables in this process: seconds and peak memory."
    corr = copula_correlation(gaussian_samples(options.n, 2 * options.n))
    taken = duration(lambda: oinfo.extremes(corr, min_size=3, max_size=3, top=1000))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"seconds": taken, "peak": peak}


def low_orders_alone(options):
    "Time and peak memory of triplets with two threads, each time in a fresh process."
    n, threads = 60 if options.quick else 500, min(2, len(CPUS))
    set_threads(len(CPUS))  # which the processes inherit, and lower
    runs = [in_process("low_orders_once", options, threads, n) for _ in range(2 if options.quick else 5)]
    set_threads(options.threads)
    if any("Failed" in run for run in runs):
        return {"work": f"triplets of {n}", "bar": "failed"}
    taken, peak = [run["seconds"] for run in runs], [run["peak"] / 2**30 for run in runs]
    return {"work": f"triplets of {n}, extremes and top 1000, {threads} threads", "multiplets": f"{math.comb(n, 3):,}",
            "grok_synergy": seconds(taken), "peak memory": spread(peak, " GiB"),
            "bar": f"{bar(max(taken), most=5, unit=' s')}; {bar(max(peak), most=1, unit=' GiB')}"}


def low_orders(options):
    "All triplets or quadruplets of many variables, and all orders of few, from correlations."
    rounds, n = 2 if options.quick else 5, 20 if options.quick else 100
    corr, rows = copula_correlation(gaussian_samples(n)), []

    def thoi():
        from thoi.measures.gaussian_copula import multi_order_measures
        return multi_order_measures(corr, covmat_precomputed=True, min_order=3, max_order=3)

    def race_row(work, count, calls, limit):
        _, times = race(installed(calls), rounds)
        row = {"work": work, "multiplets": f"{count:,}", **{name: seconds(values) for name, values in times.items()}}
        for name in list(times)[1:]:
            values = ratios(times[name], times[OURS])
            row |= {"other": name, name: None, "its time": seconds(times[name]), "ratio": spread(values, "×"),
                    "bar": bar(min(values), limit)}
        rows.append({name: value for name, value in row.items() if value is not None})
        say("low orders,", work)
        return times[OURS]

    race_row(f"triplets of {n}", math.comb(n, 3), {
        OURS: lambda: oinfo.all_multiplets(corr, min_size=3, max_size=3), "THOI": thoi}, 10)
    rows.append(low_orders_alone(options))
    taken = race_row(f"quadruplets of {n}, extremes", math.comb(n, 4), {
        OURS: lambda: oinfo.extremes(corr, min_size=4, max_size=4)}, None)
    rows[-1]["bar"] = bar(max(taken), most=3, unit=" s")
    for few in (5, 6) if options.quick else range(5, 11):
        small = copula_correlation(gaussian_samples(few))
        race_row(f"all orders of {few}", 2**few - few - 1, {
            OURS: partial(oinfo.all_multiplets, small), "NumPy batches": partial(numpy_batched, small)}, 1)
    return {"": rows, "Note": "NumPy batches find Ω alone, by one "
                              "`slogdet` for each order, and check nothing."}


# 11. Probe


class OneLayer(torch.nn.Module):
    "A transformer of one layer that adds two numbers modulo p, read at a third token."

    def __init__(self, p=113, width=128):
        super().__init__()
        self.words, self.places = torch.nn.Embedding(p + 1, width), torch.nn.Parameter(torch.randn(3, width))
        self.block = torch.nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True)
        self.head = torch.nn.Linear(width, p)

    def forward(self, words):
        return self.head(self.block(self.words(words) + self.places)[:, -1])


def probe(options):
    "A step of training a one-layer transformer, and a measurement of two of its layers by a probe."
    p = 29 if options.quick else 113
    torch.manual_seed(0)
    pairs = torch.cartesian_prod(torch.arange(p), torch.arange(p))
    pairs = pairs[torch.randperm(len(pairs))[:int(0.3 * len(pairs))]]
    words, targets = torch.cat([pairs, torch.full((len(pairs), 1), p)], 1), pairs.sum(1) % p
    model = OneLayer(p, 32 if options.quick else 128)
    layers = {"attention": "block.self_attn", "hidden": "block.linear1"}
    select = {"attention": -1, "hidden": lambda x: torch.relu(x[:, -1])}
    follower, steps = Probe(model, layers, words, select=select, every=100), count(1)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def step():
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model(words), targets).backward()
        optimiser.step()

    _, times = race({"step": step, "measurement": lambda: follower.measure(next(steps))}, 2 if options.quick else 9)
    shares = ratios(times["measurement"], times["step"])  # per cent of a hundred steps
    return {"": [{"layers": ", ".join(f"{name}, {n} neurons" for name, n in follower.widths.items()),
                  "samples": f"{len(words):,}", "a training step": seconds(times["step"]),
                  "a measurement": seconds(times["measurement"]), "share of 100 steps": spread(shares, " %"),
                  "bar": bar(max(shares), most=5, unit=" %")}],
            "Note": f"Addition modulo {p}, 30 % of all pairs in one batch, float32; no nulls."}


# 12. Layers as they are


def peak_memory():
    "Most bytes that this process has held."
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def layer_batches(samples, neurons, rows=20_000):
    "Rectified neurons of 16 signals and noise, made anew batch by batch: (rows, neurons) float32."
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(16, neurons)).astype(np.float32) / 4
    for first in range(0, samples, rows):
        x = rng.standard_normal((min(rows, samples - first), neurons), dtype=np.float32)
        x += rng.standard_normal((len(x), 16), dtype=np.float32) @ weights - np.float32(0.2)
        yield np.maximum(x, 0, out=x)


def wide_once(options):
    "One reading of n neurons in this process: seconds and peak memory, that of the samples included."
    x = next(layer_batches(2000 if options.quick else 20_000, options.n))
    return {"seconds": duration(lambda: measure_features(x)), "peak": peak_memory()}


def stream(options):
    "What makes the batches of n samples."
    return partial(layer_batches, options.n, 64 if options.quick else 256)


def streamed_once(options):
    "A reading of n samples in two passes: seconds without the making of batches, memory over the start."
    made, before = 2 * duration(lambda: [None for _ in stream(options)()]), peak_memory()
    taken = duration(lambda: streamed_layer(stream(options)).read(PRESETS["mid_ranks"]))
    return {"seconds": taken - made, "peak": peak_memory() - before}


def collected_once(options):
    "The same of all samples in one table, which counts as memory."
    made, before = duration(lambda: [None for _ in stream(options)()]), peak_memory()
    taken = duration(lambda: measure_features(np.concatenate(list(stream(options)()))))
    return {"seconds": taken - made, "peak": peak_memory() - before}


def layers(options):
    "Readings of wide layers and of many samples, whole and in two passes, each in a fresh process with two threads."
    threads, rows = min(2, len(CPUS)), []
    set_threads(len(CPUS))  # which the processes inherit, and lower
    wide = [(256, 10, 2)] if options.quick else [(2048, 10, 2), (4096, 60, 4)]
    many = 40_000 if options.quick else 1_000_000
    few = "2,000" if options.quick else "20,000"
    works = [("wide_once", n, f"{n} neurons, {few} samples", limits) for n, *limits in wide]
    works += [("collected_once", many, f"{many:,} samples, collected", None),
              ("streamed_once", many, f"{many:,} samples, in two passes", (None, 1))]
    for name, n, work, limits in works:
        runs = [in_process(name, options, threads, n) for _ in range(1 if n == many else 3)]
        if any("Failed" in run for run in runs):
            rows.append({"work": work, "bar": "failed"})
            continue
        taken, peak = [run["seconds"] for run in runs], [run["peak"] / 2**30 for run in runs]
        bars = [bar(max(values), most=most, unit=unit) for values, most, unit in
                zip((taken, peak), limits or (), (" s", " GiB"), strict=False) if most]
        rows.append({"work": work, "time": seconds(taken), "peak memory": spread(peak, " GiB"),
                     "bar": "; ".join(bars) or "–"})
        say("layers,", work)
    set_threads(options.threads)
    note = (f"{threads} threads, float32. The many samples are of {64 if options.quick else 256} neurons. Their time is "
            "without that of making the batches, and their memory is what was added to a process that had made the batches "
            "once.")
    return {"": rows, "Note": note}


# Running and reporting


SECTIONS = {orders: "1. All orders", extremes: "2. Extremes of many variables", unions: "3. Unions of bins",
            checkpoint: "4. One checkpoint", copula: "5. Copula", trainer: "6. Training step", search: "7. Search",
            batch: "8. Many matrices at once", nulls: "9. Nulls", low_orders: "10. Low orders", probe: "11. Probe",
            layers: "12. Layers as they are"}


def in_process(name, options, threads, n=None):
    "What a section returns when it is run in a fresh process with so many threads."
    command = [sys.executable, __file__, "--child", name, "--threads", str(threads), "--folder", str(options.folder)]
    command += (["--quick"] if options.quick else []) + (["--n", str(n)] if n else [])
    limits = dict.fromkeys(["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"], str(threads))
    done = subprocess.run(command, env=os.environ | limits | {"TQDM_DISABLE": "1"}, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        return {"Failed": f"Not measured: the process ended with status {done.returncode}."}
    return json.loads(done.stdout.splitlines()[-1])


def run_child(options):
    "Runs one section in this process and prints its rows as JSON."
    set_threads(options.threads)
    try:
        with redirect_stderr(io.StringIO()):  # progress bars of others
            result = globals()[options.child](options)
    except Exception as error:
        traceback.print_exc()
        result = {"Failed": f"Not measured: {type(error).__name__}."}
    print(json.dumps(result))


def processor():
    "The processor's model name."
    info = Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")] \
        if info.exists() else []
    return names[0] if names else platform.processor()


def machine():
    "What was measured on, in words."
    packages = ["grok_synergy", "numpy", "scipy", "scikit-learn", "torch", *(name for name, _ in PACKAGES.values()), "jax"]
    found = []
    for name in packages:
        with suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = platform.freedesktop_os_release()["PRETTY_NAME"] if sys.platform == "linux" else platform.system()
    return (f"On {processor()}, {len(CPUS)} cores ({platform.machine()}), {memory:.0f} GiB, {system}, "
            f"Python {platform.python_version()}, {', '.join(found)}.")


def markdown(content):
    "Rows as a Markdown table, words as a paragraph."
    if isinstance(content, str):
        return content
    columns = list(dict.fromkeys(name for row in content for name in row))
    lines = [columns, ["---"] * len(columns), *([str(row.get(name, "–")) for name in columns] for row in content)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def section_text(section, tables, options, load):
    "One section of the report, without its heading."
    summary = f"{section.__doc__} {date.today()}, load average before: {load[0]:.1f}, after: {load[1]:.1f}."
    if section not in (extremes, trainer, layers):
        summary += f" Threads: {options.threads}."
    summary += f" {machine()}"
    parts = [markdown(content) if name in ("", "Note", "Failed") else f"**{name}**\n\n{markdown(content)}"
             for name, content in tables.items() if content]
    absent = [name for name, (_, module) in PACKAGES.items() if not find_spec(module)]
    if absent and section in (orders, search, batch, low_orders):
        parts.append(f"Not installed, so not compared: {', '.join(absent)}.")
    if section is orders and not jidt_jar()[0]:
        parts.append(f"JIDT was not compared: {jidt_jar()[1]}.")
    return "\n\n".join([summary, *parts])


def refuse_load(options, own_until):
    "The load average of others; ends the run where it is above the limit, once what this run left has had time to go."
    while not options.quick and os.getloadavg()[0] > options.load and time.monotonic() < own_until:
        time.sleep(5)
    load = os.getloadavg()[0]
    if load > options.load and not options.quick:
        sys.exit(f"the load average is {load:.2f}, above --load {options.load:.2g}: end other programs and begin again "
                 "(--only remakes single sections), or state a higher limit")
    return load


def report(options):
    "Runs the chosen sections and writes results.md; sections not chosen are kept as they were."
    options.folder.mkdir(parents=True, exist_ok=True)
    path = options.folder / "results.md"
    header = "\n\n".join([
        "# Benchmarks", "`benchmarks/bench.py` times this package against others and against plain code, and writes this "
        "page. The alternatives take turns. Times are medians over the rounds, with the lowest and highest in "
        "brackets. Ratios are taken round by round and given in the same way. A bar is met where the worst of the rounds "
        f"meets it. A section is refused where other programs' load average is above {options.load:.2g}. Each says where "
        "it ran, as sections may come from several machines."
        + " This was a quick run of small problems, in which bars mean little." * options.quick])
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    texts = dict(part.split("\n", 1) for part in old.split("\n## ")[1:])
    failed, quiet_until = [], 0.0
    for section, title in SECTIONS.items():
        if section.__name__ in (options.only or [section.__name__]):
            before, start = refuse_load(options, quiet_until), time.perf_counter()
            tables = in_process(section.__name__, options, options.threads)
            load, quiet_until = (before, os.getloadavg()[0]), time.monotonic() + 180
            failed += [section.__name__] * ("Failed" in tables)
            texts[title] = "\n" + section_text(section, tables, options, load) + "\n"
            say(f"{section.__name__}: {time.perf_counter() - start:.0f} s")
            parts = [f"## {title}\n{texts[title].rstrip()}" for title in SECTIONS.values() if title in texts]
            path.write_text("\n\n".join([header, *parts]) + "\n", encoding="utf-8")
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


def main():
    "Reads the command line."
    parser = argparse.ArgumentParser(description="Times grok_synergy against other packages; results in benchmarks/.")
    parser.add_argument("--quick", action="store_true", help="small problems, few repeats; results in build/benchmarks/")
    parser.add_argument("--only", action="append", choices=[section.__name__ for section in SECTIONS], help="one section")
    parser.add_argument("--threads", type=int, default=1, help="threads of every library (default 1)")
    parser.add_argument("--load", type=float, default=0.5, help="highest load average that is not refused (default 0.5)")
    parser.add_argument("--jidt", metavar="JAR", help="JIDT's infodynamics.jar, to compare with (jpype is needed)")
    for name, kind in {"--child": str, "--n": int, "--folder": Path}.items():
        parser.add_argument(name, type=kind, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.jidt:
        os.environ["JIDT_JAR"] = options.jidt  # for the processes that run the sections
    options.folder = options.folder or (HERE.parent / "build" / "benchmarks" if options.quick else HERE)
    (run_child if options.child else report)(options)


if __name__ == "__main__":
    main()
