# Every habit of this project has its name here; CI calls the same ones.

# Everything that has to hold before a change lands; of the tests that live long, those that the change touches
check: lint types imports lock-is-current test touched

# Style, types, imports, and the tests that some files touch; without files, those that differ from main
quick *files:
    uv run python .ci/quick.py {{files}}

# Of the tests that live long, those that what differs from main touches; CI runs all of them
touched *arguments:
    uv run python .ci/quick.py --long {{arguments}}

# The tests
test *arguments:
    uv run pytest {{arguments}}

# The storage's tests on PostgreSQL; with other files or none, those or all of them
postgres *files="tests/unit/test_storage.py tests/unit/test_search.py tests/unit/test_outbox.py tests/unit/test_support_case_pending.py tests/unit/test_side_project.py":
    uv run pytest --postgres {{files}}

# Style and likely mistakes
lint:
    uv run ruff format --check
    uv run ruff check
    uv run hadolint Dockerfile

# Types, strictly
types:
    uv run mypy

# Imports go one way, down
imports:
    uv run lint-imports

# Write down the versions; those that are named, or with --all every one, move to the newest that fits
lock *names:
    uv run python .ci/versions.py lock {{names}}

# Fail unless a new machine would install exactly the versions that are written down
lock-is-current:
    uv run python .ci/versions.py check

# The benchmark, with its floor
bench *arguments:
    uv run python -m bench {{arguments}}

# Record the histories that later versions have to replay; all of this version anew with --anew
record *arguments:
    uv run python -m tests.replay.record {{arguments}}

# Live the years of tests/years anew, of all playbooks or those that are named, and write down what happens in them
years *playbooks:
    uv run python -m tests.years.record {{playbooks}}

# Take the README's pictures anew
pictures:
    uv run python docs/pictures/take.py
