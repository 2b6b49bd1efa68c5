# Everything runs from a virtual environment in .venv that make builds itself; PYTHON names the interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Processes that share the tests: one more than two cores, as many tests wait for a process, a server or a clock.
WORKERS ?= 3
# Where it is set, every process that tests start would compile the package again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install demo dist test test-all test-mteb test-open-clip lint typecheck bench docs clean

# A stamp is younger than what it was made from; pip is not asked again, so a second run needs no network.
$(VENV)/.base: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --constraint constraints.txt --editable ".[screen,serve,speech]"
	touch $@

# torch first and pinned: a bare "torch" brings several gigabytes of CUDA.
$(VENV)/.dev: $(VENV)/.base
	$(PIP) install --quiet "torch==2.13.0"
	$(PIP) install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

install: $(VENV)/.dev

demo: $(VENV)/.base
	$(BIN)/polyreel demo

# The wheel and the source distribution, with the back end that pyproject.toml names.
dist: $(VENV)/.base
	$(PIP) install --quiet --constraint constraints.txt hatchling
	$(BIN)/python -m hatchling build --directory dist

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

# open_clip lies beside the environment: its torchvision is of one build of torch only, and transformers loads it too.
# Installed under another name first: an install that broke off must not look like one that is whole.
$(VENV)/open_clip: | $(VENV)/.dev
	rm -rf $@.part
	$(PIP) install --quiet --no-deps --target $@.part \
		open_clip_torch==3.3.0 timm==1.0.31 torchvision==0.28.0 ftfy==6.3.1 wcwidth==0.9.4
	mv $@.part $@

test-open-clip: $(VENV)/open_clip
	PYTHONPATH=$(VENV)/open_clip $(BIN)/python -m pytest tests/encoders/importing/test_families.py -k "roberta or nllb or pe-core or open-clip"

# mteb lies beside the environment, with what only it needs, 380 MB; torchcodec, by which it decodes, is loaded with
# the FFmpeg that PyAV brings.
test-mteb: $(VENV)/.dev
	test -d $(VENV)/mteb || $(PIP) install --quiet --no-deps --target $(VENV)/mteb \
		mteb==2.26.24 datasets==5.2.0 dill==0.4.1 multiprocess==0.70.19 pandas==3.1.1 polars==2.1.0 \
		polars-runtime-32==2.1.0 sentence-transformers==6.2.0 torchcodec==0.13.0 xxhash==4.1.0
	$(BIN)/python scripts/link_ffmpeg.py $(VENV)/mteb-ffmpeg
	LD_LIBRARY_PATH=$(VENV)/mteb-ffmpeg PYTHONPATH=$(VENV)/mteb $(BIN)/python -m pytest tests/evaluation/test_mteb.py

# Ray is for the slow tests of many machines: 75 MB to fetch.
test-all: $(VENV)/.dev
	$(PIP) install --quiet --constraint constraints.txt --editable ".[scale]"
	$(BIN)/python -m pytest -m "slow or not slow" --timeout=3600 --hypothesis-profile=thorough

# Without ruff's cache: it does not notice that a module moved, and with it which imports are our own.
lint: $(VENV)/.dev
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --check .

typecheck: $(VENV)/.dev
	$(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/run_all.py

docs: $(VENV)/.dev
	$(PIP) install --quiet --constraint constraints.txt --editable ".[docs]"
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) build dist site .pytest_cache .mypy_cache .ruff_cache
