PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

$(INSTALLED): settings.ini setup.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		"grok_synergy needs Python 3.11 or newer: name one with `make PYTHON=python3.11 ...`")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -c constraints.txt torch
	$(BIN)/pip install -q -c constraints.txt -e ".[dev]"
	@touch $@

figures: $(INSTALLED) ## train, measure and draw the paper's Figure 3 into figures/
	@mkdir -p build
	$(BIN)/papermill --log-output nbs/05_figures.ipynb build/05_figures.ipynb -p wd 2.0
	@echo "figures/wd2-alpha1.png, .svg and .nc; the notebook behind them: build/05_figures.ipynb"

paper: $(INSTALLED) ## the whole paper: 20 seeds of every condition, sub-networks, figures 1 to 9, verdicts; an hour to an hour and a half on two cores, goes on when killed
	@$(BIN)/python -c 'from grok_synergy.paper import main; main()'

audit: $(INSTALLED) ## after `make paper`: every claim under 512 combinations of choices, null and uncertainty of every curve; goes on when killed
	@$(BIN)/pip install -q -c constraints.txt -e ".[bench]"
	@$(BIN)/python -c 'from grok_synergy.curves import main; main()'

# One thread a process: the notebooks share the cores, and small tensors crawl when every process claims them all.
test: export OMP_NUM_THREADS := 1
test: $(INSTALLED) ## check notebooks, library and package
	@$(BIN)/python tests/check_notebooks.py
	@$(BIN)/ruff check -q || { echo 'ruff: run `make prepare`, mend what remains in notebooks and tests'; exit 1; }
	@$(BIN)/nbdev_test --n_workers 2 || { echo 'notebooks: run `make lab` and mend the cells shown above'; exit 1; }
	@$(BIN)/pytest -q -n 2 --dist loadfile tests || { echo 'tests: mend what is shown above, then run `make test`'; exit 1; }

prepare: $(INSTALLED) ## bring notebooks, library and README into agreement
	@$(BIN)/ruff check -q --fix-only nbs tests setup.py
	@$(BIN)/nbdev_clean
	@$(BIN)/nbdev_export
	@$(BIN)/python nbs/make_readme.py

readme: $(INSTALLED) ## write README.md from nbs/index.ipynb
	@$(BIN)/python nbs/make_readme.py

lab: $(INSTALLED) ## open the notebooks in JupyterLab
	@$(BIN)/jupyter-lab --ServerApp.root_dir=$(CURDIR) --LabApp.default_url=/lab/tree/nbs/index.ipynb

bench: $(INSTALLED) ## compare with other packages; results in benchmarks/
	@$(BIN)/pip install -q -c constraints.txt -e ".[bench]"
	@$(BIN)/python benchmarks/bench.py

clean: ## remove what can be remade, except .venv and trajectories
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis

.PHONY: help figures paper audit test prepare readme lab bench clean
