# make demo   a conversation on an embedded Coze, and a server to try
# make test   the tests
# make check  style, types, import contracts, audits
# make coverage   the tests again, slower: which lines and branches none of them reaches
# make reliability   plays the faults and writes them down in docs/reliability.md
# make fuzz      fifty made-up requests and more to every call: whatever comes, the answer is as described
# make endurance   a thousand turns over a socket that is cut, then a thousand streams for a minute: all whole, and no
#                  memory lost
# make pictures   draws the pictures of the documentation anew
# Each does its own set-up in .venv, from locked and hashed requirements.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL := $(PIP) install --quiet --require-hashes
OURSELVES := $(PIP) install --quiet --no-deps --no-build-isolation --no-index --editable .
COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --resolver=backtracking \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options --no-header

# Programs that are started a thousand times by the tests need not be compiled each time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test coverage check format lock reliability fuzz endurance pictures clean

demo: $(VENV)/run-ready
	@$(BIN)/realcoze demo

test: $(VENV)/dev-ready
	@tests/judges/install
	$(BIN)/pytest --numprocesses 6 --dist worksteal -m "not alone"
	$(BIN)/pytest -m alone

coverage: $(VENV)/dev-ready
	@tests/judges/install
	$(BIN)/pytest --numprocesses 6 --dist worksteal -m "not alone" --cov --cov-report=term --cov-fail-under=90

check: $(VENV)/dev-ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/bandit --quiet --recursive src --configfile pyproject.toml
	$(BIN)/detect-secrets-hook --baseline .secrets.baseline $$(git ls-files)

format: $(VENV)/dev-ready
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock: $(VENV)/dev-ready
	$(COMPILE) --upgrade pyproject.toml requirements/build.in --output-file requirements/run.txt
	$(COMPILE) --upgrade requirements/run.txt requirements/dev.in --output-file requirements/dev.txt
	for judge in anthropic cozepy langchain llm openai page schemathesis; do $(COMPILE) --upgrade tests/judges/$$judge/requirements.in \
		--output-file tests/judges/$$judge/requirements.txt || exit 1; done

reliability: $(VENV)/dev-ready
	REALCOZE_WRITE_DOCS=1 $(BIN)/pytest tests/reliability

fuzz: $(VENV)/dev-ready
	@tests/judges/install
	REALCOZE_FUZZ=50 $(BIN)/pytest --capture=no tests/judges/test_openapi.py

endurance: $(VENV)/dev-ready
	REALCOZE_TURNS=1000 $(BIN)/pytest tests/upstreams/coze_playground/whole/test_many_turns.py
	$(BIN)/python bench/endurance.py

pictures: $(VENV)/dev-ready
	@tests/judges/install
	$(BIN)/python docs/pictures/terminal.py
	$(BIN)/python tests/judges/page/take_pictures.py

clean:
	rm -rf $(VENV) build dist src/*.egg-info

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed, and there is none on the PATH."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed; $(PYTHON) is $$($(PYTHON) --version). Set PYTHON=…"; exit 1; }
	@echo "Setting up $(VENV) with $(PYTHON) …"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/run-ready: requirements/run.txt pyproject.toml | $(VENV)/bin/python
	@$(INSTALL) -r requirements/run.txt
	@$(OURSELVES)
	@touch $@

$(VENV)/dev-ready: requirements/dev.txt pyproject.toml | $(VENV)/bin/python
	@$(INSTALL) -r requirements/dev.txt
	@$(OURSELVES)
	@touch $@ $(VENV)/run-ready
