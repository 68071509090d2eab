"""amazon_kclpy_helper.py as the wheel installs it: what each option prints."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

HELPER = "amazon_kclpy_helper.py"
SOURCE = Path(__file__).parent.parent / "src"


def printed(installed, *arguments, **environment):
    """What it prints; nothing else may have come of it."""
    helper = installed.run(HELPER, *arguments, **environment)
    assert (helper.returncode, helper.stderr) == (0, "")
    return helper.stdout


def test_the_command_is_that_of_the_daemon_in_the_wheel(installed):
    # Called by its path, as without the environment's bin in PATH.
    arguments = ["--print_command", "--properties", "app.properties"]
    command = printed(installed, *arguments, PATH=os.defpath)
    assert command == f"{installed.bin}/shardwise daemon --properties-file app.properties\n"


def test_the_daemon_in_the_wheel_runs(installed):
    assert installed.run("shardwise", "--version").stdout.startswith("shardwise ")


@pytest.mark.parametrize("option", ["-p", "--properties", "--props", "--prop"])
@pytest.mark.parametrize("log", ["-l", "--log-configuration"])
def test_a_file_has_every_spelling(installed, option, log):
    command = printed(installed, "--print_command", option, "a", log, "logback.xml")
    assert command.endswith(" --properties-file a --log-configuration logback.xml\n")


def test_java_and_the_class_path_are_ignored_with_one_note(installed):
    arguments = ["-j", "/no/java", "-c", "/no/a.jar", "--path", "/no/b.jar", "-p", "a"]
    helper = installed.run(HELPER, "--print_command", *arguments)
    assert helper.returncode == 0
    assert helper.stdout == printed(installed, "--print_command", "-p", "a")
    assert helper.stderr == "Note: --java and --classpath ignored, no Java is needed.\n"


@pytest.mark.parametrize("java", [["--java"], ["-j", ""], ["-j", "--path"]])
def test_java_may_be_left_without_a_path(installed, java):
    helper = installed.run(HELPER, "--print_command", *java, "-p", "a")
    assert helper.returncode == 0, helper.stderr
    assert helper.stdout == printed(installed, "--print_command", "-p", "a")
    assert "ignored, no Java is needed.\n" in helper.stderr


def test_without_properties_nothing_is_printed_that_a_shell_would_run(installed):
    helper = installed.run(HELPER, "--print_command", "--java", "/usr/bin/java")
    assert (helper.returncode, helper.stdout) == (2, "")
    assert "--print_command needs --properties FILE, or --sample" in helper.stderr


@pytest.mark.parametrize("option", ["--sample", "--sample-props", "--use-sample-properties"])
def test_the_sample_has_a_file_of_its_own(installed, option):
    helper = installed.run(HELPER, "--print_command", "-p", "mine", option)
    *_, properties = shlex.split(helper.stdout)
    assert "executableName = sample_kclpy_app.py\n" in Path(properties).read_text()
    assert helper.stderr == "Note: --properties ignored, the sample's file is used.\n"
    assert installed.run("shardwise", "config", "check", "--strict", properties).returncode == 0


def test_the_class_path_is_empty(installed):
    helper = installed.run(HELPER, "--print_classpath", "-p", "a", "-c", "b.jar")
    assert (helper.returncode, helper.stdout) == (0, "\n")
    assert helper.stderr == "Note: the class path is empty, no jars are needed.\n"


def test_without_a_mode_there_is_usage(installed):
    assert printed(installed).startswith(f"usage: {HELPER} ")


def test_the_command_can_be_given_to_a_shell(installed):
    odd = "it's a $file"
    command = printed(installed, "--print_command", "-p", odd, SHARDWISE_BIN="/bin/echo")
    said = subprocess.check_output(["sh", "-c", command], text=True)
    assert said == f"daemon --properties-file {odd}\n"


def test_a_binary_that_is_named_but_not_there_is_an_error(installed):
    helper = installed.run(HELPER, "--print_command", "-p", "a", SHARDWISE_BIN="/no/such")
    assert (helper.returncode, helper.stdout) == (1, "")
    assert helper.stderr == "ERROR: SHARDWISE_BIN is /no/such: not an executable file\n"


def test_a_missing_binary_is_an_error_that_names_the_three_places(tmp_path):
    script = "from shardwise.command import main; main()"
    helper = subprocess.run(
        [sys.executable, "-c", script, "--print_command", "-p", "a"],
        env={"PATH": str(tmp_path), "PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert (helper.returncode, helper.stdout) == (1, "")
    for place in ["SHARDWISE_BIN", "Python package shardwise", "PATH"]:
        assert place in helper.stderr


def test_a_binary_in_path_is_found_where_the_package_has_none(tmp_path):
    binary = tmp_path / "shardwise"
    os.symlink("/bin/echo", binary)
    script = "from shardwise import find_binary; print(find_binary())"
    found = subprocess.check_output(
        [sys.executable, "-c", script],
        env={"PATH": str(tmp_path), "PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"},
        text=True,
    )
    assert found == f"{binary}\n"
