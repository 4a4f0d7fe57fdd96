# What each target does stands in README.md; the work is in scripts/. Every target sets up what it needs.
.POSIX:
.PHONY: build serve test soak check bench peers lock

# The first Python new enough to run our scripts; a virtual environment's own is looked through by the scripts.
FIND_PYTHON = for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; python=; done; \
	test -n "$$python" || { echo 'Python 3.11 or newer is missing: apt-get install python3 python3-venv' >&2; exit 1; }; \
	exec "$$python"

build:
	@$(FIND_PYTHON) scripts/build.py

serve: build
	@exec .venv/bin/ringback dev

test:
	@$(FIND_PYTHON) scripts/run_tests.py

soak:
	@$(FIND_PYTHON) scripts/run_soak.py

check:
	@$(FIND_PYTHON) scripts/check.py

bench:
	@$(FIND_PYTHON) scripts/bench.py

peers:
	@$(FIND_PYTHON) scripts/peers.py

lock:
	@$(FIND_PYTHON) scripts/lock.py
