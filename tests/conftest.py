"""Every test trains and measures on the CPU, also where there is a CUDA device; those of test_cuda.py use it."""

import gc

import pytest
import torch


def pytest_collection_finish(session):
    "The collector passes over what was imported and collected, which stays to the end: a tenth of the time."
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@pytest.fixture(autouse=True, scope="module")
def on_the_cpu(request):
    "Hides a CUDA device from all modules but test_cuda: results are the same to the last bit on a CPU only."
    with pytest.MonkeyPatch.context() as patch:
        if request.module.__name__ != "test_cuda":
            patch.setattr(torch.cuda, "is_available", lambda: False)
            patch.setenv("CUDA_VISIBLE_DEVICES", "")  # for processes that a test starts
        yield
