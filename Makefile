# Each target does its own set-up: `make sweep` runs the main job on the embedded data, `make test` the tests, `make lint`
# the linter and the type checker.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: sweep test lint slow onnx real real-folder optional bench cuda cuda-wheels counts clean docs

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@

sweep: .venv/ready
	$(BIN)/posebench sweep --mask semantic --ratios 0.2,0.4,0.6 --batch-sizes 1,32

test: .venv/ready
	$(BIN)/python -m pytest -n 2

# The package's root is this folder: the link shows it to mypy under its name.
.venv/lint/ready: .venv/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	mkdir -p .venv/lint
	ln -sfn ../.. .venv/lint/posebench
	touch $@

lint: .venv/lint/ready
	$(BIN)/ruff check .
	$(BIN)/mypy

slow: .venv/ready
	$(BIN)/python -m pytest -m slow

onnx: .venv/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,export,openvino]'
	$(BIN)/python -m pytest -m onnx

# POSEBENCH_REAL names a folder with a few real people: coco/ and mpii/ in the layouts of the README, "val" splits alone.
real: real-folder .venv/ready
	$(BIN)/python -m pytest -m real

real-folder:
	$(if $(POSEBENCH_REAL),,$(error make real: set POSEBENCH_REAL to a folder with coco/ and mpii/))

optional: .venv/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,slurm,ray,search]' transformers thop ptflops torchinfo torchprofile
	$(BIN)/python -m pytest -m optional

bench: .venv/ready
	$(BIN)/python -m pytest tests/speed --benchmark-only -o addopts=--import-mode=importlib

# For a GPU machine without network: `make cuda-wheels` where there is one, carry this folder there, `make cuda` there,
# with a python that has torch and what torch needs. CUDA_PYTHON is its version. The pins name packages of other extras,
# too.
CUDA_PYTHON ?= 3.12
CUDA_OUT ?= runs/cuda
CUDA_LEFT_OUT := torch|sympy|mpmath|networkx|fsspec|onnx|openvino|ray|submitit|cloudpickle|msgpack|jsonschema|referencing \
	|rpds|requests|certifi|charset|idna|urllib3|mypy|ruff|ast_|librt|pathspec|flatbuffers|ml_dtypes|protobuf|pytest-x|execnet
CUDA_SDISTS := fvcore|iopath
empty :=
space := $(empty) $(empty)

cuda-wheels: .venv/ready
	rm -rf cuda-wheels
	mkdir cuda-wheels
	grep -vE '^(#|$(subst $(space),,$(CUDA_LEFT_OUT))|$(CUDA_SDISTS))' constraints.txt > cuda-wheels/names.txt
	$(BIN)/python -m pip download --quiet --no-deps --only-binary :all: --python-version $(CUDA_PYTHON) \
		--platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
		--dest cuda-wheels -r cuda-wheels/names.txt
	grep -E '^($(CUDA_SDISTS))' constraints.txt > cuda-wheels/sources.txt
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir cuda-wheels -r cuda-wheels/sources.txt

cuda:
	$(PYTHON) benchmark/cuda/bare.py cuda-wheels build/cuda
	ln -sfn ../.. build/cuda/posebench
	PYTHONPATH=$(CURDIR)/build/cuda $(PYTHON) -m posebench cuda --out $(CUDA_OUT)

counts: .venv/ready
	$(BIN)/posebench flops --check tests/data/flops.json
	$(BIN)/posebench flops --check tests/data/flops_by_name.json

clean:
	rm -rf .venv build *.egg-info

# docs/commands.md is generated from the command line itself, docs/api.md from the docstrings; the site is in site/.
docs: .venv/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	$(BIN)/python -m typer posebench.cli utils docs --name posebench --output docs/commands.md
	$(BIN)/python -m mkdocs build --quiet
