"""Runs each case against every implementation that offers what the case needs.

What is known to deviate stands in conformance.toml, with the reason. A deviation that is not there
any more fails the run as one that is new does.
"""

import json
import tomllib
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from servers import Fleet

HERE = Path(__file__).parent
IMPLEMENTATIONS = tomllib.loads((HERE / "conformance.toml").read_text())["implementation"]
# What a test asks for by the name of a fixture: a service, as one of its variants.
ENDPOINTS = {
    "kinesis": ("kinesis", "plain"),
    "short": ("kinesis", "short"),
    "slow": ("kinesis", "slow"),
    "limited": ("kinesis", "limited"),
    "limited_dynamodb": ("dynamodb", "limited"),
    "dynamodb": ("dynamodb", "plain"),
    "slow_dynamodb": ("dynamodb", "slow"),
}
# How an implementation shows that it deviates. That it is not there any more is none of these.
WAYS_TO_DEVIATE = (
    AssertionError,
    ClientError,
    ConnectionClosedError,
    KeyError,
    ReadTimeoutError,
    # An error that was expected did not come.
    pytest.fail.Exception,
)

FLEET = pytest.StashKey[Fleet]()
RESULTS = pytest.StashKey[list]()


def pytest_addoption(parser):
    parser.addoption("--results", help="a file for what came of each case, as JSON")
    parser.addoption("--only", help="the name of the one implementation to run against")


def pytest_configure(config):
    config.stash[FLEET] = Fleet()
    config.stash[RESULTS] = []


def offers(implementation, wanted):
    endpoints = [ENDPOINTS[name] for name in wanted]
    return all(variant in implementation.get(service, []) for service, variant in endpoints)


def pytest_generate_tests(metafunc):
    wanted = [name for name in metafunc.fixturenames if name in ENDPOINTS]
    only = metafunc.config.getoption("only")
    case = metafunc.function.__name__.removeprefix("test_")
    parameters = []
    for implementation in IMPLEMENTATIONS:
        name = implementation["name"]
        left_out = case in implementation.get("not_run", {})
        if (only and name != only) or left_out or not offers(implementation, wanted):
            continue
        reason = implementation.get("deviations", {}).get(case)
        deviates = pytest.mark.xfail(reason=reason, raises=WAYS_TO_DEVIATE, strict=True)
        parameters.append(pytest.param(name, marks=[deviates] if reason else [], id=name))
    metafunc.parametrize("implementation", parameters, scope="session")


def pytest_collection_modifyitems(config, items):
    """A deviation of a case that is not there, or not run, is a mistake in the list."""
    # Against one implementation, a case that it does not offer is none.
    against = [isinstance(item.callspec.params["implementation"], str) for item in items]
    config.hook.pytest_deselected(items=[it for it, run in zip(items, against) if not run])
    items[:] = [item for item, run in zip(items, against) if run]
    cases = {(item.callspec.params["implementation"], item.originalname) for item in items}
    names = {(item.originalname, item.fspath) for item in items}
    if len(names) != len({name for name, _ in names}):
        raise pytest.UsageError("two cases of one name: the list of deviations tells them by it")
    files = {Path(item.fspath) for item in items}
    asked_for_all = not config.getoption("only") and files == set(HERE.glob("test_*.py"))
    for implementation in IMPLEMENTATIONS if asked_for_all else []:
        for case in implementation.get("deviations", {}):
            if (implementation["name"], f"test_{case}") not in cases:
                raise pytest.UsageError(f"{implementation['name']}: no such case: {case}")


@pytest.fixture(scope="session", autouse=True)
def _ended_with_the_run(pytestconfig):
    yield
    pytestconfig.stash[FLEET].stop()


def endpoint(name):
    service, variant = ENDPOINTS[name]

    @pytest.fixture(name=name)
    def client(implementation, pytestconfig):
        return pytestconfig.stash[FLEET].client(implementation, variant, service)

    return client


kinesis = endpoint("kinesis")
short = endpoint("short")
slow = endpoint("slow")
limited = endpoint("limited")
dynamodb = endpoint("dynamodb")
slow_dynamodb = endpoint("slow_dynamodb")
limited_dynamodb = endpoint("limited_dynamodb")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "setup" and report.skipped:
        # A server that does not start deviates in nothing: it fails.
        report.outcome, report.longrepr = "failed", str(call.excinfo)
        report.__dict__.pop("wasxfail", None)
    if report.when == "call":
        item.config.stash[RESULTS].append(
            {
                "file": Path(item.fspath).stem.removeprefix("test_"),
                "line": item.function.__code__.co_firstlineno,
                "case": item.originalname.removeprefix("test_"),
                "source": " ".join((item.function.__doc__ or "").split()),
                "implementation": item.callspec.params["implementation"],
                "outcome": "deviates" if report.outcome == "skipped" else report.outcome,
            }
        )
    return report


def pytest_sessionfinish(session):
    path = session.config.getoption("results")
    if path:
        Path(path).write_text(json.dumps(session.config.stash[RESULTS], indent=1))
