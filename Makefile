PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
INSTALL = install -c constraints.txt --progress-bar off
FROM_INDEX = $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
SAY = .ci/say.py

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

$(INSTALLED): settings.ini setup.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		"grok_synergy needs Python 3.11 or newer: name one with `make PYTHON=python3.11 ...`")'
	@echo 'Installing into .venv: PyTorch (200 MB where it is a build for the CPU; a plain one on Linux brings CUDA'
	@echo 'libraries, up to 5.9 GB), then some 180 packages (200 MB). A build for the CPU: make TORCH_INDEX=<its index,'
	@echo 'as pytorch.org/get-started names it>.'
	@$(PYTHON) $(SAY) "environment" $(PYTHON) -m venv .venv
	@$(PYTHON) $(SAY) "PyTorch" $(BIN)/pip $(INSTALL) $(FROM_INDEX) torch
	@$(PYTHON) $(SAY) "other packages" $(BIN)/pip $(INSTALL) -q -e ".[dev]"
	@touch $@

PAPERMILL = $(BIN)/papermill --no-progress-bar

figures: $(INSTALLED) ## train, measure and draw the paper's Figure 3 into build/figures/; other conditions: ARGS="-p wd 0.1"
	@mkdir -p build
	@$(BIN)/python $(SAY) "figures" $(PAPERMILL) --log-output nbs/05_figures.ipynb build/05_figures.ipynb $(ARGS)
	@echo "figure and measures: in build/figures/, if no other out_dir was given; the notebook: build/05_figures.ipynb"

# What the figures show comes first, and is drawn before the rest is done; again where the study is another.
build/first_figures.ipynb: grok_synergy/study/conditions.py | $(INSTALLED)
	@mkdir -p build
	@$(BIN)/python -c 'from grok_synergy.study import jobs; jobs.run_paper(jobs.Paper(), only_figures=True)'
	@$(BIN)/python $(SAY) "figures" $(PAPERMILL) nbs/study/09_paper_figures.ipynb build/drawn.ipynb
	@mv build/drawn.ipynb $@

paper: $(INSTALLED) build/first_figures.ipynb ## the whole paper: 220 networks, nulls, sub-networks, figures 1 to 9, verdicts; three to four and a half hours on two cores, goes on when killed
	@$(BIN)/python -c 'from grok_synergy.study import jobs; jobs.run_paper(jobs.Paper())'
	@$(BIN)/python $(SAY) "figures and verdicts" $(PAPERMILL) nbs/study/09_paper_figures.ipynb build/09_paper_figures.ipynb
	@$(BIN)/python $(SAY) "what differs from the paper and the released code" \
		$(PAPERMILL) nbs/study/10_differences.ipynb build/10_differences.ipynb
	@$(BIN)/python $(SAY) "what remains beyond a null" $(PAPERMILL) nbs/study/13_remains.ipynb build/13_remains.ipynb
	@$(BIN)/python tests/make_pages.py
	@echo "figures, verdicts and differences: figures/README.md"

pack: $(INSTALLED) ## what the jobs of `make paper` have found so far, as one small file, figures/found.tar.xz
	@$(BIN)/python -c 'from grok_synergy.study import conditions, packed; \
		print(packed.pack_found(conditions.Paper(), "figures/found.tar.xz"), "results: figures/found.tar.xz")'

unpack: $(INSTALLED) ## lay them where `make paper` and `make prediction` go on from them, perhaps on another machine
	@for found in figures/found*.tar.xz; do $(BIN)/python -c 'import sys; from grok_synergy.study import packed; \
		print(packed.unpack_found(sys.argv[1]), "results that were not here, of", sys.argv[1])' "$$found" || exit 1; done

tasks: $(INSTALLED) ## three public tasks, 30 networks, read along training with nulls; half an hour on two cores, goes on when killed
	@$(BIN)/python -c 'from grok_synergy import followed; followed.follow_all(n_jobs=2)'
	@echo "tables: figures/tables/tasks-*.nc"

prediction: $(INSTALLED) ## does early synergy foretell grokking: a pilot, 720 networks, every predictor judged; three hours on two cores, goes on when killed
	@$(BIN)/python -c 'from grok_synergy.study import prediction; prediction.run_benchmark(commit="$(shell git rev-parse --short HEAD 2>/dev/null)")'
	@$(BIN)/python tests/make_pages.py
	@echo "every predictor judged: figures/prediction.md"

audit: $(INSTALLED) ## after `make paper`: every claim under 512 combinations of choices, null and uncertainty of every curve; goes on when killed
	@$(BIN)/python -c 'import sys; from grok_synergy.study.companions import audit_lacks; sys.exit(audit_lacks())'
	@$(BIN)/python $(SAY) "packages to compare with" $(BIN)/pip $(INSTALL) -q -e ".[bench]"
	@$(BIN)/python -c 'from grok_synergy.study.companions import run_audit; run_audit()'
	@mkdir -p build
	@for page in 02a_ties study/11a_shares study/11b_companions study/12_findings; do \
		$(BIN)/python $(SAY) "$$page" $(PAPERMILL) nbs/$$page.ipynb build/$${page##*/}.ipynb || exit 1; done
	@$(BIN)/python tests/make_pages.py
	@cp build/tie-artefact.png figures/
	@echo "figures and tables: figures/"

# One thread a process: the notebooks share the cores, and small tensors crawl when every process claims them all.
# For the same reason no notebook starts processes of its own; a run would also wait two minutes for the last of them.
test test-plain test-python: export OMP_NUM_THREADS := 1
# Files that take long go first, so that no process is left with one at the end.
LONG := main_job paper audit claims package store significance ablations paper_figures search training uncertainty
test: $(INSTALLED) ## check notebooks, library and package
	@$(BIN)/python $(SAY) "notebooks, library and README agree" \
		$(BIN)/python tests/check_notebooks.py
	@$(BIN)/python $(SAY) "ruff" $(BIN)/ruff check -q || { echo 'ruff: run `make prepare`, mend what remains in notebooks and tests'; exit 1; }
	@LOKY_MAX_CPU_COUNT=1 $(BIN)/python $(SAY) "notebooks" $(BIN)/nbdev_test --n_workers 2 --do_print \
		|| { echo 'notebooks: run `make lab` and mend the cells shown above'; exit 1; }
	@$(BIN)/python $(SAY) "tests" $(BIN)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder \
		$(LONG:%=tests/test_%.py) tests \
		|| { echo 'tests: mend what is shown above, then run `make test`'; exit 1; }

# What NumPy, PyTorch, oneDNN, MKL and OpenBLAS would otherwise choose by the processor.
test-plain: export NPY_DISABLE_CPU_FEATURES = $(shell $(BIN)/python -c \
	'import numpy; print(*numpy.show_config(mode="dicts")["SIMD Extensions"]["found"])' 2>/dev/null)
test-plain: export ATEN_CPU_CAPABILITY := default
test-plain: export ONEDNN_MAX_CPU_ISA := SSE41
test-plain: export MKL_ENABLE_INSTRUCTIONS := SSE4_2
ifneq ($(filter x86_64 amd64,$(shell uname -m)),)
test-plain: export OPENBLAS_CORETYPE := Nehalem
endif
test-plain: test ## the same as on a processor without vector instructions; two threads: OMP_NUM_THREADS=2

fuzz: export OMP_NUM_THREADS := 1
fuzz: $(INSTALLED) ## 100 000 strange inputs through the public API, some twenty minutes; another seed each time
	@FUZZ=80000 $(BIN)/python $(SAY) "fuzz" $(BIN)/pytest -q -n 2 tests/test_fuzz.py

OTHER = build/$(notdir $(PYTHON))
test-python: ## the library's tests under another interpreter, in an environment of its own: PYTHON=python3.13
	@$(PYTHON) $(SAY) "environment in $(OTHER)" $(PYTHON) -m venv $(OTHER)
	@$(PYTHON) $(SAY) "PyTorch" $(OTHER)/bin/pip $(INSTALL) $(FROM_INDEX) torch
	@$(PYTHON) $(SAY) "other packages" $(OTHER)/bin/pip $(INSTALL) -q -e ".[dev]"
	@$(PYTHON) $(SAY) "tests" $(OTHER)/bin/pytest -q -n 2 --dist loadfile tests --ignore tests/test_main_job.py

prepare: $(INSTALLED) ## bring notebooks, library and README into agreement
	@$(BIN)/ruff check -q --fix-only nbs tests setup.py
	@$(BIN)/nbdev_clean
	@$(BIN)/python tests/make_lessons.py
	@$(BIN)/nbdev_export
	@$(BIN)/python tests/make_docstrings.py
	@$(BIN)/python tests/make_readme.py

pages: $(INSTALLED) ## write the pages of figures/ from the captions of the notebooks and the tables
	@$(BIN)/python tests/make_pages.py

readme: $(INSTALLED) ## write README.md from nbs/index.ipynb
	@$(BIN)/python tests/make_readme.py

lab: $(INSTALLED) ## open the notebooks in JupyterLab; its options: ARGS="--no-browser --port 9999"
	@{ command -v npm > /dev/null && $(MAKE) --silent $(DRAWS); } \
		|| echo 'the interactive figures lack their script: see `make explorer`'
	@$(BIN)/jupyter-lab $(if $(filter 0,$(shell id -u)),--allow-root) --ServerApp.root_dir=$(CURDIR) \
		--LabApp.default_url=/lab/tree/nbs/start.ipynb $(ARGS)

docs/node_modules: docs/package-lock.json
	@$(PYTHON) $(SAY) "packages for the pages" npm ci --prefix docs --no-progress --no-audit --no-fund
	@touch $@

DRAWS := grok_synergy/static/explorer.js
$(DRAWS): docs/node_modules $(wildcard docs/explorer/*)
	@npm run --silent --prefix docs explorer

explorer: $(INSTALLED) $(DRAWS) ## build the explorer's page in build/explorer/ and the widget's script; needs Node.js
	@$(BIN)/python -c 'from grok_synergy.study.explorer import write_explorer; write_explorer("build/explorer/data")'
	@echo "to see it: $(BIN)/python -m http.server --directory build/explorer"

build/docs-tools: settings.ini constraints.txt | $(INSTALLED)
	@mkdir -p build
	@$(BIN)/python $(SAY) "packages of the site" $(BIN)/pip $(INSTALL) -q -e ".[docs]"
	@touch $@

docs: build/docs-tools explorer ## build the site of the notebooks, as they were run, into build/site/; needs Node.js, and no network after the first time
	@$(BIN)/python $(SAY) "site" $(BIN)/python tests/make_docs.py

bench: $(INSTALLED) ## compare with other packages; results in benchmarks/
	@$(BIN)/python $(SAY) "packages to compare with" $(BIN)/pip $(INSTALL) -q -e ".[bench]"
	@$(BIN)/python benchmarks/bench.py

release: $(INSTALLED) explorer ## of a tagged commit: wheel and sdist in dist/, each tried in a fresh environment; nothing is uploaded
	@$(BIN)/python tests/check_release.py
	@rm -rf dist build/lib build/bdist.*
	@$(BIN)/python $(SAY) "wheel and sdist" $(BIN)/python -m build --no-isolation --outdir dist .
	@DISTRIBUTIONS=$(CURDIR)/dist $(BIN)/python $(SAY) "tests" $(BIN)/pytest -q tests/test_package.py
	@ls -l dist

clean: ## remove what can be remade, except .venv and trajectories
	rm -rf build dist grok_synergy/static docs/node_modules *.egg-info .pytest_cache .ruff_cache .hypothesis

.PHONY: help figures paper pack unpack tasks prediction audit test test-plain fuzz test-python prepare pages readme lab explorer docs bench release clean
