"""Synergy and redundancy of a network's neurons while it learns to generalise, and of any table of samples.

The O-information of a group of variables is below 0 where they are synergistic, above 0 where they are redundant.
All is in bits. Arrays are (..., samples, variables). What stands below can be imported from here:

    from grok_synergy import significance

A table of samples
    copula_correlation   correlations of normal scores, with a rule for equal values
    o_information        of one group; total_correlation, dual_total_correlation, s_information
    all_multiplets       every group of variables; extremes, search_multiplet, union_multiplets
    significance         every group against a null; significance_by, compare_groups
    null_extremes        what the extreme of a search is worth; bootstrap_extremes
    target_multiplets    groups about a target
    multiplet_figure     a picture of what was found
    load_multiplets      what was saved; load_judged

A network
    measure_features     synergy and redundancy of activations at hand
    audit                the same in every way to measure
    Layer, Measurement   one layer, read by any settings, beside its nulls
    layer_features       activations of layers of any torch module; streamed_layer, for many samples
    Probe                layers of any torch module while it trains; joined, for several seeds

A run of the paper's network
    ModularTask          all pairs of a modular operation
    Experiment           every setting of a training run
    train                trains, and keeps what was trained: a Trajectory; train_many
    measure              synergy and redundancy along training; segment cuts it into phases
    condition_figure     a picture of one condition

Each notebook is the source of the module of its name: `help("grok_synergy.oinfo")`. The modules of `grok_synergy.study`
hold what is about the paper alone. The extras `plots` and `networks` bring what pictures and stored files need.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .audit import audit as audit
    from .contrasts import compare_groups as compare_groups
    from .data import ModularTask as ModularTask
    from .entropy import copula_correlation as copula_correlation
    from .figures import condition_figure as condition_figure
    from .gradients import target_multiplets as target_multiplets
    from .hooks import layer_features as layer_features
    from .judged import load_judged as load_judged
    from .layer import Layer as Layer
    from .layer import measure_features as measure_features
    from .measurement import Measurement as Measurement
    from .measures import measure as measure
    from .multiplets import all_multiplets as all_multiplets
    from .multiplets import extremes as extremes
    from .oinfo import dual_total_correlation as dual_total_correlation
    from .oinfo import o_information as o_information
    from .oinfo import s_information as s_information
    from .oinfo import total_correlation as total_correlation
    from .phases import segment as segment
    from .pictures import multiplet_figure as multiplet_figure
    from .probe import Probe as Probe
    from .results import load_multiplets as load_multiplets
    from .search import search_multiplet as search_multiplet
    from .seeds import joined as joined
    from .significance import significance as significance
    from .streams import streamed_layer as streamed_layer
    from .tested import significance_by as significance_by
    from .trainer import Experiment as Experiment
    from .training import train as train
    from .training import train_many as train_many
    from .trajectory import Trajectory as Trajectory
    from .uncertainty import bootstrap_extremes as bootstrap_extremes
    from .uncertainty import null_extremes as null_extremes
    from .unions import union_multiplets as union_multiplets

__version__ = "0.1.0"

_ROOMS = {
    "audit": "audit", "compare_groups": "contrasts", "ModularTask": "data", "copula_correlation": "entropy",
    "condition_figure": "figures", "target_multiplets": "gradients", "layer_features": "hooks",
    "load_judged": "judged", "Layer": "layer", "measure_features": "layer", "Measurement": "measurement",
    "measure": "measures", "all_multiplets": "multiplets", "extremes": "multiplets",
    "dual_total_correlation": "oinfo", "o_information": "oinfo", "s_information": "oinfo",
    "total_correlation": "oinfo", "segment": "phases", "multiplet_figure": "pictures", "Probe": "probe",
    "load_multiplets": "results", "search_multiplet": "search", "joined": "seeds", "significance": "significance",
    "streamed_layer": "streams", "significance_by": "tested", "Experiment": "trainer", "train": "training",
    "train_many": "training", "Trajectory": "trajectory", "bootstrap_extremes": "uncertainty",
    "null_extremes": "uncertainty", "union_multiplets": "unions",
}
_PICTURES = {"figures", "pictures", "seeds"}  # rooms that cannot be entered without matplotlib

__all__ = [*_ROOMS]


def __getattr__(name: str):
    "What a room defines, once it is asked for: importing them all would take seconds."
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if _ROOMS[name] in _PICTURES:
        import_module("grok_synergy.arrays").needed("matplotlib", "plots", f"{name} and other pictures")
    found = getattr(import_module(f"grok_synergy.{_ROOMS[name]}"), name)
    globals()[name] = found
    return found


def __dir__():
    return sorted({*globals(), *__all__})


class _House(ModuleType):
    "A room that is called as its function, `audit` and `significance`, does not take the function's name here."

    def __setattr__(self, name, value):
        same = isinstance(value, ModuleType) and _ROOMS.get(name) == name
        super().__setattr__(name, getattr(value, name) if same else value)


sys.modules[__name__].__class__ = _House
